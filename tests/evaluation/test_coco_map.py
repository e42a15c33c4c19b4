"""Our COCO mAP against raw pycocotools, hand arithmetic, and a published set of numbers."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from yolokit.data.coco_file import tree_of
from yolokit.errors import DataError
from yolokit.evaluation.coco_io import load_rows, load_truth
from yolokit.evaluation.coco_map import METRIC_NAMES, CocoMetrics, evaluate_rows
from yolokit.evaluation.rows import to_rows
from yolokit.types import Detections


def raw_pycocotools(truth: dict[str, Any], rows: list[dict[str, Any]]) -> list[float]:
    """The twelve numbers as its own documentation computes them, -1 where undefined."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = copy.deepcopy(truth)
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(copy.deepcopy(rows)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats]


def score(truth: dict[str, Any], rows: list[dict[str, Any]]) -> CocoMetrics:
    return evaluate_rows(tree_of(truth), rows)


def make_truth(boxes: list[list[float]], *, category_id: int = 5) -> dict[str, Any]:
    """One 100×100 picture with id 7 and these xywh boxes, well-formed."""
    return {
        "images": [{"id": 7, "file_name": "a.png", "width": 100, "height": 100}],
        "categories": [{"id": category_id, "name": "cell"}],
        "annotations": [
            {
                "id": number + 1,
                "image_id": 7,
                "category_id": category_id,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": 0,
            }
            for number, box in enumerate(boxes)
        ],
    }


def make_row(box: list[float], score: float = 0.9, **changes: Any) -> dict[str, Any]:
    return {"image_id": 7, "category_id": 5, "bbox": box, "score": score, **changes}


def is_one(value: float) -> bool:
    """pycocotools adds 2e-16 to the denominator of precision: few detections fall short by it."""
    return abs(value - 1) < 1e-12


def random_case(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Three classes with sparse ids, jittered detections with tied scores, crowds, bad areas."""
    rng = np.random.default_rng(seed)
    images = [
        {"id": int(each), "file_name": f"{each}.png", "width": 640, "height": 480}
        for each in rng.choice(1000, size=12, replace=False)
    ]
    annotations: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for image in images[:-2]:  # the last two are empty
        for _ in range(rng.integers(1, 12)):
            box = [*rng.uniform(0, 400, 2), *rng.uniform(4, 200, 2)]
            category_id = int(rng.choice([0, 4, 91]))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image["id"],
                    "category_id": category_id,
                    "bbox": box,
                    "area": box[2] * box[3] * rng.uniform(0.5, 1),  # as of a mask
                    "iscrowd": int(rng.random() < 0.1),
                }
            )
            for _ in range(rng.integers(0, 3)):
                jittered = np.array(box) + rng.normal(0, 6, 4) * [1, 1, 0.5, 0.5]
                rows.append(
                    {
                        "image_id": image["id"],
                        "category_id": category_id,
                        "bbox": np.maximum(jittered, 1).tolist(),
                        "score": float(rng.integers(1, 10)) / 10,
                    }
                )
    annotations[0]["bbox"][2] = 0.0  # zero width: pycocotools counts it, nothing can match it
    annotations[0]["area"] = 0.0
    categories = [{"id": each, "name": f"class {each}"} for each in (91, 0, 4)]
    return {"images": images, "annotations": annotations, "categories": categories}, rows


def test_real_coco_numbers(real_root: Path) -> None:
    folder = real_root / "eval" / "coco_val2014_100"
    truth = load_truth(folder / "instances_val2014_100.json")
    rows = load_rows(folder / "instances_val2014_fakebbox100_results.json")
    before = copy.deepcopy(rows)
    metrics = evaluate_rows(truth, rows)
    expected = json.loads((folder / "expected.json").read_text())
    assert metrics.numbers.keys() == expected.keys()
    for name, value in expected.items():
        assert metrics.numbers[name] == pytest.approx(value, abs=1e-9, rel=0)
    assert rows == before
    assert (metrics.images, metrics.annotations) == (100, len(truth))


@pytest.mark.parametrize("seed", range(4))
def test_equals_raw_pycocotools(seed: int) -> None:
    truth, rows = random_case(seed)
    metrics = score(truth, rows)
    for value, raw in zip(metrics.numbers.values(), raw_pycocotools(truth, rows), strict=True):
        assert value == raw if raw != -1 else math.isnan(value)


def test_per_class_is_what_each_class_scores_alone() -> None:
    truth, rows = random_case(9)
    metrics = score(truth, rows)
    assert list(metrics.per_class) == ["class 0", "class 4", "class 91"]
    for category_id in (0, 4, 91):
        alone = {
            **truth,
            "categories": [{"id": category_id, "name": "x"}],
            "annotations": [a for a in truth["annotations"] if a["category_id"] == category_id],
        }
        raw = raw_pycocotools(alone, [row for row in rows if row["category_id"] == category_id])
        scores = metrics.per_class[f"class {category_id}"]
        assert (scores["AP"], scores["AP50"]) == (raw[0], raw[1])
        assert metrics.class_annotations[f"class {category_id}"] == len(alone["annotations"])


@pytest.mark.parametrize("seed", range(2))
def test_precision_over_recall_is_what_ap50_is_the_mean_of(seed: int) -> None:
    truth, rows = random_case(seed)
    truth["categories"].append({"id": 100, "name": "absent"})
    metrics = score(truth, rows)
    assert metrics.precision50.keys() == metrics.per_class.keys()
    assert metrics.precision50["absent"] == ()
    for name, curve in metrics.precision50.items():
        if name != "absent":
            assert len(curve) == 101 and list(curve) == sorted(curve, reverse=True)
            assert np.mean(curve) == pytest.approx(metrics.per_class[name]["AP50"], abs=1e-12)
    assert "precision50" not in metrics.to_dict()


def test_precision_over_recall_by_hand() -> None:
    # Best first: right, wrong, right. Precision is 1 up to recall 1/2, then 2/3.
    truth = make_truth([[0, 0, 10, 10], [50, 50, 10, 10]])
    rows = [
        make_row([0, 0, 10, 10], 0.9),
        make_row([20, 20, 5, 5], 0.8),
        make_row([50, 50, 10, 10], 0.7),
    ]
    curve = score(truth, rows).precision50["cell"]
    assert curve == pytest.approx([1.0] * 51 + [2 / 3] * 50)


def test_hand_arithmetic() -> None:
    # Two objects; the best detection overlaps one by 70/100 = 0.7, the other is missed.
    # It matches at thresholds .50 .55 .60 .65 .70, there precision is 1 up to recall 0.5:
    # 51 of 101 recall points. AP50 = 51/101, AP = AP50 / 2 (5 of 10 thresholds), AR = 0.25.
    truth = make_truth([[0, 0, 10, 10], [50, 50, 10, 10]])
    metrics = score(truth, [make_row([0, 0, 10, 7])])
    found = [metrics.AP50, metrics.AP75, metrics.AP, metrics.AR100]
    assert found == pytest.approx([51 / 101, 0, 51 / 101 / 2, 0.25])


@pytest.mark.parametrize("width", [31, 640, 1237])
def test_perfect_detections_score_one(width: int) -> None:
    rng = np.random.default_rng(width)
    corners = np.sort(rng.uniform(0, width, (20, 2, 2)), axis=1).reshape(20, 4).astype(np.float32)
    corners[:, 2:] += 0.5  # no slivers
    xywh = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    truth = make_truth(xywh.astype(float).tolist())
    found = Detections(corners, np.full(20, 0.9, np.float32), np.zeros(20, np.int64))
    metrics = score(truth, to_rows(found, 7, [5]))
    assert is_one(metrics.AP) and is_one(metrics.AP50) and is_one(metrics.AR100)
    assert is_one(metrics.per_class["cell"]["AP"]) and is_one(metrics.per_class["cell"]["AP50"])


def test_annotation_ids_zero_and_repeated_are_renumbered() -> None:
    boxes: list[list[float]] = [[0, 0, 20, 20], [40, 40, 20, 20], [70, 0, 20, 20]]
    rows = [make_row(box) for box in boxes]
    truth = make_truth(boxes)
    for annotation, broken_id in zip(truth["annotations"], (0, 0, "x"), strict=True):
        annotation["id"] = broken_id
    before = copy.deepcopy(truth)
    assert is_one(score(truth, rows).AP)
    assert truth == before


def test_no_detections() -> None:
    metrics = score(make_truth([[0, 0, 20, 20]]), [])
    assert (metrics.AP, metrics.AP50, metrics.AR100, metrics.APs) == (0, 0, 0, 0)
    assert math.isnan(metrics.APl)  # no large object to find


def test_no_truth_is_undefined_and_null_in_json() -> None:
    metrics = score(make_truth([]), [make_row([0, 0, 5, 5])])
    assert all(math.isnan(value) for value in metrics.numbers.values())
    written = json.loads(json.dumps(metrics.to_dict(), allow_nan=False))
    assert [written[name] for name in METRIC_NAMES] == [None] * 12
    assert written["per_class"] == {"cell": {"AP": None, "AP50": None}}


def test_no_pictures_at_all() -> None:
    metrics = score({"images": [], "annotations": [], "categories": []}, [])
    assert math.isnan(metrics.AP)
    assert metrics.per_class == {}


def test_missing_iscrowd_and_area() -> None:
    truth = make_truth([[0, 0, 20, 20], [40, 40, 50, 50]])
    rows = [make_row([0, 0, 20, 18]), make_row([40, 40, 50, 44], 0.8)]
    complete = score(truth, rows)
    for annotation in truth["annotations"]:
        del annotation["iscrowd"]
    truth["annotations"][0]["area"] = None
    del truth["annotations"][1]["area"]
    assert score(truth, rows) == complete


def test_crowd_is_neither_missed_nor_a_false_positive() -> None:
    truth = make_truth([[0, 0, 20, 20], [40, 40, 50, 50]])
    truth["annotations"][1]["iscrowd"] = 1
    hit = make_row([0, 0, 20, 20], 0.5)
    inside_crowd = make_row([45, 45, 10, 10], 0.9)  # scores above the hit
    assert is_one(score(truth, [hit]).AP)
    assert is_one(score(truth, [inside_crowd, hit]).AP)
    truth["annotations"][1]["iscrowd"] = 0
    assert score(truth, [inside_crowd, hit]).AP < 0.9


@pytest.mark.parametrize(
    "broken",
    [
        {"bbox": None},
        {"bbox": [1, 2, 3]},
        {"bbox": [0, 0, math.nan, 5]},
        {"bbox": ["0", 0, 1, 1]},
        {"image_id": 8},
        {"category_id": None},
    ],
)
def test_unscorable_annotations_are_left_out_and_counted(broken: dict[str, Any]) -> None:
    truth = make_truth([[0, 0, 20, 20], [40, 40, 20, 20]])
    truth["annotations"][1].update(broken)
    metrics = score(truth, [make_row([0, 0, 20, 20])])
    assert is_one(metrics.AP)
    assert (metrics.annotations, metrics.unscorable) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"image_id": 8}, "image_id 8"),
        ({"image_id": "x"}, "image_id 'x'"),
        ({"image_id": [7]}, r"image_id \[7\]"),
        ({"category_id": 0}, "category_id 0"),
        ({"score": math.nan}, "score nan"),
        ({"score": "0.9"}, "score '0.9'"),
        ({"bbox": [0, 0, math.inf, 1]}, "bbox"),
        ({"bbox": [0, 0, 1]}, "bbox"),
    ],
)
def test_bad_rows_are_named(changes: dict[str, Any], says: str) -> None:
    rows = [make_row([0, 0, 20, 20]), make_row([0, 0, 20, 20], **changes)]
    with pytest.raises(DataError, match=f"results row 1 has {says}"):
        score(make_truth([[0, 0, 20, 20]]), rows)


def test_a_row_that_lacks_keys_is_named() -> None:
    with pytest.raises(DataError, match="results row 0 lacks bbox, score"):
        score(make_truth([]), [{"image_id": 7, "category_id": 5}])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "an object at the top"),
        ("{", "not valid JSON"),
        ('{"images": [], "categories": []}', "'annotations'"),
        (
            '{"images": [{"id": 1}, {"id": 1}], "categories": [], "annotations": []}',
            "id 1 of images",
        ),
        ('{"images": [{}], "categories": [], "annotations": []}', "no id"),
    ],
)
def test_truth_of_another_layout_is_refused(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "truth.json"
    file.write_text(text)
    with pytest.raises(DataError, match=says) as caught:
        load_truth(file)
    assert str(file) in str(caught.value)


def test_results_file_must_hold_a_list(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text("{}")
    with pytest.raises(DataError, match="a list of rows"):
        load_rows(file)
    with pytest.raises(DataError, match="no results file at"):
        load_rows(tmp_path / "absent.json")


def test_two_categories_of_one_name_stay_apart_where_both_are_used() -> None:
    truth = make_truth([[0, 0, 20, 20], [40, 40, 20, 20]])
    truth["categories"].append({"id": 9, "name": "cell"})
    row = make_row([0, 0, 20, 20])
    assert is_one(score(truth, [row]).per_class["cell"]["AP"]) is False  # one of two is found
    truth["annotations"][1]["category_id"] = 9
    metrics = score(truth, [row])
    assert is_one(metrics.per_class["cell (5)"]["AP"])
    assert metrics.per_class["cell (9)"]["AP"] == 0


@pytest.mark.parametrize(
    "ids",
    [
        ["0000001_00001_d", "0000001_00002_d"],
        [81645724526782010095170042166076916798, 81645724526782010095170042166076916799],
        ["7", "11"],
        [7, "b"],
    ],
    ids=["text", "128 bits", "digits", "mixed"],
)
def test_ids_are_compared_as_they_are_written(ids: list[Any]) -> None:
    truth = make_truth([[0, 0, 20, 20], [40, 40, 20, 20]])
    truth["images"] = [{**truth["images"][0], "id": each} for each in ids]
    for annotation, image_id in zip(truth["annotations"], ids, strict=True):
        annotation["image_id"] = image_id
    rows = [make_row(a["bbox"], image_id=a["image_id"]) for a in truth["annotations"]]
    assert is_one(score(truth, rows).AP)
    assert score(truth, rows[:1]).AP50 < 0.6


def test_boxes_of_no_area_count_as_pycocotools_counts_them() -> None:
    truth = make_truth([[0, 0, 20, 20], [40, 40, 0, 0], [50, 50, -3, 4], [500, 500, 9, 9]])
    rows = [make_row([0, 0, 20, 20])]
    ours, raw = score(truth, rows), raw_pycocotools(truth, rows)
    assert ours.AP == raw[0] == pytest.approx(34 / 101)  # one of three; no area is < 0
    assert (ours.annotations, ours.unscorable) == (4, 0)


def test_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    score(make_truth([[0, 0, 20, 20]]), [make_row([0, 0, 20, 20])])
    assert capsys.readouterr().out == ""
