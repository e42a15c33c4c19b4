"""Watch detection live: in a window where there can be one, else in a browser on this machine."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

_TITLE = "yolokit"
_QUIT_KEYS = {ord("q"), 27}  # 27: Escape
_PROBE_SECONDS = 30.0
_PROBE = f"import cv2; cv2.namedWindow({_TITLE!r}); cv2.destroyAllWindows()"
_BOUNDARY = "frame"
PORT = 8732  # of the page, where nobody else has it: an address that can be kept open in a browser


class View(Protocol):
    """Shows pictures one after the other."""

    def show(self, image: NDArray[np.uint8], *, hold_ms: int = 1) -> bool:
        """Show [H, W, 3] uint8 RGB for at least ``hold_ms``; False when the viewer quits."""

    def close(self) -> None:
        """Take the view away."""


def open_view() -> tuple[View, str]:
    """A view, and a sentence that tells where to look."""
    if windows_work():
        return WindowView(), "press q or Esc in the window to stop"
    view = BrowserView()
    taken = "" if view.port == PORT else f" (port {PORT} is taken)"
    return view, f"no window can be opened here; watch at {view.url}{taken}"


def windows_work() -> bool:
    """Whether OpenCV can open a window; tried in another process, for Qt aborts if it cannot."""
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, timeout=_PROBE_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0


class WindowView:
    """OpenCV's window; only for the main thread."""

    def __init__(self) -> None:
        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)

    def show(self, image: NDArray[np.uint8], *, hold_ms: int = 1) -> bool:
        """Show a picture; False once q, Esc or the close button was used."""
        cv2.imshow(_TITLE, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        key = cv2.waitKey(hold_ms) & 0xFF
        return key not in _QUIT_KEYS and cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) >= 1

    def close(self) -> None:
        """Close the window."""
        cv2.destroyWindow(_TITLE)


class BrowserView:
    """A page on this machine that shows the newest picture; nobody needs to look at it."""

    def __init__(self) -> None:
        self._newest: bytes | None = None
        self._changed = threading.Condition()
        self._closed = False
        view = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
                self.end_headers()
                try:
                    view._feed(self)
                except OSError:  # the browser left
                    return

            def log_message(self, *_arguments: object) -> None:
                """Keep the terminal for the progress line."""

        self._server = _serve(Handler)
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/"
        threading.Thread(target=self._server.serve_forever, name="view", daemon=True).start()

    def show(self, image: NDArray[np.uint8], *, hold_ms: int = 1) -> bool:
        """Offer a picture to whoever watches; never waits, never quits."""
        del hold_ms
        encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
        with self._changed:
            self._newest = encoded
            self._changed.notify_all()
        return True

    def close(self) -> None:
        """Stop serving."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def _feed(self, handler: BaseHTTPRequestHandler) -> None:
        sent: bytes | None = None
        while (sent := self._after(sent)) is not None:
            head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(sent)}"
            handler.wfile.write(head.encode() + b"\r\n\r\n" + sent + b"\r\n")

    def _after(self, sent: bytes | None) -> bytes | None:
        """Wait for a picture newer than ``sent``; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._newest is not sent)
            return None if self._closed else self._newest


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # there it would share another's port


def _serve(handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """A server at ``PORT`` of this machine, or where that is taken at any free one."""
    try:
        return _Server(("127.0.0.1", PORT), handler)
    except OSError:
        return _Server(("127.0.0.1", 0), handler)
