"""A real film: four cars of a car park, two up and two down, in front of a still ground.

What moves is found by its difference from the ground, so that nothing but ids and counts is tested.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from yolokit.tracking.films import find_films
from yolokit.tracking.library import library_follower
from yolokit.tracking.track import Following, TrackOutputs, track
from yolokit.tracking.tracker import TRACKERS, TrackerName
from yolokit.types import Detections
from yolokit.video.pipeline import Predict

SCALE = 4  # the film is looked at in a fourth of its 768 x 432 pixels


def small(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Brightness made alike: the camera darkens the picture when a white car comes."""
    size = image.shape[1] // SCALE, image.shape[0] // SCALE
    shrunk = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(shrunk / np.median(shrunk, axis=(0, 1)), dtype=np.float32)


def difference_from(film: Path) -> Predict:
    """Boxes of what differs from the film's ground; the larger the surer."""
    capture = cv2.VideoCapture(str(film))
    frames = []
    while True:
        ok, image = capture.read()
        if not ok:
            break
        frames.append(small(np.asarray(image[..., ::-1], dtype=np.uint8)))
    ground = np.median(np.array(frames[::5]), axis=0)

    def predict(images: list[NDArray[np.uint8]]) -> list[Detections]:
        return [_found(np.abs(small(image) - ground).max(axis=2) > 0.4) for image in images]

    return predict


def _found(moved: NDArray[np.bool_]) -> Detections:
    mask = cv2.morphologyEx(moved.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 3), np.uint8))
    _, _, parts, _ = cv2.connectedComponentsWithStats(mask)
    rows = [
        (x, y, x + w, y + h, min(0.95, 0.1 + area / 700))
        for x, y, w, h, area in parts[1:].tolist()
        if area > 40
    ]
    rows.sort(key=lambda row: -row[4])
    table = np.array(rows, dtype=np.float32).reshape(-1, 5)
    return Detections(table[:, :4] * SCALE, table[:, 4], np.zeros(len(table), np.int64))


@pytest.mark.slow
@pytest.mark.parametrize("name", TRACKERS)
def test_four_cars_have_four_ids_and_cross_the_middle(
    name: TrackerName, real_root: Path, tmp_path: Path
) -> None:
    film = real_root / "video" / "car-detection.mp4"
    if not film.is_file():
        pytest.skip(f"no {film}")
    follower = library_follower(name, score_threshold=0.25, iou_threshold=0.65)
    track(
        find_films([str(film)], fps=25.0),
        difference_from(film),
        Following(follower=follower, lines=["0,50%,100%,50%"]),
        tmp_path,
        class_names=["car"],
        outputs=TrackOutputs(video=None, json_file=tmp_path / "tracks.json"),
    )
    records = json.loads((tmp_path / "tracks.json").read_text())
    assert len(records) == 377
    ids = [each["track_id"] for record in records for each in record["detections"]]
    assert set(ids) - {None} == {1, 2, 3, 4}
    assert records[-1]["counts"]["line 1"] == {"in": {"car": 2}, "out": {"car": 2}}
    order = [(e["track_id"], e["what"]) for record in records for e in record["events"]]
    assert order == [(1, "out"), (2, "in"), (3, "out"), (4, "in")]
