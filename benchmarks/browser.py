"""A page in headless Chromium, driven over a pipe by the DevTools protocol; what it logs and asks for is kept.

Nothing but the standard library and a Chromium on the machine. The browser ends with the block:

    with Browser() as browser:
        browser.open(path)
        browser.evaluate("document.title")
"""

import base64
import fcntl
import json
import os
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["CHROMIUM", "Browser"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
"""The browser of this machine, if there is one."""
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
)  # fmt: skip
PATIENCE_S = 60.0


def _started(words: list[str]) -> tuple[int, int, int]:
    """Start a process that is spoken to over its descriptors 3 and 4; return where it is heard, asked, and its id."""
    (to_process, asked), (heard, from_process) = os.pipe(), os.pipe()
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (to_process, from_process)]  # neither is 3 or 4
    actions: list[Any] = [(os.POSIX_SPAWN_OPEN, out, os.devnull, os.O_WRONLY, 0) for out in (1, 2)]
    actions += [(os.POSIX_SPAWN_DUP2, end, number) for end, number in zip(ends, (3, 4), strict=True)]
    process = os.posix_spawn(words[0], words, os.environ, file_actions=actions)
    for end in (to_process, from_process, *ends):
        os.close(end)
    return heard, asked, process


class Browser:
    """One page of a browser of its own.

    Attributes
    ----------
    complaints
        What the page logged as a warning or an error, and exceptions that nobody caught.
    requests
        Addresses that it asked for.
    """

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._number, self._left = 0, b""

    def __enter__(self) -> Self:
        """Start the browser and attach to a page of it."""
        assert CHROMIUM is not None, "no Chromium on this machine"
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._read, self._write, self._process = _started(
            [CHROMIUM, *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"]
        )
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Performance"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the browser."""
        os.close(self._write)
        os.close(self._read)
        with suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGTERM)
        os.waitpid(self._process, 0)
        self._profile.cleanup()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer to a command of the protocol."""
        self._number += 1
        asked = {"id": self._number, "method": method, "params": parameters}
        asked |= {"sessionId": self._session} if self._session else {}
        os.write(self._write, json.dumps(asked).encode() + b"\0")
        while (message := self._next()).get("id") != self._number:
            self._note(message)
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        result: dict[str, Any] = message["result"]
        return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            piece = os.read(self._read, 1 << 16)
            if not piece:
                raise RuntimeError("the browser has ended")
            self._left += piece
        message, _, self._left = self._left.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def _note(self, message: dict[str, Any]) -> None:
        method, said = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(said["exceptionDetails"])[:2000])
        elif method == "Log.entryAdded" and said["entry"]["level"] in ("warning", "error"):
            self.complaints.append(said["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and said["type"] in ("warning", "error", "assert"):
            self.complaints.append(str([argument.get("value") for argument in said["args"]]))

    def open(self, path: Path) -> int:
        """Open a page of ours; return after how many ms it said that it was ready."""
        self.call("Page.navigate", url=path.resolve().as_uri())
        end_s = time.monotonic() + PATIENCE_S
        while not (ready := self.evaluate("document.documentElement?.dataset.readyMs")):
            if time.monotonic() > end_s:
                raise TimeoutError(f"{path} was not ready; it said {self.complaints}")
            time.sleep(0.02)
        return int(ready)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page, once it is there."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def process_s(self) -> float:
        """Return the CPU time in s that the process of the page has taken."""
        metrics = self.call("Performance.getMetrics")["metrics"]
        return next(float(metric["value"]) for metric in metrics if metric["name"] == "ProcessTime")

    def press(self, key: str, shift: bool = False) -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, modifiers=8 * shift)

    def look(self, width: int, height: int, dark: bool = False) -> None:
        """Set the size of the window, in CSS pixels, and whether its user prefers dark."""
        phone = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, whole: bool = False) -> bytes:
        """Return what is seen, or the whole page, as a PNG."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])
