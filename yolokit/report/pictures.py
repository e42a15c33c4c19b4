"""The validation pictures that tell most: where the detector erred, truth and detections drawn."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from yolokit.data.coco import CocoDataset
from yolokit.data.images import read_image
from yolokit.drawing import Rgb, draw_tagged
from yolokit.evaluation.verdicts import JudgedBox, JudgedPicture, Verdict
from yolokit.report.page import Part, PicturePair, Section, paragraph

# Told apart with any colour vision; blue stands for what is right.
VERDICT_COLOURS: dict[Verdict, Rgb] = {
    "found": (72, 160, 255),
    "missed": (255, 92, 77),
    "false": (255, 206, 64),
    "ignored": (190, 200, 210),
}
_WRONG_FIRST = ("missed", "false", "found", "ignored")  # drawn on top, and labelled first
_MOST_WORST, _MOST_BEST = 12, 6
_LONG_SIDE_PX = 480
_JPEG_QUALITY = 80
_MOST_BYTES, _MOST_BYTES_BEST = 2_000_000, 800_000  # so that the page stays below 3 MB or so


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A picture twice, as data URIs, with what went right and wrong in it."""

    file_name: str
    judged: JudgedPicture
    truth_uri: str
    detections_uri: str


def exhibits(
    dataset: CocoDataset, judged: Sequence[JudgedPicture], *, most: int, most_bytes: int
) -> list[Exhibit]:
    """Pictures with their truth and their detections drawn.

    Args:
        dataset: where the pictures are.
        judged: of that split, in the order in which they are to be shown.
        most: how many at most.
        most_bytes: of all of them together.

    Raises:
        ImageError: a picture that can no longer be read.
    """
    index_of_id = {str(image_id): index for index, image_id in enumerate(dataset.image_ids)}
    named = zip(dataset.own_ids, dataset.class_names, strict=True)
    names = {each: name for each, name in named if each is not None}
    shown: list[Exhibit] = []
    size = 0
    for each in judged[:most]:
        index = index_of_id[str(each.image_id)]
        image = read_image(dataset.image_path(index))
        truth, detections = (
            _drawn(image, boxes, names) for boxes in (each.truths, each.detections)
        )
        size += len(truth) + len(detections)
        if size > most_bytes:
            break
        shown.append(Exhibit(str(dataset.file_names[index]), each, truth, detections))
    return shown


def worst_first(judged: Sequence[JudgedPicture]) -> list[JudgedPicture]:
    """The pictures with most mistakes first; those without a box or detection are left out."""
    telling = [each for each in judged if each.truths or each.detections]
    return sorted(telling, key=lambda each: (-each.missed - each.false_alarms, -each.found))


def best_first(judged: Sequence[JudgedPicture]) -> list[JudgedPicture]:
    """The pictures in which something was found: fewest mistakes first, then most found."""
    return sorted(
        (each for each in judged if each.found),
        key=lambda each: (each.missed + each.false_alarms, -each.found),
    )


def pictures_section(
    dataset: CocoDataset, judged: Sequence[JudgedPicture], threshold: float
) -> Section:
    """Truth beside detections, of the pictures that tell most.

    Args:
        dataset: where the pictures are.
        judged: of that split, at the threshold.
        threshold: above which detections are shown.

    Raises:
        ImageError: a picture that can no longer be read.
    """
    worst = exhibits(dataset, worst_first(judged), most=_MOST_WORST, most_bytes=_MOST_BYTES)
    if not worst:
        return Section("Pictures", [paragraph("No picture has a box or a detection.")])
    ids = {str(each.judged.image_id) for each in worst}
    others = [each for each in best_first(judged) if str(each.image_id) not in ids]
    best = exhibits(dataset, others, most=_MOST_BEST, most_bytes=_MOST_BYTES_BEST)
    note = (
        f"Truth, then what was detected with a score above {threshold:g}. A detection is right "
        "from IoU .50 with an object of its class that no better one has taken. First the pictures "
        "with most mistakes."
    )
    keys: tuple[tuple[Verdict, str], ...] = (
        ("found", "found"),
        ("missed", "missed"),
        ("false", "false alarm"),
        ("ignored", "crowd, not counted"),
    )
    parts = [
        paragraph(note, "soft"),
        Part("legend", [(name, _css(VERDICT_COLOURS[verdict])) for verdict, name in keys]),
        Part("pictures", list(map(_pair, worst))),
    ]
    if best:
        parts.append(paragraph("And those with fewest mistakes, most objects first.", "soft"))
        parts.append(Part("pictures", list(map(_pair, best))))
    return Section("Pictures", parts)


def _css(colour: Rgb) -> str:
    red, green, blue = colour
    return f"rgb({red} {green} {blue})"


def _pair(shown: Exhibit) -> PicturePair:
    judged = shown.judged
    caption = (
        f"{shown.file_name}: {judged.found} found, {judged.missed} missed, "
        f"{judged.false_alarms} false alarm{'' if judged.false_alarms == 1 else 's'}"
    )
    return PicturePair(
        shown.truth_uri,
        shown.detections_uri,
        f"truth of {shown.file_name}",
        f"detections in {shown.file_name}",
        caption,
    )


def _drawn(image: NDArray[np.uint8], boxes: Sequence[JudgedBox], names: dict[int, str]) -> str:
    """The picture at the report's size with its boxes, as a data URI."""
    height, width = image.shape[:2]
    scale = _LONG_SIDE_PX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    ordered = sorted(boxes, key=lambda each: _WRONG_FIRST.index(each.verdict))
    corners = np.array([each.box for each in ordered], dtype=np.float32).reshape(-1, 4) * scale
    texts = [_label(each, names) for each in ordered]
    return data_uri(
        draw_tagged(small, corners, texts, [VERDICT_COLOURS[each.verdict] for each in ordered])
    )


def _label(box: JudgedBox, names: dict[int, str]) -> str:
    name = " ".join(names.get(box.category_id, str(box.category_id)).split())
    return name if box.score is None else f"{name} {box.score:.2f}"


def data_uri(image: NDArray[np.uint8]) -> str:
    """[H, W, 3] uint8 RGB as a JPEG within the page."""
    file = io.BytesIO()
    # Colour at full resolution, or the thin lines of the boxes fade.
    Image.fromarray(image).save(file, "JPEG", quality=_JPEG_QUALITY, subsampling=0, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
