from __future__ import annotations

import numpy as np
import pytest

from yolokit.drawing import Style, class_colour, draw_boxes, draw_tagged, tile

NAMES = ["disc", "square", "triangle"]


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 100, dtype=np.uint8)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


def test_no_boxes_gives_an_equal_new_picture() -> None:
    image = grey(50, 60)
    drawn = draw_boxes(image, boxes(), np.zeros(0, dtype=np.int64), NAMES)
    assert np.array_equal(drawn, image)
    assert not np.shares_memory(drawn, image)


def test_outline_lies_on_the_box_edges_and_nowhere_else() -> None:
    image = grey(100, 100)  # small: the line is 1 px wide
    drawn = draw_boxes(image, boxes((20, 40, 60, 80)), np.array([1]), NAMES)
    colour = np.array(class_colour(1))
    # The box covers columns 20..59 and rows 40..79: x2 and y2 are the far edges.
    assert (drawn[40:80, 20] == colour).all() and (drawn[40:80, 59] == colour).all()
    assert (drawn[79, 20:60] == colour).all() and (drawn[40, 20:60] == colour).all()
    assert np.array_equal(drawn[41:79, 21:59], image[41:79, 21:59])
    assert np.array_equal(drawn[80:], image[80:]) and np.array_equal(drawn[:, :20], image[:, :20])
    assert (image == 100).all()  # the picture given is not drawn on


@pytest.mark.parametrize(
    ("size", "width"), [(100, 1), (160, 2), (320, 2), (554, 2), (720, 3), (1440, 5), (2880, 10)]
)
def test_a_line_suits_the_size_of_the_picture(size: int, width: int) -> None:
    """554 is the size of 640x480 pixels, 1440 that of full HD, 2880 that of 4K."""
    image = grey(size, size)
    drawn = draw_boxes(
        image, boxes((0.2 * size, 0.2 * size, 0.8 * size, 0.8 * size)), np.array([1]), NAMES
    )
    assert (drawn[size // 2] == class_colour(1)).all(axis=1).sum() == 2 * width


def test_style_sets_the_line_and_leaves_labels_out() -> None:
    drawn = draw_boxes(
        grey(100, 100),
        boxes((20, 40, 60, 80)),
        np.array([1]),
        NAMES,
        np.array([0.5]),
        Style(line_width=3, labels=False),
    )
    assert (drawn[60] == class_colour(1)).all(axis=1).sum() == 6
    assert (drawn[:40] == 100).all() and (drawn[80:] == 100).all()


def test_label_stands_above_the_box_and_shows_name_and_score() -> None:
    one = draw_boxes(grey(100, 100), boxes((20, 40, 60, 80)), np.array([1]), NAMES)
    above = one[:40] != 100
    assert above.any() and not above[:20].any()
    scored = [
        draw_boxes(grey(100, 100), boxes((20, 40, 60, 80)), np.array([1]), NAMES, np.array([score]))
        for score in (0.5, 0.9)
    ]
    assert not np.array_equal(scored[0], scored[1])
    widths = [np.flatnonzero((picture[:40] != 100).any(axis=(0, 2))).size for picture in scored]
    assert min(widths) > np.flatnonzero(above.any(axis=(0, 2))).size


def test_each_box_may_have_its_own_colour_and_text() -> None:
    two = boxes((20, 40, 60, 80), (120, 40, 160, 80))
    drawn = draw_tagged(grey(100, 200), two, ["disc", "disc 0.5"], [(9, 8, 7), (1, 2, 3)])
    assert (drawn[60, 20] == (9, 8, 7)).all() and (drawn[60, 120] == (1, 2, 3)).all()
    same = draw_boxes(grey(100, 200), two, np.array([0, 1]), NAMES, np.array([0.5, 0.25]))
    texts, colours = ["disc 0.50", "square 0.25"], [class_colour(0), class_colour(1)]
    assert np.array_equal(draw_tagged(grey(100, 200), two, texts, colours), same)


@pytest.mark.parametrize(
    "box", [(0, 0, 30, 30), (85, 2, 99, 20), (-20, -20, 200, 200), (90, 90, 99, 99)]
)
def test_label_is_whole_inside_the_picture(box: tuple[float, float, float, float]) -> None:
    """The same number of pixels of label as where there is plenty of room."""
    colour = class_colour(2)

    def ink(picture: np.ndarray) -> int:
        return int((picture.astype(int).sum(axis=2) < 90).sum())  # the black letters

    free = draw_boxes(grey(100, 200), boxes((60, 50, 140, 90)), np.array([2]), NAMES)
    tight = draw_boxes(grey(100, 200), boxes(box) * [2, 1, 2, 1], np.array([2]), NAMES)
    assert sum(colour) > 90 and ink(free) > 50
    assert abs(ink(tight) - ink(free)) <= 3  # a line may run into a letter


@pytest.mark.parametrize("size", [1, 8, 33, 2000])
def test_any_picture_size(size: int) -> None:
    image = grey(size, size)
    drawn = draw_boxes(image, boxes((0, 0, size, size)), np.array([0]), NAMES, np.array([0.987]))
    assert drawn.shape == image.shape and not np.array_equal(drawn, image)


def test_boxes_that_are_not_there_are_left_out() -> None:
    image = grey(64, 64)
    gone = boxes((np.nan, 0, 5, 5), (0, 0, np.inf, 5), (70, 0, 90, 20), (-9, -9, -1, -1))
    assert np.array_equal(draw_boxes(image, gone, np.zeros(4, dtype=np.int64), NAMES), image)


def test_first_box_lies_on_top_and_no_label_covers_another() -> None:
    same = boxes(*[(50, 60, 150, 160)] * 9)
    labels = np.arange(9) % 3
    drawn = draw_boxes(grey(200, 200), same, labels, NAMES)
    assert (drawn[100, 50] == class_colour(0)).all()
    alone = draw_boxes(grey(200, 200), same[:1], labels[:1], NAMES)
    changed = (alone != 100).any(axis=2)
    changed[60:] = False  # the first label, above the box, is untouched by the other eight
    assert np.array_equal(drawn[changed], alone[changed])


def test_label_moves_to_a_free_corner_inside_a_large_box() -> None:
    """Above and below is no room, and another box's label stands in the first corner inside."""
    both, labels = boxes((0, 0, 90, 90), (0, 0, 200, 200)), np.array([0, 2])
    drawn = draw_boxes(grey(200, 200), both, labels, NAMES)
    assert (drawn[2:12, 150:199] == class_colour(2)).all(axis=2).sum() > 100


def test_colours_depend_on_the_label_alone() -> None:
    assert len({class_colour(label) for label in range(20)}) == 20
    assert class_colour(3) == class_colour(23)


def test_tile_places_pictures_row_by_row() -> None:
    pictures = [np.full((10, 20, 3), level, dtype=np.uint8) for level in (50, 100, 150)]
    sheet = tile(pictures, columns=2, gap=4)
    assert sheet.shape == (2 * 14 + 4, 2 * 24 + 4, 3)
    assert (sheet[4:14, 4:24] == 50).all()
    assert (sheet[4:14, 28:48] == 100).all()
    assert (sheet[18:28, 4:24] == 150).all()
    assert (sheet[18:28, 28:48] == sheet[0, 0]).all()


@pytest.mark.parametrize("pictures", [[], [np.zeros((2, 2, 3)), np.zeros((2, 3, 3))]])
def test_tile_wants_pictures_of_one_size(pictures: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="all of one size"):
        tile(pictures, columns=2)
