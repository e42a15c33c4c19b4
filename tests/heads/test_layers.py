"""Grouped convolutions under autocast, and what becomes one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from yolokit.heads.layers import GroupedConv2d, use_grouped_convolutions


@pytest.mark.parametrize("stride", [1, 2])
def test_grouped_convolution_is_the_plain_one(stride: int) -> None:
    torch.manual_seed(0)
    grouped = GroupedConv2d(8, 8, 3, stride, padding=1, groups=8)
    plain = nn.Conv2d(8, 8, 3, stride, padding=1, groups=8)
    plain.load_state_dict(grouped.state_dict())
    x = torch.randn(2, 8, 9, 12)
    assert torch.equal(grouped(x), plain(x))
    for layer in (grouped, plain):
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(x.bfloat16())
        assert y.dtype == torch.bfloat16
        y.square().sum().backward()
    assert grouped.weight.grad is not None and plain.weight.grad is not None
    torch.testing.assert_close(grouped.weight.grad, plain.weight.grad, rtol=0.02, atol=0.2)


def test_a_strided_one_is_trained_in_32_bits_and_used_in_16(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[torch.dtype] = []
    original = nn.Conv2d._conv_forward

    def spy(self: nn.Conv2d, x: torch.Tensor, *rest: object) -> torch.Tensor:
        y = original(self, x, *rest)  # type: ignore[arg-type]
        seen.append(y.dtype)
        return y

    monkeypatch.setattr(nn.Conv2d, "_conv_forward", spy)
    layer, x = GroupedConv2d(4, 4, 3, 2, groups=4), torch.randn(1, 4, 8, 8).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        layer(x)
        with torch.no_grad():
            layer(x)
    assert seen == [torch.float32, torch.bfloat16]
    assert layer.bfloat16()(x).dtype == torch.bfloat16  # weights of 16 bits stay that


def test_only_strided_groups_are_changed_and_keep_their_weights() -> None:
    network = nn.Sequential(
        nn.Conv2d(4, 4, 3, 2, groups=4), nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 4, 3, 2)
    )
    weights = list(network.parameters())
    use_grouped_convolutions(network)
    assert [type(each) for each in network] == [GroupedConv2d, nn.Conv2d, nn.Conv2d]
    assert all(a is b for a, b in zip(weights, network.parameters(), strict=True))
