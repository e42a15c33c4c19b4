"""Watching a program: on the page where no window can be."""

from __future__ import annotations

import http.client
import io
import json
import socket
import subprocess
import sys
import threading
import urllib.request

import numpy as np
import pytest
from PIL import Image

from yolokit.serving import watch as watch_module
from yolokit.serving.watch import PageView, open_view

BLACK = np.zeros((8, 8, 3), np.uint8)


def asked(
    view: PageView, path: str, method: str = "GET", **headers: str
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", view.port, timeout=30)
    connection.request(method, path, headers=headers)
    return connection.getresponse()


def test_the_newest_picture_is_shown() -> None:
    view = PageView()
    image = np.zeros((20, 30, 3), np.uint8)
    image[..., 0] = 200
    assert view.show(BLACK) and view.show(image)
    answer = asked(view, "/v1/frame?after=0")
    assert answer.headers["X-Frame"] == "2"  # the first was never asked for
    shown = np.asarray(Image.open(io.BytesIO(answer.read())))
    assert shown.shape == (20, 30, 3)
    assert shown[10, 10, 0] > 180 > 50 > shown[10, 10, 2]
    view.close()


def test_the_next_picture_is_waited_for_and_the_end_told() -> None:
    view = PageView()
    view.show(BLACK)
    for show, status in ((lambda: view.show(BLACK), 200), (view.close, 204)):
        later = threading.Timer(0.2, show)
        later.start()
        assert asked(view, f"/v1/frame?after={2 if status == 204 else 1}").status == status
        later.join()


def test_it_is_the_page_of_the_server_for_this_machine_alone() -> None:
    view = PageView()
    page = asked(view, "/")
    assert b"page.js" in page.read()
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert json.loads(asked(view, "/v1/model").read())["watch"]
    assert asked(view, "/../setup.cfg").status == 404
    assert asked(view, "/v1/frame?after=0", Host="evil.example").status == 403
    head = asked(view, "/", "HEAD")
    assert (head.status, head.read()) == (200, b"")
    assert head.headers["Content-Length"] == page.headers["Content-Length"]
    view.close()


def test_without_a_display_the_page_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":4711")  # Qt aborts the process that believes this
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    if sys.platform != "linux":
        pytest.skip("only X11 can be made to fail by a variable")
    view, hint = open_view()
    try:
        assert isinstance(view, PageView)
        assert view.url in hint
    finally:
        view.close()


def test_nobody_has_to_look_and_nothing_has_to_be_installed() -> None:
    script = (
        "import sys\n"
        "import numpy as np\n"
        "sys.modules.update(dict.fromkeys(('fastapi', 'starlette', 'uvicorn', 'torch')))\n"
        "from yolokit.serving.watch import PageView\n"
        "view = PageView()\n"
        "assert all(view.show(np.zeros((8, 8, 3), np.uint8)) for _ in range(100))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], timeout=60)  # never closed: still ends
    assert done.returncode == 0


def test_the_page_has_one_address_and_another_where_that_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_module, "windows_work", lambda: False)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setattr(watch_module, "PORT", port)
    first, hint = open_view()
    second, other_hint = open_view()
    try:
        assert hint == f"no window can be opened here; watch at http://127.0.0.1:{port}/"
        assert isinstance(second, PageView) and second.port != port
        assert other_hint.endswith(f"{second.url} (port {port} is taken)")
        with urllib.request.urlopen(first.url, timeout=30) as page:  # type: ignore[attr-defined]
            assert page.status == 200
    finally:
        first.close()
        second.close()
