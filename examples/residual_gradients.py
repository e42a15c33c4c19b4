"""What a residual connection does to the gradient, measured on a backbone of your choice.

A detector is built twice from the same weights: as it is, and as a twin in which every sum
x + F(x) is F(x) alone. Both see the same made-up photos with the same truth. Printed is the norm
of the loss's gradient at every one of these sums, from the last, next to the loss, back to the
first, next to the picture.

    python examples/residual_gradients.py resnet18 resnet50 mobilenet_v2
    python examples/residual_gradients.py resnet50 --no-norm         # without batch norm
    python examples/residual_gradients.py resnet50 --no-norm --small-weights
    python examples/residual_gradients.py resnet50 --steps 40        # and how both then learn
"""

from __future__ import annotations

import argparse
import copy
import operator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, fx, nn

from yolokit.config import ModelConfig
from yolokit.data.prepare import prepare_sample
from yolokit.errors import YolokitError
from yolokit.heads.family import family_of
from yolokit.models.build import build_detector
from yolokit.models.detector import Detector
from yolokit.synthesis.dataset import visible_box
from yolokit.synthesis.scenes import make_scene
from yolokit.types import Sample, Truth

CLASSES = 3
STRIDE = 32  # px: of the only map the head below looks at, so the gradient enters at the top
SUMS = (operator.add, operator.iadd, torch.add)


class Pair(NamedTuple):
    """A detector and its twin without shortcuts, and where the sums are in both, first to last."""

    own: Detector
    twin: Detector
    sums: list[str]
    branches: list[str]


def build_pair(
    name: str,
    *,
    size: int = 128,
    weights: str = "none",
    norm: bool = True,
    small: bool = False,
    seed: int = 0,
) -> Pair:
    """A YOLOv1 detector of one deep grid, and its twin of the same weights.

    Args:
        name: a torchvision classifier.
        size: side of the input, pixels, a multiple of 32.
        weights: as ``model.backbone.weights`` in a configuration.
        norm: False leaves every batch norm of the backbone out.
        small: the backbone's first weights are PyTorch's default, six times less in variance than
            He's, which torchvision's networks start from.
        seed: of the random weights.
    """
    torch.manual_seed(seed)
    own = build_detector(_config(name, size, weights), num_classes=CLASSES, image_hw=(size, size))
    if not isinstance(own.backbone.trunk, fx.GraphModule):
        raise SystemExit(f"error: {name} is not traced, so its sums cannot be seen")
    _keep_values(own.backbone.trunk, norm)
    if small:
        own.backbone.trunk.apply(_shrink)
    twin = copy.deepcopy(own)
    found = residual_sums(own.backbone.trunk)
    twin.backbone.trunk = without_shortcuts(own.backbone.trunk)
    return Pair(own, twin, [total.name for total, _ in found], [part.name for _, part in found])


def residual_sums(trunk: fx.GraphModule) -> list[tuple[fx.Node, fx.Node]]:
    """The sums x + F(x) of a network, first to last, each with the node of its F(x).

    Of the two parts F is the one behind more convolutions.
    """
    depth: dict[fx.Node, int] = {}
    found = []
    for node in trunk.graph.nodes:
        parts = node.all_input_nodes
        depth[node] = max((depth[part] for part in parts), default=0) + _is_convolution(trunk, node)
        if node.op == "call_function" and node.target in SUMS and len(parts) == 2:
            found.append((node, max(parts, key=depth.__getitem__)))
    return found


def without_shortcuts(trunk: fx.GraphModule) -> fx.GraphModule:
    """A copy of a network in which every sum x + F(x) is F(x)."""
    twin = copy.deepcopy(trunk)
    for total, branch in residual_sums(twin):
        total.replace_all_uses_with(branch)
    twin.graph.eliminate_dead_code()
    twin.recompile()
    return twin


def gradient_norms(
    detector: Detector, nodes: list[str], batch: tuple[Tensor, list[Truth]]
) -> list[float]:
    """The norm of the loss's gradient at some nodes of the backbone's graph."""
    trunk = detector.backbone.trunk
    assert isinstance(trunk, fx.GraphModule)
    watched = _Watched(trunk, nodes)
    maps = list(watched.run(detector.normalise(batch[0])))
    loss_of(detector, maps, batch[1]).backward()
    gradients = [watched.values[name].grad for name in nodes]
    return [0.0 if gradient is None else float(gradient.norm()) for gradient in gradients]


def loss_of(detector: Detector, maps: list[Tensor], truths: list[Truth]) -> Tensor:
    """YOLOv1's loss from the backbone's maps on."""
    side = maps[-1].shape[-1] * STRIDE
    outputs = detector.head(detector.neck(maps), (side, side))
    criterion = family_of(_config("", side, "none").head).criterion()
    return torch.stack(list(criterion(outputs, truths).values())).sum()


def learn(detector: Detector, batch: tuple[Tensor, list[Truth]], steps: int) -> list[float]:
    """The loss before each of some steps of plain SGD on one batch."""
    optimizer = torch.optim.SGD(detector.parameters(), lr=0.01, momentum=0.9)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(detector, list(detector.backbone(detector.normalise(batch[0]))), batch[1])
        loss.backward()
        nn.utils.clip_grad_norm_(detector.parameters(), 10.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


def made_up_batch(count: int = 8, size: int = 128) -> tuple[Tensor, list[Truth]]:
    """Painted photos [B, 3, H, W] uint8 and their truth."""
    images, truths = [], []
    for number in range(count):
        scene = make_scene(np.random.default_rng([7, number]), (size, size), CLASSES, 0.2)
        xywh = np.array([visible_box(each.mask) for each in scene.instances], np.float32).reshape(
            -1, 4
        )
        boxes = np.hstack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]])
        labels = np.array([each.label for each in scene.instances], np.int64)
        sample, _ = prepare_sample(Sample(scene.image, boxes, labels, number), (size, size))
        images.append(torch.from_numpy(sample.image).permute(2, 0, 1))
        truths.append(Truth(torch.from_numpy(sample.boxes), torch.from_numpy(sample.labels)))
    return torch.stack(images), truths


class _Watched(fx.Interpreter):
    """Runs a network and keeps the values of some nodes, so that their gradients can be read."""

    def __init__(self, trunk: fx.GraphModule, nodes: list[str]) -> None:
        super().__init__(trunk)
        self.wanted = set(nodes)
        self.values: dict[str, Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.name in self.wanted:
            value.retain_grad()
            self.values[n.name] = value
        return value


def _config(name: str, size: int, weights: str) -> ModelConfig:
    head = {"type": "yolov1", "grid_size": size // STRIDE, "channels": 64}
    backbone = {"name": name or "resnet18", "weights": weights}
    return ModelConfig.model_validate({"head": head, "backbone": backbone})


def _is_convolution(trunk: fx.GraphModule, node: fx.Node) -> bool:
    called = node.op == "call_module"
    return called and isinstance(trunk.get_submodule(str(node.target)), nn.Conv2d)


def _shrink(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        module.reset_parameters()


def _keep_values(trunk: nn.Module, norm: bool) -> None:
    """Overwrite no value, as its gradient is to be read; without ``norm`` drop batch norms."""
    for module in list(trunk.modules()):
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d) and not norm:
                setattr(module, name, nn.Identity())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backbones", nargs="+", help="torchvision classifiers")
    parser.add_argument("--weights", default="none", help="none, imagenet or a file")
    parser.add_argument("--size", type=int, default=128, help="side of the pictures, pixels")
    parser.add_argument("--no-norm", action="store_true", help="leave out batch norm")
    parser.add_argument("--small-weights", action="store_true", help="PyTorch's default ones")
    parser.add_argument("--steps", type=int, default=0, help="then train both on the batch")
    options = parser.parse_args()
    batch = made_up_batch(size=options.size)
    for name in options.backbones:
        pair = build_pair(
            name,
            size=options.size,
            weights=options.weights,
            norm=not options.no_norm,
            small=options.small_weights,
        )
        if not pair.sums:
            print(f"{name}: no residual connection")
            continue
        own = gradient_norms(pair.own, pair.sums, batch)
        twin = gradient_norms(pair.twin, pair.branches, batch)
        print(f"{name}: gradient at each of {len(own)} sums, last to first")
        print(f"{'sum':>4} {'as it is':>12} {'no shortcuts':>12}")
        for number in reversed(range(len(own))):
            print(f"{number + 1:>4} {own[number]:>12.3g} {twin[number]:>12.3g}")
        print(f"first / last: {own[0] / own[-1]:.3g} as it is, {twin[0] / twin[-1]:.3g} without")
        if options.steps:
            for title, detector in (("as it is", pair.own), ("no shortcuts", pair.twin)):
                losses = learn(detector, batch, options.steps)
                print(f"loss {losses[0]:.3g} -> {losses[-1]:.3g} in {options.steps} steps, {title}")


if __name__ == "__main__":
    try:
        main()
    except YolokitError as error:
        raise SystemExit(f"error: {error}") from None
