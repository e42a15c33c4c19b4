"""The live view: a browser where no window can be."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import urllib.request

import cv2
import numpy as np
import pytest

from yolokit.video import view as view_module
from yolokit.video.view import BrowserView, open_view


def test_browser_shows_the_newest_picture() -> None:
    view = BrowserView()
    image = np.zeros((20, 30, 3), np.uint8)
    image[..., 0] = 200
    assert view.show(image)
    with urllib.request.urlopen(view.url, timeout=10) as page:
        assert page.headers.get_content_type() == "multipart/x-mixed-replace"
        assert page.readline() == b"--frame\r\n"
        headers = dict(page.readline().decode().strip().split(": ") for _ in range(2))
        assert page.readline() == b"\r\n"
        data = page.read(int(headers["Content-Length"]))
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (20, 30, 3)
    assert shown[10, 10, 2] > 180  # OpenCV's red
    view.close()


def test_closing_lets_watchers_go() -> None:
    view = BrowserView()
    view.show(np.zeros((8, 8, 3), np.uint8))
    page = urllib.request.urlopen(view.url, timeout=10)
    closer = threading.Timer(0.2, view.close)
    closer.start()
    assert page.read().startswith(b"--frame")  # ends, for the view is closed
    closer.join()


def test_without_a_display_the_browser_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":4711")  # Qt aborts the process that believes this
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    if sys.platform != "linux":
        pytest.skip("only X11 can be made to fail by a variable")
    view, hint = open_view()
    try:
        assert isinstance(view, BrowserView)
        assert view.url in hint
    finally:
        view.close()


def test_nobody_has_to_look() -> None:
    script = (
        "import numpy as np\n"
        "from yolokit.video.view import BrowserView\n"
        "view = BrowserView()\n"
        "assert all(view.show(np.zeros((8, 8, 3), np.uint8)) for _ in range(100))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], timeout=60)  # never closed: still ends
    assert done.returncode == 0


def test_the_page_has_one_address_and_another_where_that_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(view_module, "windows_work", lambda: False)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setattr(view_module, "PORT", port)
    first, hint = open_view()
    second, other_hint = open_view()
    try:
        assert hint == f"no window can be opened here; watch at http://127.0.0.1:{port}/"
        assert isinstance(second, BrowserView) and second.port != port
        assert other_hint.endswith(f"{second.url} (port {port} is taken)")
    finally:
        first.close()
        second.close()
