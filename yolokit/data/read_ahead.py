"""Pictures decoded in threads, ahead of the network. Needs no torch."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from yolokit.machine import usable_cpus

_K = TypeVar("_K")
_T = TypeVar("_T")

_MOST_THREADS = 8  # beyond that a GPU has no use for them on pictures of a few hundred pixels


def read_ahead(
    load: Callable[[_K], _T],
    keys: Iterable[_K],
    *,
    threads: int,
    ahead: int,
    begin: Callable[[], None] | None = None,
) -> Iterator[_T]:
    """``load`` of each key, in order; a few are loaded before they are asked for.

    Args:
        load: called in the threads.
        keys: in the order of the results; taken when they are loaded.
        threads: 0 loads in the calling thread, when asked.
        ahead: results that may wait, beside the one that is asked for.
        begin: called first in each thread.

    Raises:
        Whatever ``keys``, ``load`` or ``begin`` raises, at its place; what is loaded ahead is then
        given up.
    """
    if threads == 0:
        yield from map(load, keys)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead")
    begun = threading.local()

    def in_thread(key: _K) -> _T:  # not the pool's initializer, whose errors are lost
        if begin is not None and not hasattr(begun, "here"):
            begin()
            begun.here = True
        return load(key)

    waiting: deque[Future[_T]] = deque()
    try:
        source, failure = iter(keys), None
        while failure is None:
            try:
                waiting.append(pool.submit(in_thread, next(source)))
            except StopIteration:
                break
            except Exception as error:
                failure = error
            else:
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        if failure is not None:
            raise failure
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def decoding_threads(device: str) -> int:
    """How many threads decode ahead for a device by default: one beside a CPU, which the
    network keeps busy by itself; else the processors to spare."""
    if device == "cpu":
        return 1
    return min(_MOST_THREADS, max(1, usable_cpus() - 1))
