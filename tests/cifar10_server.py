"""A server on this machine that an archive is downloaded from."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves one archive on 127.0.0.1 and misbehaves on request."""

    def __init__(self):
        self.content = b""
        self.claimed_length = None
        self.seconds_before_content = 0.0
        self.status = 200
        self.download_count = 0
        self.is_closing = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(server.status)
                length = server.claimed_length or len(server.content)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                # torchvision looks for redirections first, by a request it does not read.
                if self.headers["Method"] != "HEAD":
                    server.download_count += 1
                    server.is_closing.wait(server.seconds_before_content)
                    with contextlib.suppress(ConnectionError):
                        self.wfile.write(server.content)

            def log_message(self, *arguments):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/cifar-10-python.tar.gz"

    def close(self):
        self.is_closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
