"""A headless Chromium, driven over a pipe by the DevTools protocol.

The protocol: JSON messages, each ended by a zero byte, which the browser reads from
its file 3 and writes to its file 4 (`--remote-debugging-pipe`).
"""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["Chromium", "find_chromium", "open_chromium"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """Path of the browser, `TFPOSE_CHROMIUM` or Debian's."""
    given = os.environ.get("TFPOSE_CHROMIUM")
    return given or next(filter(None, map(shutil.which, _NAMES)), None)


@contextlib.contextmanager
def open_chromium(
    program: str, folder: Path, *options: str, seconds: float = 60
) -> Iterator["Chromium"]:
    """A browser with one empty page, closed at the end.

    Args:
        program: its path.
        folder: for its profile.
        options: of the command line, besides those for a machine without a screen.
        seconds: the longest wait for anything.
    """
    commands_out, commands_in = os.pipe()
    answers_out, answers_in = os.pipe()
    line = [
        program,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--window-size=1120,700",
        f"--user-data-dir={folder}",
        "--remote-debugging-pipe",
        *options,
        "about:blank",
    ]

    # The shell puts the pipes to the numbers that the browser knows them by.
    script = f'exec "$@" 3<&{commands_out} 4>&{answers_in}'
    process = subprocess.Popen(
        ["bash", "-c", script, "bash", *line],
        pass_fds=(commands_out, answers_in),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(commands_out)
    os.close(answers_in)
    try:
        yield Chromium(commands_in, answers_out, seconds)
    finally:
        os.close(commands_in)
        os.close(answers_out)
        process.kill()
        process.wait()


class Chromium:
    """One page of a running browser.

    `requests` are the addresses that the page asked for, `messages` what it wrote to
    its console as warnings or errors, and what it failed with.
    """

    def __init__(self, commands: int, answers: int, seconds: float):
        self.requests: list[str] = []
        self.messages: list[str] = []
        self._commands = commands
        self._answers = answers
        self._seconds = seconds
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self.call(
            "Target.attachToTarget", targetId=page["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What the browser answers to one command.

        Raises:
            RuntimeError: it refuses the command.
            TimeoutError: it does not answer.
        """
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") != self._number:
                self._note(answer)
            elif "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
            else:
                return answer["result"]

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression (awaited if it is a promise), as of JSON.

        Raises:
            RuntimeError: it throws.
        """
        answer = self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(_exception_text(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """The expression's value once that is true.

        Raises:
            TimeoutError: it does not become true; names what the console says.
        """
        end = time.monotonic() + self._seconds
        while time.monotonic() < end:
            if value := self.evaluate(expression):
                return value
            time.sleep(0.05)
        raise TimeoutError(f"not true in time: {expression}; console: {self.messages}")

    def screenshot(self, quality: int = 80) -> bytes:
        """The page as a JPEG file."""
        shot = self.call("Page.captureScreenshot", format="jpeg", quality=quality)
        return base64.b64decode(shot["data"])

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draws the pressed mouse from one place of the page to another."""
        for kind, (x, y) in (
            ("mousePressed", start),
            ("mouseMoved", end),
            ("mouseReleased", end),
        ):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=x,
                y=y,
                button="left",
                buttons=1,
                clickCount=1,
            )

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._answers], [], [], self._seconds)[0]:
                raise TimeoutError(f"the browser is silent; console: {self.messages}")
            part = os.read(self._answers, 1 << 20)
            if not part:
                raise RuntimeError("the browser ended")
            self._buffer += part
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        values = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(values["request"]["url"])
            case "Runtime.consoleAPICalled" if values["type"] in ("warning", "error"):
                parts = [
                    str(a.get("value", a.get("description"))) for a in values["args"]
                ]
                self.messages.append(" ".join(parts))
            case "Runtime.exceptionThrown":
                self.messages.append(_exception_text(values["exceptionDetails"]))
            case "Log.entryAdded" if values["entry"]["level"] in ("warning", "error"):
                self.messages.append(values["entry"]["text"])


def _exception_text(details: dict[str, Any]) -> str:
    return details.get("exception", {}).get("description") or details["text"]
