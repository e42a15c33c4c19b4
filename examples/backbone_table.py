"""What backbones cost: parameters, multiply-adds, convolutions and receptive field, in one table.

python examples/backbone_table.py alexnet vgg16 googlenet inception_v3 resnet50 mobilenet_v2
python examples/backbone_table.py resnet18 --size 320
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import torch
from torch import fx, nn
from torch.utils.flop_counter import FlopCounterMode

from yolokit.backbones.backbone import build_backbone
from yolokit.backbones.torchvision_models import get_model
from yolokit.errors import YolokitError

WITHOUT_EXTRAS = {"aux_logits": False, "init_weights": False}  # of the two Inceptions


class Cost(NamedTuple):
    """What a network costs.

    Args:
        classifier: parameters of the whole classifier.
        linear: of those, in its fully connected layers.
        backbone: parameters that are left when it is a backbone.
        multiply_adds: of the backbone, for one picture.
        convolutions: of the backbone.
        receptive_field: of a cell of its deepest map, input pixels.
        strides: of its maps.
    """

    classifier: int
    linear: int
    backbone: int
    multiply_adds: int
    convolutions: int
    receptive_field: int
    strides: list[int]


def cost(name: str, size: int = 224) -> Cost:
    """Count one of torchvision's classifiers, whole and as a backbone, by shapes alone."""
    options = WITHOUT_EXTRAS if name in {"googlenet", "inception_v3"} else {}
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        backbone = build_backbone(name, weights="none", image_hw=(size, size)).eval()
        whole = get_model(name, weights=None, **options)
        backbone(torch.zeros(1, 3, size, size))
    linear = [module for module in whole.modules() if isinstance(module, nn.Linear)]
    assert isinstance(backbone.trunk, fx.GraphModule)
    return Cost(
        classifier=_parameters(whole),
        linear=sum(map(_parameters, linear)),
        backbone=_parameters(backbone),
        multiply_adds=counter.get_total_flops() // 2,  # a product and a sum are two operations
        convolutions=sum(isinstance(module, nn.Conv2d) for module in backbone.modules()),
        receptive_field=receptive_field(backbone.trunk),
        strides=[level.stride for level in backbone.levels],
    )


def receptive_field(trunk: fx.GraphModule) -> int:
    """Input pixels along a side that one value of a network's last map can depend on.

    Each window of k cells adds (k - 1) times the pixels between two neighbouring cells. Where
    branches meet, the widest view counts. Means over the whole map (squeeze-and-excitation) would
    make every view the whole picture; they are left out.
    """
    return max(_views(trunk, 0) + _views(trunk, 1))


def _views(trunk: fx.GraphModule, side: int) -> list[int]:
    """The receptive field of every value of the graph along one side, 0 for height."""
    views: dict[fx.Node, tuple[int, int]] = {}  # receptive field, pixels between two cells
    for node in trunk.graph.nodes:
        before = [views[part] for part in node.all_input_nodes if part in views]
        view, step = max(before, default=(1, 1))
        if node.op == "call_module":
            module = trunk.get_submodule(str(node.target))
            if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
                kernel, stride = _of(module.kernel_size, side), _of(module.stride, side)
                view, step = view + (kernel - 1) * step, step * stride
        views[node] = (view, step)
    return [view for view, _ in views.values()]


def _of(value: int | tuple[int, ...], side: int) -> int:
    return value if isinstance(value, int) else value[side]


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def row(name: str, found: Cost) -> str:
    """The cells of a row of the table."""
    millions = (found.classifier, found.linear, found.backbone)
    parts = [f"`{name}`", *(f"{value / 1e6:.1f}" for value in millions)]
    parts += [f"{found.multiply_adds / 1e9:.2f}", str(found.convolutions)]
    return " | ".join([*parts, str(found.receptive_field)])


def main() -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", help="torchvision classifiers")
    parser.add_argument("--size", type=int, default=224, help="side of the picture, pixels")
    options = parser.parse_args()
    print(
        "| backbone | classifier, M | of it linear, M | backbone, M | multiply-adds, G "
        "| convolutions | receptive field, px |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in options.names:
        print(f"| {row(name, cost(name, options.size))} |")


if __name__ == "__main__":
    try:
        main()
    except YolokitError as error:
        raise SystemExit(f"error: {error}") from None
