"""Times by a clock that ticks once a look: what is timed, in which order, and how it adds up."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from yolokit.bench.pictures import BenchPictures, made_up_pictures
from yolokit.bench.timing import PARTS, detect_in_parts, time_models
from yolokit.config import ModelConfig
from yolokit.inference.backend import Images
from yolokit.inference.predictor import Predictor
from yolokit.models.card import ModelCard
from yolokit.types import DecodedArrays

WARM_UP = 3


class Clock:
    """Seconds that pass only when somebody says so, and one with each look."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1
        return self.seconds


class Network:
    """A backend that finds one box in the middle, takes its time, and writes down what it saw."""

    device = description = "paper"

    def __init__(self, name: str, seen: list[tuple[str, int]], work: Callable[[], None]) -> None:
        self.name, self.seen, self.work = name, seen, work

    def to(self, device: str) -> None: ...

    def __call__(
        self, images: Images, *, score_threshold: float = 0.0, iou_threshold: float | None = None
    ) -> DecodedArrays:
        self.seen.append((self.name, int(np.asarray(images, np.int64).sum())))
        self.work()
        boxes = np.tile(np.float32([8, 8, 24, 24]), (len(images), 1, 1))
        return DecodedArrays(boxes, np.full((len(images), 1, 1), 0.9, dtype=np.float32))


def predictor(network: Network) -> Predictor:
    card = ModelCard(
        model=ModelConfig(),
        class_names=["thing"],
        category_ids=[1],
        image_hw=(32, 32),
        mean=(0, 0, 0),
        std=(1, 1, 1),
    )
    return Predictor(network, card)


@pytest.fixture(scope="module")
def pictures() -> BenchPictures:
    return made_up_pictures()


def test_models_take_turns_on_the_same_pictures(pictures: BenchPictures) -> None:
    seen: list[tuple[str, int]] = []
    models = [predictor(Network(name, seen, lambda: None)) for name in "ABC"]
    times = time_models(models, pictures, batch_size=1, enough=lambda runs, _: runs >= 4)
    assert [each.runs for each in times] == [4] * 3
    assert "".join(name for name, _ in seen) == "ABC" * (WARM_UP + 4)
    turns = [{content for _, content in seen[n : n + 3]} for n in range(0, len(seen), 3)]
    assert all(len(turn) == 1 for turn in turns)  # the same pixels for all
    assert len(set.union(*turns)) == len(turns)  # and other pixels each time


def test_the_parts_add_up_and_ratios_are_to_the_first(pictures: BenchPictures) -> None:
    clock = Clock()

    def slow() -> None:
        clock.seconds += 8

    models = [predictor(Network("A", [], lambda: None)), predictor(Network("B", [], slow))]
    times = time_models(
        models, pictures, batch_size=2, enough=lambda runs, _: runs >= 3, clock=clock
    )
    first, second = times  # 1 s a part; the second one's network 9 s; two pictures a run
    assert first.whole == pytest.approx((2000, 2000, 2000))
    assert [first.parts[part].p50 for part in PARTS] == pytest.approx([500] * 4)
    assert [second.parts[part].p50 for part in PARTS] == pytest.approx([500, 500, 4500, 500])
    assert (first.ratio, second.ratio) == pytest.approx((1, 3))
    for each in times:
        assert sum(part.mean for part in each.parts.values()) == pytest.approx(each.whole.mean)


def test_time_is_asked_for_after_each_turn(pictures: BenchPictures) -> None:
    asked: list[tuple[int, float]] = []

    def enough(runs: int, elapsed: float) -> bool:
        asked.append((runs, elapsed))
        return elapsed >= 12

    times = time_models(
        [predictor(Network("A", [], lambda: None))],
        pictures,
        batch_size=1,
        enough=enough,
        clock=Clock(),
    )
    # A look at each of a run's five edges, and one before each question.
    assert asked == [(0, 1), (1, 7), (2, 13)]
    assert times[0].runs == 2


def test_what_is_timed_is_what_predict_does(pictures: BenchPictures, tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []
    model = predictor(Network("A", seen, lambda: None))
    files = [tmp_path / f"{n}.jpg" for n in range(3)]
    for file, encoded in zip(files, pictures.encoded, strict=False):
        file.write_bytes(encoded)
    seconds, found = detect_in_parts(model, pictures.encoded[:3], Clock())
    assert seconds == [1, 1, 1, 1]
    for ours, theirs in zip(found, model.predict(files), strict=True):
        assert len(ours) == 1
        assert np.array_equal(ours.boxes, theirs.boxes)
        assert np.array_equal(ours.scores, theirs.scores)
    assert seen[0] == seen[1]  # the same pixels, in one step


def test_batches_go_round(pictures: BenchPictures) -> None:
    three = BenchPictures(pictures.encoded[:3], "")
    batches = list(itertools.islice(three.batches(2), 3))
    a, b, c = three.encoded
    assert batches == [[a, b], [c, a], [b, c]]
