"""What the table of backbones counts is what hand, gradients and torchvision say."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from scripts import load_script
from torch import nn

from yolokit.backbones.backbone import build_backbone


@pytest.fixture(scope="module")
def script(repository: Path) -> ModuleType:
    return load_script(repository / "examples/backbone_table.py")


def test_alexnet_by_hand(script: ModuleType) -> None:
    found = script.cost("alexnet")
    # 3·64·11² + 64·192·5² + 192·384·3² + 384·256·3² + 256·256·3², and a bias each
    weights = (23_232, 307_200, 663_552, 884_736, 589_824)
    places = (55**2, 27**2, 13**2, 13**2, 13**2)
    assert found.backbone == sum(weights) + 64 + 192 + 384 + 256 + 256
    assert found.multiply_adds == sum(w * p for w, p in zip(weights, places, strict=True))
    # (6·6·256 + 1)·4096 + 4097·4096 + 4097·1000
    assert found.linear == 9217 * 4096 + 4097 * 4096 + 4097 * 1000
    assert (found.classifier, found.convolutions) == (61_100_840, 5)


@pytest.mark.parametrize(
    ("name", "size"), [("alexnet", 320), pytest.param("resnet18", 512, marks=pytest.mark.slow)]
)
def test_the_receptive_field_is_what_the_gradient_reaches(
    script: ModuleType, name: str, size: int
) -> None:
    """With positive weights and means for maxima every pixel that can matter has a gradient."""
    trunk = build_backbone(name, weights="none", image_hw=(size, size)).eval().double().trunk
    for parameter in trunk.parameters():
        parameter.data.abs_().clamp_(min=1e-3)
    for path, module in list(trunk.named_modules()):
        if isinstance(module, nn.MaxPool2d):
            mean = nn.AvgPool2d(module.kernel_size, module.stride, module.padding)
            trunk.set_submodule(path, mean)
    picture = torch.ones(1, 3, size, size, dtype=torch.float64, requires_grad=True)
    deepest = trunk(picture)[-1]
    deepest[0, :, deepest.shape[2] // 2, deepest.shape[3] // 2].sum().backward()
    assert picture.grad is not None
    reached = picture.grad[0].abs().sum((0, 1)).nonzero()
    assert int(reached.max() - reached.min()) + 1 == script.receptive_field(trunk)


def test_the_course_has_the_same_table(script: ModuleType, repository: Path) -> None:
    names = "alexnet vgg16 googlenet inception_v3 resnet18 resnet50 mobilenet_v2"
    for page in (repository / "docs").glob("how-yolo-works*.md"):
        rows = page.read_text(encoding="utf-8").splitlines()
        table = [row.split("|") for row in rows if row.startswith("| `")]
        cells = {row[1].strip(" `"): row[3:9] for row in table if len(row) == 11}
        for name in names.split():
            row = script.row(name, script.cost(name))
            assert [cell.strip() for cell in cells[name]] == row.split(" | ")[1:]
