"""POST /v1/detect: what is found, in which form, and what is refused."""

from __future__ import annotations

import io
import socket
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from served import Answer, Held, Served, cells_picture, encoded, form, serving

from yolokit.drawing import draw_boxes
from yolokit.errors import WeightsError
from yolokit.inference.predictor import Predictor
from yolokit.serving.limits import Limits

PICTURE = cells_picture((1, 0, "red"), (4, 2, "blue"))
PNG = encoded(PICTURE)


def boxes(answer: Answer) -> list[tuple[str, int, list[float]]]:
    return [
        (each["name"], each["category_id"], each["box_xywh"]) for each in answer.json["detections"]
    ]


def test_a_picture_as_the_body(served: Served) -> None:
    answer = served.post("/v1/detect", PNG)
    assert answer.status == 200
    # cells of 16 px: column 1 of row 0, column 4 of row 2
    assert boxes(answer) == [("red", 3, [16, 0, 16, 16]), ("blue", 17, [64, 32, 16, 16])]
    assert [each["score"] for each in answer.json["detections"]] == [1.0, 1.0]
    assert (answer.json["width"], answer.json["height"]) == (96, 64)
    parts = answer.json["ms"]
    assert set(parts) == {"read", "decode", "prepare", "wait", "network", "postprocess", "total"}
    assert sum(parts.values()) - parts["total"] <= parts["total"]


def test_a_picture_in_a_form(served: Served) -> None:
    body, kind = form(PNG)
    assert boxes(served.post("/v1/detect", body, Content_Type=kind)) == boxes(
        served.post("/v1/detect", PNG)
    )


def test_the_settings_of_detect(served: Served) -> None:
    assert boxes(served.post("/v1/detect?classes=blue", PNG)) == [("blue", 17, [64, 32, 16, 16])]
    assert boxes(served.post("/v1/detect?classes=0", PNG)) == [("red", 3, [16, 0, 16, 16])]
    assert boxes(served.post("/v1/detect?max_objects=1", PNG)) == [("red", 3, [16, 0, 16, 16])]
    assert boxes(served.post("/v1/detect?conf=1", PNG)) == []


def test_boxes_are_in_pixels_of_the_picture_that_was_sent(served: Served) -> None:
    large = np.kron(PICTURE, np.ones((3, 3, 1), dtype=np.uint8))  # 288x192, cells of 48 px
    answer = served.post("/v1/detect", encoded(large))
    assert boxes(answer)[0] == ("red", 3, [48, 0, 48, 48])
    assert answer.json["width"] == 288


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("", "*/*", "application/json"),
        ("", "image/*", "image/jpeg"),
        ("", "image/png", "image/png"),
        ("", "image/avif,image/webp,application/json", "application/json"),
        ("?format=image", "*/*", "image/jpeg"),
        ("?format=json", "image/*", "application/json"),
    ],
)
def test_the_form_of_the_answer(served: Served, query: str, accept: str, kind: str) -> None:
    answer = served.post(f"/v1/detect{query}", PNG, Accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (200, kind)


def test_the_drawn_picture_is_that_of_detect(served: Served, predictor: Predictor) -> None:
    answer = served.post("/v1/detect", PNG, Accept="image/png")
    (found,) = predictor.predict_images([PICTURE])
    names = predictor.class_names
    drawn = draw_boxes(PICTURE, found.boxes, found.labels, names, found.scores)
    assert (np.asarray(Image.open(io.BytesIO(answer.body))) == drawn).all()


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises so many pixels, and that holds next to none."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))


def chunk(kind: bytes, data: bytes) -> bytes:
    """Of a PNG."""
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


@pytest.mark.parametrize(
    ("body", "status", "kind", "said"),
    [
        (b"", 422, "empty", "nothing was sent"),
        (b"no picture", 422, "picture", "it is none of JPEG, PNG"),
        (PNG[:-60], 422, "picture", "the picture cannot be decoded"),
        (encoded(PICTURE, "JPEG")[:-30], 422, "picture", "truncated"),
        (bomb(60000, 60000), 413, "large", "60000x60000 pixels, more than the 50 million"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 422, "picture", "it is none of"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", 422, "picture", "is a HEIC picture"),
    ],
)
def test_what_is_no_picture(served: Served, body: bytes, status: int, kind: str, said: str) -> None:
    answer = served.post("/v1/detect", body)
    assert (answer.status, answer.kind) == (status, kind)
    assert said in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("conf=2", "conf: "),
        ("conf=nan", "conf: "),
        ("max_objects=0", "max_objects: "),
        ("threshold=0.5", "threshold: "),
        ("classes=gren", "Did you mean green?"),
        ("classes=" + "9" * 5000, "the model knows no class"),
        ("format=xml", "format: "),
    ],
)
def test_settings_that_are_wrong(served: Served, query: str, said: str) -> None:
    answer = served.post(f"/v1/detect?{query}", PNG)
    assert (answer.status, answer.kind) == (422, "settings")
    assert said in answer.json["error"]["message"]


def test_a_form_that_is_none(served: Served) -> None:
    body, kind = form(PNG)
    assert served.post("/v1/detect", body[:40], Content_Type=kind).status in (400, 422)
    no_file = b'--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--xyz--\r\n'
    assert served.post("/v1/detect", no_file, Content_Type=kind).kind == "empty"
    assert served.post("/v1/detect", body, Content_Type="multipart/form-data").status == 400


def test_a_body_that_is_too_large_is_not_read(predictor: Predictor) -> None:
    with serving(predictor, Limits(picture_bytes=10_000)) as small:
        assert small.post("/v1/detect", PNG).status == 200
        answer = small.post("/v1/detect", b"x", Content_Length="10001")
        assert (answer.status, answer.kind) == (413, "large")
        endless = iter([b"x" * 5000] * 3)  # sent in chunks, without a length
        assert small.ask("POST", "/v1/detect", endless).kind == "large"
        body, kind = form(PNG + b"x" * 10_000)
        chunks = iter([body[:6000], body[6000:]])
        assert small.ask("POST", "/v1/detect", chunks, {"Content-Type": kind}).kind == "large"
        assert small.post("/v1/detect", PNG).status == 200


def test_a_body_that_does_not_come_gives_its_place_back(predictor: Predictor) -> None:
    with (
        serving(predictor, Limits(queue=1, deadline_s=2.0)) as small,
        socket.create_connection(("127.0.0.1", small.port), timeout=30) as slow,
    ):
        slow.sendall(b"POST /v1/detect HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\nxx")
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")
        assert small.post("/v1/detect", PNG).status == 200


def test_a_full_queue_says_when_to_come_again(cells: Path) -> None:
    held = Held(Predictor.load(cells))
    predictor = Predictor(held, Predictor.load(cells).card)
    with serving(predictor, Limits(queue=1)) as small, ThreadPoolExecutor(1) as pool:
        held.go.clear()
        held.began.clear()
        first = pool.submit(small.post, "/v1/detect", PNG)
        assert held.began.wait(30)
        answer = small.post("/v1/detect", PNG)
        assert (answer.status, answer.kind, answer.headers["retry-after"]) == (503, "busy", "1")
        assert b"yolokit_queue_length 1.0" in small.get("/metrics").body
        held.go.set()
        assert first.result().status == 200
        assert small.post("/v1/detect", PNG).status == 200


def test_a_network_that_is_late(cells: Path) -> None:
    held = Held(Predictor.load(cells))
    predictor = Predictor(held, Predictor.load(cells).card)
    with serving(predictor, Limits(deadline_s=1.0)) as small:
        held.go.clear()
        answer = small.post("/v1/detect", PNG)
        assert (answer.status, answer.kind) == (504, "late")
        held.go.set()


class Broken(Held):
    """A model's backend that fails once it is told to."""

    error: Exception | None = None

    def __call__(self, images, *, score_threshold=0.0, iou_threshold=None):  # type: ignore[no-untyped-def]
        if self.error is not None:
            raise self.error
        return super().__call__(
            images, score_threshold=score_threshold, iou_threshold=iou_threshold
        )


def test_a_network_that_fails_costs_one_request(
    cells: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = Broken(Predictor.load(cells))
    with serving(Predictor(broken, Predictor.load(cells).card)) as small:
        for error, kind in ((WeightsError("no numbers"), "model"), (KeyError("oops"), "bug")):
            broken.error = error
            answer = small.post("/v1/detect", PNG)
            assert (answer.status, answer.kind) == (500, kind)
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            broken.error = None
            assert small.post("/v1/detect", PNG).status == 200
        counted = small.get("/metrics").body
        assert b'yolokit_errors_total{kind="bug"} 1.0' in counted
        assert b'yolokit_requests_total{route="/v1/detect",status="500"} 2.0' in counted
    assert "KeyError: 'oops'" in capfd.readouterr().err  # a bug leaves its traceback


def test_what_is_under_way_is_finished_and_nothing_new_is_taken(cells: Path) -> None:
    held = Held(Predictor.load(cells))
    predictor = Predictor(held, Predictor.load(cells).card)
    with serving(predictor) as small, ThreadPoolExecutor(1) as pool:
        held.go.clear()
        held.began.clear()
        first = pool.submit(small.post, "/v1/detect", PNG)
        assert held.began.wait(30)
        assert small.get("/ready").json == {"state": "ready"}
        small.service.stopping = True
        assert small.get("/ready").status == 503
        assert small.post("/v1/detect", PNG).status == 503
        small.server.stop()
        held.go.set()
        assert first.result().status == 200


@pytest.mark.slow
def test_eight_clients_lose_nothing(served: Served, predictor: Predictor) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (64, 96, 3), dtype=np.uint8) for _ in range(200)]
    sent = [encoded(picture) for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda data: served.post("/v1/detect", data), sent))
    assert {answer.status for answer in answers} == {200}
    for picture, answer in zip(pictures, answers, strict=True):
        (alone,) = predictor.predict_images([picture])
        found = answer.json["detections"]
        assert [each["label"] for each in found] == alone.labels.tolist()
        np.testing.assert_allclose([e["score"] for e in found], alone.scores, atol=1e-6)
        xywh = np.concatenate([alone.boxes[:, :2], alone.boxes[:, 2:] - alone.boxes[:, :2]], 1)
        np.testing.assert_allclose([e["box_xywh"] for e in found], xywh, atol=1e-4)
    text = served.get("/metrics").body.decode()
    assert 'yolokit_requests_total{route="/v1/detect",status="200"}' in text
