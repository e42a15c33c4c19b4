"""The feature maps of a training on the disk: written whole or not at all, read batch by batch.

Shape legend: R rows, one for each augmented picture; B rows of a batch; h × w × C a level's map.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from yolokit.engine.feature_plan import FeaturePlan
from yolokit.errors import DataError
from yolokit.files import naming, put_in_place, remove_leftovers, scratch_beside
from yolokit.ops.letterbox import fit_letterbox
from yolokit.types import FeatureBatch, ImageId, Truth

LARGEST = 65504.0  # that float16 holds
_NUMBER_BYTES = 2  # of float16
_KEPT_FREE = 10**9  # bytes, for the states and models that the training writes beside
_ABOUT, _TRUTHS = "about.json", "truths.npz"

Shape: TypeAlias = tuple[int, int, int]  # h, w, C
Made: TypeAlias = tuple[list[Tensor], list[Truth]]  # maps [B, h, w, C] float16, truths


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Kept:
    """What is kept of a training's pictures.

    Args:
        plan: which rows there are.
        shapes: of each level of the backbone, shallow to deep; None where nobody reads it.
        image_hw: the input's (height, width), pixels.
        image_ids: of the set's pictures.
    """

    plan: FeaturePlan
    shapes: tuple[Shape | None, ...]
    image_hw: tuple[int, int]
    image_ids: Sequence[ImageId]

    @property
    def picture_bytes(self) -> int:
        """Of the maps of one picture."""
        return _NUMBER_BYTES * sum(math.prod(shape) for shape in self.shapes if shape)

    @property
    def all_bytes(self) -> int:
        """Of all maps."""
        return len(self.plan) * self.picture_bytes


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Truths:
    """All boxes [N, 4] and labels [N], row after row; ``ends`` [R]: where those of a row end."""

    boxes: Tensor
    labels: Tensor
    ends: NDArray[np.int64]

    def of(self, row: int) -> Truth:
        """Copies: a loading process would hand over all of an array with a part of it."""
        found = slice(int(self.ends[row - 1]) if row else 0, int(self.ends[row]))
        return Truth(self.boxes[found].clone(), self.labels[found].clone())


class FeatureStore(Dataset[FeatureBatch]):
    """Maps and truths by the keys of samples, ``(epoch, index, mosaic)``.

    A level's maps lie in one file, a picture's in a row; each process maps the files anew.

    Args:
        folder: of the files; nobody else's.
        kept: what they hold.
        dtype: what maps are handed over in, float16 or float32.
    """

    def __init__(self, folder: Path, kept: Kept, dtype: torch.dtype) -> None:
        self.folder, self.kept, self.dtype = folder, kept, dtype
        self._maps: list[Tensor | None] = []
        self._truths: _Truths | None = None

    def __len__(self) -> int:
        return len(self.kept.image_ids)

    @property
    def picture_bytes(self) -> int:
        """Of the maps of one picture as they are handed over."""
        return self.kept.picture_bytes // _NUMBER_BYTES * self.dtype.itemsize

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": [], "_truths": None}

    def __getitem__(self, key: tuple[int, int, bool]) -> FeatureBatch:
        """A batch of one."""
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[tuple[int, int, bool]]) -> FeatureBatch:
        """The samples of some keys, as a data loader asks for a batch."""
        truths = self._truths or self._open()
        rows = [self.kept.plan.row(*key) for key in keys]
        hw = self.kept.image_hw
        return FeatureBatch(
            features=[self._level(maps, rows) for maps in self._maps],
            image_hw=hw,
            truths=[truths.of(row) for row in rows],
            letterboxes=[fit_letterbox(hw, hw)] * len(rows),  # of an augmented picture
            image_ids=[self.kept.image_ids[index] for _, index, _ in keys],
        )

    def _level(self, maps: Tensor | None, rows: Sequence[int]) -> Tensor:
        """[B, C, h, w] in channels-last order; each row is read and converted in one go."""
        if maps is None:
            return torch.empty(0)
        found = torch.empty((len(rows), *maps.shape[1:]), dtype=self.dtype)
        for place, row in enumerate(rows):
            found[place].copy_(maps[row])
        return found.permute(0, 3, 1, 2)

    def _open(self) -> _Truths:
        rows = len(self.kept.plan)
        self._maps = [
            # Copy-on-write: torch warns of arrays that cannot be written. Nobody writes.
            shape
            and torch.from_numpy(np.memmap(self._file(level), np.float16, "c", 0, (rows, *shape)))
            for level, shape in enumerate(self.kept.shapes)
        ]
        with np.load(self.folder / _TRUTHS) as arrays:
            self._truths = _Truths(
                boxes=torch.from_numpy(arrays["boxes"]),
                labels=torch.from_numpy(arrays["labels"]),
                ends=np.cumsum(arrays["counts"]),
            )
        return self._truths

    def _file(self, level: int) -> Path:
        return self.folder / f"level{level}.f16"

    def holds(self, fingerprint: str) -> bool:
        """Whether the files are there, whole, and were made of just that."""
        try:
            found = json.loads((self.folder / _ABOUT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        rows = len(self.kept.plan)
        return found == {"fingerprint": fingerprint} and all(
            shape is None
            or (self._file(level).is_file() and self._file(level).stat().st_size)
            == rows * math.prod(shape) * _NUMBER_BYTES
            for level, shape in enumerate(self.kept.shapes)
        )

    def close(self) -> None:
        """Let the files go: what is deleted while it is mapped still takes its room."""
        self._maps, self._truths = [], None

    def require_room(self) -> None:
        """Check that the disk holds all maps; those of an earlier session give theirs back.

        Where as much lies there already nothing more is asked for: a run whose disk its own states
        and models filled can go on.

        Raises:
            DataError: it does not.
        """
        remove_leftovers(self.folder)
        there = sum(file.stat().st_size for file in self.folder.glob("*.f16"))
        needed, free = self.kept.all_bytes, shutil.disk_usage(self.folder.parent).free + there
        if there < needed and needed + _KEPT_FREE > free:
            raise DataError(
                f"train.feature_cache needs {needed / 1e9:.1f} GB for {len(self.kept.plan)} maps, "
                f"and {self.folder.parent} has {max(0, free - _KEPT_FREE) / 1e9:.1f} GB to spare. "
                "Make room there, take fewer variants or a smaller data.image_size, or give "
                "another folder with --run"
            )

    def fill(self, fingerprint: str, made: Iterable[Made]) -> None:
        """Write all rows, in their order, in place of what is there.

        Args:
            fingerprint: of what they are made of.
            made: maps of the levels that are read, with the pictures' truths, batch after batch.

        Raises:
            OSError: naming the file.
        """
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        with scratch_beside(self.folder) as scratch:
            truths = self._write_maps(scratch, made)
            np.savez(
                scratch / _TRUTHS,
                boxes=torch.cat([each.boxes for each in truths]).numpy(),
                labels=torch.cat([each.labels for each in truths]).numpy(),
                counts=np.array([len(each.labels) for each in truths]),
            )
            about = json.dumps({"fingerprint": fingerprint})
            (scratch / _ABOUT).write_text(about, encoding="utf-8")
            put_in_place(scratch, self.folder)

    def _write_maps(self, folder: Path, made: Iterable[Made]) -> list[Truth]:
        levels = [level for level, shape in enumerate(self.kept.shapes) if shape]
        paths = [folder / self._file(level).name for level in levels]
        files = [path.open("wb") for path in paths]
        truths: list[Truth] = []
        try:
            for maps, of_pictures in made:
                truths += of_pictures
                for path, file, each in zip(paths, files, maps, strict=True):
                    _write(path, file, each)
        finally:
            for file in files:
                file.close()
        assert len(truths) == len(self.kept.plan)
        return truths


def _write(path: Path, file: BinaryIO, maps: Tensor) -> None:
    with naming(path):
        file.write(maps.contiguous().numpy().data)
