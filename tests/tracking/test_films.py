"""What a user names, as films."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from yolokit.errors import SourceError
from yolokit.tracking.films import find_films
from yolokit.video.frames import Kind, Source
from yolokit.video.names import OutputNames
from yolokit.video.reader import FrameReader
from yolokit.video.sinks import AnnotatedSink


@pytest.fixture
def shots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve pictures, the number of each its grey level; in the order of text 10 follows 1."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "shots"
    folder.mkdir()
    for number in range(12):
        Image.fromarray(np.full((20, 30, 3), number, np.uint8)).save(folder / f"a{number}.png")
    return folder


def numbers(film: Source) -> list[int]:
    return [int(frame.image[0, 0, 0]) for frame in FrameReader([film])]


@pytest.mark.parametrize("word", ["shots", "shots/*.png", "shots/a*"])
def test_a_folder_or_glob_of_pictures_is_one_film(shots: Path, word: str) -> None:
    (film,) = find_films([word], fps=10.0)
    assert (film.kind, film.name, len(film.frames)) == (Kind.VIDEO, word, 12)
    frames = list(FrameReader([film]))
    assert [frame.pts_ms for frame in frames] == [100.0 * index for index in range(12)]
    assert [frame.index for frame in frames] == list(range(12))
    assert {(frame.fps, frame.total) for frame in frames} == {(10.0, 12)}
    assert numbers(film) == list(range(12))


def test_pictures_that_the_shell_names_are_one_film(shots: Path) -> None:
    words = sorted(str(path.relative_to(shots.parent)) for path in shots.iterdir())
    (film,) = find_films(words, fps=25.0)
    assert (film.name, numbers(film)) == ("shots", list(range(12)))


def test_lines_of_stdin_keep_their_order(shots: Path) -> None:
    (film,) = find_films(["-"], ["shots/a3.png\n", "shots/a1.png\n", "\n"], fps=25.0)
    assert numbers(film) == [3, 1]


def test_films_of_a_folder_stay_films(shots: Path) -> None:
    (shots / "b.mp4").write_bytes(b"")
    films = find_films(["shots", "0"], fps=25.0)
    assert [film.name for film in films] == ["shots/b.mp4", "shots", "0"]


def test_one_picture_is_no_film(shots: Path) -> None:
    with pytest.raises(SourceError) as told:
        find_films(["shots/a1.png"], fps=25.0)
    assert str(told.value) == (
        "shots/a1.png is one picture, in which nothing moves. Give a film, a camera or a folder "
        "of frames; `yolokit detect` takes pictures"
    )


def test_a_frame_that_cannot_be_read_is_named_and_its_time_passes(shots: Path) -> None:
    (shots / "a2.png").write_bytes(b"nonsense")
    reader = FrameReader(find_films(["shots"], fps=10.0))
    assert [frame.pts_ms for frame in reader][:3] == [0.0, 100.0, 300.0]
    assert [skipped.name for skipped in reader.skipped] == ["shots/a2.png"]


def test_a_drawn_film_is_named_after_the_folder(
    shots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shots)
    films = find_films(["."], fps=10.0)
    sink = AnnotatedSink(OutputNames(Path("out"), films), lambda frame, _found: frame.image)
    empty = np.zeros(0, np.float32)
    from yolokit.types import Detections

    nothing = Detections(empty.reshape(0, 4), empty, empty.astype(np.int64))
    for frame in FrameReader(films):
        sink.write(frame, nothing)
    sink.close()
    assert (sink.written, sink.notes) == ([Path("out/shots.mp4")], [])
