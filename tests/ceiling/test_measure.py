"""The score of all that a configured detector can predict, and the change that lifts it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from yolokit.ceiling import advice as ceiling_advice
from yolokit.ceiling.advice import choose, measure_alternatives, sample
from yolokit.ceiling.grid_score import score_ceiling
from yolokit.ceiling.measure import LOSSES, ScoredCeiling, measure_ceiling
from yolokit.config import Config
from yolokit.data.coco import CocoDataset
from yolokit.data.locate import locate_splits
from yolokit.evaluation.coco_io import load_truth
from yolokit.sections import SplitConfig

Set = tuple[CocoDataset, dict[str, Any]]


def a_set(folder: Path, size: int, boxes: list[tuple[str, list[float]]]) -> Set:
    """One square picture; boxes are (class, x y w h)."""
    ids = {"cat": 3, "dog": 8}
    tree = {
        "images": [{"id": 5, "file_name": "5.jpg", "height": size, "width": size}],
        "categories": [{"id": number, "name": name} for name, number in ids.items()],
        "annotations": [
            {"id": n, "image_id": 5, "category_id": ids[name], "bbox": box, "iscrowd": 0}
            for n, (name, box) in enumerate(boxes, start=1)
        ],
    }
    path = folder / "truth.json"
    path.write_text(json.dumps(tree))
    dataset = CocoDataset.load(SplitConfig(images=folder, annotations=path), max_bad_boxes=1.0)
    return dataset, load_truth(path)


def config(size: int, head: str = "yolo", **sections: Any) -> Config:
    settings = {"type": head, **sections.pop("head_settings", {})}
    model = {"head": settings}
    return Config.model_validate({"model": model, "data": {"image_size": size}, **sections})


def lost(scored: ScoredCeiling) -> dict[str, list[int]]:
    """Cause -> [cats, dogs] that it costs."""
    assert tuple(scored.losses) == LOSSES
    return {cause: count.tolist() for cause, count in scored.losses.items() if count.any()}


def test_where_nothing_is_lost_everything_is_in_reach(tmp_path: Path) -> None:
    pair = a_set(tmp_path, 64, [("cat", [3, 4, 20, 30]), ("dog", [30, 6, 30, 50])])
    scored = measure_ceiling(*pair, config(64))
    assert pytest.approx([1.0, 1.0]) == [scored.metrics.AP, scored.metrics.AR100]
    assert lost(scored) == {} and scored.boxes.tolist() == [1, 1]
    assert scored.metrics.class_recall == {"cat": 1.0, "dog": 1.0}


def test_neighbours_of_one_class_are_suppressed(tmp_path: Path) -> None:
    # 40 x 40 and 40 x 32 inside it: IoU 0.8. The dog on the same place is of another class.
    first, second = [10.0, 10, 40, 40], [10.0, 10, 40, 32]
    pair = a_set(tmp_path, 64, [("cat", first), ("cat", second), ("dog", second)])
    scored = measure_ceiling(*pair, config(64))
    assert lost(scored) == {"suppressed": [1, 0]}
    # one cat of two: recall 0.5, which 51 of COCO's 101 recall points reach
    assert scored.metrics.per_class["cat"]["AP50"] == pytest.approx(51 / 101)
    assert scored.metrics.class_recall["cat"] == pytest.approx(0.5)
    assert scored.metrics.per_class["dog"]["AP"] == pytest.approx(1.0)
    later = measure_ceiling(*pair, config(64, predict={"iou_threshold": 0.85}))
    assert lost(later) == {} and pytest.approx(1.0) == later.metrics.AP


def test_suppression_keeps_as_many_as_it_can(tmp_path: Path) -> None:
    # The first overlaps both others by 30 / 50 of their union; they share less: 20 / 60.
    boxes = [[20.0, 8, 40, 40], [10.0, 8, 40, 40], [30.0, 8, 40, 40]]
    pair = a_set(tmp_path, 96, [("cat", box) for box in boxes])
    scored = measure_ceiling(*pair, config(96, predict={"iou_threshold": 0.5}))
    assert lost(scored) == {"suppressed": [1, 0]}
    assert scored.metrics.class_recall["cat"] == pytest.approx(2 / 3)


def test_a_limit_costs_what_is_over_it(tmp_path: Path) -> None:
    boxes = [("cat", [x, 8.0, 20, 40]) for x in (1.0, 25, 50)]
    scored = measure_ceiling(*a_set(tmp_path, 96, boxes), config(96, predict={"max_detections": 2}))
    assert lost(scored) == {"over_limit": [1, 0]}
    assert scored.metrics.class_recall["cat"] == pytest.approx(2 / 3)


def test_a_box_that_is_predicted_badly_counts_for_its_overlap(tmp_path: Path) -> None:
    # 31.84 px square of the wanted 42: IoU 0.5747, above the thresholds 0.50 and 0.55 of ten.
    pair = a_set(tmp_path, 64, [("cat", [11.0, 11, 42, 42])])
    scored = measure_ceiling(*pair, config(64, head_settings={"strides": (8,), "bins": 3}))
    assert lost(scored) == {"out_of_reach": [1, 0]}
    assert scored.metrics.class_recall["cat"] == pytest.approx(0.2)
    assert pytest.approx([1.0, 0.0]) == [scored.metrics.AP50, scored.metrics.AP75]


def test_without_boxes_nothing_is_defined(tmp_path: Path) -> None:
    pair = a_set(tmp_path, 64, [])
    scored = measure_ceiling(*pair, config(64))
    assert math.isnan(scored.metrics.AP)
    assert choose(measure_alternatives(*pair, config(64), scored), scored) is None


# -------------------------------------------------------------------------------------- advice


def test_tiny_boxes_ask_for_finer_cells(tmp_path: Path) -> None:
    # Two 3 px boxes between the 8 px centres, each around a centre of 4 px cells at 2, 6, 10, …
    boxes = [("cat", [4.5, 4.5, 3, 3]), ("cat", [20.5, 36.5, 3, 3]), ("dog", [30.0, 4, 30, 50])]
    pair = a_set(tmp_path, 64, boxes)
    start = config(64)
    now = measure_ceiling(*pair, start)
    assert lost(now) == {"off_centre": [2, 0]} and now.narrow.tolist() == [2, 0]
    tried = measure_alternatives(*pair, start, now)
    changes = [each.changes for each in tried]
    assert ("model.head.strides=[4,8,16,32]",) in changes and ("data.image_size=128",) in changes
    best = choose(tried, now)
    assert best is not None and best.changes == ("model.head.strides=[4,8,16,32]",)
    again = measure_ceiling(*pair, config(64, head_settings={"strides": (4, 8, 16, 32)}))
    assert best.scored.metrics.AP == again.metrics.AP > now.metrics.AP


def test_a_crowded_cell_asks_for_a_finer_grid(tmp_path: Path) -> None:
    # 2 x 2 cells of 32 px; the two cats share one of them, but not one of 4 x 4.
    boxes = [("cat", [2.0, 2, 8, 8]), ("cat", [20.0, 20, 8, 8]), ("dog", [40.0, 40, 16, 16])]
    pair = a_set(tmp_path, 64, boxes)
    start = config(64, "yolov1", head_settings={"grid_size": 2})
    now = measure_ceiling(*pair, start)
    assert lost(now) == {"contested": [1, 0]}
    best = choose(measure_alternatives(*pair, start, now), now)
    assert best is not None and best.changes == ("model.head.grid_size=4",)
    assert pytest.approx(1.0) == best.scored.metrics.AP


def test_sides_beyond_reach_ask_for_coarser_cells(tmp_path: Path) -> None:
    pair = a_set(tmp_path, 64, [("cat", [1.0, 1, 62, 62])])
    start = config(64, head_settings={"strides": (8, 16), "bins": 2})
    now = measure_ceiling(*pair, start)
    assert lost(now) == {"out_of_reach": [1, 0]}
    best = choose(measure_alternatives(*pair, start, now), now)
    assert best is not None and best.changes == ("model.head.strides=[8,16,32]",)


def test_two_kinds_of_loss_are_mended_together(tmp_path: Path) -> None:
    duplicates = [("cat", [10.0, 10, 40, 40]), ("cat", [10.0, 10, 40, 32])]
    pair = a_set(tmp_path, 64, [*duplicates, ("dog", [52.5, 52.5, 3, 3])])
    start = config(64, predict={"iou_threshold": 0.7})
    now = measure_ceiling(*pair, start)
    assert lost(now) == {"suppressed": [1, 0], "off_centre": [0, 1]}
    last = measure_alternatives(*pair, start, now)[-1]
    assert len(last.changes) > 1 and "predict.iou_threshold=0.8" in last.changes
    assert pytest.approx(1.0) == last.scored.metrics.AP


def test_nothing_lost_nothing_advised(tmp_path: Path) -> None:
    pair = a_set(tmp_path, 64, [("cat", [3, 4, 20, 30])])
    now = measure_ceiling(*pair, config(64))
    assert measure_alternatives(*pair, config(64), now) == []
    assert choose([], now) is None


def test_advice_on_a_large_set_looks_at_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    images = [{"id": i, "file_name": f"{i}", "height": 64, "width": 64} for i in range(10, 30)]
    rows = [
        {"image_id": int(rng.integers(10, 30)), "bbox": [*rng.uniform(0, 30, 2), 9, 8]}
        for _ in range(60)
    ]
    tree = {
        "images": images,
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"id": n, "category_id": 1, **row} for n, row in enumerate(rows)],
    }
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(tree))
    dataset, truth = (
        CocoDataset.load(SplitConfig(images=tmp_path, annotations=path)),
        load_truth(path),
    )
    assert sample(dataset, truth) == (dataset, truth)
    monkeypatch.setattr(ceiling_advice, "_ENOUGH_PICTURES", 5)
    part, part_truth = sample(dataset, truth)
    assert part.image_ids.tolist() == [10, 14, 18, 22, 26]
    for index in range(5):
        for mine, theirs in zip(part.truth(index), dataset.truth(index * 4), strict=True):
            assert np.array_equal(mine, theirs)
    scored = measure_ceiling(part, part_truth, config(64))
    assert scored.metrics.images == 5
    assert scored.metrics.annotations == len(part.boxes) == scored.boxes.sum()


# ---------------------------------------------------------------------------------- real sets


@pytest.mark.parametrize("name", ["aquarium", "bccd"])
def test_real_sets(real_root: Path, name: str) -> None:
    split = locate_splits(real_root / "data" / name)["val"]
    pair = CocoDataset.load(split, max_bad_boxes=1.0), load_truth(split.annotations)
    several, one = (measure_ceiling(*pair, config(320, head)) for head in ("yolo", "yolov1"))
    assert 0.98 < several.metrics.AP <= 1.0
    assert one.metrics.AP < several.metrics.AP
    for scored in (several, one):
        assert int(scored.boxes.sum()) == int((~pair[0].crowd).sum())
        defined = [v for v in scored.metrics.class_recall.values() if not math.isnan(v)]
        assert pytest.approx(float(np.mean(defined))) == scored.metrics.AR100


def test_yolov1_without_suppression_is_the_plain_grids_ceiling(real_root: Path) -> None:
    from yolokit.ceiling.grid import grid_ceiling

    split = locate_splits(real_root / "data" / "aquarium")["test"]
    dataset, truth = CocoDataset.load(split, max_bad_boxes=1.0), load_truth(split.annotations)
    plain = score_ceiling(dataset, grid_ceiling(dataset, grid_size=7, image_hw=(320, 320)), truth)
    scored = measure_ceiling(dataset, truth, config(320, "yolov1", predict={"iou_threshold": 1}))
    assert pytest.approx(plain.AP, abs=1e-9) == scored.metrics.AP
    assert scored.metrics.per_class.keys() == plain.per_class.keys()
