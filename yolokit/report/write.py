"""``report.html`` of a run: one file that says how a training went, to read and to pass on."""

from __future__ import annotations

import json
import math
import sys
import time

from yolokit.engine.run_folder import RunFolder
from yolokit.engine.training import Finished
from yolokit.evaluation.coco_map import CocoMetrics
from yolokit.files import write_text_atomically
from yolokit.models.model_file import load_model
from yolokit.report.advice import advice, run_advice
from yolokit.report.charts import Series, line_chart
from yolokit.report.evaluation import advice_section, scored_sections
from yolokit.report.facts import Run, bad_boxes, commands, data_rows, device_text, run_facts
from yolokit.report.model_section import model_section
from yolokit.report.page import Part, Section, charts, page, paragraph, table
from yolokit.report.scored import Scored, analyse
from yolokit.report.sections import numbers
from yolokit.report.words import count, number
from yolokit.signals import SignalWatch

_NOT_A_LOSS = {"epoch", "step", "seconds", "lr", "data_wait", "loss", "AP", "AP50", "AP75"}


def leave_report(folder: RunFolder, finished: Finished, signals: SignalWatch) -> CocoMetrics | None:
    """Write the report; where that fails, say so and go on: the training itself is done.

    Args:
        folder: of the run.
        finished: what the run was.
        signals: of this process; a signal ends it here too.

    Returns:
        As ``write_report``; None where it failed.
    """
    try:
        return write_report(folder, finished)
    except Exception as error:  # whatever it is, the trained model is safe and must count
        signals.raise_swallowed()
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"note: {folder.report} could not be written: {reason}", file=sys.stderr)
        return None


def write_report(folder: RunFolder, finished: Finished) -> CocoMetrics | None:
    """Score the saved model once more and write ``report.html``, whole or not at all.

    The page is one file: pictures lie in it, and nothing is loaded from anywhere. Beside it,
    ``evaluation.json`` holds the numbers, for ``yolokit compare``.

    Args:
        folder: of a finished run.
        finished: what the run was; this process alone scores.

    Returns:
        What the saved model scores; None without validation pictures.

    Raises:
        YolokitError: the model or a picture cannot be read any more.
        OSError: the file cannot be written.
    """
    validator = finished.validator
    detector, card = load_model(folder.model)
    run = Run(
        folder=folder,
        config=finished.config,
        card=card,
        epochs=folder.read_metrics(),
        parameters=sum(each.numel() for each in detector.parameters()),
        train_set=finished.train_set,
        val_set=validator.dataset.data if validator else None,
        device=finished.device,
        world_size=finished.world_size,
    )
    scored = None
    if validator is not None:
        started = time.monotonic()
        metrics, rows = validator.score_alone(detector.to(finished.device))
        seconds = time.monotonic() - started
        data = validator.dataset.data
        scored = analyse("val", metrics, rows, validator.truth, dataset=data, seconds=seconds)
        _write_numbers(folder, scored, data.fingerprint)
    title = folder.path.resolve().name
    text = page(title, "Report of a training", _sections(run, scored))
    write_text_atomically(folder.report, text)
    return scored.metrics if scored else None


def _write_numbers(folder: RunFolder, scored: Scored, fingerprint: str) -> None:
    best = scored.curves[0].at(scored.threshold)
    numbers = {
        **scored.metrics.to_dict(),
        "split": scored.split,
        "data_fingerprint": fingerprint,
        "threshold": {"conf": scored.threshold, "F1": None if math.isnan(best.f1) else best.f1},
    }
    write_text_atomically(folder.evaluation, json.dumps(numbers, allow_nan=False) + "\n")


def _sections(run: Run, scored: Scored | None) -> list[Section]:
    told = [_facts(run), _curves(run)]
    if scored is None:
        return [_unscored(run), *told, _model(run, None), _reproduce(run)]
    seconds = float(run.epochs[-1]["seconds"]) if run.epochs else 0.0
    lines = [*run_advice(_validated(run), seconds=seconds), *advice(scored)]
    return [
        _scored(run, scored),
        advice_section(lines),
        _curves(run),
        *scored_sections(scored),
        _facts(run),
        _model(run, scored),
        _reproduce(run),
    ]


def _scored(run: Run, scored: Scored) -> Section:
    metrics = scored.metrics
    sentence = (
        f"AP {number(metrics.AP)} and AP50 {number(metrics.AP50)} on "
        f"{count(metrics.images, 'validation picture')} with "
        f"{count(metrics.annotations, 'box', 'boxes')}: {_trained(run)}; kept is epoch "
        f"{run.best_epoch}, the best."
    )
    return Section("", [paragraph(sentence, "result"), *numbers(scored)])


def _unscored(run: Run) -> Section:
    sentence = (
        f"{_trained(run)}. There are no validation pictures, so nothing was scored: "
        "kept is the last epoch."
    )
    return Section("", [paragraph(sentence, "result")])


def _trained(run: Run) -> str:
    return (
        f"{run.model_name}, trained for {count(len(run.epochs), 'epoch')} on "
        f"{count(len(run.train_set), 'picture')} of "
        f"{count(len(run.train_set.class_names), 'class', 'classes')}"
    )


def _facts(run: Run) -> Section:
    head = ("data", "pictures", "without boxes", "boxes", "of these crowds", "of these left out")
    left_out = bad_boxes(run)
    settings = Part("code", run.folder.config.read_text(encoding="utf-8"))
    return Section(
        "The run",
        [
            Part("facts", run_facts(run)),
            table(head, data_rows(run)),
            *([paragraph(left_out, "soft")] if left_out else []),
            Part("details", ("config.yaml, every setting", [settings])),
        ],
    )


def _curves(run: Run) -> Section:
    if not run.epochs:
        return Section("Learning curves", [paragraph("No epoch was finished.")])
    columns = list(run.epochs[0])
    losses = [name for name in columns if name not in _NOT_A_LOSS]
    drawn = [
        line_chart(
            "loss and its terms, mean over each epoch",
            [_series(run, name) for name in ("loss", *losses)],
            x_label="epoch",
            y_label="loss",
        )
    ]
    if any("AP" in row for row in run.epochs):
        drawn.append(
            line_chart(
                "AP and AP50 on the validation pictures",
                [_series(run, name, at=run.best_epoch) for name in ("AP", "AP50")],
                x_label="epoch",
                y_label="average precision",
                mark=(run.best_epoch, "kept"),
            )
        )
    drawn.append(
        line_chart(
            "learning rate of the head",
            [_series(run, "lr")],
            x_label="epoch",
            y_label="learning rate",
        )
    )
    note = "Beside the names stand the last numbers, of AP and AP50 those of the epoch kept."
    return Section("Learning curves", [charts(drawn), paragraph(note, "soft")])


def _series(run: Run, column: str, *, at: int | None = None) -> Series:
    """A column of metrics.csv; in the legend stands its number at an epoch, or else its last."""
    points = [(int(row["epoch"]), float(row.get(column) or "nan")) for row in run.epochs]
    if at is not None:
        kept = dict(points).get(at, math.nan)
        return Series(column, points, number(kept) if math.isfinite(kept) else "")
    known = [value for _, value in points if math.isfinite(value)]
    return Series(column, points, f"{known[-1]:.3g}" if known else "")


def _validated(run: Run) -> list[tuple[float, float]]:
    return [(int(row["epoch"]), float(row["AP"])) for row in run.epochs if row.get("AP")]


def _model(run: Run, scored: Scored | None) -> Section:
    return model_section(
        run.folder.model,
        run.card,
        where=f"PyTorch, measured on {device_text(run.device, run.world_size)}",
        pictures=scored.metrics.images if scored else 0,
        seconds=scored.seconds if scored else None,
        parameters=run.parameters,
    )


def _reproduce(run: Run) -> Section:
    note = (
        "A run with a time budget ends by the clock, so another one differs in its last digits."
        if run.config.train.time_budget is not None
        else "On a CPU, with the same versions, the same numbers come out."
    )
    return Section("Reproduce", [Part("code", commands(run)), paragraph(note, "soft")])
