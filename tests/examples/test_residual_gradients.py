"""The twin without shortcuts is the plain network of the same weights; its gradient is measured.

The oracle is torchvision's ResNet with a block written here that leaves the sum out.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from scripts import load_script
from torch import Tensor
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock


@pytest.fixture(scope="module")
def script(repository: Path) -> ModuleType:
    return load_script(repository / "examples/residual_gradients.py")


class PlainBlock(BasicBlock):
    """ResNet-18's block with F(x) in place of x + F(x)."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)))


def test_the_twin_is_the_network_without_its_sums(script: ModuleType) -> None:
    pair = script.build_pair("resnet18", size=64)
    plain = ResNet(PlainBlock, [2, 2, 2, 2])
    state = {**plain.state_dict(), **pair.own.backbone.trunk.state_dict()}
    plain.load_state_dict({key: state[key] for key in plain.state_dict()})
    for network in (plain, pair.own, pair.twin):
        network.double()
    picture = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    x = plain.maxpool(plain.relu(plain.bn1(plain.conv1(picture))))
    for layer in (plain.layer1, plain.layer2, plain.layer3, plain.layer4):
        x = layer(x)
    torch.testing.assert_close(pair.twin.backbone(picture)[-1], x)
    assert not torch.allclose(pair.own.backbone(picture)[-1], x)


@pytest.mark.parametrize(
    ("name", "count"), [("resnet18", 8), ("resnet50", 16), ("mobilenet_v2", 10), ("vgg16", 0)]
)
def test_every_sum_is_found(script: ModuleType, name: str, count: int) -> None:
    assert len(script.build_pair(name, size=64).sums) == count


def test_the_gradient_is_that_of_the_loss(script: ModuleType) -> None:
    """At the last sum it is that of its branch, which a hook sees without any graph."""
    pair = script.build_pair("resnet18", size=64)
    batch = script.made_up_batch(count=2, size=64)
    values: list[Tensor] = []
    last = pair.own.backbone.trunk.get_submodule("layer4.1.bn2")
    hook = last.register_forward_hook(lambda _module, _inputs, output: values.append(output))
    maps = list(pair.own.backbone.trunk(pair.own.normalise(batch[0])))
    hook.remove()
    (gradient,) = torch.autograd.grad(script.loss_of(pair.own, maps, batch[1]), values)
    (norm,) = script.gradient_norms(pair.own, pair.sums[-1:], batch)
    assert norm == pytest.approx(gradient.norm().item(), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "own", "twin"),
    [
        ({"norm": False, "small": True}, 0.053, 1.9e-18),
        ({"norm": False}, 43, 0.21),
        ({}, 63, 2010),
    ],
)
def test_the_course_says_what_is_measured(
    script: ModuleType, repository: Path, options: dict[str, bool], own: float, twin: float
) -> None:
    batch = script.made_up_batch()
    pair = script.build_pair("resnet50", **options)
    norms = script.gradient_norms(pair.own, pair.sums, batch)
    plain = script.gradient_norms(pair.twin, pair.branches, batch)
    assert norms[0] / norms[-1] == pytest.approx(own, rel=0.1)
    assert plain[0] / plain[-1] == pytest.approx(twin, rel=0.1)
    page = (repository / "docs/how-yolo-works.md").read_text(encoding="utf-8")
    written = f"{twin:.19f}".rstrip("0") if twin < 1e-6 else f"{twin:g}"
    assert f"| {own:g} | {written} |" in page
