"""How long each part of a detection takes, model by model in turn.

The parts are those of `Predictor.predict_images`, with nothing left out in between. Shape legend:
R runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolokit.bench.pictures import BenchPictures
from yolokit.data.images import decode_image
from yolokit.data.prepare import prepare_image, together
from yolokit.inference.postprocess import require_numbers, select_detections
from yolokit.inference.predictor import Predictor
from yolokit.types import Detections

PARTS = ("decode", "prepare", "network", "postprocess")
SCORE_THRESHOLD = 0.25  # of `yolokit detect`
_WARM_UP = 3  # runs of each model that do not count: the first ones allocate and plan
_HIGH = 95  # percentile

Clock = Callable[[], float]


class Spread(NamedTuple):
    """Milliseconds a picture: the median, the mean, and what 95 of 100 runs stay below."""

    p50: float
    mean: float
    p95: float


class ModelTimes(NamedTuple):
    """One model's times.

    Args:
        whole: from the file's bytes to the detections.
        parts: the same, part by part; their means add up to that of ``whole``.
        ratio: of the time of the first model, run by run; the median.
        runs: how many were timed.
    """

    whole: Spread
    parts: dict[str, Spread]
    ratio: float
    runs: int


def time_models(
    predictors: Sequence[Predictor],
    pictures: BenchPictures,
    *,
    batch_size: int,
    enough: Callable[[int, float], bool],
    clock: Clock = time.perf_counter,
) -> list[ModelTimes]:
    """Time models in turn, A B A B, each on the same pictures, so that a busy moment hits all.

    Args:
        predictors: the models, at least one.
        pictures: taken in their order, round and round.
        batch_size: pictures a run, at least 1.
        enough: from the runs of each model so far, and the seconds since the first that counted,
            to whether to stop.
        clock: seconds.

    Raises:
        WeightsError: a model's outputs are not numbers.
    """
    batches = pictures.batches(batch_size)
    for _ in range(_WARM_UP):
        batch = next(batches)
        for predictor in predictors:
            detect_in_parts(predictor, batch, clock)
    seconds: list[list[list[float]]] = [[] for _ in predictors]
    started = clock()
    while not enough(len(seconds[0]), clock() - started):
        batch = next(batches)
        for predictor, runs in zip(predictors, seconds, strict=True):
            runs.append(detect_in_parts(predictor, batch, clock)[0])
    tables = [np.array(runs, dtype=np.float64) / batch_size for runs in seconds]  # [R, 4]
    return [_summary(table, tables[0]) for table in tables]


def detect_in_parts(
    predictor: Predictor, batch: Sequence[bytes], clock: Clock
) -> tuple[list[float], list[Detections]]:
    """One run: the seconds of each part, and what `Predictor.predict` finds in the same files."""
    stamps = [clock()]
    images = [decode_image(each) for each in batch]
    stamps.append(clock())
    prepared, letterboxes = zip(
        *(prepare_image(image, predictor.image_hw) for image in images), strict=True
    )
    fed = together(prepared)
    stamps.append(clock())
    own = predictor.card.predict
    decoded = predictor.backend(
        fed, score_threshold=SCORE_THRESHOLD, iou_threshold=own.iou_threshold
    )
    stamps.append(clock())
    found = select_detections(
        require_numbers(decoded),
        letterboxes,
        score_threshold=SCORE_THRESHOLD,
        iou_threshold=own.iou_threshold,
        max_detections=own.max_detections,
    )
    stamps.append(clock())
    return [after - before for before, after in pairwise(stamps)], found


def _summary(table: NDArray[np.float64], first: NDArray[np.float64]) -> ModelTimes:
    whole = table.sum(axis=1)
    return ModelTimes(
        whole=_spread(whole),
        parts={part: _spread(table[:, column]) for column, part in enumerate(PARTS)},
        ratio=float(np.median(whole / first.sum(axis=1))),
        runs=len(table),
    )


def _spread(seconds: NDArray[np.float64]) -> Spread:
    low, high = np.percentile(1000 * seconds, (50, _HIGH)).tolist()
    return Spread(p50=low, mean=float(1000 * seconds.mean()), p95=high)
