"""Which change of a configuration lifts the ceiling of what it can reach, and by how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from typing import Any

import numpy as np

from yolokit.ceiling.measure import ScoredCeiling, measure_ceiling
from yolokit.config import Config
from yolokit.data.coco import CocoDataset
from yolokit.data.coco_tree import CocoTree
from yolokit.heads.family import HEADS, family_of, read_head

_WORTH = 0.005  # AP: less is not worth a change
_MOST_OF_IT = 0.8  # share of the best gain that a cheaper change must bring to be preferred
_SUPPRESS_LATER = 0.8  # an overlap that hardly any two objects of one class have
_COCO_LIMIT = 100  # detections a picture that COCO's AP looks at
_ENOUGH_PICTURES = 2000  # to compare changes on; more would only take longer
_ENOUGH_BOXES = 10_000
_SIZE_STEP = 32  # px: input sizes that every backbone divides without a rest


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Alternative:
    """A change and what it would reach: ``changes`` are overrides as the command line has them."""

    changes: tuple[str, ...]
    scored: ScoredCeiling


def sample(dataset: CocoDataset, truth: CocoTree) -> tuple[CocoDataset, CocoTree]:
    """A split with its annotation file, or some pictures spread over it where it is large.

    At most 2000 pictures, and about 10,000 boxes: pycocotools, where it has to count, takes
    a second for a few thousand.
    """
    count = len(dataset)
    per_picture = max(1.0, len(dataset.boxes) / max(1, count))
    enough = max(1, min(_ENOUGH_PICTURES, int(_ENOUGH_BOXES / per_picture)))
    if count <= enough:
        return dataset, truth
    chosen = np.arange(enough, dtype=np.int64) * count // enough
    return dataset.pictures(chosen.tolist()), truth.pictures(chosen)


def measure_alternatives(
    dataset: CocoDataset, truth: CocoTree, config: Config, now: ScoredCeiling
) -> list[Alternative]:
    """The changes that could win back what is lost, cheapest first, and last the best of all.

    Args:
        dataset: the split.
        truth: its annotation file.
        config: as it is.
        now: what that reaches.
    """
    tried = []
    for overrides in _changes(config, now):
        scored = measure_ceiling(dataset, truth, _with(config, overrides))
        tried.append((overrides, scored))
    helpful = [item for item in tried if _gain(item[1], now) >= _WORTH]
    together: dict[str, Any] = {}
    for overrides, _ in sorted(helpful, key=lambda item: _gain(item[1], now)):
        together |= overrides  # of two values for one key, the better one stays
    if len(together) > 1 and "model.head" not in together:
        tried.append((together, measure_ceiling(dataset, truth, _with(config, together))))
    return [
        Alternative(changes=tuple(map(_override, o.items())), scored=scored) for o, scored in tried
    ]


def choose(alternatives: list[Alternative], now: ScoredCeiling) -> Alternative | None:
    """The cheapest that brings most of what there is to gain; None where none is worth it."""
    best = max((_gain(each.scored, now) for each in alternatives), default=0.0)
    if not best >= _WORTH:
        return None
    enough = (each for each in alternatives if _gain(each.scored, now) >= _MOST_OF_IT * best)
    return next(enough)


def _gain(scored: ScoredCeiling, now: ScoredCeiling) -> float:
    return scored.metrics.AP - now.metrics.AP


def _changes(config: Config, now: ScoredCeiling) -> Iterator[dict[str, Any]]:
    lost = {name: bool(count.sum()) for name, count in now.losses.items()}
    predict = config.predict
    if lost["suppressed"] and predict.iou_threshold < _SUPPRESS_LATER:
        yield {"predict.iou_threshold": _SUPPRESS_LATER}
    if lost["over_limit"] and predict.max_detections < _COCO_LIMIT:
        yield {"predict.max_detections": _COCO_LIMIT}
    family = family_of(config.model.head)
    for change in family.finer(lost):
        yield {f"model.head.{key}": value for key, value in change.items()}
    if family.own_grid is None:
        small = lost["contested"] or lost["off_centre"] or lost["vanished"]
        if small or now.narrow.any():
            yield from _larger_inputs(config)
    elif lost["contested"]:
        yield from _other_heads()


def _other_heads() -> Iterator[dict[str, Any]]:
    """Those whose cells become more with the input, for a grid that is too coarse."""
    for name in HEADS:
        if family_of(read_head(name)).own_grid is None:
            yield {"model.head": name}


def _larger_inputs(config: Config) -> Iterator[dict[str, Any]]:
    for factor in (1.5, 2.0):
        height, width = (
            round(side * factor / _SIZE_STEP) * _SIZE_STEP for side in config.data.image_hw
        )
        yield {"data.image_size": height if height == width else (height, width)}


def _with(config: Config, overrides: Mapping[str, Any]) -> Config:
    tree = config.model_dump()
    for key, value in overrides.items():
        *sections, leaf = key.split(".")
        reduce(getitem, sections, tree)[leaf] = value
    return Config.model_validate(tree)


def _override(item: tuple[str, Any]) -> str:
    key, value = item
    text = f"[{','.join(map(str, value))}]" if isinstance(value, tuple) else str(value)
    return f"{key}={text}"
