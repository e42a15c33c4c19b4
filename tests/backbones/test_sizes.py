"""Sizes that are known without computing are those that torch finds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from yolokit.backbones.classifier_trunk import _build, _trace, on_meta
from yolokit.backbones.sizes import Sizes, _size_after

PROBE = 96


@pytest.mark.parametrize(
    "name",  # residual sums, concatenations, squeeze-and-excitation, unpadded borders, shuffling
    [
        *("mobilenet_v2", "resnet18", "squeezenet1_1", "efficientnet_b0", "mobilenet_v3_small"),
        *("googlenet", "densenet121", "shufflenet_v2_x0_5", "mnasnet0_5", "vgg11_bn"),
    ],
)
def test_every_tensor_has_the_size_that_torch_computes(name: str) -> None:
    model = _build(name)
    graph, _ = _trace(model, name)
    network = fx.GraphModule(on_meta(model), graph).eval()
    picture = torch.empty(2, 3, PROBE, PROBE + 32, device="meta")
    found = Sizes(network)
    found.run(picture)
    ShapeProp(network).propagate(picture)  # torch's own, layer by layer
    expected = {
        node: tuple(node.meta["tensor_meta"].shape)
        for node in network.graph.nodes
        if _is_tensor(node)
    }
    assert {n: s for n, s in found.sizes.items() if n.op != "output"} == expected
    assert len(expected) > 20


def _is_tensor(node: fx.Node) -> bool:
    return node.op != "output" and hasattr(node.meta.get("tensor_meta"), "shape")


@pytest.mark.parametrize(
    ("module", "size"),
    [
        (nn.Conv2d(3, 5, 3, stride=2, padding=1), (1, 3, 7, 10)),
        (nn.Conv2d(3, 5, (1, 3), stride=(3, 2), padding=(0, 4), dilation=2), (1, 3, 7, 10)),
        (nn.Conv2d(3, 3, 3, groups=3), (2, 3, 9, 9)),
        (nn.MaxPool2d(3, stride=2), (1, 2, 10, 7)),
        (nn.MaxPool2d(2, dilation=2, padding=1), (1, 2, 10, 7)),
        (nn.AvgPool2d(3, padding=1), (1, 2, 10, 7)),
        (nn.AdaptiveAvgPool2d(1), (1, 2, 10, 7)),
        (nn.Linear(4, 6), (2, 4)),
    ],
)
def test_a_layer_by_itself(module: nn.Module, size: tuple[int, ...]) -> None:
    assert _size_after(module, size) == tuple(module(torch.zeros(size)).shape)


@pytest.mark.parametrize(
    ("module", "size"),
    [
        (nn.Conv2d(3, 5, 5), (1, 3, 4, 9)),  # nothing would be left
        (nn.Conv2d(4, 5, 3), (1, 3, 9, 9)),  # three channels for four
        (nn.Conv2d(3, 5, 3, padding="same"), (1, 3, 9, 9)),
        (nn.MaxPool2d(3, stride=2, ceil_mode=True), (1, 2, 10, 7)),
        (nn.Conv2d(3, 5, 3), (3, 9, 9)),  # without a batch
        (nn.AdaptiveAvgPool2d(2), (1, 2, 10, 7)),
        (nn.LayerNorm(7), (1, 2, 10, 7)),
    ],
)
def test_what_is_unusual_is_left_to_torch(module: nn.Module, size: tuple[int, ...]) -> None:
    assert _size_after(module, size) is None


def test_an_input_that_is_too_small_is_torchs_error() -> None:
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.Conv2d(4, 4, 5))

        def forward(self, x: Tensor) -> Any:
            return self.layers(x)

    network = fx.GraphModule(Deep().to("meta"), fx.symbolic_trace(Deep()).graph)
    with pytest.raises(RuntimeError, match=r"[Kk]ernel size"):
        Sizes(network).run(torch.empty(1, 3, 7, 7, device="meta"))
