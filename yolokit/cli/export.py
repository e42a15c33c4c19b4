"""``yolokit export``: a model as a file that other runtimes run, proven to be the same."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from yolokit.cli.share import STDOUT, Number, json_option, quiet_option, tell

if TYPE_CHECKING:
    from yolokit.export.write import Exported
    from yolokit.models.export_record import Precision


@click.command(name="export", short_help="Write a model for other runtimes, proven the same.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["onnx", "openvino"]),
    required=True,
    help="One .onnx file, or OpenVINO's model.xml and model.bin in a folder.",
)
@click.option(
    "--int8",
    is_flag=True,
    help="8-bit weights and maps for OpenVINO, calibrated on the train split of --data.",
)
@click.option("--half", is_flag=True, help="16-bit weights; pictures and boxes keep 32.")
@click.option("--dynamic", is_flag=True, help="Take any number of pictures at once, not one.")
@click.option("--nms", is_flag=True, help="Suppress duplicates inside, by the model's thresholds.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Data folder or data.yaml whose val split to check on.  [default: the run's own val, "
    "else made-up photos]",
)
@click.option(
    "--max-drop",
    type=Number(0, 100),
    default=0.5,
    metavar="POINTS",
    help="Refuse a file that scores so many AP points less.",
    show_default=True,
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The file, or OpenVINO's folder.  [default: beside the model]",
)
@json_option
@quiet_option
def command(
    model: Path,
    kind: Literal["onnx", "openvino"],
    int8: bool,
    half: bool,
    dynamic: bool,
    nms: bool,
    data: Path | None,
    max_drop: float,
    out: Path | None,
    json_file: Path | None,
    quiet: bool,
) -> None:
    """Write MODEL in a format of other runtimes, run it, and keep it only if it is as good.

    Pictures go in as they are, 8-bit RGB letterboxed to the input size; boxes and scores come
    out. Every box is compared with the model's, and AP where there are labels.

    \b
    yolokit export runs/cells --format onnx
    yolokit export runs/cells --format openvino --int8 --data my_data
    """
    if int8 and half:
        raise click.UsageError("give either --int8 or --half, not both")
    from yolokit.export.before import require_exportable
    from yolokit.export.options import ExportOptions
    from yolokit.export.target import target_outside_cache
    from yolokit.models.hub_files import local_model

    precision: Precision = "int8" if int8 else "f16" if half else "f32"
    options = ExportOptions(
        format=kind, precision=precision, dynamic=dynamic, nms=nms, max_drop=max_drop
    )
    out, model = target_outside_cache(out, model, options), local_model(model)
    require_exportable(model, options, data=data, out=out)
    from yolokit.export.write import export_file  # only now: it loads torch

    silent = quiet or json_file == STDOUT or not sys.stderr.isatty()
    exported = export_file(
        model, options, data=data, out=out, say=(lambda _: None) if silent else _say
    )
    tell(
        lambda: exported_values(exported),
        lambda: format_exported(exported),
        json_file,
        quiet=quiet,
    )


def _say(what: str) -> None:
    click.echo(f"{what} …", err=True)


def exported_values(exported: Exported) -> dict[str, Any]:
    """What was written and how it compares with the model, as plain values."""
    record = exported.card.export
    assert record is not None
    return {
        "file": str(exported.path),
        "megabytes": exported.megabytes,
        "checked_on": exported.checked_on,
        **record.model_dump(mode="json"),
    }


def format_exported(exported: Exported) -> str:
    """What was written, how it was checked, and what to do with it, a line each."""
    record = exported.card.export
    assert record is not None and record.parity is not None
    parity, lines = record.parity, [f"wrote {exported.path}, {exported.megabytes:.1f} MB"]
    lines.append(f"checked on {parity.pictures} pictures: {exported.checked_on}")
    iou = "" if parity.lowest_iou is None else f", lowest IoU of a box {parity.lowest_iou:.4f}"
    lines.append(
        f"largest difference of a score {parity.score_difference:.2g}{iou} ({parity.boxes} boxes)"
    )
    if exported.accuracy is None:
        lines.append("AP unknown: no labels. Give --data to measure it")
    else:
        before, after = exported.accuracy.before.AP, exported.accuracy.after.AP
        lines.append(f"AP on {exported.accuracy.source} {before:.4f} -> {after:.4f}")
    lines.append(f"next: yolokit detect {shlex.quote(str(exported.path))} photo.jpg")
    return "\n".join(lines)
