"""``report.html`` of a run: one file that says how a training went, to read and to pass on."""

from __future__ import annotations

import math
import sys

from yolokit.engine.run_folder import RunFolder
from yolokit.engine.training import Finished
from yolokit.evaluation.coco_map import CocoMetrics
from yolokit.evaluation.verdicts import judge
from yolokit.files import write_text_atomically
from yolokit.models.model_file import load_model
from yolokit.report.charts import Series, line_chart, precision_recall_chart
from yolokit.report.facts import Run, bad_boxes, commands, data_rows, run_facts
from yolokit.report.page import (
    Html,
    code,
    details,
    facts,
    join,
    numbers,
    page,
    paragraph,
    section,
    table,
    text,
)
from yolokit.report.pictures import SCORE_SHOWN, pictures_section
from yolokit.signals import SignalWatch

_TABLE_ROWS = 28  # classes in a table before the next one starts beside it
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

    The page is one file: pictures lie in it, and nothing is loaded from anywhere.

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
    metrics = None
    if validator is None:
        scored = [_unscored(run), _facts(run), _curves(run)]
    else:
        metrics, rows = validator.score_alone(detector.to(finished.device))
        judged = judge(validator.truth, rows, score_threshold=SCORE_SHOWN)
        scored = [_scored(run, metrics), _facts(run), _curves(run)]
        scored += [_classes(metrics), pictures_section(validator.dataset.data, judged)]
    title = folder.path.resolve().name
    heading = Html(f"<h1>{text(title)}</h1>\n{paragraph('Report of a training', 'soft')}")
    write_text_atomically(folder.report, page(title, join([heading, *scored, _reproduce(run)])))
    return metrics


def _scored(run: Run, metrics: CocoMetrics) -> Html:
    sentence = (
        f"AP {_number(metrics.AP)} and AP50 {_number(metrics.AP50)} on "
        f"{_count(metrics.images, 'validation picture')} with "
        f"{_count(metrics.annotations, 'box', 'boxes')}: {_trained(run)}; kept is epoch "
        f"{run.best_epoch}, the best."
    )
    note = (
        "AP is COCO's average precision in 0 to 1 over IoU .50 to .95; AP50 counts a box as found "
        "from IoU .50; s, m and l are small, medium and large objects; AR is the average recall "
        f"with 100 boxes a picture. Counted by {metrics.evaluator} on model.safetensors, as "
        "yolokit eval does."
    )
    tiles = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")
    return join(
        [
            paragraph(sentence, "result"),
            numbers((name, _number(metrics.numbers[name])) for name in tiles),
            paragraph(note, "soft"),
        ]
    )


def _unscored(run: Run) -> Html:
    return paragraph(
        f"{_trained(run)}. There are no validation pictures, so nothing was scored: "
        "kept is the last epoch.",
        "result",
    )


def _trained(run: Run) -> str:
    return (
        f"{run.model_name}, trained for {_count(len(run.epochs), 'epoch')} on "
        f"{_count(len(run.train_set), 'picture')} of "
        f"{_count(len(run.train_set.class_names), 'class', 'classes')}"
    )


def _facts(run: Run) -> Html:
    head = ("data", "pictures", "without boxes", "boxes", "of these crowds", "bad boxes left out")
    left_out = bad_boxes(run)
    return section(
        "The run",
        facts(run_facts(run)),
        table(head, data_rows(run)),
        *([paragraph(left_out, "soft")] if left_out else []),
        details("config.yaml, every setting", code(run.folder.config.read_text(encoding="utf-8"))),
    )


def _curves(run: Run) -> Html:
    if not run.epochs:
        return section("Learning curves", paragraph("No epoch was finished."))
    columns = list(run.epochs[0])
    losses = [name for name in columns if name not in _NOT_A_LOSS]
    charts = [
        line_chart(
            "loss and its terms, mean over each epoch",
            [_series(run, name, last=True) for name in ("loss", *losses)],
            x_label="epoch",
            y_label="loss",
        )
    ]
    if any("AP" in row for row in run.epochs):
        charts.append(
            line_chart(
                "AP and AP50 on the validation pictures",
                [_series(run, name, last=False) for name in ("AP", "AP50")],
                x_label="epoch",
                y_label="average precision",
                mark=(run.best_epoch, "kept"),
            )
        )
    rate = line_chart(
        "learning rate of the head",
        [_series(run, "lr", last=True)],
        x_label="epoch",
        y_label="learning rate",
    )
    note = (
        "Beside the names stand the last numbers, of AP and AP50 the best. Epochs count from 1 "
        "here and on the terminal, from 0 in metrics.csv, which holds all numbers."
    )
    return section(
        "Learning curves",
        Html(f'<div class="charts">\n{join([*charts, rate])}\n</div>'),
        paragraph(note, "soft"),
    )


def _series(run: Run, column: str, *, last: bool) -> Series:
    """A column of metrics.csv; its last number, or else its best, stands in the legend."""
    points = [(int(row["epoch"]) + 1, float(row.get(column) or "nan")) for row in run.epochs]
    known = [value for _, value in points if math.isfinite(value)]
    if not known:
        return Series(column, points)
    return Series(column, points, f"{known[-1]:.3g}" if last else _number(max(known)))


def _classes(metrics: CocoMetrics) -> Html:
    rows = [("all", str(metrics.annotations), _number(metrics.AP), _number(metrics.AP50))]
    rows += [
        (name, str(metrics.class_annotations[name]), _number(each["AP"]), _number(each["AP50"]))
        for name, each in metrics.per_class.items()
    ]
    tables = join(
        table(("class", "boxes", "AP", "AP50"), rows[first : first + _TABLE_ROWS])
        for first in range(0, len(rows), _TABLE_ROWS)
    )
    charts = join(
        precision_recall_chart(f"{name}, AP50 {_number(metrics.per_class[name]['AP50'])}", curve)
        for name, curve in metrics.precision50.items()
        if curve
    )
    return section(
        "Classes",
        Html(f'<div class="columns">\n{tables}\n</div>'),
        paragraph(
            "Precision over recall at IoU .50, whose mean is AP50. A class without validation "
            "boxes has neither.",
            "soft",
        ),
        Html(f'<div class="charts small">\n{charts}\n</div>'),
    )


def _reproduce(run: Run) -> Html:
    note = (
        "A run with a time budget ends by the clock, so another one differs in its last digits."
        if run.config.train.time_budget is not None
        else "On a CPU, with the same versions, the same numbers come out."
    )
    return section("Reproduce", code(commands(run)), paragraph(note, "soft"))


def _count(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "-"
