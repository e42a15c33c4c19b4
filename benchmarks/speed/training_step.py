"""Where a training step goes on this machine: data, network, loss, clipping, optimizer, average.

    python benchmarks/speed/training_step.py --json step.json
    python benchmarks/speed/training_step.py --data ../data/cells -o train.batch_size=8

trains a detector with random weights on made-up photos, or those of ``--data``, by the parts that a
real training is made of, one after the other in one process, and prints each part's share of the
processor time, which other programs disturb less than the seconds that pass; these stand beside it.
The share of ``data`` is what a training without loading processes waits for its pictures.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from existing import existing

from yolokit.config import ResolvedConfig
from yolokit.config_file import find_config, load_config
from yolokit.data.coco import CocoDataset
from yolokit.data.loading import collate
from yolokit.data.locate import locate_splits
from yolokit.engine.ema import ema_average
from yolokit.engine.module import DetectionModule
from yolokit.engine.parts import build_module, build_training_data
from yolokit.engine.recipe import resolve
from yolokit.engine.schedule import Clock, Progress
from yolokit.models.build import build_detector
from yolokit.synthesis.dataset import synthesise

PARTS = ("data", "forward", "loss", "backward", "clipping", "optimizer", "average")
DTYPES = {"32": torch.float32, "16": torch.float16, "bf16": torch.bfloat16}


class Watch:
    """Seconds and processor seconds by part."""

    def __init__(self) -> None:
        self.wall = dict.fromkeys(PARTS, 0.0)
        self.processor = dict.fromkeys(PARTS, 0.0)

    @contextmanager
    def on(self, part: str) -> Iterator[None]:
        """Add what happens inside to a part."""
        wall, processor = time.perf_counter(), time.process_time()
        yield
        self.wall[part] += time.perf_counter() - wall
        self.processor[part] += time.process_time() - processor


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the JSON."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory() as folder:
        data = options.data
        if data is None:
            data = Path(folder) / "photos"
            synthesise(data, images=(64, 0, 0), video=False)
        train_set = CocoDataset.load(locate_splits(data)["train"])
        config = resolve(
            load_config(find_config(options.config), ["model.backbone.weights=none", *options.o]),
            train_sizes=train_set.sizes_hw,
            val_images=0,
        )
        step = steps_of(config, train_set)
        step(Watch())  # warms up
        watch = Watch()
        for _ in range(options.steps):
            step(watch)
    found = _figures(watch, options.steps, config)
    _print(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def steps_of(config: ResolvedConfig, train_set: CocoDataset) -> Callable[[Watch], None]:
    """A function that does the next training step, its parts timed."""
    torch.manual_seed(config.train.seed)
    progress = Progress(Clock(), None, 1)
    image_hw, classes = config.data.image_hw, len(train_set.class_names)
    detector = build_detector(config.model, num_classes=classes, image_hw=image_hw).train()
    module = build_module(config, detector, progress)
    pictures = build_training_data(config, train_set, progress).dataset
    optimizer = module.configure_optimizers()
    averaged, average = copy.deepcopy(detector), ema_average(config.train.ema_decay)
    done = 0

    def step(watch: Watch) -> None:
        nonlocal done
        size = config.train.batch_size
        keys = [divmod(done * size + n, len(pictures)) for n in range(size)]
        with watch.on("data"):
            batch = collate([pictures[key] for key in keys])
        loss = _loss(watch, module, batch, DTYPES[config.train.precision])
        with watch.on("backward"):
            loss.backward()
        with watch.on("clipping"):
            module.configure_gradient_clipping(optimizer, config.train.gradient_clip)
        with watch.on("optimizer"):
            optimizer.step()
            optimizer.zero_grad()
        with watch.on("average"), torch.no_grad():
            pair = [list(each.parameters()) for each in (averaged, detector)]
            average(pair[0], pair[1], torch.tensor(done))
        done += 1

    return step


def _loss(watch: Watch, module: DetectionModule, batch: Any, dtype: torch.dtype) -> torch.Tensor:
    mixed = torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32)
    with watch.on("forward"), mixed:
        outputs = module.detector(batch.images)
    with watch.on("loss"):
        terms = module.criterion(outputs, batch.truths)
        return torch.stack(list(terms.values())).sum()


def _figures(watch: Watch, steps: int, config: ResolvedConfig) -> dict[str, Any]:
    total = sum(watch.processor.values())
    parts = {
        part: {
            "share": round(watch.processor[part] / total, 4),
            "processor_ms": round(1000 * watch.processor[part] / steps, 1),
            "ms": round(1000 * watch.wall[part] / steps, 1),
        }
        for part in PARTS
    }
    return {
        "backbone": config.model.backbone.name,
        "trainable_stages": config.model.backbone.trainable_stages,
        "image_hw": list(config.data.image_hw),
        "batch_size": config.train.batch_size,
        "precision": config.train.precision,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "steps": steps,
        "parts": parts,
    }


def _print(found: dict[str, Any]) -> None:
    print(", ".join(f"{name} {value}" for name, value in found.items() if name != "parts"))
    print("| part | share of a step | processor ms | ms |\n|---|---|---|---|")
    for part, each in found["parts"].items():
        print(f"| {part} | {each['share']:.1%} | {each['processor_ms']} | {each['ms']} |")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Where a training step goes.")
    parser.add_argument("--config", default="yolo_mobilenet_v2", help="file, or a shipped name")
    parser.add_argument("--data", type=existing, help="folder of a set  [default: made-up photos]")
    parser.add_argument("-o", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
