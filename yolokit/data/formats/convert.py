"""A set in one format written in another, pictures and all; what is lost on the way is counted.

Shape legend: A annotations of a split, I pictures.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolokit.data.classes import class_table
from yolokit.data.coco import CocoDataset
from yolokit.data.coco_faults import clipped_corners
from yolokit.data.coco_tree import CocoTree, Problem, some
from yolokit.data.formats.coco_copy import extras, write_renamed, write_tree
from yolokit.data.formats.label_text import Placed, one_line, voc_text, yolo_text
from yolokit.data.formats.picture_files import sizes_hw
from yolokit.data.formats.target_names import TargetNames
from yolokit.data.formats.voc_set import LABEL_MAP
from yolokit.data.formats.yolo_labels import label_path
from yolokit.data.read_split import read_split
from yolokit.data.split_names import WHOLE
from yolokit.errors import DataError
from yolokit.files import put_in_unused, require_unused_folder, scratch_beside
from yolokit.sections import LabelFormat, SplitConfig

Progress = Callable[[str, float], None]
_CUT = 1e-6  # pixels beyond the edge that are no change of a box
_CVAT_SUBSET = "default"  # of a COCO set that knows no splits


@dataclass(frozen=True, slots=True)
class Converted:
    """One split as it was written.

    Args:
        pictures, boxes: how many.
        lost: what has no place in the new format, in words, and how often.
        left_out: annotations that cannot be used, named and with the reason.
        faults: lines of what the old labels' reader found.
    """

    pictures: int
    boxes: int
    lost: Counter[str]
    left_out: tuple[str, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """A split that is read and sound, and the names of its pictures in the new set."""

    split: SplitConfig
    dataset: CocoDataset
    names: tuple[str, ...]

    @property
    def tree(self) -> CocoTree:
        return self.dataset.tree


def convert(
    splits: Mapping[str, SplitConfig],
    target: LabelFormat,
    folder: Path,
    *,
    link: bool = False,
    progress: Progress | None = None,
) -> dict[str, Converted]:
    """Write a set's splits in another format into a new folder, whole or not at all.

    A box comes back from any of the formats as it was, if it lies in its picture and has at most
    nine decimals. A COCO file that stays one is written again entry by entry.

    Args:
        splits: by name, as ``locate_splits`` gives them.
        target: the new format.
        folder: does not exist yet, or is empty.
        link: make symbolic links to the pictures instead of copies.
        progress: is called with what is being done and the share of it that is.

    Returns:
        What became of each split.

    Raises:
        DataError: the folder is in use, labels cannot be read, or pictures are missing or of
            another size than the labels say.
    """
    require_unused_folder(folder)
    shared = TargetNames(by_stem=True)  # VOC's splits lie in one folder
    sources = {}
    for name, split in splits.items():
        tree = read_split(split, progress=_part(progress, f"reading {name}"))
        tree.require()
        names = shared if target == "voc" else TargetNames(by_stem=target == "yolo")
        sources[name] = _source(tree, split, names)
    classes = _classes(sources.values())
    home = folder.absolute()
    with scratch_beside(home) as scratch:
        new = scratch / home.name
        new.mkdir()
        done = {}
        for name, source in sources.items():
            pictures = new / _picture_folder(target, name)
            for place, picture in enumerate(source.names):
                _put(source.dataset.image_path(place), pictures / picture, link=link)
                if progress is not None:
                    progress(f"writing {name}", (place + 1) / len(source.names))
            writer = {"coco": _write_coco, "yolo": _write_yolo, "voc": _write_voc}[target]
            done[name] = writer(source, name, new, classes)
        if target != "coco":
            _write_classes(target, list(sources), new, classes)
        put_in_unused(new, home)
    return done


def _part(progress: Progress | None, label: str) -> Callable[[float], None] | None:
    return None if progress is None else lambda share: progress(label, share)


def _picture_folder(target: LabelFormat, split: str) -> str:
    if target == "voc":
        return "JPEGImages"
    if split == WHOLE:
        return f"images/{_CVAT_SUBSET}" if target == "coco" else "images"
    return f"images/{split}"


def _put(source: Path, target: Path, *, link: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if link:
        target.symlink_to(source.absolute())
    else:
        shutil.copyfile(source, target)


def _source(tree: CocoTree, split: SplitConfig, names: TargetNames) -> _Source:
    dataset = CocoDataset.of(tree, split)
    reasons = []
    for place, found in enumerate(sizes_hw(dataset.image_paths)):
        stated, path = tuple(dataset.sizes_hw[place].tolist()), dataset.image_path(place)
        if found == (0, 0):
            reasons.append(f"{path.name} (no readable picture)")
        elif found != stated:
            sizes = (f"{width}x{height}" for height, width in (found, stated))
            reasons.append("{} (is {}, the labels say {})".format(path.name, *sizes))
    if reasons:
        raise DataError(
            f"{len(reasons)} of {len(dataset)} pictures of {tree.where} cannot be used: "
            f"{some(reasons)}. Repair them, or take them out of the labels"
        )
    paths = zip(tree.file_names, dataset.image_paths, strict=True)
    return _Source(split, dataset, tuple(names.of(name, path) for name, path in paths))


def _classes(sources: Iterable[_Source]) -> list[str]:
    """The classes of all splits: those of the first in its order, then what others add."""
    names = (one_line(name) for source in sources for name in class_table(source.tree).class_names)
    return list(dict.fromkeys(names))


def _write_coco(source: _Source, split: str, new: Path, _classes: list[str]) -> Converted:
    name = _CVAT_SUBSET if split == WHOLE else split
    file = new / "annotations" / f"instances_{name}.json"
    file.parent.mkdir(exist_ok=True)
    tree = source.tree
    if source.split.format == "coco":
        ids = map(str, tree.image_ids)
        write_renamed(source.split.annotations, file, dict(zip(ids, source.names, strict=True)))
        return _converted(source, np.ones(len(tree), dtype=np.bool_), Counter())
    write_tree(file, replace(tree, sizes_hw=source.dataset.sizes_hw), source.names)
    return _converted(source, tree.scorable, Counter())


def _write_yolo(source: _Source, split: str, new: Path, classes: list[str]) -> Converted:
    kept = (source.dataset.problems == Problem.NONE) & ~source.tree.crowd
    folder = new / _picture_folder("yolo", split)
    for picture, size_hw, objects in _objects(source, kept, classes):
        file = label_path(folder / picture)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yolo_text(objects, size_hw), encoding="utf-8")
    lost = _lost(source, kept)
    lost["crowds: YOLO has none, what they cover counts as background"] = _crowds(source)
    return _converted(source, kept, lost)


def _write_voc(source: _Source, split: str, new: Path, classes: list[str]) -> Converted:
    kept = source.dataset.problems == Problem.NONE
    stems = []
    for picture, size_hw, objects in _objects(source, kept, classes):
        stems.append(picture.rpartition(".")[0])
        file = new / "Annotations" / f"{stems[-1]}.xml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(voc_text(objects, size_hw, picture), encoding="utf-8")
    if split != WHOLE:
        lists = new / "ImageSets" / "Main" / f"{split}.txt"
        lists.parent.mkdir(parents=True, exist_ok=True)
        lists.write_text("".join(f"{stem}\n" for stem in stems), encoding="utf-8")
    lost = _lost(source, kept)
    if source.split.format != "voc":
        lost["crowds, which are marked difficult"] = _crowds(source)
    return _converted(source, kept, lost)


def _crowds(source: _Source) -> int:
    return int((source.tree.crowd & (source.dataset.problems == Problem.NONE)).sum())


def _objects(
    source: _Source, kept: NDArray[np.bool_], classes: list[str]
) -> Iterator[tuple[str, tuple[int, int], list[Placed]]]:
    """Each picture's name, size and objects to write, in file order."""
    tree, sizes = source.tree, source.dataset.sizes_hw
    label_of = {name: label for label, name in enumerate(classes)}
    names = [one_line(name) for name in tree.category_names]
    rows = np.flatnonzero(kept)
    rows = rows[np.argsort(tree.image_index[rows], kind="stable")]
    corners = clipped_corners(tree.boxes_xywh[rows], sizes[tree.image_index[rows]]).T.tolist()
    objects: list[list[Placed]] = [[] for _ in source.names]
    for row, (x1, y1, x2, y2) in zip(rows.tolist(), corners, strict=True):
        name = names[tree.category_index[row]]
        placed = Placed(label_of[name], name, (x1, y1, x2, y2), bool(tree.crowd[row]))
        objects[tree.image_index[row]].append(placed)
    shapes = [(height, width) for height, width in sizes.tolist()]
    yield from zip(source.names, shapes, objects, strict=True)


def _lost(source: _Source, kept: NDArray[np.bool_]) -> Counter[str]:
    """What neither YOLO nor VOC has a place for."""
    tree = source.tree
    rows = np.flatnonzero(kept)
    boxes = tree.boxes_xywh[rows]
    cut = clipped_corners(boxes, source.dataset.sizes_hw[tree.image_index[rows]])
    whole = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    lost = Counter(
        {"parts of boxes beyond the edge": int((abs(cut.T - whole) > _CUT).any(1).sum())}
    )
    if source.split.format == "coco":
        lost.update(extras(source.split.annotations))
        own = ~np.isclose(tree.areas[rows], boxes[:, 2] * boxes[:, 3], rtol=1e-6)
        lost["areas that are not width times height"] = int(
            (own & ~np.isnan(tree.areas[rows])).sum()
        )
        numbered = len(tree.image_ids) + len(tree) + len(tree.category_ids)
        lost["ids of pictures, annotations and classes, which are numbered anew"] = numbered
    return lost


def _converted(source: _Source, kept: NDArray[np.bool_], lost: Counter[str]) -> Converted:
    tree, problems = source.tree, source.dataset.problems
    renamed = sum(old != new for old, new in zip(tree.file_names, source.names, strict=True))
    lost["names of pictures, which are renamed"] = renamed
    bad = np.flatnonzero(~kept & (problems != Problem.NONE)).tolist()
    return Converted(
        pictures=len(source.names),
        boxes=int(kept.sum()),
        lost=+lost,
        left_out=tuple(f"{tree.case(row)} ({Problem(problems[row]).reason})" for row in bad),
        faults=tuple(f"{fault.level}: {fault.line}" for fault in tree.faults),
    )


def _write_classes(target: LabelFormat, splits: list[str], new: Path, classes: list[str]) -> None:
    if target == "voc":
        rows = "".join(f"{name}:::\n" for name in classes)
        (new / LABEL_MAP).write_text(f"# label:color_rgb:parts:actions\n{rows}", encoding="utf-8")
    elif splits == [WHOLE]:
        text = "".join(f"{name}\n" for name in classes)
        (new / "classes.txt").write_text(text, encoding="utf-8")
    else:
        lines = [f"{split}: images/{split}" for split in splits]
        lines += ["", "names:"]
        lines += [
            f"  {n}: {json.dumps(name, ensure_ascii=False)}" for n, name in enumerate(classes)
        ]
        (new / "data.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
