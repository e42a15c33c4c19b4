"""What annotation tools really write: read as meant, or refused by a code that says what to do."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as masks

from yolokit.data.audit import audit_splits
from yolokit.data.coco_file import read_tree, tree_of
from yolokit.data.coco_tree import CocoTree, Fault
from yolokit.errors import DataError
from yolokit.sections import SplitConfig

SIZE = {"width": 100, "height": 60}


def content(boxes: list[Any], **more: Any) -> dict[str, Any]:
    """One picture with these xywh boxes of one class; ``more`` goes into every annotation."""
    return {
        "images": [{"id": 1, "file_name": "a.png", **SIZE}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": n + 1, "image_id": 1, "category_id": 1, "bbox": box, **more}
            for n, box in enumerate(boxes)
        ],
    }


def fault(tree: CocoTree, code: str) -> Fault:
    found = {each.code: each for each in tree.faults}
    assert code in found, sorted(found)
    return found[code]


BOXES: list[Any] = [[3 + 5 * n, 4 + n, 20, 15] for n in range(12)]


def test_a_sound_file_has_no_fault() -> None:
    tree = tree_of(content(BOXES))
    assert tree.faults == ()
    assert tree.boxes_xywh.tolist() == BOXES
    assert tree.scorable.all() and not tree.crowd.any()
    assert (tree.image_ids, tree.category_names) == ((1,), ("cat",))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    value = content(BOXES)
    value["categories"][0]["name"] = "кошка"
    (tmp_path / "a.json").write_text(json.dumps(value, ensure_ascii=False), encoding=encoding)
    assert read_tree(tmp_path / "a.json").category_names == ("кошка",)


def test_a_file_in_pieces_is_the_file_at_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    value = content(rng.uniform(1, 40, (9000, 4)).tolist())
    value["annotations"][5000]["bbox"] = None
    value["annotations"][8500]["image_id"] = 77
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"annotations": value.pop("annotations"), "x": [[1]], **value}))
    shares: list[float] = []
    tree = read_tree(path, progress=shares.append)
    again = tree_of(json.loads(path.read_text()))
    for name in ("boxes_xywh", "image_index", "category_index", "problems", "annotation_ids"):
        assert np.array_equal(getattr(tree, name), getattr(again, name), equal_nan=True)
    assert np.flatnonzero(tree.problems).tolist() == [5000, 8500]
    assert tree.image_of(8500) == 77
    assert shares == sorted(shares) and 0 < shares[0] < shares[-1] <= 1


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"images": [}',
        '{"images": []',
        "[" * 200000,
        '{"a": 1} x',
        '{"images" 1}',
        '{"images": [], "annotations": [1 2], "categories": []}',
        '{"a": ' + "9" * 5000 + "}",
    ],
)
def test_what_is_no_json_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match="not valid JSON") as caught:
        read_tree(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


def test_boxes_in_fractions_of_the_picture() -> None:
    found = fault(tree_of(content([[0.1, 0.2, 0.3, 0.25]] * 12)), "normalised")
    assert (found.level, found.count) == ("error", 12)
    assert "Multiply" in found.advice
    one_pixel = content([*BOXES, [0, 0, 1, 1]])
    assert tree_of(one_pixel).faults == ()


def test_corners_written_for_width_and_height() -> None:
    tree = tree_of(content([[x, y, x + w, y + h] for x, y, w, h in BOXES]))
    found = fault(tree, "corners")
    assert found.level == "error" and "subtract x1" in found.advice
    # The last box: 58 + 78 is 36 beyond 100.
    assert "by up to 36 px" in found.summary


def test_boxes_far_over_the_edge() -> None:
    tree = tree_of(content([*BOXES, [90, 10, 40, 5], [-1, 0, 30, 30]]))
    found = fault(tree, "over-edge")
    assert (found.level, found.count) == ("warning", 1)  # one pixel is a slip of the hand
    assert found.cases == ("annotation 13 of image 1",)
    assert "by up to 30 px" in found.summary


@pytest.mark.parametrize(("angle", "faults"), [(45.0, 12), (0, 0), (180, 0), ("45", 0)])
def test_boxes_that_were_turned(angle: Any, faults: int) -> None:
    tree = tree_of(content(BOXES, attributes={"occluded": False, "rotation": angle}))
    assert [each.count for each in tree.faults if each.code == "turned"] == [faults] * bool(faults)


@pytest.mark.parametrize(
    ("flag", "crowd"),
    [
        (1, True),
        (True, True),
        ("1", True),
        ("true", True),
        (1.0, True),
        (0, False),
        (None, False),
        ("0", False),
        (2, False),
        ([1], False),
    ],
)
def test_one_notion_of_a_crowd(flag: Any, crowd: bool) -> None:
    assert tree_of(content(BOXES[:1], iscrowd=flag)).crowd.tolist() == [crowd]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"iscrowd": 2}, "odd-crowd"),
        ({"iscrowd": "yes"}, "odd-crowd"),
        ({"iscrowd": [1]}, "odd-crowd"),
        ({"ignore": 1}, "ignored"),
        ({"iscrowd": 0, "ignore": True}, "ignored"),
        ({"iscrowd": 1, "ignore": 1}, None),
        ({"iscrowd": "false", "ignore": 0}, None),
        ({"iscrowd": None}, None),
    ],
)
def test_what_says_neither_yes_nor_no_to_a_crowd_is_told(
    more: dict[str, Any], code: str | None
) -> None:
    found = [(each.code, each.level, each.count) for each in tree_of(content(BOXES, **more)).faults]
    assert found == ([] if code is None else [(code, "warning", 12)])


@pytest.mark.parametrize(
    ("area", "codes"),
    [
        (-5, ["area-ignored"]),
        (2e10, ["area-ignored"]),
        (0, ["area-misfit"]),
        (0.03, ["area-misfit"]),
        (9000, ["area-misfit"]),
        (300, []),
        (40, []),
        (None, []),
        ("300", []),
    ],
)
def test_areas_that_scores_would_go_wrong_by(area: Any, codes: list[str]) -> None:
    tree = tree_of(content(BOXES, area=area))  # boxes of 300 px
    assert [each.code for each in tree.faults] == codes
    assert all(each.level == "warning" and each.count == 12 for each in tree.faults)


def test_one_area_that_does_not_fit_is_no_fault_of_the_file() -> None:
    value = content(BOXES, area=300)
    value["annotations"][0]["area"] = 1  # a thin line, as a polygon
    assert tree_of(value).faults == ()


@pytest.mark.parametrize("again", ["a.png", "./a.png", "x/../a.png"])
def test_a_picture_under_two_ids_is_background_in_itself(again: str) -> None:
    value = content(BOXES)
    value["images"].append({"id": 2, "file_name": again, **SIZE})
    found = fault(tree_of(value), "repeated-file")
    assert (found.level, found.count, found.cases) == ("warning", 1, (f"image 2 ({again})",))


def test_a_list_that_stands_twice_is_told(tmp_path: Path) -> None:
    value = content(BOXES)
    text = json.dumps(value)[:-1] + ', "annotations": ' + json.dumps(value["annotations"][:5]) + "}"
    (tmp_path / "a.json").write_text(text)
    tree = read_tree(tmp_path / "a.json")
    assert len(tree) == 5
    assert (
        "two lists 'annotations', of which the later one counts"
        in fault(tree, "repeated-list").line
    )


def test_centres_written_for_corners_are_suspected() -> None:
    value = content([[15, 12, 30, 20], [85, 50, 30, 20], [50, 30, 40, 30], [60, 30, 20, 20],
                     [40, 45, 60, 28]])  # fmt: skip
    found = fault(tree_of(value), "over-edge")
    assert "all would lie inside as [x_centre, y_centre, width, height]" in found.summary
    value["annotations"][0]["bbox"] = [3, 4, 20, 15]  # beyond the left edge, were it a centre
    assert "x_centre" not in fault(tree_of(value), "over-edge").summary


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\x1f\x8b\x08\x00" + bytes(30), "is a gzip file, not JSON. Unpack it"),
        (b"PK\x03\x04" + bytes(30), "is a zip file"),
        (b"<!DOCTYPE html><html>404</html>", "is a web page or XML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
    ],
)
def test_what_stands_in_the_place_of_a_file_is_named(
    tmp_path: Path, data: bytes, told: str
) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(DataError, match=told):
        read_tree(tmp_path / "a.json")


def test_a_class_name_holds_nothing_that_a_terminal_obeys() -> None:
    value = content(BOXES)
    value["categories"][0]["name"] = "\x1b[2Jcat"
    assert tree_of(value).category_names == ("\ufffd[2Jcat",)


@pytest.mark.parametrize("one", [7, 7.0, "7"])
@pytest.mark.parametrize("other", [7, 7.0, "7"])
def test_one_notion_of_an_id(one: Any, other: Any) -> None:
    value = content(BOXES[:1])
    value["images"][0]["id"], value["annotations"][0]["image_id"] = one, other
    value["categories"][0]["id"], value["annotations"][0]["category_id"] = one, other
    tree = tree_of(value)
    assert tree.image_index.tolist() == tree.category_index.tolist() == [0]
    assert tree.category_ids == (7,)


@pytest.mark.parametrize("image_id", ["0000001_00002_d", 2**127 + 1, "007"])
def test_ids_that_are_text_or_long_are_kept_as_written(image_id: Any) -> None:
    value = content(BOXES[:1])
    value["images"][0]["id"] = value["annotations"][0]["image_id"] = image_id
    tree = tree_of(value)
    assert tree.image_ids == (image_id,) and tree.image_index.tolist() == [0]
    assert tree.faults == ()


@pytest.mark.parametrize("image_id", [True, None, 1.5, [1], {}, "", "\ud800", "a\x00"])
def test_what_can_be_no_id(image_id: Any) -> None:
    value = content(BOXES[:1])
    value["images"][0]["id"] = image_id
    found = fault(tree_of(value), "image-id")
    assert found.stops_scoring and found.cases[0].startswith("images[0] has ")
    value = content(BOXES[:1], image_id=image_id)
    assert tree_of(value).image_index.tolist() == [-1]


def test_names_that_are_numbers_and_names_that_cannot_be() -> None:
    value = content(BOXES[:1])
    value["categories"] = [{"id": 1, "name": 1}, {"id": 2, "name": "\ud800"}, {"id": 3}]
    tree = tree_of(value)
    assert tree.category_names[0] == "1"
    assert fault(tree, "category-name").count == 2
    for name in tree.category_names:
        name.encode()
    value = content(BOXES[:1])
    value["images"][0]["file_name"] = "a\x00b.png"
    assert fault(tree_of(value), "file-name").level == "error"


def test_backslashes_are_slashes() -> None:
    value = content(BOXES[:1])
    value["images"][0]["file_name"] = "shots\\a.png"
    tree = tree_of(value)
    assert tree.file_names == ("shots/a.png",)
    assert fault(tree, "backslash").level == "note"


@pytest.mark.parametrize("size", [{}, {"width": 0, "height": 0}, {"width": None, "height": -3}])
def test_pictures_without_a_size(size: dict[str, Any]) -> None:
    value = content(BOXES[:1])
    value["images"] = [{"id": 1, "file_name": "a.png", **size}]
    tree = tree_of(value)
    assert fault(tree, "no-size").count == 1
    assert (tree.sizes_hw < 1).all()


def _masks() -> Iterator[tuple[Any, list[float]]]:
    yield [[10, 20, 40, 20, 40, 50.5, 10, 50.5]], [10, 20, 30, 30.5]
    yield [[10, 20, 12, 20, 12, 22], [50, 5, 60, 5, 60, 9]], [10, 5, 50, 17]
    picture = np.zeros((60, 100), dtype=np.uint8, order="F")
    picture[7:30, 20:45] = 1
    compressed = masks.encode(picture)
    oracle = masks.toBbox(compressed).tolist()
    assert oracle == [20, 7, 25, 23]
    yield {"size": [60, 100], "counts": compressed["counts"].decode()}, oracle
    runs, value = [0], 0
    for pixel in picture.T.ravel().tolist():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    yield {"size": [60, 100], "counts": runs}, oracle
    rng = np.random.default_rng(0)
    for share in (0.001, 0.01, 0.5, 0.999):  # runs of every length, and their differences
        speckled = np.asfortranarray(rng.random((60, 100)) < share).astype(np.uint8, order="F")
        packed = masks.encode(speckled)
        yield (
            {"size": [60, 100], "counts": packed["counts"].decode()},
            masks.toBbox(packed).tolist(),
        )


@pytest.mark.parametrize(("segmentation", "box"), _masks())
def test_a_box_from_a_mask(segmentation: Any, box: list[float]) -> None:
    value = content([None, []], segmentation=segmentation)
    del value["annotations"][0]["bbox"]
    tree = tree_of(value)
    assert tree.boxes_xywh.tolist() == [box, box]
    assert fault(tree, "box-from-mask").count == 2


@pytest.mark.parametrize(
    "segmentation",
    [
        None,
        [],
        [[1, 2]],
        [["a"] * 6],
        {"size": [60, 100]},
        {"size": [9, 9], "counts": [5]},
        [[10**400] * 6],
        {"size": [60, 100], "counts": [-1, 6001]},
        {"size": [-4, -4], "counts": [10, 6]},
        {"size": [10**30, 10**30], "counts": [10, 10**60 - 10]},
        {"size": [60, 100], "counts": "P" * 49 + "o"},  # goes on, but ends
        {"size": [60, 100], "counts": "\x7f" * 50},
        {"size": [60, 100], "counts": "P" * 500},
        {"size": [60, 100], "counts": "0кит"},
        {"size": [60, 100], "counts": "5"},  # fewer pixels than the picture has
        {"size": [60, 100], "counts": ""},
        [[1.0, float("nan")] * 3],
    ],
)
def test_no_box_and_no_mask(segmentation: Any) -> None:
    tree = tree_of(content([None], segmentation=segmentation))
    assert tree.problems.tolist() == [4] and not tree.scorable.any()


def test_every_fault_of_a_file_is_found_in_one_pass() -> None:
    value = content(BOXES)
    before = value["annotations"]
    for row, change in enumerate(
        [{"image_id": 900}, {"image_id": 901}, {"category_id": 77}, {"bbox": None}, {"id": None}]
    ):
        before[row].update(change)
    value["images"].append({**value["images"][0], "file_name": "again.png"})
    unchanged = copy.deepcopy(value)
    tree = tree_of(value)
    assert value == unchanged
    assert {each.code for each in tree.faults} == {"repeated-image-id", "annotation-id"}
    assert tree.problems[:5].tolist() == [2, 2, 3, 4, 0]
    assert [tree.image_of(row) for row in (0, 1, 2)] == [900, 901, 1]
    with pytest.raises(DataError, match=r"id 1 of images\[1\]. Give every image an id") as caught:
        tree.require()
    assert "\n" not in str(caught.value)


def test_some_of_the_pictures() -> None:
    value = content(BOXES[:2])
    value["images"].append({"id": 2, "file_name": "b.png", **SIZE})
    value["annotations"][1]["image_id"] = 2
    part = tree_of(value).pictures(np.array([1]))
    assert (part.image_ids, part.file_names) == ((2,), ("b.png",))
    assert part.boxes_xywh.tolist() == [BOXES[1]] and part.image_index.tolist() == [0]


def test_numbers_beyond_all_pictures_are_no_warning_of_numpys(tmp_path: Path) -> None:
    value = content([*BOXES, [1e308, 0, 1e308, 5]])
    value["images"][0]["file_name"] = "x" * 400
    tree = tree_of(value)
    assert fault(tree, "over-edge").count == 1
    (tmp_path / "a.json").write_text(json.dumps(value))
    split = SplitConfig(images=tmp_path, annotations=tmp_path / "a.json")
    codes = [finding.code for finding in audit_splits({"val": split}, max_bad_boxes=1.0)]
    assert codes == ["over-edge", "outside", "bad-picture"]
