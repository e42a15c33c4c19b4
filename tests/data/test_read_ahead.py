"""Results come in order, few at a time, and errors at their place."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from yolokit.data.read_ahead import read_ahead


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize("ahead", [0, 2, 100])
def test_results_come_in_order(threads: int, ahead: int) -> None:
    got = read_ahead(lambda index: index * index, range(30), threads=threads, ahead=ahead)
    assert list(got) == [index * index for index in range(30)]


def test_no_more_wait_than_may() -> None:
    """With 4 ahead, the result after the n-th needs no more than n + 1 + 4 to have been begun."""
    begun, lock = 0, threading.Lock()

    def load(index: int) -> int:
        nonlocal begun
        with lock:
            begun += 1
        return index

    for taken, _ in enumerate(read_ahead(load, range(50), threads=3, ahead=4)):
        assert begun <= taken + 1 + 4


def test_an_error_comes_at_its_place_and_ends_the_threads() -> None:
    def load(index: int) -> int:
        if index == 3:
            raise ValueError("three")
        return index

    got = []
    with pytest.raises(ValueError, match="three"):
        for each in read_ahead(load, range(10), threads=2, ahead=2):
            got.append(each)
    assert got == [0, 1, 2]
    assert not [t for t in threading.enumerate() if t.name.startswith("ahead")]


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_an_error_of_the_keys_comes_after_what_was_before_it(threads: int) -> None:
    def keys() -> Iterator[int]:
        yield from range(7)
        raise KeyError("seven")

    got = []
    with pytest.raises(KeyError, match="seven"):
        for each in read_ahead(lambda index: index, keys(), threads=threads, ahead=4):
            got.append(each)
    assert got == list(range(7))


def test_who_stops_early_leaves_no_threads() -> None:
    results = read_ahead(lambda index: index, range(1000), threads=2, ahead=2)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name.startswith("ahead")]
