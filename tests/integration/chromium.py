"""A headless Chromium, driven over pipes with the DevTools protocol."""

import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager

PROGRAM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)
"""None where none is installed."""

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""What it needs on a machine without a screen, and to keep to itself."""

TEXT = """
(() => {
  const read = (node) => {
    if (node.nodeType === Node.TEXT_NODE) return node.textContent;
    if (["STYLE", "SCRIPT", "TEMPLATE"].includes(node.nodeName)) return "";
    const inside = [...(node.shadowRoot ? node.shadowRoot.childNodes : []), ...node.childNodes];
    return inside.map(read).join(" ");
  };
  return read(document.body).replace(/\\s+/g, " ");
})()
"""
"""All text of a page, within shadow roots as well."""


class Browser:
    """One page of a Chromium that runs."""

    def __init__(self, to_browser, from_browser):
        self._to_browser, self._from_browser = to_browser, from_browser
        self._number = 0
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})
        self._session = attached["sessionId"]

    def open(self, url):
        """Opens a page anew, even where only what follows the # differs."""
        for address in ("about:blank", url):
            self._call("Page.navigate", {"url": address}, self._session)

    def evaluate(self, expression):
        """Returns the value of a JavaScript expression."""
        asked = {"expression": expression, "returnByValue": True}
        return self._call("Runtime.evaluate", asked, self._session)["result"].get("value")

    def wait_for(self, is_there, expression=TEXT, seconds=60):
        """Evaluates until the value is as expected, and returns the last value."""
        deadline = time.monotonic() + seconds
        while True:
            value = self.evaluate(expression)
            if (value is not None and is_there(value)) or time.monotonic() > deadline:
                return value
            time.sleep(0.2)

    def _call(self, method, parameters, session=None):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        self._to_browser.write(json.dumps(message).encode() + b"\0")
        self._to_browser.flush()
        while True:
            answer = json.loads(self._read_message())
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _read_message(self):
        message = b"".join(iter(lambda: self._from_browser.read(1), b"\0"))
        assert message, "Chromium has gone"
        return message


@contextmanager
def start_chromium(profile):
    """Starts a Chromium with a new profile in the folder `profile`, and ends it afterwards."""
    browser_reads, to_browser = os.pipe()
    from_browser, browser_writes = os.pipe()
    # The protocol's pipes are file descriptors 3 and 4 of the browser.
    script = f'exec "$@" 3<&{browser_reads} 4>&{browser_writes}'
    options = ("--window-size=1280,1000", "--remote-debugging-pipe", f"--user-data-dir={profile}")
    command = [PROGRAM, *FLAGS, *options]
    process = subprocess.Popen(
        ["/bin/bash", "-c", script, "chromium", *command],
        pass_fds=(browser_reads, browser_writes),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(browser_reads)
    os.close(browser_writes)
    with os.fdopen(to_browser, "wb") as writer, os.fdopen(from_browser, "rb") as reader:
        try:
            yield Browser(writer, reader)
        finally:
            process.terminate()
            process.wait(timeout=30)
