from __future__ import annotations

import numpy as np

from yolokit.label_places import Rectangle, place_labels

PICTURE = (400, 400)
LABEL = (15, 60)  # height, width


def shared(a: Rectangle, b: Rectangle) -> int:
    """Pixels of both."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0, width) * max(0, height)


def crowd(seed: int, count: int = 40) -> list[Rectangle]:
    rng = np.random.default_rng(seed)
    corners, sizes = rng.integers(0, 350, (count, 2)), rng.integers(20, 50, (count, 2))
    return [
        (int(x), int(y), int(x + w), int(y + h))
        for (x, y), (w, h) in zip(corners, sizes, strict=True)
    ]


def on_neighbours(boxes: list[Rectangle], places: list[Rectangle | None]) -> float:
    """The mean over labels of the shares of other objects that each hides."""
    hidden = [
        shared(place, other) / ((other[2] - other[0]) * (other[3] - other[1]))
        for index, place in enumerate(places)
        for number, other in enumerate(boxes)
        if place is not None and number != index
    ]
    return sum(hidden) / sum(place is not None for place in places)


def test_a_box_alone_has_its_label_above() -> None:
    assert place_labels([(100, 100, 200, 200)], [LABEL], PICTURE) == [(100, 85, 160, 100)]


def test_no_box_no_label() -> None:
    assert place_labels([], [], PICTURE) == []


def test_a_label_keeps_off_a_small_neighbour() -> None:
    """Above lies another object, and the object itself is small: below is free."""
    boxes = [(100, 100, 140, 140), (100, 80, 140, 100)]
    assert place_labels(boxes, [LABEL, (0, 0)], PICTURE)[0] == (100, 140, 160, 155)


def test_on_a_neighbour_is_worse_than_on_the_object_itself() -> None:
    """All round are objects of its own size: each place hides 600 of 1600 pixels of one."""
    around = [
        (100 + 40 * dx, 100 + 40 * dy, 140 + 40 * dx, 140 + 40 * dy)
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
        if (dx, dy) != (0, 0)
    ]
    (place, *_) = place_labels([(100, 100, 140, 140), *around], [(15, 40)] * 9, PICTURE)
    assert place == (100, 100, 140, 115)


def test_a_label_beside_its_box_stays_whole() -> None:
    (place,) = place_labels([(0, 0, 20, 400)], [LABEL], PICTURE)
    assert place is not None and place[2] - place[0] == 60 and place[3] - place[1] == 15
    assert shared(place, (0, 0, 400, 400)) == 60 * 15


def test_labels_of_a_crowd_hide_little_of_it_and_nothing_of_each_other() -> None:
    for seed in range(5):
        boxes = crowd(seed)
        places = place_labels(boxes, [LABEL] * len(boxes), PICTURE)
        there = [place for place in places if place is not None]
        assert sum(shared(a, b) for a in there for b in there if a is not b) == 0
        assert all(shared(place, (0, 0, 400, 400)) == 900 for place in there)
        assert len(there) >= 34
        above: list[Rectangle | None] = [
            (x, max(0, y - 15), x + 60, max(15, y)) for x, y, *_ in boxes
        ]
        assert on_neighbours(boxes, places) < 0.6 * on_neighbours(boxes, above)


def test_the_same_boxes_have_the_same_places() -> None:
    boxes = crowd(3)
    places = [place_labels(boxes, [LABEL] * len(boxes), PICTURE) for _ in range(2)]
    assert places[0] == places[1]
