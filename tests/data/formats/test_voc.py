"""Pascal VOC as people have it, and everything that can be wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from labelled_sets import Photo, paint, voc_xml, write_text
from PIL import Image

from yolokit.data.coco import CocoDataset
from yolokit.data.coco_tree import CocoTree, Fault, Problem
from yolokit.data.formats.safe_xml import read_xml
from yolokit.data.locate import choose_split, locate_splits
from yolokit.data.read_split import read_split
from yolokit.errors import DataError

NAMES = ("cat", "dog")


def xml(*objects: str, size: str = "<size><width>200</width><height>50</height></size>") -> str:
    return f"<annotation><filename>a.png</filename>{size}\n" + "\n".join(objects) + "</annotation>"


def box(xmin: object, ymin: object, xmax: object, ymax: object, name: str = "cat") -> str:
    corners = f"<xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax>"
    return f"<object><name>{name}</name><bndbox>{corners}</bndbox></object>"


def one_picture(root: Path, text: str | bytes) -> CocoTree:
    """An unsplit set of one picture, 200 x 50, XML beside it."""
    Image.new("RGB", (200, 50)).save(root / "a.png")
    (root / "a.xml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_split(choose_split(root, "val"))


def codes(tree: CocoTree) -> dict[str, Fault]:
    return {fault.code: fault for fault in tree.faults}


def test_pixels_are_counted_from_one_and_the_last_belongs_to_the_box(tmp_path: Path) -> None:
    # 1..10 is ten pixels wide and begins at the edge; 21..30 ten high, 20 pixels below the top
    tree = one_picture(tmp_path, xml(box(1, 21, 10, 30)))
    assert tree.boxes_xywh.tolist() == [[0.0, 20.0, 10.0, 10.0]]
    assert (tree.category_names, tree.sizes_hw.tolist()) == (("cat",), [[50, 200]])
    assert tree.faults == ()


def test_a_set_with_a_box_that_begins_at_zero_counts_edges(tmp_path: Path) -> None:
    tree = one_picture(tmp_path, xml(box(0, 20, 10, 30), box(5, 5.5, 7, 8)))
    assert tree.boxes_xywh.tolist() == [[0.0, 20.0, 10.0, 10.0], [5.0, 5.5, 2.0, 2.5]]
    assert codes(tree)["from-zero"].line.startswith("it has 1 boxes that begin before pixel 1")


def test_where_pixels_begin_is_one_question_for_all_splits(tmp_path: Path) -> None:
    for split, corner in (("train", 0), ("valid", 3)):
        photo = Photo("a.png", (50, 60))
        paint(tmp_path / split, [photo])
        write_text(tmp_path / split / "a.xml", xml(box(corner, 3, 10, 10)))
    splits = locate_splits(tmp_path)
    assert list(splits) == ["train", "val"]
    assert read_split(splits["val"]).boxes_xywh.tolist() == [[3.0, 3.0, 7.0, 7.0]]


def test_difficult_is_ignored_in_scoring_and_not_learnt(tmp_path: Path) -> None:
    photo = Photo("a.png", (50, 200), [(0, 5, 5, 10, 10), (1, 20, 5, 10, 10)], difficult={1})
    tree = one_picture(tmp_path, voc_xml(photo, NAMES))
    assert tree.crowd.tolist() == [False, True]
    assert codes(tree)["difficult"].line == (
        "it has 1 objects marked difficult. They are ignored in scoring, as VOC does, and not "
        "learnt from."
    )


def test_what_a_box_has_no_room_for_is_told(tmp_path: Path) -> None:
    detailed = box(1, 1, 9, 9).replace("<bndbox>", "<pose>Left</pose><bndbox>")
    plain = box(1, 1, 9, 9).replace("<bndbox>", "<pose>Unspecified</pose><bndbox>")
    part = "<part><name>head</name><bndbox><xmin>2</xmin></bndbox></part></object>"
    tree = one_picture(tmp_path, xml(detailed, plain, plain.replace("</object>", part)))
    assert len(tree) == 3
    assert tree.category_names == ("cat",)
    assert codes(tree)["details"].summary.startswith("it has 2 objects with pose, parts")


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (box(1, 1, 9, "nan"), Problem.NOT_FINITE),
        (box(1, 1, 9, "x"), Problem.NOT_FOUR_NUMBERS),
        (box(1, 1, 9, 9).replace("<xmax>9</xmax>", ""), Problem.NOT_FOUR_NUMBERS),
        ("<object><name>cat</name></object>", Problem.NO_BOX),
        (box(1, 1, 9, 9, name=""), Problem.UNKNOWN_CATEGORY),
        (box(30, 1, 9, 9), Problem.NEGATIVE_SIZE),
        (box(10, 1, 9, 9), Problem.ZERO_AREA),
        (box(300, 1, 309, 9), Problem.OUTSIDE),
    ],
)
def test_a_bad_object_is_named_by_file_and_line(
    wrong: str, problem: Problem, tmp_path: Path
) -> None:
    tree = one_picture(tmp_path, xml(box(1, 1, 9, 9), wrong))
    tree.require()
    with pytest.raises(DataError, match=r"1 of 2 boxes in .* are bad: a.xml:3 ") as caught:
        CocoDataset.load(choose_split(tmp_path, "val"))
    assert f"a.xml:3 ({problem.reason})" in str(caught.value)
    assert len(CocoDataset.load(choose_split(tmp_path, "val"), max_bad_boxes=0.5).boxes) == 1


LAUGHS = "".join(f'<!ENTITY a{n} "{10 * f"&a{n - 1};"}">' for n in range(1, 12))
BILLION_LAUGHS = f'<!DOCTYPE a [<!ENTITY a0 "ha">{LAUGHS}]><annotation>&a11;</annotation>'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (xml(box(1, 1, 9, 9))[:-20], "line 2: unclosed token"),
        ("", "line 1: no element found"),
        ("{}", "line 1: not well-formed (invalid token)"),
        (b"\xff\xfe<", "line 1: "),
        ("<html></html>", "line 1: begins with <html>, not <annotation>"),
        (BILLION_LAUGHS, "line 1: declares entities"),
        (
            '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>&x;</annotation>',
            "line 1: declares entities",
        ),
        (60 * "<a>", "line 1: nested too deep"),
    ],
)
def test_a_broken_file_stops_training_and_scoring(
    text: str | bytes, reason: str, tmp_path: Path
) -> None:
    write_text(tmp_path / "0.xml", xml(box(1, 1, 9, 9)))
    Image.new("RGB", (200, 50)).save(tmp_path / "0.png")
    tree = one_picture(tmp_path, text)
    assert f"a.xml ({reason}" in codes(tree)["annotation-file"].line
    for scoring in (False, True):
        with pytest.raises(DataError) as caught:
            tree.require(for_scoring=scoring)
        assert "\n" not in str(caught.value)


def test_an_external_document_type_is_not_fetched(tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    file.write_text(
        '<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation>'
        "<folder>é&lt;&#65;</folder></annotation>"
    )
    assert read_xml(file).value("folder") == "é<A"


def test_sizes_that_are_missing_are_the_pictures(tmp_path: Path) -> None:
    tree = one_picture(tmp_path, xml(box(1, 1, 9, 9), size=""))
    assert tree.sizes_hw.tolist() == [[50, 200]]


@pytest.mark.parametrize(
    ("lists", "wanted"),
    [
        ({"train": "a\n", "val": "b\n", "cat_train": "a  1\n"}, {"train": "a", "val": "b"}),
        ({"trainval": "a\n", "test": "b  1\r\n"}, {"train": "a", "test": "b"}),
        ({"default": "a\n"}, {"all": "a"}),
        ({}, {"all": "a b"}),
    ],
)
def test_lists_of_image_sets(lists: dict[str, str], wanted: dict[str, str], tmp_path: Path) -> None:
    root = tmp_path / "VOC2012"
    for name, text in lists.items():
        write_text(root / "ImageSets" / "Main" / f"{name}.txt", text)
    paint(root / "JPEGImages", [Photo("a.jpg", (50, 60)), Photo("b.jpg", (50, 60))])
    write_text(root / "Annotations" / "a.xml", xml(box(1, 1, 9, 9)))
    for folder in (root, tmp_path):
        found = {split: read_split(each) for split, each in locate_splits(folder).items()}
        names = {split: " ".join(tree.file_names) for split, tree in found.items()}
        assert names == {
            split: text.replace(" ", ".jpg ") + ".jpg" for split, text in wanted.items()
        }
    last = found[list(found)[-1]]
    assert ("unlabelled" in codes(last)) == ("b.jpg" in last.file_names)


def test_a_picture_that_the_xml_names_otherwise(tmp_path: Path) -> None:
    """labelImg keeps the old name in the XML when both files are renamed."""
    Image.new("RGB", (200, 50)).save(tmp_path / "b.png")
    write_text(tmp_path / "b.xml", xml(box(1, 1, 9, 9)))
    assert read_split(choose_split(tmp_path, "val")).file_names == ("b.png",)
    write_text(tmp_path / "b.xml", xml(box(1, 1, 9, 9)).replace("a.png", "sub/b.png"))
    Image.new("RGB", (200, 50)).save(tmp_path / "c.png")
    write_text(tmp_path / "0.xml", xml().replace("a.png", "gone/c.png"))
    tree = read_split(choose_split(tmp_path, "val"))
    assert tree.file_names == ("c.png", "b.png", "c.png")


def test_pictures_of_one_name_are_a_warning(tmp_path: Path) -> None:
    Image.new("RGB", (200, 50)).save(tmp_path / "a.bmp")
    tree = one_picture(tmp_path, xml(box(1, 1, 9, 9)))
    assert tree.file_names == ("a.png",)
    assert codes(tree)["shared-labels"].level == "warning"


@pytest.mark.parametrize("name", ["n" * 5000, "/", "..", "../" * 2000 + "a.png", "\ufffe", ""])
def test_names_that_no_system_takes_are_pictures_that_are_missing(
    name: str, tmp_path: Path
) -> None:
    write_text(tmp_path / "b.xml", xml(box(1, 1, 9, 9)).replace("a.png", name))
    write_text(tmp_path / "ImageSets" / "Main" / "val.txt", f"{name}\na\n")
    tree = one_picture(tmp_path, xml(box(1, 1, 9, 9)))
    assert len(tree.file_names) == 2
    assert "a.png" in tree.file_names
