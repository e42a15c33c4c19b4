"""torchvision's entry: FCOS with a feature pyramid on MobileNetV2; run by the peers' Python.

    PEERS/bin/python benchmarks/accuracy/torchvision_run.py --weights mobilenet_v2.pth \
        --sets sets.json --set bccd --seed 0 --out runs/accuracy

The model, its loss, its NMS and the augmentations (IoU crop, flip, photometric distortion) are
torchvision's; a short loop around them trains by the clock with a cosine and keeps the weights
that were best on val. FCOS rather than SSDLite: SSDLite starts at stride 16, too coarse for the
small objects of these sets. The pyramid is narrowed from 256 channels, which a processor cannot
train in minutes.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import random
import time
from pathlib import Path

import torch
from existing import existing
from results import Entry, Point, Stopwatch, chosen_set, missing_splits, option_parser
from sets import Split, Truth, read_truths
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.models import mobilenet_v2
from torchvision.models.detection import FCOS
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops.feature_pyramid_network import LastLevelP6P7
from torchvision_pictures import Pictures, Sample, average_precision, detect

CONTESTANT = "torchvision-fcos-mobilenet_v2"
PACKAGES = ("torch", "torchvision", "pycocotools")
LEVELS = {"6": 32, "13": 96, "18": 1280}  # of the features: index and channels; strides 8, 16, 32
LEARNING_RATE, BACKBONE_SHARE, WEIGHT_DECAY = 1e-3, 0.2, 0.05  # of AdamW
WARM_UP = 0.05  # share of the budget
VALIDATIONS = 15  # about so many over the budget


def main() -> None:
    """Train unless that is done, then predict what is missing."""
    parser = option_parser("Train torchvision's FCOS by the budget and export its predictions.")
    parser.add_argument("--weights", type=existing, required=True, help="backbone file")
    parser.add_argument("--workers", type=int, default=0, help="loading processes")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--channels", type=int, default=64, help="of the pyramid; a multiple of 32")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    torch.set_num_threads(options.threads)
    entry = Entry.of(options.out, CONTESTANT, options.set, options.seed)
    if not entry.info.exists():
        train(entry, options)
    for split in missing_splits(entry, options):
        truth = read_truths(chosen_set(options), [split])[split]
        model = build(len(truth.class_names), options)
        state = torch.load(entry.training / "best.pt", weights_only=True, map_location="cpu")
        model.load_state_dict(state)
        model.to(options.device)
        entry.write_predictions(split, detect(model, truth, options.image_size))


def train(entry: Entry, options: argparse.Namespace) -> None:
    """Train into a fresh folder and keep the facts."""
    entry.clear()
    entry.training.mkdir()
    random.seed(options.seed)
    torch.manual_seed(options.seed)
    watch = Stopwatch()
    truths = read_truths(chosen_set(options), ("train", "val"))
    model = build(len(truths["train"].class_names), options)
    load_backbone(model, options.weights)
    model.to(options.device)
    run = Run(model, truths, chosen_set(options).splits["val"], options)
    run.fit()
    entry.write_curve(run.curve)
    torch.save(run.best, entry.training / "best.pt")
    facts = watch.facts(options, PACKAGES)
    facts |= {"train_seconds": run.elapsed(), "epochs": run.epochs, "workers": options.workers}
    facts |= {"threads": torch.get_num_threads(), "batch_size": options.batch_size}
    facts["train_pictures"] = len(truths["train"].pictures)
    entry.write_info(facts)


class Run:
    """A training by the clock: cosine to the end of the budget, the best on val kept.

    Args:
        model: trained in place.
        truths: of train and val.
        val: where val's annotation file lies.
        options: of the command line.
    """

    def __init__(
        self, model: nn.Module, truths: dict[str, Truth], val: Split, options: argparse.Namespace
    ) -> None:
        self.model, self.truths, self.val, self.options = model, truths, val, options
        self.budget = 60 * options.minutes
        backbone = list(model.backbone.body.parameters())
        own = {id(parameter) for parameter in backbone}
        rest = [each for each in model.parameters() if id(each) not in own]
        groups = [
            {"params": backbone, "peak": LEARNING_RATE * BACKBONE_SHARE},
            {"params": rest, "peak": LEARNING_RATE},
        ]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)
        self.curve: list[Point] = []
        self.best: dict[str, Tensor] = {}
        self.epochs = 0
        self._began = time.monotonic()
        self._validation_seconds = 0.0  # the longest: kept free for the last one

    def elapsed(self) -> float:
        """Seconds since the first step."""
        return time.monotonic() - self._began

    def fit(self) -> None:
        """Train and validate until the budget is used up."""
        pictures = Pictures(self.truths["train"], self.options.image_size)
        loader = DataLoader(
            pictures,
            batch_size=self.options.batch_size,
            shuffle=True,
            drop_last=len(pictures) > self.options.batch_size,
            num_workers=self.options.workers,
            persistent_workers=self.options.workers > 0,
            collate_fn=list,
        )
        self._began = time.monotonic()
        validated = 0.0
        while not self._used_up():
            self.epochs += 1
            self._epoch(loader)
            if self._used_up() or self.elapsed() - validated >= self.budget / VALIDATIONS:
                self._validate()
                validated = self.elapsed()

    def _used_up(self) -> bool:
        return self.elapsed() + self._validation_seconds >= self.budget

    def _epoch(self, loader: DataLoader[list[Sample]]) -> None:
        self.model.train()
        for batch in loader:
            if self._used_up():
                return
            share = min(1.0, self.elapsed() / self.budget)
            scale = min(1.0, share / WARM_UP) * (1 + math.cos(math.pi * share)) / 2
            for group in self.optimizer.param_groups:
                group["lr"] = group["peak"] * max(scale, 1e-3)
            images = [image.to(self.options.device) for image, _ in batch]
            targets = [_moved(target, self.options.device) for _, target in batch]
            losses = self.model(images, targets)
            self.optimizer.zero_grad()
            sum(losses.values()).backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
            self.optimizer.step()

    def _validate(self) -> None:
        began = time.monotonic()
        rows = detect(self.model, self.truths["val"], self.options.image_size)
        ap = average_precision(self.val.annotations, rows)
        if not self.curve or ap >= max(point.ap for point in self.curve):
            self.best = copy.deepcopy(self.model.state_dict())
        self._validation_seconds = max(self._validation_seconds, time.monotonic() - began)
        self.curve.append(Point(self.elapsed() / 60, ap))
        print(f"epoch {self.epochs}  {self.elapsed():.0f} s  val AP {ap:.3f}", flush=True)


def _moved(target: dict[str, Tensor], device: str) -> dict[str, Tensor]:
    return {key: value.to(device) for key, value in target.items()}


def build(num_classes: int, options: argparse.Namespace) -> FCOS:
    """FCOS on MobileNetV2's strides 8, 16 and 32, and two coarser levels above them."""
    backbone = BackboneWithFPN(
        mobilenet_v2(weights=None).features,
        return_layers={name: name for name in LEVELS},
        in_channels_list=list(LEVELS.values()),
        out_channels=options.channels,
        extra_blocks=LastLevelP6P7(options.channels, options.channels),
    )
    return FCOS(
        backbone,
        num_classes=num_classes,  # FCOS has no background class
        min_size=options.image_size,
        max_size=options.image_size,
        score_thresh=0.001,  # as an AP wants it, not as a picture
        detections_per_img=100,
    )


def load_backbone(model: FCOS, weights: Path) -> None:
    """Load a torchvision MobileNetV2's features and compare every tensor with the file's."""
    state = torch.load(weights, map_location="cpu", weights_only=True)
    named = {key.removeprefix("features."): value for key, value in state.items()}
    wanted = {key: value for key, value in named.items() if key.partition(".")[0].isdecimal()}
    model.backbone.body.load_state_dict(wanted)
    loaded = model.backbone.body.state_dict()
    if not all(torch.equal(loaded[key], value) for key, value in wanted.items()):
        raise SystemExit(f"error: expected that the backbone holds the tensors of {weights}")
    print(f"backbone: {len(wanted)} tensors of {weights} loaded", flush=True)


if __name__ == "__main__":
    main()
