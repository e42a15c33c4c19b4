"""A result as people who script see it: printed, iterated, as a table, as a picture."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from yolokit.errors import ImageError, YolokitError
from yolokit.inference.result import Detection, Result
from yolokit.types import Detections


def result(count: int = 3, **more: object) -> Result:
    """Boxes (10n, 5, 10n + 8, 30) of two classes in turn on a grey picture."""
    lefts = 10.0 * np.arange(count)
    boxes = np.stack(
        [lefts, np.full(count, 5.0), lefts + 8, np.full(count, 30.0)], axis=1, dtype=np.float32
    )
    found = Detections(
        boxes, np.linspace(0.9, 0.5, count, dtype=np.float32), np.arange(count, dtype=np.int64) % 2
    )
    settings = {"pixels": np.full((40, 60, 3), 90, np.uint8), **more}
    return Result(
        detections=found,
        class_names=["fish", "sea lion"],
        category_ids=[3, 7],
        image_hw=(40, 60),
        **settings,  # type: ignore[arg-type]
    )


def test_iterating_gives_one_detection_after_the_other() -> None:
    found = list(result())
    assert len(result()) == len(found) == 3
    assert found[1] == Detection((10.0, 5.0, 18.0, 30.0), pytest.approx(0.7), 1, "sea lion")
    assert [each.name for each in found] == result().names


def test_a_result_without_objects_is_true_and_empty() -> None:
    empty = result(0)
    assert empty and len(empty) == 0 and list(empty) == []
    assert str(empty) == "picture 60x40: nothing"
    assert repr(empty) == "<Result picture 60x40: nothing>"


def test_printed_it_lists_what_was_found() -> None:
    assert str(result(source="a/b.jpg")).splitlines() == [
        "a/b.jpg 60x40: 2 fish, 1 sea lion",
        "  fish      0.90       0.0      5.0      8.0     30.0",
        "  sea lion  0.70      10.0      5.0     18.0     30.0",
        "  fish      0.50      20.0      5.0     28.0     30.0",
    ]
    assert repr(result(source="f.mp4", frame=7)) == (
        "<Result f.mp4 frame 7 60x40: 2 fish, 1 sea lion>"
    )


def test_a_long_list_is_cut() -> None:
    lines = str(result(25)).splitlines()
    assert len(lines) == 22 and lines[-1] == "  and 5 more"


def test_a_name_that_a_terminal_might_obey_is_tamed() -> None:
    assert "\x1b" not in str(result(source="\x1b[2J.jpg")) + repr(result(source="\x1b[2J.jpg"))


def test_a_notebook_shows_the_picture_with_its_boxes() -> None:
    shown = result()._repr_png_()
    assert shown is not None
    with Image.open(io.BytesIO(shown)) as picture:
        assert picture.format == "PNG"
        assert np.array_equal(np.asarray(picture), np.asarray(result().draw()))


def test_a_notebook_is_given_no_huge_picture() -> None:
    shown = result(pixels=np.zeros((400, 4000, 3), np.uint8))._repr_png_()
    assert shown is not None
    with Image.open(io.BytesIO(shown)) as picture:
        assert picture.size == (800, 80)


def test_a_notebook_shows_text_where_the_file_is_gone(tmp_path: Path) -> None:
    assert result(pixels=None, source=str(tmp_path / "gone.png"))._repr_png_() is None


@pytest.mark.parametrize("name", ["x.png", "new/x.PNG", "x.jpg", "x.webp"])
def test_saved_as_drawn(tmp_path: Path, name: str) -> None:
    assert result().save(tmp_path / name) == tmp_path / name
    result().save(str(tmp_path / name), line_width=2, labels=False)  # in its place
    with Image.open(tmp_path / name) as picture:
        got, expected = np.asarray(picture), np.asarray(result().draw(line_width=2, labels=False))
    assert got.shape == expected.shape
    if name.lower().endswith("png"):
        assert np.array_equal(got, expected)


def test_a_name_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"x\.txt is no name of a picture. End it in .jpg or .png"):
        result().save(tmp_path / "x.txt")
    assert list(tmp_path.iterdir()) == []


def test_a_frame_says_which_it_is() -> None:
    assert result().to_dict().keys() == {"source", "width", "height", "detections"}
    record = result(source="f.mp4", frame=7, pts_ms=280.0).to_dict()
    assert (record["source"], record["frame"], record["pts_ms"]) == ("f.mp4", 7, 280.0)


def test_as_a_table() -> None:
    pandas = pytest.importorskip("pandas")
    table = result(source="f.mp4", frame=7).to_df()
    assert list(table.columns) == [
        *("x1", "y1", "x2", "y2", "score", "label", "name", "source", "frame")
    ]
    assert table["name"].tolist() == ["fish", "sea lion", "fish"]
    assert table["x1"].tolist() == [0, 10, 20] and table["frame"].tolist() == [7, 7, 7]
    both = pandas.concat([table, result(0).to_df()])
    assert len(both) == 3 and len(result(0).to_df().columns) == 9


def test_without_pandas_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(YolokitError, match="pip install pandas"):
        result().to_df()
