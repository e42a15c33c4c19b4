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
from yolokit.report.page import Html, paragraph, section, text

SCORE_SHOWN = 0.25  # what ``yolokit detect`` shows unless told otherwise
# Told apart with any colour vision; blue stands for what is right.
VERDICT_COLOURS: dict[Verdict, Rgb] = {
    "found": (72, 160, 255),
    "missed": (255, 92, 77),
    "false": (255, 206, 64),
    "ignored": (190, 200, 210),
}
_WRONG_FIRST = ("missed", "false", "found", "ignored")  # drawn on top, and labelled first
_MOST_PICTURES = 12
_LONG_SIDE_PX = 480
_JPEG_QUALITY = 80
_MOST_BYTES = 2_400_000  # of all pictures together, so that the page stays below 3 MB


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A picture twice, as data URIs, with what went right and wrong in it."""

    file_name: str
    judged: JudgedPicture
    truth_uri: str
    detections_uri: str


def exhibits(dataset: CocoDataset, judged: Sequence[JudgedPicture]) -> list[Exhibit]:
    """The pictures with most mistakes, worst first; after them those with most objects found.

    Args:
        dataset: where the pictures are.
        judged: of that split. Pictures without truth and detections are never shown.

    Raises:
        ImageError: a picture that can no longer be read.
    """
    telling = [each for each in judged if each.truths or each.detections]
    telling.sort(key=lambda each: (-each.missed - each.false_alarms, -each.found))
    index_of_id = {image_id: index for index, image_id in enumerate(dataset.image_ids.tolist())}
    named = zip(dataset.own_ids, dataset.class_names, strict=True)
    names = {each: name for each, name in named if each is not None}
    shown: list[Exhibit] = []
    size = 0
    for each in telling[:_MOST_PICTURES]:
        index = index_of_id[each.image_id]
        image = read_image(dataset.image_path(index))
        truth, detections = (
            _drawn(image, boxes, names) for boxes in (each.truths, each.detections)
        )
        size += len(truth) + len(detections)
        if size > _MOST_BYTES:
            break
        shown.append(Exhibit(str(dataset.file_names[index]), each, truth, detections))
    return shown


def pictures_section(dataset: CocoDataset, judged: Sequence[JudgedPicture]) -> Html:
    """Truth beside detections, of the pictures that tell most.

    Args:
        dataset: where the pictures are.
        judged: of that split, at ``SCORE_SHOWN``.

    Raises:
        ImageError: a picture that can no longer be read.
    """
    shown = exhibits(dataset, judged)
    if not shown:
        return section("Pictures", paragraph("No validation picture has a box or a detection."))
    note = (
        f"The validation pictures with most mistakes, worst first: truth, then what was detected "
        f"with a score above {SCORE_SHOWN}, as yolokit detect shows it. A detection is right from "
        "IoU .50 with an object of its class that no better one has taken."
    )
    keys: tuple[tuple[Verdict, str], ...] = (
        ("found", "found"),
        ("missed", "missed"),
        ("false", "false alarm"),
        ("ignored", "crowd, not counted"),
    )
    legend = " ".join(_key(verdict, name) for verdict, name in keys)
    return section(
        "Pictures",
        paragraph(note, "soft"),
        Html(f"<p>{legend}</p>"),
        *map(_exhibit, shown),
    )


def _key(verdict: Verdict, name: str) -> Html:
    red, green, blue = VERDICT_COLOURS[verdict]
    return Html(
        f'<span class="key" style="background: rgb({red} {green} {blue})">{text(name)}</span>'
    )


def _exhibit(shown: Exhibit) -> Html:
    judged = shown.judged
    caption = (
        f"{shown.file_name}: {judged.found} found, {judged.missed} missed, "
        f"{judged.false_alarms} false alarm{'' if judged.false_alarms == 1 else 's'}"
    )
    return Html(
        '<figure><div class="pair">\n'
        f'<img src="{text(shown.truth_uri)}" alt="{text(f"truth of {shown.file_name}")}">\n'
        f'<img src="{text(shown.detections_uri)}" '
        f'alt="{text(f"detections in {shown.file_name}")}">\n'
        f"</div><figcaption>{text(caption)}</figcaption></figure>"
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
    return _data_uri(
        draw_tagged(small, corners, texts, [VERDICT_COLOURS[each.verdict] for each in ordered])
    )


def _label(box: JudgedBox, names: dict[int, str]) -> str:
    name = " ".join(names.get(box.category_id, str(box.category_id)).split())
    return name if box.score is None else f"{name} {box.score:.2f}"


def _data_uri(image: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    # Colour at full resolution, or the thin lines of the boxes fade.
    Image.fromarray(image).save(file, "JPEG", quality=_JPEG_QUALITY, subsampling=0, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
