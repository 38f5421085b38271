"""A TensorBoard that `bnexp tb` serves, asked through its HTTP API."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path


class Server:
    """A TensorBoard on a port of this machine."""

    def __init__(self, port, said, process):
        self.address = f"http://localhost:{port}"
        self._said, self._process = said, process

    def interrupt(self):
        """Presses Ctrl-C, which reaches bnexp and TensorBoard, and returns bnexp's exit code."""
        os.killpg(self._process.pid, signal.SIGINT)
        return self._process.wait(timeout=30)

    def find_printed_address(self):
        """Waits for the last line that `bnexp tb` prints, and returns it."""
        deadline = time.monotonic() + 90
        while not (lines := self._said.read_text().splitlines()) or "http" not in lines[-1]:
            assert time.monotonic() < deadline, lines
            time.sleep(0.1)
        return lines[-1]

    def read(self, path, body=None):
        """Returns the bytes that a path, with its query, answers with."""
        request = urllib.request.Request(f"{self.address}/{path}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def ask(self, path, body=None, **query):
        """Returns the JSON that a path answers with."""
        return json.loads(self.read(f"{path}?{urllib.parse.urlencode(query)}", body))

    def read_image(self, tag, run):
        """Returns step and PNG bytes of the one picture that a run has under a tag."""
        (image,) = self.ask("data/plugin/images/images", tag=tag, run=run, sample=0)
        return image["step"], self.read(f"data/plugin/images/individualImage?{image['query']}")

    def wait_for_runs(self, count):
        """Waits until so many runs have scalars."""
        deadline = time.monotonic() + 90
        while True:
            try:
                if len(self.ask("data/plugin/scalars/tags")) >= count:
                    return
            except (urllib.error.URLError, ConnectionError):
                pass
            assert time.monotonic() < deadline, "TensorBoard did not come up"
            time.sleep(0.3)


@contextmanager
def serve_tensorboard(*arguments, cwd):
    """Runs `bnexp tb` with those arguments on a free port, and ends it afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = Path(cwd) / f"tensorboard-{port}.txt"
    with said.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "bnexp", "tb", *arguments, "--port", str(port)],
            cwd=cwd,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Server(port, said, process)
    finally:
        process.terminate()
        process.wait(timeout=30)
