"""The library's trackers, by what they promise to this room."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from yolokit.tracking.library import LibraryTracker
from yolokit.tracking.tracker import TRACKERS, Tracker, TrackerName
from yolokit.types import Detections

Found = Callable[..., Detections]


def tracker(name: TrackerName = "bytetrack", *, fps: float = 25.0, conf: float = 0.25) -> Tracker:
    return LibraryTracker(name, fps=fps, score_threshold=conf)


@pytest.mark.parametrize("name", TRACKERS)
def test_an_object_keeps_its_id_and_two_have_two(name: TrackerName, found: Found) -> None:
    followed = tracker(name)
    ids = []
    for step in range(6):
        left, right = (10 + 2 * step, 10, 30 + 2 * step, 40, 0.9, 0), (70, 20, 90, 60, 0.8, 0)
        ids.append(followed.update(found([left, right]), step * 40.0).tolist())
    assert ids[3:] == [[1, 2]] * 3
    assert {tuple(each) for each in ids} <= {(-1, -1), (1, 2)}


def test_an_id_is_given_in_the_second_frame(found: Found) -> None:
    followed = tracker()
    box = found([(10, 10, 30, 40, 0.9, 0)])
    assert [followed.update(box, at).tolist() for at in (0.0, 40.0, 80.0)] == [[-1], [1], [1]]


@pytest.mark.parametrize("name", TRACKERS)
def test_ids_belong_to_boxes_in_whatever_order_they_come(name: TrackerName, found: Found) -> None:
    followed = tracker(name)
    rows = [(5, 5, 25, 25, 0.9, 0), (40, 5, 60, 25, 0.5, 0), (70, 40, 95, 70, 0.7, 0)]
    for step in range(4):
        followed.update(found(rows), step * 40.0)
    straight = followed.update(found(rows), 160.0)
    turned = followed.update(found(rows[::-1]), 200.0)
    assert sorted(straight.tolist()) == [1, 2, 3]
    assert turned.tolist() == straight[::-1].tolist()


def test_a_weak_box_continues_a_track_and_begins_none(found: Found) -> None:
    followed = tracker(conf=0.25)
    scores = [0.9, 0.9, 0.15, 0.15, 0.9]
    rows = [[(10, 10, 30, 40, score, 0), (60, 10, 80, 40, 0.15, 0)] for score in scores]
    ids = [followed.update(found(row), step * 40.0).tolist() for step, row in enumerate(rows)]
    assert ids == [[-1, -1], [1, -1], [1, -1], [1, -1], [1, -1]]


def test_a_second_box_of_an_object_begins_no_track(found: Found) -> None:
    """IoU 50 / 100 begins none; 30 / 100 does."""
    whole, most, less = (0, 0, 10, 10, 0.9, 0), (0, 0, 10, 5, 0.7, 0), (0, 0, 10, 3, 0.7, 0)
    for part, ids in ((most, [1, -1]), (less, [1, 2])):
        followed = tracker()
        for step in range(4):
            last = followed.update(found([whole, part]), step * 40.0)
        assert last.tolist() == ids


def test_an_object_of_another_class_in_the_same_place_is_followed_too(found: Found) -> None:
    rider, bicycle = (0, 0, 10, 10, 0.9, 0), (0, 0, 10, 5, 0.7, 1)
    followed = tracker()
    for step in range(4):
        last = followed.update(found([rider, bicycle]), step * 40.0)
    assert last.tolist() == [1, 2]


def test_objects_that_come_to_overlap_keep_their_ids(found: Found) -> None:
    """From 20 px apart to 3, by which boxes of 12 overlap by 9 / 15, and away again."""
    followed = tracker()
    for step in range(36):
        apart = max(3, abs(20 - step))
        rows = [(50, 10, 62, 40, 0.9, 0), (50 + apart, 10, 62 + apart, 40, 0.8, 0)]
        ids = followed.update(found(rows), step * 40.0).tolist()
        assert step == 0 or ids == [1, 2]


@pytest.mark.parametrize(
    ("hidden_ms", "fps", "kept"),
    [(900.0, 25.0, True), (1100.0, 25.0, False), (900.0, 10.0, True), (3900.0, 0.5, True)],
)
def test_times_not_frames_say_how_long_an_object_may_be_hidden(
    hidden_ms: float, fps: float, kept: bool, found: Found
) -> None:
    """A second; of a film with frames farther apart than that, three of them."""
    followed, box = tracker(fps=fps), found([(10, 10, 30, 40, 0.9, 0)])
    step = 1000 / fps
    for frame in range(3):
        followed.update(box, frame * step)
    back = 2 * step + hidden_ms
    first, second = followed.update(box, back), followed.update(box, back + step)
    assert (first.tolist() == [1]) == kept
    assert second.tolist() == ([1] if kept else [2])


def test_a_dropped_frame_moves_an_object_twice_as_far(found: Found) -> None:
    """11 px a frame, 20 wide; after three lost frames it is 44 px on, where time expects it."""

    def box(frame: int) -> Detections:
        return found([(11 * frame, 10, 11 * frame + 20, 40, 0.9, 0)])

    with_times = tracker()
    for frame in range(8):
        with_times.update(box(frame), frame * 40.0)
    assert with_times.update(box(11), 11 * 40.0).tolist() == [1]
    by_frames = tracker()
    for frame in range(8):
        by_frames.update(box(frame), frame * 40.0)
    assert by_frames.update(box(11), 8 * 40.0).tolist() == [-1]  # that the times matter


@pytest.mark.parametrize("name", TRACKERS)
def test_frames_with_nothing_in_them(name: TrackerName, found: Found) -> None:
    followed, nothing = tracker(name), found([])
    box = found([(10, 10, 30, 40, 0.9, 0)])
    assert followed.update(nothing, 0.0).tolist() == []
    ids = [followed.update(box, 40.0 * step).tolist() for step in range(1, 5)]
    assert followed.update(nothing, 200.0).tolist() == []
    again = [followed.update(box, 240.0 + 40.0 * step).tolist() for step in range(3)]
    assert again[-1] == ids[-1] == [1]  # OC-SORT's third box in a row, ByteTrack's first
    assert name == "ocsort" or again[0] == [1]
    assert followed.update(nothing, 400.0).dtype == np.int64


def test_without_the_library_one_line_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['trackers'] = None\n"
        "from yolokit.cli.main import main\n"
        "sys.exit(main(['track', 'no.onnx', '0']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: tracking needs the package trackers, which is not installed. "
        "pip install trackers 'supervision<0.30'\n"
    )
