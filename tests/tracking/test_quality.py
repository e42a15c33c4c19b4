"""Tracks against exact truth, scored by a kept evaluation library (TrackEval's numbers)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from trackers.eval import evaluate_mot_sequence

from yolokit.synthesis.dataset import synthesise
from yolokit.tracking.library import library_follower
from yolokit.tracking.mot_text import MotSink
from yolokit.tracking.tracker import TRACKERS, TrackerName
from yolokit.types import Detections
from yolokit.video.frames import Frame

MakeFrame = Callable[..., Frame]
METRICS = ["CLEAR", "HOTA", "Identity"]


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tracks of the made-up film of moving shapes; MOT files of 60 frames, 4 objects."""
    folder = tmp_path_factory.mktemp("film") / "shapes"
    synthesise(folder, images=(1, 0, 0), size_hw=(160, 200), classes=3, seed=3)
    return folder / "shapes_tracks.txt"


def scores(truth: Path, tracks: Path, folder: Path) -> tuple[float, float, float]:
    """MOTA, HOTA, IDF1, each at most 1.

    MOTChallenge counts objects of class 1 alone, so that here all are.
    """
    rows = np.loadtxt(truth, delimiter=",")
    rows[:, 7] = 1
    one_class = folder / "truth.txt"
    np.savetxt(one_class, rows, delimiter=",", fmt="%g")
    found = evaluate_mot_sequence(one_class, tracks, metrics=METRICS)
    assert found.CLEAR and found.HOTA and found.Identity
    return found.CLEAR.MOTA, found.HOTA.HOTA, found.Identity.IDF1


def detected(truth: Path) -> dict[int, Detections]:
    """Frame -> the boxes of truth as a detector sees them.

    A pixel off, every tenth missing, every fifth weak, and in every third frame a weak box that is
    nothing; best first.
    """
    rng = np.random.default_rng(7)
    rows = np.loadtxt(truth, delimiter=",")
    frames = {}
    for number in range(1, int(rows[:, 0].max()) + 1):
        own = rows[rows[:, 0] == number]
        own = own[rng.random(len(own)) > 0.1]
        boxes = np.hstack([own[:, 2:4], own[:, 2:4] + own[:, 4:6]])
        boxes += rng.normal(0, 1, boxes.shape)
        strong = rng.uniform(0.4, 0.9, len(own))
        values = np.where(rng.random(len(own)) < 0.2, rng.uniform(0.11, 0.24, len(own)), strong)
        labels = own[:, 7].astype(np.int64) - 1
        if number % 3 == 0:
            x, y = rng.uniform(0, 140, 2)
            boxes = np.vstack([boxes, [x, y, x + 20, y + 20]])
            values, labels = np.append(values, 0.15), np.append(labels, 0)
        order = np.argsort(-values)
        frames[number - 1] = Detections(
            boxes[order].astype(np.float32), values[order].astype(np.float32), labels[order]
        )
    return frames


def followed(
    name: TrackerName, truth: Path, frame: MakeFrame, folder: Path, *, shuffled: bool = False
) -> Path:
    """The MOT text of the tracks; with ids that change hands in each frame where ``shuffled``."""
    follower = library_follower(name, score_threshold=0.25, iou_threshold=0.65)
    sink, rng = MotSink(folder), np.random.default_rng(0)
    for index, found in detected(truth).items():
        tracked = follower(frame(index), found)
        if shuffled and tracked.track_ids is not None:
            rng.shuffle(tracked.track_ids)
        sink.write(frame(index), tracked)
    sink.close()
    return sink.written[0]


# MOTA, HOTA, IDF1 as seen: ByteTrack 0.86, 0.82, 0.93; OC-SORT, which takes no weak boxes and asks
# for three in a row after each gap, 0.34, 0.34, 0.51; ByteTrack's ids shuffled 0.2, 0.3, 0.3.
LEAST = {"bytetrack": (0.8, 0.75, 0.9), "ocsort": (0.3, 0.3, 0.45)}


@pytest.mark.parametrize("name", TRACKERS)
def test_tracks_are_those_of_truth(
    name: TrackerName, truth: Path, frame: MakeFrame, tmp_path: Path
) -> None:
    found = scores(truth, followed(name, truth, frame, tmp_path), tmp_path)
    assert all(value >= least for value, least in zip(found, LEAST[name], strict=True)), found


def test_ids_that_change_hands_would_be_noticed(
    truth: Path, frame: MakeFrame, tmp_path: Path
) -> None:
    shuffled = followed("bytetrack", truth, frame, tmp_path, shuffled=True)
    mota, hota, idf1 = scores(truth, shuffled, tmp_path)
    print(mota, hota, idf1)
    least = LEAST["bytetrack"]
    assert mota < least[0] and hota < least[1] and idf1 < least[2]


def test_truth_scores_one(truth: Path, tmp_path: Path) -> None:
    assert scores(truth, truth, tmp_path) == pytest.approx((1.0, 1.0, 1.0))
