"""Folding changes what is computed by rounding alone; a pair that it cannot replace stays."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, fx, nn

from yolokit.backbones.folding import fold_batch_norms, trace


def norm(channels: int) -> nn.BatchNorm2d:
    """One that has seen something, in evaluation mode."""
    made = nn.BatchNorm2d(channels)
    generator = torch.Generator().manual_seed(channels)
    with torch.no_grad():
        for each in (made.weight, made.bias, made.running_mean):
            assert each is not None
            each.copy_(torch.randn(channels, generator=generator))
        assert made.running_var is not None
        made.running_var.copy_(torch.rand(channels, generator=generator) + 0.5)
    return made.eval()


class TwoBranches(nn.Module):
    """A convolution whose output is used twice cannot take its norm in; the other can."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.shared_norm = nn.Conv2d(3, 4, 3), norm(4)
        self.own, self.own_norm = nn.Conv2d(4, 4, 1), norm(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.shared(x)
        y: Tensor = self.own_norm(self.own(self.shared_norm(x))) + x
        return y


def norms_in(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_a_sequence_computes_the_same_and_the_original_stays() -> None:
    network = nn.Sequential(nn.Conv2d(3, 5, 3), norm(5), nn.ReLU(), nn.Conv2d(5, 2, 1), norm(2))
    network.eval().double()
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    folded = fold_batch_norms(network)
    assert norms_in(folded) == 0 and norms_in(network) == 2
    torch.testing.assert_close(folded(x), network(x), rtol=1e-12, atol=1e-12)


def test_a_traced_network_keeps_what_two_use() -> None:
    network = fx.symbolic_trace(TwoBranches().eval().double())
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    folded = fold_batch_norms(network)
    left = [n.target for n in folded.graph.nodes if n.op == "call_module"]
    assert left == ["shared", "shared_norm", "own"]
    torch.testing.assert_close(folded(x), network(x), rtol=1e-12, atol=1e-12)


class Standardised(nn.Conv2d):
    """Weight standardisation (Qiao et al. 2019): no norm can be multiplied into its weight."""

    def forward(self, input: Tensor) -> Tensor:
        mean = self.weight.mean(dim=(1, 2, 3), keepdim=True)
        return self._conv_forward(input, self.weight - mean, self.bias)


def test_what_cannot_be_folded_stays() -> None:
    learning = norm(4).train()
    without_statistics = nn.BatchNorm2d(4, track_running_stats=False).eval()
    for made in (
        nn.Sequential(nn.Conv2d(3, 4, 1).eval(), learning),
        nn.Sequential(nn.Conv2d(3, 4, 1).eval(), without_statistics),
        nn.Sequential(Standardised(3, 4, 1), norm(4)).eval(),
        nn.Sequential(norm(3), nn.Conv2d(3, 4, 1)).eval(),
    ):
        assert norms_in(fold_batch_norms(made)) == 1


# Networks of the same names as their classifiers and of others, with attention and dropped paths.
TIMM_NAMES = ("tf_efficientnet_lite0", "hgnetv2_b0", "rexnet_100", "regnety_002", "cspresnet50")


@pytest.mark.parametrize("name", TIMM_NAMES)
@pytest.mark.parametrize("mode", [True, False])
def test_a_trace_of_timms_computes_every_bit(name: str, mode: bool) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    model = timm.create_model(name, features_only=True, drop_path_rate=0.3)
    traced = trace(model)
    assert traced is not None and list(traced.state_dict()) == list(model.state_dict())
    x = torch.randn(2, 3, 64, 64)
    maps = []
    for network in (model, traced):
        torch.manual_seed(1)
        maps.append(network.train(mode)(x))
    assert all(map(torch.equal, *maps))


class ByValue(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class ByMode(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if self.training else -x


@pytest.mark.parametrize("network", [ByValue(), ByMode()])
@pytest.mark.parametrize("mode", [True, False])
def test_no_trace_of_a_network_that_one_graph_does_not_describe(
    network: nn.Module, mode: bool
) -> None:
    whole = nn.Sequential(network, nn.Sequential(norm(3))).train(mode)
    network.register_module("norm", norm(3).train(mode))  # or it would be called as it is
    assert trace(whole) is None
    assert {module.training for module in whole.modules()} == {mode}
