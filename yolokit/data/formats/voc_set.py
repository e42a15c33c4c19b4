"""Where the annotations and pictures of a set in Pascal VOC's format are.

The development kit's folders, Roboflow's and CVAT's exports, and XML beside pictures or in a folder
of its own, as labelImg writes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from yolokit.data.formats.picture_files import holds_pictures, is_file, pictures_under, text_of
from yolokit.data.formats.safe_xml import read_xml
from yolokit.data.split_names import SPELLINGS, WHOLE, split_of_name
from yolokit.errors import DataError

_ANNOTATIONS = ("annotations", "annotation", "xml", "xmls", "labels")
_PICTURES = ("jpegimages", "images", "image", "imgs", "img")
_LISTS = Path("ImageSets") / "Main"
_FLAGS = {"1", "0", "-1"}  # after a name: whether a class is in the picture
LABEL_MAP = "labelmap.txt"  # CVAT's list of classes, in their order


@dataclass(frozen=True, slots=True)
class VocPart:
    """One split.

    Args:
        annotations: the folder of its XML files.
        pictures: the folder of its pictures.
        listed: the file that names its pictures; None where all that lie there are meant.
    """

    annotations: Path
    pictures: Path
    listed: Path | None = None


@dataclass(frozen=True, slots=True)
class VocSet:
    """What is there, by split, and the folder of it all."""

    root: Path
    parts: Mapping[str, VocPart]

    @property
    def annotation_files(self) -> list[Path]:
        """All XML files of all splits."""
        folders = dict.fromkeys(part.annotations for part in self.parts.values())
        return [file for folder in folders for file in sorted(folder.rglob("*.xml"))]


def set_of_folder(folder: Path) -> VocSet | None:
    """The set in a folder, or in the one ``VOC…`` folder in it; None where there is no VOC."""
    inner = [path for path in folder.glob("VOC*") if path.is_dir()]
    for root in [folder, *(inner if len(inner) == 1 else [])]:
        parts = _kit(root) or _beside(root)
        if parts and _is_voc(parts):
            return VocSet(root, parts)
    return None


def listed_names(part: VocPart) -> list[str]:
    """The names in a split's list, without a suffix; of pictures that lie there, without a list.

    Raises:
        DataError: the list cannot be read.
    """
    if part.listed is None:
        pictures = {_stem(path, part.pictures) for path in pictures_under(part.pictures)}
        files = {_stem(path, part.annotations) for path in part.annotations.rglob("*.xml")}
        return sorted(pictures | files)
    try:
        lines = text_of(part.listed).split("\n")
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the list {part.listed}: {error}. Check the path") from error
    names = (_listed(line.rstrip("\r"), part.annotations) for line in lines if line.strip())
    return list(dict.fromkeys(names))


def _stem(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _listed(line: str, annotations: Path) -> str:
    if is_file(annotations / f"{line}.xml"):
        return line
    name, _, flag = line.strip().rpartition(" ")
    return name.rstrip() if name and flag in _FLAGS else line.strip()


def _kit(root: Path) -> dict[str, VocPart]:
    """``Annotations`` and ``JPEGImages``, or as others name them, and lists of ``ImageSets``."""
    if not root.is_dir():
        return {}
    below = {path.name.casefold(): path for path in sorted(root.iterdir()) if path.is_dir()}
    annotations = [below[name] for name in _ANNOTATIONS if name in below]
    annotations = [folder for folder in annotations if next(folder.rglob("*.xml"), None)]
    pictures = [below[name] for name in _PICTURES if name in below]
    if not annotations:
        return {}
    folder = pictures[0] if pictures else root
    lists = _lists(root / _LISTS)
    found = {split: VocPart(annotations[0], folder, file) for split, file in lists.items()}
    return found or {WHOLE: VocPart(annotations[0], folder)}


def _lists(folder: Path) -> dict[str, Path]:
    """Lists of pictures by split; those of single classes, as ``cat_train.txt``, are others."""
    files = {path.stem.casefold(): path for path in sorted(folder.glob("*.txt"))}
    found = {SPELLINGS[stem]: path for stem, path in files.items() if stem in SPELLINGS}
    if "train" not in found and "trainval" in files:
        found["train"] = files["trainval"]
    if not found and len(files) == 1:
        found[WHOLE] = next(iter(files.values()))
    return found


def _beside(root: Path) -> dict[str, VocPart]:
    """XML files beside their pictures: in a folder for each split, or in one."""
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    found: dict[str, VocPart] = {}
    for folder in folders:
        split = split_of_name(folder.name)
        if split is None or split in found:
            continue
        if next(folder.glob("*.xml"), None) is not None:
            found[split] = VocPart(folder, folder)
        elif kit := _kit(folder):
            found[split] = next(iter(kit.values()))
    if not found and next(root.glob("*.xml"), None) is not None and holds_pictures(root):
        found[WHOLE] = VocPart(root, root)
    return found


def _is_voc(parts: Mapping[str, VocPart]) -> bool:
    """Whether the first XML file that can be read is VOC's, rather than another tool's."""
    for file in _files(parts):
        try:
            return read_xml(file).name == "annotation"
        except (OSError, ValueError):
            continue
    return True  # all of them are damaged: reading says so


def _files(parts: Mapping[str, VocPart]) -> Iterator[Path]:
    for part in parts.values():
        yield from sorted(part.annotations.rglob("*.xml"))[:5]


def pictures_by_stem(folder: Path) -> dict[str, list[Path]]:
    """The pictures of a folder by their name without a suffix, as lists of VOC have it."""
    found: dict[str, list[Path]] = {}
    for path in pictures_under(folder):
        found.setdefault(_stem(path, folder), []).append(path)
    return found
