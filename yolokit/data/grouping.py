"""Pictures that must not part: of one folder, one film, one original, or that look alike."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

GROUPINGS = ("names", "folder", "none")  # and any regular expression
_COPY = re.compile(r"(.+)\.rf\.[0-9A-Za-z]+")  # Roboflow's augmented copies of a picture
_FILM = re.compile(
    r"(.+?[._-](?:mp4|mov|avi|mkv|webm|m4v|mpe?g|3gp|wmv))[._-].*\d.*", re.IGNORECASE
)
_FRAME = re.compile(r"(.*[^._\- ])[._\- ]*frame[._\- ]*\d+.*", re.IGNORECASE)


class Grouping(NamedTuple):
    """Which pictures hang together.

    Args:
        group_of: [I] number of each picture's group, 0..G-1.
        by_name: how many pictures share a group by their names alone.
        look_alikes: how many look like another one of theirs.
    """

    group_of: NDArray[np.int64]
    by_name: int
    look_alikes: int

    @property
    def sizes(self) -> NDArray[np.int64]:
        """[G] pictures."""
        return np.bincount(self.group_of)


def naming_rule(text: str) -> Callable[[str], str | None]:
    """What says which group a picture's name is of; None for a picture by itself.

    Args:
        text: ``names`` (frames of a film, augmented copies of a picture), ``folder``, ``none``,
            or a regular expression: equal matches, or equal first groups of it, are one group.

    Raises:
        ValueError: no regular expression.
    """
    if text == "none":
        return lambda name: None
    if text == "folder":
        return lambda name: name.rpartition("/")[0]
    if text == "names":
        return source_of
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error

    def matched(name: str) -> str | None:
        match = pattern.search(name)
        return match and (match[1] if pattern.groups else match[0])

    return matched


def source_of(name: str) -> str | None:
    """The film or picture that a picture was made from, as far as tools write it into names.

    ``IMG_8512_MOV-3.jpg`` is of ``IMG_8512_MOV``, ``gate_frame_0012.png`` of ``gate``,
    ``dog_jpg.rf.1f2e.jpg`` of ``dog_jpg``.
    """
    folder, slash, last = name.rpartition("/")
    stem = last.rpartition(".")[0] or last
    copy = _COPY.fullmatch(stem)
    stem = copy[1] if copy else stem
    film = _FILM.fullmatch(stem) or _FRAME.fullmatch(stem)
    if film is None and copy is None:
        return None
    return folder + slash + (film[1] if film else stem)


def grouped(
    names: Sequence[str],
    rule: Callable[[str], str | None],
    look_alikes: Sequence[tuple[int, int]] = (),
) -> Grouping:
    """Groups by names and by looks; what hangs together through a third is one group.

    Args:
        names: [I] file names, with ``/`` between folders.
        rule: see ``naming_rule``.
        look_alikes: pairs of places in ``names``.
    """
    together: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        if (source := rule(name)) is not None:
            together[source].append(index)
    groups = [each for each in together.values() if len(each) > 1]
    pairs = [pair for each in groups for pair in pairwise(each)]
    return Grouping(
        group_of=_connected(len(names), [*pairs, *look_alikes]),
        by_name=sum(map(len, groups)),
        look_alikes=len({index for pair in look_alikes for index in pair}),
    )


def _connected(count: int, pairs: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """[count] number of the component of each, in order of first members."""
    from scipy.sparse import coo_array  # a tenth of a second, for this command only
    from scipy.sparse.csgraph import connected_components

    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    links = coo_array((np.ones(len(pairs), dtype=np.int8), (ends[0], ends[1])), (count, count))
    component: NDArray[np.int32] = connected_components(links, directed=False)[1]
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    ranks = np.argsort(np.argsort(first, kind="stable"), kind="stable")
    return ranks[inverse].astype(np.int64)
