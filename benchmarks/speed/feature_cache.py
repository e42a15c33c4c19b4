"""What keeping the maps of a frozen backbone saves: an epoch with and without, and the filling.

    python benchmarks/speed/feature_cache.py --json benchmarks/speed/feature_cache.json
    python benchmarks/speed/feature_cache.py --case resnet50_light --data ../data/cells

trains each case with random weights on made-up photos, or the training pictures of ``--data``,
with ``train.feature_cache`` 0 and 1 in turn, by the command's own training without validation. An
epoch is timed from its start to the end of its last batch; the first of each training warms up and
is not counted. The seconds of filling are those of one variant of each picture. Seconds of the
processor stand beside those that pass: other programs disturb them less.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from existing import existing

import yolokit
from yolokit.config_file import load_config
from yolokit.data.locate import locate_splits
from yolokit.engine.feature_store import FeatureStore, Made
from yolokit.machine import keep_freed_memory
from yolokit.synthesis.dataset import synthesise

# Shipped configs, and what is changed in them.
CASES: dict[str, tuple[str, list[str]]] = {
    "mobilenet_v2_light": ("yolo_mobilenet_v2_light", []),
    "mobilenet_v2": ("yolo_mobilenet_v2", []),
    "yolov1_mobilenet_v2": ("yolov1_mobilenet_v2", []),
    "resnet50_light": ("yolo_mobilenet_v2_light", ["model.backbone.name=resnet50"]),
    "yolov1_vgg16": ("yolov1_vgg16", []),
}
COMMON = [
    *("model.backbone.weights=none", "model.backbone.trainable_stages=0", "data.cache=ram"),
    *("train.validate_every=1000000", "train.checkpoint_seconds=100000000", "train.workers=0"),
    "augment.close_mosaic=0",  # else the last epoch would look at variants of its own
]


class Watch(lightning.Callback):
    """Seconds, and seconds of the processor, of each epoch."""

    def __init__(self) -> None:
        self.epochs: list[tuple[float, float]] = []
        self._began = self._ended = (0.0, 0.0)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin."""
        self._began = (time.perf_counter(), time.process_time())

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The last of these ends the epoch."""
        if batch_idx + 1 == trainer.num_training_batches:
            ended = (time.perf_counter(), time.process_time())
            self.epochs.append((ended[0] - self._began[0], ended[1] - self._began[1]))


class TimedFilling:
    """While in force, notes what filling a store takes, and how large it is."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.processor: list[float] = []
        self.bytes = 0
        self._fill = FeatureStore.fill

    def __enter__(self) -> TimedFilling:
        def timed(store: FeatureStore, fingerprint: str, made: Iterable[Made]) -> None:
            wall, processor = time.perf_counter(), time.process_time()
            self._fill(store, fingerprint, made)
            self.seconds.append(time.perf_counter() - wall)
            self.processor.append(time.process_time() - processor)
            self.bytes = store.kept.all_bytes

        FeatureStore.fill = timed  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        FeatureStore.fill = self._fill  # type: ignore[method-assign]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the JSON."""
    options = _options(arguments)
    keep_freed_memory(os.environ)
    found: dict[str, Any] = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "epochs": options.epochs,
        "rounds": options.rounds,
        "cases": {},
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = _training_pictures(options.data, options.pictures, folder)
        for case in options.case or CASES:
            found["cases"][case] = measured(case, data, options, folder)
            print(_line(case, found["cases"][case]), flush=True)
            if options.json:
                options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def measured(case: str, data: Path, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The figures of one case."""
    epochs: dict[int, list[tuple[float, float]]] = {0: [], 1: []}
    with TimedFilling() as filling:
        for turn in range(options.rounds):
            for kept in (0, 1):
                run = folder / f"{case}-{turn}-{kept}"
                epochs[kept] += _epochs(case, kept, data, options, run)
    config = load_config(run / "config.yaml")
    wall, processor = (
        {kept: statistics.median(each[kind] for each in epochs[kept]) for kept in epochs}
        for kind in (0, 1)
    )
    seconds = statistics.median(filling.seconds)
    return {
        "image_hw": list(config.data.image_hw),
        "batch_size": config.train.batch_size,
        "precision": config.train.precision,
        "epoch_s": round(wall[0], 3),
        "epoch_with_cache_s": round(wall[1], 3),
        "times": round(wall[0] / wall[1], 2),
        "processor_times": round(processor[0] / processor[1], 2),
        "filling_s": round(seconds, 3),
        "filling_processor_s": round(statistics.median(filling.processor), 3),
        "won_back_after_epochs": round(seconds / (wall[0] - wall[1]), 2),
        "MB": round(filling.bytes / 1e6, 1),
    }


def _epochs(
    case: str, kept: int, data: Path, options: argparse.Namespace, run: Path
) -> list[tuple[float, float]]:
    config, changed = CASES[case]
    watch = Watch()
    settings = [*COMMON, f"train.batch_size={options.batch}", *changed, *options.o]
    yolokit.train(
        config,
        data=data,
        run=run,
        device=options.device,
        epochs=1 + options.epochs,
        overrides=[*settings, f"train.feature_cache={kept}"],
        callbacks=[watch],
        quiet=True,
    )
    return watch.epochs[1:]


def _training_pictures(given: Path | None, pictures: int, folder: Path) -> Path:
    """A description of training pictures alone: there is nothing to validate on."""
    data = given
    if data is None:
        data = folder / "photos"
        synthesise(data, images=(pictures, 1, 1), video=False)
    split = locate_splits(data)["train"]
    parts = {
        "images": str(split.images.absolute()),
        "annotations": str(split.annotations.absolute()),
    }
    path = folder / "data.yaml"
    path.write_text(json.dumps({"train": parts}), encoding="utf-8")  # JSON is YAML
    return path


def _line(case: str, each: dict[str, Any]) -> str:
    return (
        f"{case}: epoch {each['epoch_s']} s, with maps {each['epoch_with_cache_s']} s, "
        f"{each['times']} times as fast ({each['processor_times']} by the processor); filling "
        f"{each['filling_s']} s and {each['MB']} MB, won back after "
        f"{each['won_back_after_epochs']} epochs"
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What a feature cache saves.")
    parser.add_argument("--case", action="append", choices=list(CASES), help="[default: all]")
    parser.add_argument("--data", type=existing, help="folder of a set  [default: made-up photos]")
    parser.add_argument("--pictures", type=int, default=64, help="made-up ones")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=2, help="that are counted, of each training")
    parser.add_argument("--rounds", type=int, default=2, help="trainings with and without, in turn")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("-o", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
