"""MOTChallenge's text, read back by somebody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from trackers import load_mot_file

from yolokit.tracking.mot_text import MotSink
from yolokit.types import Detections
from yolokit.video.frames import Frame, Kind, Source

Found = Callable[..., Detections]
MakeFrame = Callable[..., Frame]


def test_only_boxes_with_an_id_are_written_and_frames_count_from_one(
    found: Found, frame: MakeFrame, tmp_path: Path
) -> None:
    sink = MotSink(tmp_path / "mot")
    sink.write(frame(0), found([(1, 2, 11, 22, 0.5, 0)], ids=[-1]))
    sink.write(frame(1), found([(1.5, 2, 11, 22.25, 0.5, 0), (3, 3, 9, 9, 0.4, 1)], ids=[7, -1]))
    sink.write(frame(4), found([], ids=[]))
    assert not list((tmp_path / "mot").glob("[!.]*"))  # nothing half-written has a name
    sink.close()
    text = (tmp_path / "mot/film.txt").read_text()
    assert text == "2,7,1.50,2.00,9.50,20.25,0.5000,-1,-1,-1\n"
    rows = load_mot_file(tmp_path / "mot/film.txt")
    assert (list(rows), rows[2].ids.tolist()) == ([2], [7])
    assert rows[2].boxes.tolist() == [[1.5, 2.0, 9.5, 20.25]]


def test_each_film_has_a_file_and_none_is_overwritten(
    found: Found, frame: MakeFrame, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("mine")
    sink = MotSink(tmp_path)
    for name in ("a", "b"):
        film = Source(name, Kind.VIDEO)
        sink.write(frame(0, source=film), found([(1, 2, 11, 22, 0.5, 0)], ids=[1]))
    sink.close()
    assert sink.written == [tmp_path / "a_2.txt", tmp_path / "b.txt"]
    assert (tmp_path / "a.txt").read_text() == "mine"


def test_what_is_given_up_leaves_no_file(found: Found, frame: MakeFrame, tmp_path: Path) -> None:
    sink = MotSink(tmp_path)
    sink.write(frame(0), found([(1, 2, 11, 22, 0.5, 0)], ids=[1]))
    sink.abort()
    assert list(tmp_path.iterdir()) == []


def test_nothing_written_is_no_file(tmp_path: Path) -> None:
    sink = MotSink(tmp_path / "mot")
    sink.close()
    assert sink.written == [] and not (tmp_path / "mot").exists()


def test_untracked_boxes_are_a_fault_of_ours(
    found: Found, frame: MakeFrame, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError):
        MotSink(tmp_path).write(frame(0), found([(1, 2, 11, 22, 0.5, 0)]))
