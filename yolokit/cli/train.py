"""``yolokit train``: from COCO-format data to a detector in a run folder."""

from __future__ import annotations

from pathlib import Path

import click

from yolokit.cli.share import device_of_training, duration, quiet_option


@click.command(name="train", short_help="Train a detector on your data.")
@click.argument("config", required=False)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Data folder or data.yaml, labels in any format; replaces the config's data section.",
)
@click.option(
    "-o",
    "--override",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set one config key, e.g. -o train.lr=0.001. May be given again.",
)
@click.option(
    "--run", type=click.Path(path_type=Path), help="Folder of the run.  [default: runs/CONFIG]"
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Continue a run where it was; with more --epochs or --time-budget, longer; with --data, "
    "where its data lies now. Takes no CONFIG.",
)
@click.option(
    "--from",
    "from_model",
    type=click.Path(path_type=Path),
    metavar="MODEL",
    help="Begin with the weights of this trained model (a file or a run folder) as far as they "
    "fit, classes by their names. Without CONFIG: its own architecture.",
)
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the training pictures.")
@click.option(
    "--time-budget",
    callback=duration,
    metavar="TIME",
    help="Train this long instead, e.g. 90s, 15m or 1h30m; evaluation included.",
)
@click.option(
    "--device",
    callback=device_of_training,
    default="auto",
    help="auto, cpu, cuda, mps, or GPU numbers: 0,1.",
    show_default=True,
)
@click.option("--workers", type=click.IntRange(min=0), help="Loading processes.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of everything random.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON document at the end, and nothing else: where the model lies, its scores.",
)
@quiet_option
def command(
    config: str | None,
    data: Path | None,
    overrides: tuple[str, ...],
    run: Path | None,
    resume: Path | None,
    from_model: Path | None,
    epochs: int | None,
    time_budget: str | None,
    device: str,
    workers: int | None,
    seed: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train the detector that CONFIG describes (a YAML file, or the name of a shipped one).

    \b
    yolokit train yolov1_mobilenet_v2 --data my_data --time-budget 20m
    yolokit train --resume runs/yolov1_mobilenet_v2
    yolokit train --from runs/cells --data more_cells
    """
    if resume is not None and (config or from_model or run or overrides or seed is not None):
        raise click.UsageError(
            "--resume continues a run as it was: give only --epochs or --time-budget, --data, "
            "--workers and --device beside it"
        )
    if config is None and resume is None and from_model is None:
        raise click.UsageError("give a CONFIG, --from MODEL or --resume RUN")
    if epochs is not None and time_budget is not None:
        raise click.UsageError("give either --epochs or --time-budget, not both")
    from yolokit.api import resume_training, train

    if resume is not None:
        resume_training(
            resume,
            data=data,
            device=device,
            epochs=epochs,
            time_budget=time_budget,
            workers=workers,
            quiet=quiet,
            as_json=as_json,
        )
        return
    train(
        config,
        from_model=from_model,
        data=data,
        overrides=overrides,
        run=run,
        device=device,
        epochs=epochs,
        time_budget=time_budget,
        workers=workers,
        seed=seed,
        quiet=quiet,
        as_json=as_json,
    )
