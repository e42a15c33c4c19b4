"""What the words of the command line name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from yolokit.errors import SourceError
from yolokit.video.frames import Kind
from yolokit.video.sources import find_sources


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.JPG", "a.png", "film.mp4", ".hidden.jpg", "notes.txt", "sub/c.jpg", "x[1].jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def names(folder: Path, *words: str, stdin: tuple[str, ...] = ()) -> list[str]:
    found = find_sources([word.replace("DIR", str(folder)) for word in words], stdin)
    return [source.name.replace(str(folder), "DIR") for source in found]


def test_a_folder_gives_its_media_sorted(folder: Path) -> None:
    assert names(folder, "DIR") == ["DIR/a.png", "DIR/b.JPG", "DIR/film.mp4", "DIR/x[1].jpg"]


def test_globs(folder: Path) -> None:
    assert names(folder, "DIR/*.jpg") == ["DIR/x[1].jpg"]
    assert names(folder, "DIR/**/*.jpg") == ["DIR/sub/c.jpg", "DIR/x[1].jpg"]
    assert names(folder, "DIR/*") == ["DIR/a.png", "DIR/b.JPG", "DIR/film.mp4", "DIR/x[1].jpg"]
    assert names(folder, "DIR/x[1].jpg") == ["DIR/x[1].jpg"]  # a file before a pattern


def test_kinds(folder: Path) -> None:
    words = [str(folder / "b.JPG"), str(folder / "film.mp4"), "0", "rtsp://cam:554/a", "http://h/v"]
    kinds = [source.kind for source in find_sources(words)]
    assert kinds == [Kind.IMAGE, Kind.VIDEO, Kind.STREAM, Kind.STREAM, Kind.STREAM]


def test_a_password_is_opened_but_not_shown() -> None:
    (source,) = find_sources(["rtsp://me:p@ss@cam/live"])
    assert source.address == "rtsp://me:p@ss@cam/live"
    assert source.name == "rtsp://cam/live"


def test_order_and_repetition_are_the_users(folder: Path) -> None:
    assert names(folder, "DIR/b.JPG", "DIR/a.png", "DIR/b.JPG") == [
        "DIR/b.JPG",
        "DIR/a.png",
        "DIR/b.JPG",
    ]


def test_stdin(folder: Path) -> None:
    lines = (f"{folder}/a.png\n", "\n", f"{folder}/sub\n", "gone.jpg\n")
    assert names(folder, "-", stdin=lines) == ["DIR/a.png", "DIR/sub/c.jpg", "gone.jpg"]
    with pytest.raises(SourceError, match="stdin"):
        find_sources(["-"], ())


@pytest.mark.parametrize("word", ["DIR/none.jpg", "DIR/*.webp", "DIR/empty", "-1"])
def test_a_word_that_names_nothing(folder: Path, word: str) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(SourceError) as caught:
        names(folder, word)
    assert word.removeprefix("DIR/") in str(caught.value)


def test_a_file_without_suffix_is_what_it_holds(
    tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    for file_format in ("JPEG", "PNG", "GIF"):
        Image.new("RGB", (8, 8)).save(tmp_path / file_format.lower(), file_format)
    make_video("film.avi", frames=2).rename(tmp_path / "film")
    (tmp_path / "README").write_text("not a picture")
    words = [str(tmp_path / name) for name in ("jpeg", "png", "gif", "film")]
    kinds = [source.kind for source in find_sources(words)]
    assert kinds == [Kind.IMAGE, Kind.IMAGE, Kind.VIDEO, Kind.VIDEO]
    assert names(tmp_path, "DIR") == ["DIR/gif", "DIR/jpeg", "DIR/png"]
