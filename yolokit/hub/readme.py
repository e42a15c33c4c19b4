"""The page of a model on the hub: what its own card says, in words and in the hub's terms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, get_args

from yolokit.heads.family import HEADS
from yolokit.models.card import ModelCard
from yolokit.models.export_record import ExportFormat
from yolokit.models.hub_files import MODEL
from yolokit.models.hub_name import hub_name
from yolokit.plain_text import tamed

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

_TASK = "object-detection"
_METRIC = "mean_average_precision"
_SCORES = {"AP": "AP (COCO, IoU 0.50:0.95)", "AP50": "AP50 (COCO, IoU 0.50)"}
_BEGIN = "<!-- yolokit writes anew, with each push, what stands from here -->"
_END = "<!-- to here -->"
OWN_TAGS = {"yolokit", _TASK, *HEADS, *get_args(ExportFormat)}  # others are somebody's


def hub_data(
    card: ModelCard, title: str, license: str | None, dataset: str | None
) -> ModelCardData:
    """What the hub sorts and lists models by.

    Args:
        card: of the model file.
        title: name of the model.
        license: as the hub names it, or None.
        dataset: ``USER/NAME`` on the hub, or None.
    """
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type=_TASK,
            dataset_type=dataset or "custom",
            dataset_name=dataset or "its own validation pictures",
            dataset_split=split,
            metric_type=_METRIC,
            metric_name=_SCORES[name],
            metric_value=round(value, 4),
        )
        for name, split, value in scores_of(card)
    ]
    return ModelCardData(
        license=license,
        library_name="yolokit",
        pipeline_tag=_TASK,
        tags=[
            "yolokit",
            card.model.head.type,
            _TASK,
            *([card.export.format] if card.export else []),
        ],
        datasets=None if dataset is None else [dataset],
        metrics=[_METRIC] if results else None,
        model_name=title,
        eval_results=results or None,
    )


def scores_of(card: ModelCard) -> list[tuple[str, str, float]]:
    """(name, split, value) of what a model scored; of an exported file, after its export."""
    export = card.export
    if export is not None and export.ap_after is not None:
        return [("AP", str(export.ap_split), export.ap_after)]
    found = ((name, card.metrics.get(name)) for name in _SCORES)
    return [(n, "val", value) for n, value in found if value is not None and math.isfinite(value)]


def readme_text(card: ModelCard, where: str, file: str, license: str | None) -> str:
    """The page below the hub's own terms, in Markdown.

    Args:
        card: of the model file.
        where: its name on the hub, or a path.
        file: what of it is to be loaded.
        license: as the hub names it, or None.
    """
    whole = file == MODEL or hub_name(where) is None  # what the name alone stands for
    model = where if whole else f"{where}/{file}"
    height, width = card.image_hw
    kind = f"{card.model.head.type} head on {card.model.backbone.name}"
    scores = [f"| {_SCORES[n]} | {split} | {value:.3f} |" for n, split, value in scores_of(card)]
    table = ["| score | split | value |", "|---|---|---|", *scores, ""] if scores else []
    lines = [
        f"# {title_of(where)}",
        "",
        _BEGIN,
        "",
        f"An object detector: {kind}, {width}x{height} px, "
        f"{len(card.class_names)} classes, made with yolokit {card.yolokit_version}.",
        "",
        *table,
        "```sh",
        f"yolokit detect {model} photo.jpg",
        "```",
        "",
        "```python",
        "import yolokit",
        "",
        f'model = yolokit.load("{model}")',
        'for result in model.predict(["photo.jpg"]):',
        "    print(result.boxes, result.scores, result.names)",
        "```",
        "",
        f"Model file: `{file}`. Classes, in the order of their labels:",
        "",
        *(f"{label}. {_code(name)}" for label, name in enumerate(card.class_names)),
        "",
        _licence(license),
        "",
        _END,
    ]
    return "\n".join(lines) + "\n"


def title_of(where: str) -> str:
    """The last part of a name on the hub, or of a path."""
    return where.rpartition("/")[2].partition("@")[0]


def renewed(old: str, new: str) -> str:
    """The text of an old page, with what ``readme_text`` wrote into it as in a new one."""
    before, begin, rest = old.partition(_BEGIN)
    _, end, after = rest.rpartition(_END)
    if not (begin and end):  # it was taken out, or never there
        return old
    return before + new[new.index(_BEGIN) : new.rindex(_END)] + _END + after


def _licence(license: str | None) -> str:
    if license is None:
        return "Under which licence it may be used, who shares it has not said."
    return f"Licence: {license}."


def _code(name: str) -> str:
    """A name of somebody's as Markdown code, in which nothing is a link or HTML."""
    plain = " ".join(tamed(name).replace("`", "'").split())
    return f"`{plain}`"
