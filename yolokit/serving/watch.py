"""Watch a program that detects: in a window where there can be one, else on the server's page.

The page's own little server needs Python alone, so that nothing has to be installed to watch.
"""

from __future__ import annotations

import io
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from yolokit.serving.page_files import page_files
from yolokit.serving.policy import HEADERS, problem
from yolokit.video.view import View, WindowView, windows_work

PORT = 8732  # where nobody else has it: an address that can be kept open in a browser
_FRAME = re.compile(r"/v1/frame\?after=(\d{1,12})")
_JSON = "application/json"
_ABOUT = {"watch": "A program of this machine that detects, as it sees it. Stop it where it runs."}
_QUALITY = 85  # percent, of a JPEG
_SILENCE_S = 15  # for which a client may send nothing, or read nothing
_GONE = 204  # the program has ended: there is nothing more to show


def open_view() -> tuple[View, str]:
    """A view, and a sentence that tells where to look."""
    if windows_work():
        return WindowView(), "press q or Esc in the window to stop"
    view = PageView()
    taken = "" if view.port == PORT else f" (port {PORT} is taken)"
    return view, f"no window can be opened here; watch at {view.url}{taken}"


class PageView:
    """A page on this machine that shows the newest picture; nobody needs to look at it.

    Attributes:
        port: of the page: ``PORT``, or where that is taken any that is free.
        url: of the page.
    """

    def __init__(self) -> None:
        self._number, self._newest = 0, np.zeros((0, 0, 3), dtype=np.uint8)
        self._encoded: tuple[int, bytes] = (0, b"")
        self._changed, self._encoding = threading.Condition(), threading.Lock()
        self._closed = False
        self._server = _listening(self)
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/"
        threading.Thread(target=self._server.serve_forever, name="view", daemon=True).start()

    def show(self, image: NDArray[np.uint8], *, hold_ms: int = 1) -> bool:
        """Offer a picture to whoever watches; never waits, never quits."""
        del hold_ms
        with self._changed:
            self._newest = image
            self._number += 1
            self._changed.notify_all()
        return True

    def close(self) -> None:
        """Stop serving."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def after(self, number: int) -> tuple[int, bytes] | None:
        """Wait for a picture that is newer than one's number.

        Returns:
            Its number, from 1, and its JPEG; None at the end.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._number > number)
            if self._closed:
                return None
            newest, image = self._number, self._newest
        with self._encoding:  # not by whoever shows, and once for all who look
            if self._encoded[0] < newest:
                self._encoded = (newest, _jpeg(image))
            return self._encoded


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # there it would share another's port
    view: PageView


class _Handler(BaseHTTPRequestHandler):
    """Answers for the page."""

    server: _Server
    timeout = _SILENCE_S

    def do_GET(self) -> None:
        """The page, what it is about, or a picture."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        refused = problem(host=host, origin=origin, method="GET")
        if refused is not None:
            self._answer(403, refused.encode(), "text/plain; charset=utf-8")
        elif self.path == "/v1/model":
            about = {"name": "Live", **_ABOUT}
            self._answer(200, json.dumps(about).encode(), _JSON)
        elif (asked := _FRAME.fullmatch(self.path)) is not None:
            newer = self.server.view.after(int(asked[1]))
            if newer is None:
                self._answer(_GONE, b"", _JSON)
            else:
                self._answer(200, newer[1], "image/jpeg", frame=newer[0])
        else:
            content, kind = page_files().get(self.path, (b"", ""))
            self._answer(200 if kind else 404, content, kind or "text/plain")

    def do_HEAD(self) -> None:
        """The same without bodies."""
        self.do_GET()

    def log_message(self, *_arguments: object) -> None:
        """Keep the terminal for the progress line."""

    def _answer(self, status: int, body: bytes, kind: str, frame: int | None = None) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if frame is not None:
                self.send_header("X-Frame", str(frame))
            for name, value in HEADERS.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
        except OSError:  # the browser left
            return


def _listening(view: PageView) -> _Server:
    """A server at ``PORT`` of this machine, or where that is taken at any free one."""
    try:
        server = _Server(("127.0.0.1", PORT), _Handler)
    except OSError:
        server = _Server(("127.0.0.1", 0), _Handler)
    server.view = view
    return server


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    stored = io.BytesIO()
    Image.fromarray(image).save(stored, format="JPEG", quality=_QUALITY)
    return stored.getvalue()
