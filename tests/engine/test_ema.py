"""The moving average of weights: its rule by hand."""

from __future__ import annotations

from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch.optim.swa_utils import AveragedModel

from yolokit.engine.ema import AverageInPlace, SharedBackbone, ema_average


@pytest.mark.parametrize(
    ("cap", "updates", "kept"), [(1.0, 1, 2 / 11), (1.0, 90, 91 / 100), (0.5, 90, 0.5)]
)
def test_the_average_keeps_a_share_that_grows_up_to_the_cap(
    cap: float, updates: int, kept: float
) -> None:
    averaged = [torch.tensor([1.0, 3.0]), torch.tensor([[5.0]])]
    current = [torch.tensor([2.0, 3.0]), torch.tensor([[1.0]])]
    ema_average(cap)(averaged, current, torch.tensor(updates))
    assert averaged[0].tolist() == pytest.approx([kept * 1 + (1 - kept) * 2, 3.0])
    assert averaged[1].tolist() == [[pytest.approx(kept * 5 + (1 - kept) * 1)]]


def test_counters_are_copied() -> None:
    averaged, current = [torch.tensor(3)], [torch.tensor(8)]
    ema_average(1.0)(averaged, current, torch.tensor(4))
    assert averaged[0].item() == 8


def test_the_average_follows_the_weights_to_their_device() -> None:
    """As on a GPU; else each step would wait for a copy of all weights."""

    class Whole(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 2)

    model = Whole()
    ema = WeightAveraging(multi_avg_fn=ema_average(1.0))
    ema._average_model = AveragedModel(model, multi_avg_fn=ema_average(1.0))
    model.to("meta")
    AverageInPlace(ema).on_fit_start(None, model)  # type: ignore[arg-type]
    averaged: Any = ema._average_model.module
    assert averaged.layer.weight.device.type == "meta"


def test_a_backbone_that_never_learns_is_its_own_average() -> None:
    class Part(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = torch.nn.BatchNorm2d(2)
            self.neck = torch.nn.Linear(2, 2)

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.detector = Part()

    model: Any = Whole()
    ema = WeightAveraging(multi_avg_fn=ema_average(1.0))
    ema._average_model = AveragedModel(model, multi_avg_fn=ema_average(1.0), use_buffers=True)
    SharedBackbone(ema).on_fit_start(None, model)  # type: ignore[arg-type]
    averaged: Any = ema._average_model.module
    for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        pair = [getattr(each.detector.backbone, name) for each in (averaged, model)]
        assert pair[0].data_ptr() == pair[1].data_ptr()
    ema._average_model.update_parameters(model)  # the first takes all as they are
    before = model.detector.neck.weight.detach().clone()
    with torch.no_grad():
        model.detector.neck.weight += 1.0
    ema._average_model.update_parameters(model)
    # After one update the decay is (1 + 1) / (10 + 1): the new weight counts 9/11.
    torch.testing.assert_close(averaged.detector.neck.weight, before + 9 / 11)
    assert torch.equal(averaged.detector.backbone.weight, torch.ones(2))
