"""``yolokit bench``: how fast models are on this machine, part by part, beside each other."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from yolokit.cli.share import (
    Number,
    device_option,
    json_option,
    precision_option,
    refuse_unused,
    tell,
)

if TYPE_CHECKING:
    from yolokit.bench.pictures import BenchPictures
    from yolokit.inference.exported import ComputePrecision

_SECONDS = 10.0  # a model
_FEWEST = 10  # runs of each model, however long they take
# Read by their libraries when they are loaded: OpenMP's (torch's, and ours), OpenCV's, NumPy's.
_THREADS = ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@click.command(name="bench", short_help="Time models on this machine, part by part, in turn.")
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="MODEL")
@click.option(
    "--pictures",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of pictures, or one picture.  [default: made-up pictures of 640x480]",
)
@click.option(
    "--data", type=click.Path(path_type=Path), help="Take the pictures of a data set instead."
)
@click.option("--split", default="val", help="Of --data: train, val or test.", show_default=True)
@click.option(
    "--batch",
    "batch_size",
    type=click.IntRange(min=1),
    default=1,
    help="Pictures a run.",
    show_default=True,
)
@click.option("--runs", type=click.IntRange(min=1), help="Runs of each model, instead of seconds.")
@click.option(
    "--seconds",
    type=Number(min=0, min_open=True),
    help=f"Time for each model, at least {_FEWEST} runs.  [default: {_SECONDS:g}]",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Threads that compute.  [default: what each library takes]",
)
@device_option
@precision_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    models: tuple[Path, ...],
    pictures: Path | None,
    data: Path | None,
    split: str,
    batch_size: int,
    runs: int | None,
    seconds: float | None,
    threads: int | None,
    device: str,
    precision: ComputePrecision,
    json_file: Path | None,
) -> None:
    """Time each MODEL from a picture file's bytes to its detections: milliseconds a picture.

    Several are run in turn, A B A B, so that a busy moment of the machine hits all alike; ratio is
    the time beside the first one's. GFLOP/s are those of the network alone, beside what this
    machine reaches in a product of matrices. Memory is the peak of a process that only detects.

    \b
    yolokit bench runs/cells/model.safetensors
    yolokit bench a.safetensors b.safetensors --data my_data --threads 1 --json bench.json
    """
    if pictures is not None and data is not None:
        raise click.UsageError("give either --pictures or --data")
    if data is None:
        refuse_unused(ctx, "without --data", "split")
    if runs is not None and seconds is not None:
        raise click.UsageError("give either --runs or --seconds")
    if threads is not None:
        os.environ.update(dict.fromkeys(_THREADS, str(threads)))
    from yolokit.bench.measure import measure, require_models
    from yolokit.cli.bench_report import format_measured

    require_models(models)
    found = measure(
        models,
        _pictures(pictures, data, split),
        batch_size=batch_size,
        device=device,
        precision=precision,
        enough=_enough(runs, _SECONDS if seconds is None else seconds, len(models)),
    )
    tell(found.to_dict, lambda: format_measured(found), json_file)
    if found.is_busy:
        click.echo(
            f"note: other programs computed here as well (load {found.load:.1f} on {found.cpus} "
            "processors): ratios may be trusted, milliseconds not",
            err=True,
        )


def _enough(runs: int | None, seconds: float, models: int) -> Callable[[int, float], bool]:
    if runs is not None:
        return lambda done, elapsed: done >= runs
    return lambda done, elapsed: done >= _FEWEST and elapsed >= seconds * models


def _pictures(folder: Path | None, data: Path | None, split: str) -> BenchPictures:
    from yolokit.bench.pictures import made_up_pictures, read_pictures

    if folder is not None:
        from yolokit.video.frames import Kind
        from yolokit.video.sources import find_sources

        sources = find_sources([str(folder)])
        files = [each.path for each in sources if each.kind is Kind.IMAGE and each.path]
        return read_pictures(files, str(folder))
    if data is not None:
        from yolokit.data.locate import choose_split
        from yolokit.evaluation.coco_io import load_split

        chosen = choose_split(data, split)
        names = load_split(chosen).file_names
        return read_pictures([chosen.images / name for name in names], f"{data}, {split}")
    return made_up_pictures()
