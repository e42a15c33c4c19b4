"""What is written: names, pictures, JSON, and nothing half done."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from yolokit.types import Detections
from yolokit.video.frames import Frame, Kind, Source
from yolokit.video.json_sinks import RecordSink, RowSink
from yolokit.video.names import OutputNames
from yolokit.video.sinks import AnnotatedSink, save_picture

FOUND = Detections(
    boxes=np.array([[1, 2, 5, 8], [0, 0, 3, 3]], np.float32),
    scores=np.array([0.75, 0.5], np.float32),
    labels=np.array([1, 0], np.int64),
)


def picture(path: Path, image_id: int | None = None) -> Source:
    return Source(str(path), Kind.IMAGE, path, image_id=image_id)


def frame(source: Source, index: int = 0) -> Frame:
    return Frame(np.zeros((10, 20, 3), np.uint8), source, index, pts_ms=index * 100 / 3, fps=30.0)


def test_names_collide_with_none(tmp_path: Path) -> None:
    sources = [picture(Path(f"{folder}/x.jpg")) for folder in ("a", "b", "c/b", "d/b")]
    names = OutputNames(tmp_path, sources)
    chosen = [names.name(source, ".jpg").name for source in sources]
    assert chosen == ["x.jpg", "b_x.jpg", "b_x_2.jpg", "b_x_3.jpg"]
    assert names.name(picture(Path("e/X.JPG")), ".jpg").name == "e_X.jpg"  # case is not enough


def test_names_spare_every_source(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    sources = [picture(tmp_path / "x.jpg"), picture(tmp_path / "y.png")]
    names = OutputNames(link, sources)
    for source in sources:
        assert names.name(source, source.path.suffix).resolve() not in {  # type: ignore[union-attr]
            each.path for each in sources
        }
    assert names.name(sources[0], ".mp4").name == "x.mp4"


def test_names_of_streams(tmp_path: Path) -> None:
    names = OutputNames(tmp_path, [])
    camera, url = Source("0", Kind.STREAM), Source("rtsp://h:554/a?b=1", Kind.STREAM)
    assert names.name(camera, ".mp4") == tmp_path / "0.mp4"
    assert names.name(url, ".mp4") == tmp_path / "rtsp_h_554_a_b_1.mp4"


def test_records(tmp_path: Path) -> None:
    source = Source("film.mp4", Kind.VIDEO)
    sink = RecordSink(tmp_path / "deep" / "out.json", ["red", "white"])
    sink.write(frame(source, 0), FOUND)
    sink.write(frame(source, 1), Detections(*(array[:0] for array in parts())))
    assert not (tmp_path / "deep" / "out.json").exists()
    sink.close()
    assert json.loads((tmp_path / "deep" / "out.json").read_text()) == [
        {
            "source": "film.mp4",
            "frame": 0,
            "pts_ms": 0.0,
            "width": 20,
            "height": 10,
            "detections": [
                {"box": [1, 2, 5, 8], "score": 0.75, "label": 1, "name": "white"},
                {"box": [0, 0, 3, 3], "score": 0.5, "label": 0, "name": "red"},
            ],
        },
        {
            "source": "film.mp4",
            "frame": 1,
            "pts_ms": 33.333,
            "width": 20,
            "height": 10,
            "detections": [],
        },
    ]


def parts() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return FOUND.boxes, FOUND.scores, FOUND.labels


def test_coco_rows(tmp_path: Path) -> None:
    sink = RowSink(tmp_path / "out.json", [3, 90])
    sink.write(frame(picture(Path("a.jpg"), image_id=42)), FOUND)
    sink.close()
    assert json.loads((tmp_path / "out.json").read_text()) == [
        {"image_id": 42, "category_id": 90, "bbox": [1, 2, 4, 6], "score": 0.75},
        {"image_id": 42, "category_id": 3, "bbox": [0, 0, 3, 3], "score": 0.5},
    ]


def test_empty_list_and_abort(tmp_path: Path) -> None:
    old = tmp_path / "out.json"
    old.write_text("old")
    aborted = RecordSink(old, [])
    aborted.write(frame(Source("0", Kind.STREAM)), Detections(*(part[:0] for part in parts())))
    aborted.abort()
    assert old.read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]
    RecordSink(old, []).close()
    assert json.loads(old.read_text()) == []


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif"])
def test_pictures_are_rgb(tmp_path: Path, suffix: str) -> None:
    image = np.zeros((16, 24, 3), np.uint8)
    image[..., 0] = 220
    save_picture(tmp_path / f"a{suffix}", image)
    with Image.open(tmp_path / f"a{suffix}") as read:
        assert np.abs(np.asarray(read.convert("RGB")).astype(int) - image).max() < 12


def test_names_spare_what_lies_there(tmp_path: Path) -> None:
    for left in ("x.jpg", "film.mp4", "clip.part.mkv", "show.part.webm"):
        (tmp_path / left).write_text("of an earlier run")
    names = OutputNames(tmp_path, [])
    assert names.name(picture(Path("a/x.jpg")), ".jpg").name == "a_x.jpg"
    film = Source("b/film.avi", Kind.VIDEO, Path("b/film.avi"))
    assert names.name(film, ".mp4").name == "b_film.mp4"
    clip = Source("b/clip.avi", Kind.VIDEO, Path("b/clip.avi"))  # its rescue file would be lost
    assert names.name(clip, ".mp4").name == "b_clip.mp4"
    show = Source("b/show.avi", Kind.VIDEO, Path("b/show.avi"))
    assert names.name(show, ".mp4").name == "show.mp4"
    assert names.name(show, ".webm").name == "b_show.webm"


def test_a_picture_at_an_address_is_named_after_it(tmp_path: Path) -> None:
    names = OutputNames(tmp_path, [])

    def name(address: str) -> str:
        return names.name(Source(address, Kind.IMAGE, address=address), ".jpg").name

    assert name("http://h:80/a/photo.jpg?size=1") == "photo.jpg"
    assert name("http://h/b/photo.jpg") == "http_h_b_photo.jpg.jpg"
    assert name("http://h/..%2F..%2Fetc/%2e%2e%2fpass%00wd.jpg") == "pass_wd.jpg"
    assert name("http://h/") == "http_h.jpg"


@pytest.mark.parametrize(("name", "width"), [("x.ppm", 65501), ("x.webp", 16384)])
def test_a_picture_too_long_for_its_format_becomes_a_png(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, width: int
) -> None:
    sink = AnnotatedSink(OutputNames(tmp_path, []), lambda frame, _: frame.image)
    source = picture(Path("in") / name)
    image = np.full((2, width, 3), 7, np.uint8)
    sink.write(Frame(image, source, 0, pts_ms=0.0, fps=0.0), FOUND)
    sink.close()
    assert [path.name for path in sink.written] == ["x.png"]
    with Image.open(sink.written[0]) as written:
        assert written.size == (width, 2)
    assert capfd.readouterr().err == ""
