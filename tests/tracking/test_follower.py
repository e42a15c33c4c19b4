"""Which boxes of a frame stay, and with which ids."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from yolokit.tracking.follower import Follower, weak_threshold, without_duplicates
from yolokit.tracking.library import library_follower
from yolokit.types import Detections
from yolokit.video.frames import Frame, Kind, Source
from yolokit.video.pipeline import run_pipeline

Found = Callable[..., Detections]
MakeFrame = Callable[..., Frame]


@pytest.fixture
def follower() -> Follower:
    return library_follower("bytetrack", score_threshold=0.25, iou_threshold=0.6)


def test_a_weak_box_stays_only_where_it_continues_a_track(
    follower: Follower, found: Found, frame: MakeFrame
) -> None:
    for index in range(3):
        follower(frame(index), found([(10, 10, 30, 40, 0.9, 0)]))
    rows = [(60, 10, 80, 40, 0.3, 1), (12, 10, 32, 40, 0.15, 0), (60, 50, 80, 70, 0.2, 0)]
    kept = follower(frame(3), found(rows))
    assert kept.scores.tolist() == pytest.approx([0.3, 0.15])
    assert kept.labels.tolist() == [1, 0]
    assert kept.track_ids is not None and kept.track_ids.tolist() == [-1, 1]
    assert kept.boxes.tolist() == [[60, 10, 80, 40], [12, 10, 32, 40]]


def test_one_object_of_two_classes_is_one(
    follower: Follower, found: Found, frame: MakeFrame
) -> None:
    """A detector that wavers between car and lorry: the id is one, through both."""
    car, lorry = (10, 10, 50, 40, 0.8, 0), (11, 10, 50, 40, 0.7, 1)
    kept = [follower(frame(0), found([car, lorry])), follower(frame(1), found([car, lorry]))]
    kept.append(follower(frame(2), found([(10, 10, 50, 40, 0.6, 1), (11, 10, 50, 40, 0.5, 0)])))
    assert [len(each) for each in kept] == [1, 1, 1]
    assert [each.labels.tolist() for each in kept] == [[0], [0], [1]]
    ids = [each.track_ids for each in kept[1:]]
    assert [each.tolist() for each in ids if each is not None] == [[1], [1]]


def test_overlap_at_the_threshold_is_two_objects(found: Found) -> None:
    """IoU of [0, 10] and [0, 6] is 0.6, of [0, 10] and [0, 7] 0.7."""
    boxes = found([(0, 0, 10, 10, 0.9, 0), (0, 0, 6, 10, 0.8, 1), (0, 0, 7, 10, 0.7, 1)])
    assert without_duplicates(boxes, 0.6).scores.tolist() == pytest.approx([0.9, 0.8])
    assert len(without_duplicates(found([]), 0.6)) == 0


def test_ids_begin_anew_with_each_film(follower: Follower, found: Found, frame: MakeFrame) -> None:
    box = found([(10, 10, 30, 40, 0.9, 0)])
    for film in (Source("a", Kind.VIDEO), Source("b", Kind.VIDEO)):
        ids = [follower(frame(index, source=film), box).track_ids for index in range(3)]
        assert [each.tolist() for each in ids if each is not None] == [[-1], [1], [1]]


@pytest.mark.parametrize(
    ("asked", "least", "weak"),
    [(0.25, None, 0.1), (0.05, None, 0.05), (0.25, 0.25, 0.25), (0.5, 0.2, 0.2), (0.0, None, 0.0)],
)
def test_what_is_detected_for_tracking(asked: float, least: float | None, weak: float) -> None:
    assert weak_threshold(asked, least) == weak


def test_ids_do_not_depend_on_how_many_frames_are_predicted_together() -> None:
    """Two objects that pass each other."""
    rng = np.random.default_rng(0)
    film = Source("film", Kind.VIDEO)
    images = [np.full((80, 100, 3), index, np.uint8) for index in range(40)]
    boxes = {
        index: np.array([[2 * index, 10, 2 * index + 15, 40], [80 - 2 * index, 12, 95, 42]])
        + rng.normal(0, 0.5, (2, 4))
        for index in range(40)
    }

    def predict(batch: list[NDArray[np.uint8]]) -> list[Detections]:
        rows = [boxes[int(image[0, 0, 0])].astype(np.float32) for image in batch]
        scores = np.array([0.9, 0.5], np.float32)
        return [Detections(row, scores, np.zeros(2, np.int64)) for row in rows]

    def ids(batch_size: int) -> list[list[int]]:
        seen: list[list[int]] = []

        def consume(_frame: Frame, tracked: Detections) -> None:
            assert tracked.track_ids is not None
            seen.append(tracked.track_ids.tolist())

        run_pipeline(
            (Frame(image, film, index, index * 40.0, 25.0) for index, image in enumerate(images)),
            predict,
            consume,
            batch_size=batch_size,
            follow=library_follower("bytetrack", score_threshold=0.25, iou_threshold=0.6),
        )
        return seen

    one = ids(1)
    assert len(one) == 40 and max(map(max, one)) >= 2
    assert ids(8) == one and ids(3) == one
