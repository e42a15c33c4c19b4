"""Training with frozen stages runs them apart; nothing but the time may tell."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn

from yolokit.backbones.backbone import Backbone, build_backbone, freeze_stages
from yolokit.backbones.folding import trace
from yolokit.backbones.frozen_front import FrozenFront

HW = (64, 96)
NAMES = (  # plain, residual, several inputs of a concatenation, squeeze-and-excitation, layer norm
    *("mobilenet_v2", "resnet18", "googlenet", "squeezenet1_1", "shufflenet_v2_x0_5"),
    *("efficientnet_b0", "densenet121", "convnext_tiny", "regnet_y_400mf", "vgg16_bn"),
)
TIMM_NAMES = (
    *("timm:tf_efficientnet_lite0", "timm:mobilenetv3_large_100", "timm:mobilenetv4_conv_small"),
    *("timm:hgnetv2_b0", "timm:lcnet_100", "timm:resnet18"),
)


def build(name: str, trainable_stages: int) -> Backbone:
    """With batch norms that have seen something, so that folding them does something."""
    if name.startswith("timm:"):
        pytest.importorskip("timm")
    torch.manual_seed(0)
    backbone = build_backbone(name, weights="none", image_hw=HW).train()
    with torch.no_grad():
        for _ in range(3):
            backbone(torch.randn(4, 3, *HW))
    freeze_stages(backbone, trainable_stages, False)
    return backbone


def gradients(maps: list[Tensor], backbone: Backbone) -> Tensor:
    """All gradients of a random sum of the maps, one after the other."""
    backbone.zero_grad()
    generator = torch.Generator().manual_seed(2)
    weights = [torch.randn(each.shape, generator=generator) for each in maps]
    sums = [(each * weight).sum() for each, weight in zip(maps, weights, strict=True)]
    torch.stack([each for each in sums if each.requires_grad]).sum().backward()
    found = [p.grad for p in backbone.parameters() if p.requires_grad]
    return torch.cat([each.flatten() for each in found if each is not None])


@pytest.mark.parametrize("trainable_stages", [0, 2])
@pytest.mark.parametrize("name", [*NAMES, *TIMM_NAMES])
def test_maps_and_gradients_are_those_of_the_whole_network(
    name: str, trainable_stages: int
) -> None:
    backbone = build(name, trainable_stages).double()  # its batch norms amplify what rounding does
    x = torch.randn(3, 3, *HW, dtype=torch.float64)
    torch.manual_seed(1)
    apart = list(backbone._network("cpu")(x))
    assert backbone._front is not None
    torch.manual_seed(1)
    whole = list(backbone.trunk(x))
    for a, b in zip(apart, whole, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-7)
    if not trainable_stages:
        assert not any(each.requires_grad for each in apart)
        return
    expected = gradients(whole, backbone)
    torch.manual_seed(1)
    found = gradients(list(backbone._network("cpu")(x)), backbone)
    assert float((found - expected).norm()) < 1e-6 * float(expected.norm()) > 0


def test_the_front_holds_no_batch_norm_and_few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = build("mobilenet_v2", 3)
    split = FrozenFront(backbone.trunk, ["features.0", "features.1"])  # type: ignore[arg-type]
    kinds = {type(split._front.get_submodule(str(n.target))) for n in calls(split._front)}
    assert nn.BatchNorm2d not in kinds and nn.Conv2d in kinds
    assert nn.BatchNorm2d in {
        type(backbone.trunk.get_submodule(str(n.target))) for n in calls(split._rest)
    }
    sizes: list[int] = []
    front = split._front
    monkeypatch.setattr(split, "_front", lambda part: sizes.append(len(part)) or front(part))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    split(torch.randn(5, 3, *HW))
    assert sizes == [2, 2, 1]


@pytest.mark.parametrize("name", TIMM_NAMES)
def test_a_front_of_timms_has_its_norms_folded_and_their_activations(name: str) -> None:
    backbone = build(name, 1)
    maps = backbone(torch.randn(2, 3, *HW))
    assert [each.requires_grad for each in maps] == [False] * (len(maps) - 1) + [True]
    assert backbone._front is not None
    front = dict(backbone._front._front.named_modules())
    found = [type(front[str(node.target)]).__name__ for node in calls(backbone._front._front)]
    assert "Conv2d" in found and not any("BatchNorm" in each for each in found)


@pytest.mark.parametrize("drop_path", [0.9, 0.0])
def test_a_frozen_front_of_timms_drops_nothing(drop_path: float) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    model = timm.create_model("hgnetv2_b0", features_only=True, drop_path_rate=drop_path)
    traced = trace(model)
    assert traced is not None
    front = FrozenFront(traced.eval(), [name for name, _ in traced.named_children()])
    x = torch.randn(2, 3, *HW)
    for found, expected in zip(front(x), model.eval()(x), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def calls(network: fx.GraphModule) -> list[fx.Node]:
    return [node for node in network.graph.nodes if node.op == "call_module"]


def test_new_weights_and_other_stages_make_a_new_front() -> None:
    backbone, other = build("resnet18", 2), build("resnet18", 2)
    x = torch.randn(2, 3, *HW)
    before = backbone(x)[0]
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.5)
    backbone.load_state_dict(other.state_dict())
    after = backbone(x)[0]
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, other.trunk(x)[0], rtol=1e-3, atol=1e-3)
    freeze_stages(backbone, "all", False)
    assert backbone(x)[0].requires_grad


def _double_in_place(backbone: Backbone) -> None:
    with torch.no_grad():
        first_weight(backbone).mul_(2)


def _double_behind_the_counter(backbone: Backbone) -> None:
    first_weight(backbone).data.mul_(2)


def _through_numpy(backbone: Backbone) -> None:
    first_weight(backbone).detach().numpy()[:] *= 2


def _replace(backbone: Backbone) -> None:
    first_weight(backbone).data = first_weight(backbone).data * 2


def _move_statistics(backbone: Backbone) -> None:
    backbone.get_buffer("trunk.bn1.running_mean").add_(1)


def _read_other_weights(backbone: Backbone) -> None:
    state = {key: value * 1.5 for key, value in backbone.state_dict().items()}
    backbone.load_state_dict(state)


def _read_into_the_trunk(backbone: Backbone) -> None:
    state = {key: value * 1.5 for key, value in backbone.trunk.state_dict().items()}
    backbone.trunk.load_state_dict(state)  # no hook of the backbone's runs


def first_weight(backbone: Backbone) -> nn.Parameter:
    return backbone.get_parameter("trunk.conv1.weight")


@pytest.mark.parametrize(
    "change",
    [
        *(_double_in_place, _double_behind_the_counter, _through_numpy, _replace),
        *(_move_statistics, _read_other_weights, _read_into_the_trunk),
    ],
)
def test_whatever_changes_a_frozen_weight_is_seen(change: Callable[[Backbone], None]) -> None:
    backbone = build("resnet18", 2)
    x = torch.randn(2, 3, *HW)
    before = backbone(x)[0]
    front = backbone._front
    change(backbone)
    after = backbone(x)[0]
    assert backbone._front is not front
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, backbone.trunk(x)[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_another_precision_makes_another_front(dtype: torch.dtype) -> None:
    backbone = build("resnet18", 2)
    x = torch.randn(2, 3, *HW)
    backbone(x)
    backbone.to(dtype)
    got, expected = backbone(x.to(dtype))[0], backbone.trunk(x.to(dtype))[0]
    assert got.dtype == dtype
    tolerance = 1e-9 if dtype == torch.float64 else 0.1
    torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance)
    backbone.float()
    torch.testing.assert_close(backbone(x)[0], backbone.trunk(x)[0], rtol=1e-2, atol=1e-2)


def test_training_steps_keep_the_front() -> None:
    """What is trained is no part of it, and it is not folded anew each time."""
    backbone = build("resnet18", 2)
    optimizer = torch.optim.SGD(backbone.parameters(), lr=0.1)
    fronts = set()
    for _ in range(3):
        backbone(torch.randn(2, 3, *HW))[-1].sum().backward()
        optimizer.step()
        fronts.add(id(backbone._front))
    assert len(fronts) == 1


def test_the_front_is_no_part_of_the_weights_and_a_copy_makes_its_own() -> None:
    backbone = build("mobilenet_v2", 2)
    keys = list(backbone.state_dict())
    x = torch.randn(2, 3, *HW)
    first = backbone(x)
    assert list(backbone.state_dict()) == keys
    twin = copy.deepcopy(backbone)
    assert twin._front is None
    assert torch.equal(twin(x)[0], first[0])


def test_evaluation_takes_the_network_as_it_is() -> None:
    backbone = build("mobilenet_v2", 2).eval()
    x = torch.randn(2, 3, *HW)
    assert torch.equal(backbone(x)[-1], backbone.trunk(x)[-1])
    assert backbone._front is None
