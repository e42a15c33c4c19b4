"""The report of an evaluation: what a model, or a results file, scored. Needs no torch."""

from __future__ import annotations

from pathlib import Path

from yolokit.evaluation.verdicts import judge_matching
from yolokit.files import write_text_atomically
from yolokit.report.advice import advice
from yolokit.report.page import Part, Section, page, paragraph
from yolokit.report.pictures import pictures_section
from yolokit.report.scored import Scored
from yolokit.report.sections import (
    calibration_section,
    classes_section,
    confusion_section,
    losses_section,
    numbers,
    threshold_section,
)
from yolokit.report.surest_errors import suspects_section
from yolokit.report.words import count, number

REPORT_NAME = "report.html"


def scored_sections(scored: Scored) -> list[Section]:
    """All that is said of a scored split, from the threshold to the surest errors.

    Raises:
        ImageError: a picture that can no longer be read.
    """
    judged = judge_matching(scored.matching, score_threshold=scored.threshold)
    return [
        threshold_section(scored),
        losses_section(scored),
        confusion_section(scored),
        classes_section(scored),
        calibration_section(scored),
        *([pictures_section(scored.dataset, judged, scored.threshold)] if scored.dataset else []),
        suspects_section(scored),
    ]


def advice_section(lines: list[str]) -> Section:
    """What to do next."""
    shown = Part("list", lines) if lines else paragraph("Nothing stands out.")
    return Section("What to do next", [shown])


def report_file(path: Path) -> Path:
    """The file that ``--report`` means: a folder gets ``report.html``."""
    return path if path.suffix.lower() in {".html", ".htm"} else path / REPORT_NAME


def write_evaluation(path: Path, scored: Scored, *, name: str, model: Section | None) -> None:
    """Write the report of an evaluation, whole or not at all.

    Args:
        path: the file; its folder is created when missing.
        scored: the split.
        name: of what was scored, the title.
        model: what is said of the model, or None for a results file.

    Raises:
        ImageError: a picture that can no longer be read.
        OSError: the file cannot be written.
    """
    metrics = scored.metrics
    sentence = (
        f"AP {number(metrics.AP)} and AP50 {number(metrics.AP50)} on "
        f"{count(metrics.images, f'{scored.split} picture')} with "
        f"{count(metrics.annotations, 'box', 'boxes')}."
    )
    top = Section("", [paragraph(sentence, "result"), *numbers(scored)])
    sections = [top, advice_section(advice(scored)), *scored_sections(scored)]
    if model is not None:
        sections.append(model)
    write_text_atomically(path, page(name, "Report of an evaluation", sections))
