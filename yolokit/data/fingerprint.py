"""What a data set is, as a hash: the same on every machine, whatever its folder is called."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolokit.data.classes import ClassTable
from yolokit.types import ImageId


def id_array(ids: Sequence[ImageId]) -> NDArray[Any]:
    """Ids as int64 where all of them are such numbers, else as they are."""
    if all(isinstance(each, int) and -(2**63) <= each < 2**63 for each in ids):
        return np.array(ids, dtype=np.int64)
    return np.array(ids, dtype=np.object_)


def fingerprint_of(
    table: ClassTable,
    file_names: Sequence[str],
    image_ids: Sequence[ImageId],
    sizes_hw: NDArray[np.int64],
    kept: Mapping[str, NDArray[Any]],
) -> str:
    """SHA-256 of classes, pictures and kept boxes.

    Args:
        table: of the classes.
        file_names, image_ids, sizes_hw: of the pictures, [I] each.
        kept: ``box_offsets``, ``boxes``, ``labels`` and ``crowd``, as a ``CocoDataset`` has them.
    """
    digest = hashlib.sha256()
    listed = [table.category_ids, table.class_names, file_names]
    digest.update(json.dumps(listed).encode())
    ids = id_array(image_ids)
    if ids.dtype == np.object_:
        digest.update(json.dumps(list(map(str, image_ids))).encode())
        ids = np.zeros(0, dtype=np.int64)
    keys = ("box_offsets", "boxes", "labels", "crowd")
    for array in (ids, sizes_hw, *(kept[key] for key in keys)):
        digest.update(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
