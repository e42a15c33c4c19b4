"""``yolokit eval``: COCO mAP of a model, or of a results file that anyone made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from operator import length_hint
from pathlib import Path
from typing import TYPE_CHECKING

import click

from yolokit.cli.share import (
    STDOUT,
    Number,
    device_option,
    json_option,
    precision_option,
    quiet_option,
    refuse_unused,
    tell,
)

if TYPE_CHECKING:
    from yolokit.cli.eval_results import Results
    from yolokit.data.coco_tree import CocoTree
    from yolokit.evaluation.evaluate import Batch
    from yolokit.inference.exported import ComputePrecision
    from yolokit.inference.predictor import Predictor

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(name="eval", short_help="Score a model, or a COCO results file, on labelled data.")
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="Data folder, data.yaml or COCO file, in any format; with --predictions-from also an "
    "annotation file, or a folder with one.",
)
@click.option("--split", default="val", help="train, val or test.", show_default=True)
@json_option
@click.option("--predictions", type=FILE, help="Write the detections there, as COCO results.")
@click.option(
    "--conf",
    type=Number(0, 1),
    metavar="SCORE",
    help="Print precision, recall and F1 of the boxes that score more.  "
    "[default: where F1 of this split is best]",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write a page that explains the numbers: an .html file, or report.html in a folder.",
)
@click.option(
    "--predictions-from",
    type=FILE,
    metavar="FILE",
    help="Score this COCO results file instead of a model; no picture is read.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=16,
    help="Pictures a step.",
    show_default=True,
)
@device_option
@precision_option
@click.option(
    "--workers", type=click.IntRange(min=0), help="Decoding threads.  [default: 1 on a CPU]"
)
@quiet_option
@click.pass_context
def command(
    ctx: click.Context,
    model: Path | None,
    data: Path,
    split: str,
    json_file: Path | None,
    predictions: Path | None,
    conf: float | None,
    report: Path | None,
    predictions_from: Path | None,
    batch_size: int,
    device: str,
    precision: ComputePrecision,
    workers: int | None,
    quiet: bool,
) -> None:
    """Print pycocotools' twelve numbers, and AP per class, for MODEL on labelled pictures.

    MODEL is a model.safetensors, a run's folder, an exported .onnx file or an OpenVINO folder; or
    torchvision:NAME, as for detect, on data whose classes have the names of COCO's; or hf:USER/NAME
    on Hugging Face's hub.

    \b
    yolokit eval runs/cells/model.safetensors --data my_data --split test --json out.json
    yolokit eval runs/cells --data my_data --report cells.html
    yolokit eval --predictions-from results.json --data annotations.json
    """
    if (model is None) == (predictions_from is None):
        raise click.UsageError("give either a MODEL or --predictions-from FILE")
    if model is None and predictions is not None:
        raise click.UsageError("--predictions writes a model's detections: it needs a MODEL")
    if predictions_from is not None:
        unused = ("batch_size", "device", "precision", "workers")
        refuse_unused(ctx, "with --predictions-from, which runs no model", *unused)
        results = _score_file(predictions_from, data, split)
    else:
        assert model is not None
        options = (batch_size, device, precision, workers)
        results = _score_model(model, data, split, *options, quiet=quiet)
        if predictions is not None:
            _write_json(predictions, results.rows)
    metrics, predictor = results.metrics, results.predictor
    operation = results.operation(conf)
    computed = [] if predictor is None else [predictor.backend.description]
    tell(
        lambda: {**metrics.to_dict(), "threshold": operation.to_dict()},
        lambda: "\n".join([str(metrics), operation.text(conf is None), *computed]),
        json_file,
        quiet=quiet,
    )
    if report is not None:
        written = results.write_report(report)
        if not quiet:
            click.echo(f"report: {written}", err=json_file == STDOUT)
    if predictor is not None:
        _note_nms(predictor)
    if metrics.without_area:
        click.echo(
            f"note: {metrics.without_area} annotations have no area, so nothing can match them: "
            "they are scored as missed, as pycocotools does",
            err=True,
        )
    if metrics.unscorable:
        click.echo(
            f"note: {metrics.unscorable} annotations have no usable box, image or category id "
            "and were not scored",
            err=True,
        )
    if metrics.uncounted:
        click.echo(
            f"note: COCO counts the best 100 boxes of a class in a picture; {metrics.uncounted} "
            "more were left out of these numbers",
            err=True,
        )


def _note_nms(predictor: Predictor) -> None:
    """Say where a graph that suppresses by itself keeps back what AP would count."""
    nms = predictor.card.export and predictor.card.export.nms
    if nms and nms.score_threshold > predictor.card.predict.eval_score_threshold:
        click.echo(
            f"note: the model has NMS inside, which keeps what scores more than "
            f"{nms.score_threshold:g}: boxes below are not in these numbers",
            err=True,
        )


def _score_file(results: Path, data: Path, split: str) -> Results:
    from yolokit.cli.eval_results import Results
    from yolokit.errors import DataError
    from yolokit.evaluation.coco_io import load_rows
    from yolokit.evaluation.coco_map import evaluate_rows

    where, truth = find_truth(data, split)
    rows = load_rows(results)
    try:
        metrics = evaluate_rows(truth, rows)
    except DataError as error:
        raise DataError(f"{error} (results {results}, annotations {where})") from error
    return Results(results, split, metrics, rows, truth)


def _score_model(
    model: Path,
    data: Path,
    split: str,
    batch_size: int,
    device: str,
    precision: ComputePrecision,
    workers: int | None,
    quiet: bool,
) -> Results:
    from time import monotonic

    from yolokit.cli.eval_results import Results
    from yolokit.data.check import require_labels
    from yolokit.data.locate import choose_split
    from yolokit.evaluation.evaluate import evaluate_split
    from yolokit.inference.predictor import Predictor

    chosen = choose_split(data, split)
    require_labels([chosen])
    predictor = Predictor.load_to_score(model, device=device, precision=precision)
    started = monotonic()
    metrics, rows, dataset = evaluate_split(
        predictor,
        chosen,
        batch_size=batch_size,
        workers=workers,
        progress=None if quiet else _with_progress,
    )
    seconds = monotonic() - started
    return Results(model, split, metrics, rows, dataset.tree, dataset, predictor, seconds)


def _with_progress(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches, with a line on stderr that is gone at the end, where that is a terminal."""
    from yolokit.cli.progress_line import ProgressLine

    line, total = ProgressLine(), max(1, length_hint(batches))
    for done, batch in enumerate(batches):
        line("evaluating", done / total)
        yield batch
    line.clear()


def find_truth(data: Path, split: str) -> tuple[Path, CocoTree]:
    """The annotation file that ``--data`` and ``--split`` mean, and its content.

    Raises:
        DataError: nothing there, or several files where one is wanted.
    """
    from yolokit.data.locate import choose_split
    from yolokit.errors import DataError
    from yolokit.evaluation.coco_io import load_split, load_truth

    if data.suffix.lower() == ".json":
        return data, load_truth(data)
    try:
        chosen = choose_split(data, split)
    except DataError:
        found = _annotation_files(data, split)
        if not found:
            raise
        if len(found) > 1:
            names = ", ".join(file.name for file in found)
            raise DataError(f"several annotation files in {data}: {names}. Give one") from None
        ((file, truth),) = found.items()
        return file, truth
    return chosen.annotations, load_split(chosen)


def _annotation_files(folder: Path, split: str) -> dict[Path, CocoTree]:
    """The files of COCO's layout in a folder, with or without pictures; results have another."""
    from yolokit.errors import DataError
    from yolokit.evaluation.coco_io import load_truth

    found = {}
    candidates = [*folder.glob("*.json"), *folder.glob(f"annotations/instances_{split}*.json")]
    for file in sorted(candidates):
        try:
            found[file] = load_truth(file)
        except DataError:  # not an annotation file: not what is looked for
            continue
    return found


def _write_json(path: Path, value: object) -> None:
    from yolokit.files import write_text_atomically

    write_text_atomically(path, json.dumps(value, allow_nan=False) + "\n")
