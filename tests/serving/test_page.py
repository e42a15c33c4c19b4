"""The page in a browser: what a person does with it, by mouse and by keyboard."""

from __future__ import annotations

import io
import json
import shutil
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright
from served import Served, cells_model, cells_picture, encoded, serving

from yolokit.data.images import decode_image
from yolokit.inference.predictor import Predictor
from yolokit.serving.limits import Limits
from yolokit.serving.watch import PageView
from yolokit.video.video_file import VideoFile

pytestmark = pytest.mark.slow
PICTURES = ("png", "jpeg", "webp", "avif", "tiff", "gif", "bmp")
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
]
PATIENCE_MS = 60_000.0  # of a machine on which others compute
PIXEL = "(c, [x, y]) => [...c.getContext('2d').getImageData(x, y, 1, 1).data].slice(0, 3)"
NOTE_ALL_SAID = """
window.said = [];
const line = document.querySelector(".found");
new MutationObserver(() => said.push(line.textContent)).observe(line, { childList: true });
"""
Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium with a webcam that it makes up."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium here: the page is not tested. Install chromium or google-chrome")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    """Opens a server's page; at the end the console holds no error and nobody else was asked."""
    asked: list[tuple[str, str]] = []
    said: list[str] = []
    contexts = []

    def open_page(served: Served, *, quiet: bool = True, **settings: Any) -> Page:
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", lambda request: asked.append((served.url, request.url)))
        if quiet:
            page.on("console", lambda each: each.type == "error" and said.append(each.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(served.url)
        expect(page.locator("h1")).to_have_text("cells.onnx")
        return page

    yield open_page
    assert said == []
    assert [url for ours, url in asked if not url.startswith((ours, f"blob:{ours}"))] == []
    for context in contexts:
        context.close()


def three_reds() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Cells that score 1, 0.6 and 0.3 as red, and one that scores 1 as blue."""
    image = cells_picture((0, 0, "red"), (2, 0, "red"), (4, 0, "red"), (1, 2, "blue"))
    image[:16, 32:48, 0], image[:16, 64:80, 0] = 153, 77
    return image


def choose(page: Page, *files: tuple[str, bytes]) -> None:
    page.set_input_files(
        "#files",
        [{"name": name, "mimeType": _kind(name), "buffer": data} for name, data in files],
    )


def _kind(name: str) -> str:
    suffix = Path(name).suffix[1:]
    kinds = {"jpg": "image/jpeg", "mp4": "video/mp4"}
    return kinds.get(suffix, f"image/{suffix}" if suffix in PICTURES else "")


def slide(page: Page, value: float) -> None:
    page.locator("#conf").fill(str(value))


def found(page: Page, place: int = 0) -> Any:
    return expect(page.locator(".card .found").nth(place))


def test_pictures_are_shown_and_a_slider_asks_nobody(served: Served, opened: Opened) -> None:
    page = opened(served)
    choose(page, ("a.png", encoded(three_reds())), ("b.png", encoded(cells_picture())))
    found(page).to_have_text("3 red, 1 blue")
    found(page, 1).to_have_text("nothing")
    expect(page.locator("#status")).to_have_text("3 red, 1 blue in 2 pictures")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    for value, text in ((0.5, "2 red, 1 blue"), (0.7, "1 red, 1 blue"), (0.05, "3 red, 1 blue")):
        slide(page, value)
        found(page).to_have_text(text)
    expect(page.locator("#conf-value")).to_have_text("0.05")
    assert requests == []


def test_the_page_shows_what_detect_gives(
    served: Served, opened: Opened, predictor: Predictor
) -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)
    page = opened(served)
    choose(page, ("noise.png", encoded(picture)))
    with page.expect_download() as stored:
        page.get_by_role("button", name="Save JSON: noise.png").click()
    record = json.loads(Path(stored.value.path()).read_text())
    assert stored.value.suggested_filename == "noise.json"
    (wanted,) = predictor.predict_images([picture])
    assert len(wanted) > 10
    assert [each["label"] for each in record["detections"]] == wanted.labels.tolist()
    assert [each["score"] for each in record["detections"]] == wanted.scores.tolist()
    corners = [
        [x, y, x + width, y + height]
        for x, y, width, height in (each["box_xywh"] for each in record["detections"])
    ]
    assert corners == wanted.boxes.tolist()


def test_boxes_are_drawn_where_they_are(served: Served, opened: Opened) -> None:
    page = opened(served)
    choose(page, ("a.png", encoded(cells_picture((2, 1, "blue")))))
    found(page).to_have_text("1 blue")

    def pixel(x: int, y: int) -> Any:
        return page.locator("canvas").evaluate(PIXEL, [x, y])

    assert pixel(32, 24) == pixel(47, 24) == [0x48, 0xA0, 0xFF]  # label 2's colour
    assert pixel(40, 24) == [0, 0, 255]  # the cell itself
    slide(page, 0.95)
    page.get_by_role("checkbox", name="blue").uncheck()
    assert pixel(32, 24) == [0, 0, 255]


def turned(format: str, by: str, orientation: int) -> tuple[bytes, str]:
    """A picture with a red cell in the corner, an EXIF or XMP tag that turns it, and its name."""
    settings: dict[str, Any] = {"lossless": True} if format == "WEBP" else {}
    if by == "exif":
        exif = Image.Exif()
        exif[0x0112] = orientation
        settings["exif"] = exif
    else:
        text = f'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="{orientation}"/>'
        information = PngInfo()
        information.add_itxt("XML:com.adobe.xmp", text)
        settings |= {"pnginfo": information} if format == "PNG" else {"xmp": text.encode()}
    stored = io.BytesIO()
    picture = np.zeros((128, 192, 3), np.uint8)
    picture[:64, :64, 0] = 255
    Image.fromarray(picture).save(stored, format=format, **settings)
    return stored.getvalue(), f"{format}-{by}-{orientation}.{format.lower()}"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "GIF", "BMP"])
def test_every_format_stands_as_the_server_saw_it(
    served: Served, opened: Opened, format: str
) -> None:
    page = opened(served)
    ways = ("exif",) if format in ("TIFF", "GIF", "BMP") else ("exif", "xmp")
    files = [turned(format, by, number) for by in ways for number in (1, 2, 3, 6, 8)]
    choose(page, *[(name, data) for data, name in files])
    count = expect(page.locator("canvas"))
    count.to_have_count(len(files))
    for data, name in files:
        answer = served.post("/v1/detect?conf=0.9", data).json
        x, y, width, height = answer["detections"][0]["box_xywh"]
        canvas = page.get_by_role("img", name=name)
        size = [answer["width"], answer["height"]]
        assert canvas.evaluate("c => [c.width, c.height]") == size, name
        red, green, blue = canvas.evaluate(PIXEL, [int(x + width / 2), int(y + height / 2)])
        assert red > 200 > 60 > max(green, blue), name
        assert decode_image(data).shape[1::-1] == tuple(size)
        if format in ("JPEG", "PNG", "WEBP", "AVIF"):
            assert answer["orientation"] == int(name.split(".")[0][-1])


def test_classes_are_chosen(served: Served, opened: Opened) -> None:
    page = opened(served)
    choose(page, ("a.png", encoded(three_reds())))
    found(page).to_have_text("3 red, 1 blue")
    page.get_by_role("checkbox", name="red").uncheck()
    found(page).to_have_text("1 blue")
    page.get_by_role("button", name="None").click()
    found(page).to_have_text("nothing")
    page.get_by_role("button", name="All", exact=True).click()
    found(page).to_have_text("3 red, 1 blue")


def test_the_drawn_picture_and_all_json_are_stored(served: Served, opened: Opened) -> None:
    page = opened(served)
    choose(page, ("a.b.png", encoded(three_reds())), ("c.png", encoded(cells_picture())))
    found(page, 1).to_have_text("nothing")
    with page.expect_download() as stored:
        page.get_by_role("button", name="Save picture: a.b.png").click()
    assert stored.value.suggested_filename == "a.b_boxes.png"
    assert Path(stored.value.path()).read_bytes().startswith(b"\x89PNG")
    with page.expect_download() as stored:
        page.get_by_role("button", name="Save all as JSON").click()
    records = json.loads(Path(stored.value.path()).read_text())
    assert [each["source"] for each in records] == ["a.b.png", "c.png"]


def test_a_webcam_is_watched(served: Served, opened: Opened) -> None:
    page = opened(served)
    page.get_by_role("button", name="Use the webcam").click()
    found(page).to_contain_text("frames a second")
    expect(page.locator("#status")).to_have_text("The webcam is on")
    assert page.locator("canvas").evaluate("c => c.width") == 640
    found(page).to_contain_text("green")  # what Chromium makes up is mostly green
    page.get_by_role("button", name="None").click()
    found(page).to_contain_text("nothing")
    page.get_by_role("button", name="Stop the webcam").click()
    expect(page.locator(".card")).to_have_count(0)
    assert served.get("/live").status == 200


def test_a_webcam_goes_on_after_frames_that_failed(predictor: Predictor, opened: Opened) -> None:
    with serving(predictor) as small:
        page = opened(small)
        page.get_by_role("button", name="Use the webcam").click()
        found(page).to_contain_text("frames a second")
        usual = small.service.limits
        small.service.limits = replace(usual, queue=0)  # so that frames are answered 503
        found(page).to_contain_text("as many as are taken. Try again in a moment. Trying again")
        small.service.limits = usual
        found(page).to_contain_text("frames a second")
        page.evaluate(NOTE_ALL_SAID)
        for each in list(small.server.server_state.connections):  # a network that fails once
            each.loop.call_soon_threadsafe(each.transport.abort)
        silent = "The server does not answer. Trying again …"
        page.wait_for_function("text => said.includes(text)", arg=silent)
        found(page).to_contain_text("frames a second")


def test_a_webcam_whose_server_is_gone_ends(predictor: Predictor, opened: Opened) -> None:
    with serving(predictor) as short:
        page = opened(short, quiet=False)
        page.clock.install()
        page.get_by_role("button", name="Use the webcam").click()
        found(page).to_contain_text("frames a second")
        short.server.stop()
        found(page).to_contain_text("The server does not answer. Trying again")
        problem = page.locator(".problem")
        while not problem.count():
            page.clock.fast_forward(1000)
        expect(problem).to_have_text("The server does not answer.")
        expect(page.locator("#webcam")).to_have_text("Use the webcam")


class DeafProxy(socketserver.BaseRequestHandler):
    """Passes all on but that a WebSocket is wanted, as proxies do that nobody told."""

    port = 0  # of the server behind

    def handle(self) -> None:
        """One connection."""
        with socket.create_connection(("127.0.0.1", self.port)) as server:
            threading.Thread(target=self.back, args=[server], daemon=True).start()
            while data := self.request.recv(2**16):
                server.sendall(data.replace(b"Upgrade: websocket", b"X-Other: websocket"))

    def back(self, server: socket.socket) -> None:
        """What the server answers."""
        with suppress(OSError):
            while data := server.recv(2**16):
                self.request.sendall(data)


def test_a_proxy_that_passes_no_websocket_on_is_named(served: Served, opened: Opened) -> None:
    handler = type("Handler", (DeafProxy,), {"port": served.port})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as proxy:
        proxy.daemon_threads = True
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{proxy.server_address[1]}"
        page = opened(served._replace(url=url), quiet=False)
        page.clock.install()
        page.get_by_role("button", name="Use the webcam").click()
        problem = page.locator(".problem")
        while not problem.count():
            page.clock.fast_forward(1000)
        expect(problem).to_contain_text("Does a proxy between pass it on?")
        page.context.close()
        proxy.shutdown()


def test_errors_are_words(predictor: Predictor, opened: Opened) -> None:
    with serving(predictor, Limits(picture_bytes=4000, picture_pixels=7000)) as small:
        page = opened(small, quiet=False)  # browsers note every refusal in the console
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.method))
        choose(page, ("large.png", encoded(cells_picture()) + b"x" * 4000))
        found_problem = expect(page.locator(".problem"))
        found_problem.to_contain_text("The picture has 0.00391 MB, more than the 0.00381 MB")
        assert "POST" not in asked
        page.get_by_role("button", name="Remove: large.png").click()
        choose(page, ("text.png", b"hello"))
        found_problem.to_contain_text("The picture cannot be decoded: it is none of JPEG, PNG")
        page.get_by_role("button", name="Clear").click()
        choose(page, ("wide.png", encoded(np.zeros((80, 100, 3), np.uint8))))
        found_problem.to_contain_text("The picture has 100x80 pixels, more than the 0.007 million")
        page.get_by_role("button", name="Clear").click()
        small.server.stop()
        page.wait_for_timeout(0)
        while _answers(small):
            page.wait_for_timeout(20)
        choose(page, ("a.png", encoded(cells_picture())))
        found_problem.to_have_text("The server does not answer. Is it still running?")


def _answers(served: Served) -> bool:
    try:
        return served.get("/live").status == 200
    except OSError:
        return False


def test_names_of_strangers_are_text(tmp_path: Path, opened: Opened) -> None:
    hostile = '<img src=x onerror="document.title=1">'
    predictor = Predictor.load(cells_model(tmp_path / "cells.onnx"))
    card = predictor.card.model_copy(update={"class_names": [hostile, "green", "blue"]})  # type: ignore[attr-defined]
    with serving(Predictor(predictor.backend, card)) as served:
        page = opened(served)
        choose(page, ("<b>bold</b>.png", encoded(cells_picture((0, 0, "red")))))
        found(page).to_have_text(f"1 {hostile}")
        page.get_by_text("Boxes and times").click()
        expect(page.locator("td").first).to_have_text(hostile)
        assert page.locator("img, b:not(label b)").count() == 0
        expect(page.locator(".name")).to_have_text("<b>bold</b>.png")


def test_long_and_turning_names_leave_the_page_readable(
    predictor: Predictor, opened: Opened
) -> None:
    names = ["n" * 300, "\u202eturned", "blue"]
    card = predictor.card.model_copy(update={"class_names": names})  # type: ignore[attr-defined]
    with serving(Predictor(predictor.backend, card)) as served:
        page = opened(served, viewport={"width": 390, "height": 800})
        picture = cells_picture((0, 0, "red"), (2, 0, "red"), (1, 0, "green"))
        choose(page, ("a.png", encoded(picture)))
        found(page).to_have_text(f"2 {'n' * 60}…, 1 \ufffdturned")
        page.get_by_text("Boxes and times").click()
        assert page.locator("td", has_text="1.000").first.evaluate("e => e.offsetWidth") > 30
        assert page.locator(".class").first.evaluate("e => e.offsetHeight") < 40
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        with page.expect_download() as stored:
            page.get_by_role("button", name="Save JSON: a.png").click()
        record = json.loads(Path(stored.value.path()).read_text())
        assert {each["name"] for each in record["detections"]} == set(names[:2])


def test_all_of_it_by_keyboard(served: Served, opened: Opened) -> None:
    page = opened(served)
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.id || document.activeElement.textContent")
        )
        if reached[-1] == "files":
            with page.expect_file_chooser() as chooser:
                page.keyboard.press("Space")
            png = {"name": "a.png", "mimeType": "image/png", "buffer": encoded(three_reds())}
            chooser.value.set_files([png])
            found(page).to_have_text("3 red, 1 blue")
        outline = (
            "getComputedStyle(document.activeElement.closest('label') ?? document.activeElement)"
        )
        assert page.evaluate(f"{outline}.outlineStyle") == "solid", reached
        if reached[-1] == "conf":
            for _ in range(10):
                page.keyboard.press("ArrowRight")  # 0.25 to 0.35: one red less
            found(page).to_have_text("2 red, 1 blue")
        if reached[-1] == "class-0":
            page.keyboard.press("Space")
            found(page).to_have_text("1 blue")
    assert reached == ["api", "files", "webcam", "conf", "all", "none", "class-0", "class-1"]


def test_two_people_at_once(served: Served, opened: Opened) -> None:
    first, second = opened(served), opened(served)
    many = [(f"{n}.png", encoded(cells_picture((n % 6, n % 4, "red")))) for n in range(12)]
    choose(first, *many)
    choose(second, *many)
    for page in (first, second):
        expect(page.locator("#status")).to_have_text("12 red in 12 pictures")


def test_a_film_is_played(served: Served, opened: Opened, tmp_path: Path) -> None:
    video = VideoFile(tmp_path / "film.mp4", size_wh=(96, 64), fps=5)
    for column in range(5):
        video.write(cells_picture((column, 1, "red")))
    video.close()
    page = opened(served)
    choose(page, ("film.mp4", (tmp_path / "film.mp4").read_bytes()))
    found(page).to_have_text("5 red in 5 frames")
    expect(page.locator("video")).to_have_js_property("videoWidth", 96)
    with page.expect_download() as stored:
        page.get_by_role("link", name="Save JSON").click()
    assert len(json.loads(Path(stored.value.path()).read_text())) == 5
    page.get_by_role("button", name="Remove: film.mp4").click()
    expect(page.locator(".card")).to_have_count(0)


def test_a_film_is_followed_through_failures(
    served: Served, opened: Opened, tmp_path: Path
) -> None:
    video = VideoFile(tmp_path / "film.mp4", size_wh=(96, 64), fps=5)
    video.write(cells_picture((1, 1, "red")))
    video.close()
    page = opened(served, quiet=False)
    page.clock.install()
    ways = [lambda route: route.abort(), lambda route: route.fulfill(status=502, body="<html>")]
    failed = []

    def fail_twice(route: Route) -> None:
        failed.append(route.request.url)
        ways.pop()(route) if ways else route.continue_()

    page.route("**/v1/films/*", fail_twice)
    choose(page, ("film.mp4", (tmp_path / "film.mp4").read_bytes()))
    while len(failed) < 3:
        page.clock.fast_forward(1000)
    found(page).to_have_text("1 red in 1 frame")


def test_a_film_is_looked_at_for_the_chosen_classes(
    served: Served, opened: Opened, tmp_path: Path
) -> None:
    video = VideoFile(tmp_path / "film.mp4", size_wh=(96, 64), fps=5)
    for column in range(4):
        video.write(cells_picture((column, 1, "red"), (column, 2, "blue")))
    video.close()
    film = ("film.mp4", (tmp_path / "film.mp4").read_bytes())
    page = opened(served)
    choose(page, ("a.png", encoded(three_reds())))  # whose classes are listed from then on
    page.get_by_role("checkbox", name="red").uncheck()
    choose(page, film)
    expect(page.locator(".card").first).to_contain_text("4 blue in 4 frames")
    page.get_by_role("button", name="None", exact=True).click()
    choose(page, film)
    expect(page.locator(".card").first).to_contain_text("No class is chosen.")


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_nothing_is_cut_off(served: Served, opened: Opened, width: int, scheme: Any) -> None:
    page = opened(served, viewport={"width": width, "height": 800}, color_scheme=scheme)
    name = "a very long name of a picture" * 5
    choose(page, (f"{name}.png", encoded(three_reds())))
    found(page).to_have_text("3 red, 1 blue")
    page.get_by_text("Boxes and times").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(18, 22, 28)" if scheme == "dark" else "rgb(255, 255, 255)")


def test_a_program_is_watched(browser: Browser) -> None:
    view = PageView()
    view.show(cells_picture((1, 0, "red")))
    page = browser.new_page()
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(view.url)
    found(page).to_have_text("picture 1")
    expect(page.locator("#controls")).to_be_hidden()
    view.show(cells_picture((2, 0, "red")))
    found(page).to_have_text("picture 2")
    assert page.locator("canvas").evaluate("c => [c.width, c.height]") == [96, 64]
    view.close()
    expect(page.locator(".problem")).to_contain_text("The program has ended.")
    assert said == []
    page.close()
