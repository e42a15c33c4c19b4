"""The one thread that runs the network: what is together, and that it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from served import cells_picture

from yolokit.data.prepare import prepare_image
from yolokit.errors import WeightsError
from yolokit.inference.predictor import Predictor
from yolokit.serving.network import NetworkThread, Wanted
from yolokit.types import DecodedArrays

USUAL = Wanted(0.25, 0.65, 100, None)


class Counted:
    """A backend that notes the size of each step; fails on pictures whose corner is white."""

    device, description = "cpu", "counted"

    def __init__(self, predictor: Predictor) -> None:
        self.steps: list[int] = []
        self._backend = predictor.backend

    def to(self, device: str) -> None:
        """It stays."""

    def __call__(self, images, *, score_threshold=0.0, iou_threshold=None) -> DecodedArrays:  # type: ignore[no-untyped-def]
        self.steps.append(len(images))
        if any(image[0, 0].min() == 255 for image in images):
            raise WeightsError("white")
        return self._backend(images, score_threshold=score_threshold, iou_threshold=iou_threshold)


@contextmanager
def network(cells: Path, **settings: float) -> Iterator[tuple[NetworkThread, Counted]]:
    predictor = Predictor.load(cells)
    backend = Counted(predictor)
    thread = NetworkThread(Predictor(backend, predictor.card), **settings)  # type: ignore[arg-type]
    yield thread, backend
    thread.close()


def test_pictures_that_come_meanwhile_go_together(cells: Path) -> None:
    pictures = [cells_picture((column, 1, "red")) for column in range(5)]
    with network(cells, batch=4, patience_s=30) as (thread, backend):
        with thread.coming():  # so that the first waits for more
            futures = [
                thread.submit(*prepare_image(each, (64, 96)), USUAL) for each in pictures[:4]
            ]
            found = [future.result(30) for future in futures]
        last = thread.submit(*prepare_image(pictures[4], (64, 96)), USUAL).result(30)
    assert backend.steps == [4, 1]  # alone it waits for nobody
    assert [each.batch for each in (*found, last)] == [4, 4, 4, 4, 1]
    lefts = [each.detections.boxes[0, 0] for each in (*found, last)]
    assert lefts == [0, 16, 32, 48, 64]


def test_each_picture_has_its_own_settings(cells: Path) -> None:
    picture = cells_picture((0, 0, "red"), (2, 0, "green"))
    asked = [USUAL, Wanted(1.0, 0.65, 100, None), Wanted(0.25, 0.65, 1, None)]
    asked.append(Wanted(0.25, 0.65, 100, [1]))
    with network(cells, batch=4, patience_s=30) as (thread, backend), thread.coming():
        futures = [thread.submit(*prepare_image(picture, (64, 96)), each) for each in asked]
        found = [future.result(30).detections.labels.tolist() for future in futures]
    assert found == [[0, 1], [], [0], [1]]
    assert backend.steps == [4]


def test_another_overlap_is_another_step(cells: Path) -> None:
    picture = prepare_image(cells_picture(), (64, 96))
    with network(cells, batch=4, patience_s=30) as (thread, backend), thread.coming():
        first = thread.submit(*picture, USUAL)
        second = thread.submit(*picture, USUAL._replace(iou=0.3))
        assert first.result(30).batch == 1
    assert second.result(30).batch == 1
    assert backend.steps == [1, 1]


def test_a_picture_that_fails_costs_the_others_nothing(cells: Path) -> None:
    white = np.full((64, 96, 3), 255, dtype=np.uint8)
    pictures = [cells_picture((1, 0, "red")), white, cells_picture((2, 0, "red"))]
    with network(cells, batch=3, patience_s=30) as (thread, _), thread.coming():
        futures = [thread.submit(*prepare_image(each, (64, 96)), USUAL) for each in pictures]
        with pytest.raises(WeightsError, match="white"):
            futures[1].result(30)
        lefts = [futures[place].result(30).detections.boxes[0, 0] for place in (0, 2)]
    assert lefts == [16, 32]


def test_what_waits_at_the_end_is_answered_and_no_more_is_taken(cells: Path) -> None:
    picture = prepare_image(cells_picture((1, 0, "red")), (64, 96))
    with network(cells) as (thread, _):
        waiting = thread.submit(*picture, USUAL)
        thread.close()
        assert len(waiting.result(0).detections) == 1
        with pytest.raises(RuntimeError, match="stopped"):
            thread.submit(*picture, USUAL)
