"""The torch backend computes what the detector computes, whatever surrounds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from yolokit.config import ModelConfig
from yolokit.errors import ConfigError
from yolokit.inference import torch_backend
from yolokit.inference.exported import ComputePrecision
from yolokit.inference.torch_backend import TorchBackend, _above, evaluating, load_torch
from yolokit.models.card import ModelCard
from yolokit.models.detector import Detector
from yolokit.models.model_file import save_model
from yolokit.types import DecodedArrays, DecodedBoxes

HW = (64, 96)


def pictures(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, *HW, 3), dtype=np.uint8)


def by_hand(detector: Detector, images: NDArray[np.uint8]) -> DecodedArrays:
    """In one piece, with gradients."""
    return detector.decode(detector(torch.from_numpy(images).permute(0, 3, 1, 2))).numpy()


@pytest.mark.parametrize("options", [{}, {"head": "yolo", "strides": (8, 16)}])
def test_a_few_pictures_at_a_time_change_nothing(
    make_detector: Any, options: dict[str, Any]
) -> None:
    detector = make_detector(**options).eval()
    images = pictures(2 * torch.get_num_threads() + 1)
    got, expected = TorchBackend(detector)(images), by_hand(detector, images)
    assert got.boxes.dtype == got.scores.dtype == np.float32
    assert got.one_to_one == expected.one_to_one
    np.testing.assert_allclose(got.boxes, expected.boxes, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(got.scores, expected.scores, rtol=1e-4, atol=1e-6)


def test_only_as_many_pictures_as_threads_run_at_once(
    make_detector: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = make_detector().eval()
    sizes: list[int] = []
    detector.register_forward_pre_hook(lambda _m, inputs: sizes.append(len(inputs[0])))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    TorchBackend(detector)(pictures(5))
    assert sizes == [2, 2, 1]


def test_it_computes_in_full_precision_without_gradients(make_detector: Any) -> None:
    backend = TorchBackend(make_detector().eval())
    expected = backend(pictures(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = backend(pictures(1))
    assert np.array_equal(got.boxes, expected.boxes)
    assert np.array_equal(got.scores, expected.scores)


def test_a_detector_in_training_is_scored_with_the_weights_it_has(make_detector: Any) -> None:
    detector = make_detector("resnet18").train()
    with evaluating(detector) as backend:
        assert not detector.training
        assert backend._network is detector  # nothing is folded
        before = backend(pictures(1))
        with torch.no_grad():
            detector.get_submodule("backbone.trunk.layer1.0.conv1").weight.mul_(2)
        assert not np.array_equal(backend(pictures(1)).scores, before.scores)
    assert detector.training


def unsettled(detector: Detector) -> Detector:
    """With batch norms that have seen something, so that folding them does something."""
    generator = torch.Generator().manual_seed(3)
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                *((module.weight, 0.5, 1.5), (module.bias, -0.2, 0.2)),
                *((module.running_mean, -0.2, 0.2), (module.running_var, 0.5, 1.5)),
            ):
                assert tensor is not None
                tensor.data.uniform_(low, high, generator=generator)
    return detector.eval()


@pytest.mark.parametrize(
    ("backbone", "options"),
    [
        ("mobilenet_v2", {"head": "yolo"}),
        ("resnet18", {"head": "yolo", "one_to_one": True, "separable": True}),
        ("efficientnet_b0", {"head": "yolov1"}),
        ("squeezenet1_1", {"head": "yolov1", "variant": "fc"}),
        ("timm:mobilenetv4_conv_small", {"head": "yolo"}),  # batch norms that hold an activation
        ("timm:tf_efficientnet_lite0", {"head": "yolo"}),
    ],
)
def test_a_final_detector_is_folded_and_finds_the_same(
    make_detector: Any, backbone: str, options: dict[str, Any]
) -> None:
    if backbone.startswith("timm:"):
        pytest.importorskip("timm")
    detector = unsettled(make_detector(backbone, **options))
    backend = TorchBackend.of_final(detector, "cpu")
    assert batch_norms(backend._network) == 0 < batch_norms(detector)
    got, expected = backend(pictures(2)), TorchBackend(detector)(pictures(2))
    assert got.one_to_one == expected.one_to_one
    np.testing.assert_allclose(got.boxes, expected.boxes, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(got.scores, expected.scores, rtol=1e-5, atol=1e-5)


def batch_norms(network: nn.Module) -> int:
    """How many batch norms compute."""
    ran: list[nn.Module] = []
    hooks = [
        module.register_forward_hook(lambda norm, *_: ran.append(norm))
        for module in network.modules()
        if isinstance(module, _BatchNorm)
    ]
    dtype = next(network.parameters()).dtype
    network(torch.zeros(1, 3, *HW, dtype=dtype))
    for hook in hooks:
        hook.remove()
    return len(ran)


def test_a_loaded_model_is_folded_moved_and_saved_as_it_was(
    make_detector: Any, tmp_path: Path
) -> None:
    """Its detector keeps its batch norms: what is written again are the same bytes."""
    detector = unsettled(make_detector("resnet18"))
    second = tmp_path / "second.safetensors"
    first = written(tmp_path / "model.safetensors", detector)
    backend, read = load_torch(first, "cpu")
    backend.to("cpu")
    assert batch_norms(backend._network) == 0
    save_model(second, backend.detector, read)
    assert second.read_bytes() == first.read_bytes()
    expected = TorchBackend(detector)(pictures(1))
    np.testing.assert_allclose(backend(pictures(1)).scores, expected.scores, rtol=1e-4, atol=1e-5)


def written(path: Path, detector: Detector, **metrics: float) -> Path:
    """A model file of a yolov1 head on resnet18, and what it says that it scored."""
    tree = {
        "head": {"type": "yolov1", "grid_size": 3, "channels": 16},
        "backbone": {"name": "resnet18", "weights": "none"},
    }
    card = ModelCard(
        model=ModelConfig.model_validate(tree),
        image_hw=HW,
        mean=detector.backbone.mean,
        std=detector.backbone.std,
        class_names=list("abc"),
        category_ids=[1, 2, 3],
        metrics=dict(metrics),
    )
    save_model(path, detector, card)
    return path


@pytest.mark.parametrize(
    ("backbone", "options"),
    [
        ("mobilenet_v2", {"head": "yolo"}),
        ("resnet18", {"head": "yolo", "one_to_one": True}),
        ("squeezenet1_1", {"head": "yolov1", "variant": "fc"}),
        ("convnext_tiny", {"head": "yolo"}),  # layer norms
    ],
)
def test_bf16_finds_nearly_the_same_in_32_bit_numbers(
    make_detector: Any, backbone: str, options: dict[str, Any]
) -> None:
    detector = unsettled(make_detector(backbone, **options))
    backend = TorchBackend.of_final(detector, "cpu", in_bf16=True)
    got, expected = backend(pictures(3)), TorchBackend(detector)(pictures(3))
    assert got.boxes.dtype == got.scores.dtype == np.float32
    assert got.one_to_one == expected.one_to_one
    assert np.abs(got.scores - expected.scores).max() < 0.02
    assert np.abs(got.boxes - expected.boxes).mean() < 0.5
    assert not np.array_equal(got.boxes, expected.boxes)
    kinds = {type(m): p.dtype for m in backend._network.modules() for p in m.parameters(False)}
    assert kinds[nn.Conv2d] == torch.bfloat16
    assert {kinds[norm] for norm in (nn.BatchNorm2d, nn.LayerNorm) if norm in kinds} <= {
        torch.float32
    }
    assert {p.dtype for p in backend.detector.parameters()} == {torch.float32}  # what is exported
    assert backend.description == f"torch {torch.__version__} on cpu in bf16"


@pytest.mark.parametrize(
    ("scored", "fast", "asked", "in_bf16"),
    [
        ({"AP": 0.6, "AP_bf16": 0.6009}, True, "auto", True),
        ({"AP": 0.6, "AP_bf16": 0.5991}, True, "auto", True),
        ({"AP": 0.6, "AP_bf16": 0.5989}, True, "auto", False),
        ({"AP": 0.6, "AP_bf16": 0.6011}, True, "auto", False),  # luck is no proof either
        ({"AP": 0.6}, True, "auto", False),
        ({"AP": 0.01, "AP_bf16": 0.01}, True, "auto", False),  # finds too little to lose any
        ({"AP": 0.6, "AP_bf16": 0.6}, False, "auto", False),
        ({"AP": 0.6, "AP_bf16": 0.6}, True, "f32", False),
        ({"AP": 0.6, "AP_bf16": 0.5}, False, "bf16", True),
    ],
)
def test_bf16_is_for_processors_that_have_it_and_models_that_bear_it(
    make_detector: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scored: dict[str, float],
    fast: bool,
    asked: ComputePrecision,
    in_bf16: bool,
) -> None:
    path = written(tmp_path / "model.safetensors", make_detector("resnet18").eval(), **scored)
    monkeypatch.setattr(torch_backend, "computes_bf16", lambda: fast)
    backend, _ = load_torch(path, "cpu", asked)
    assert backend.description.endswith(" in bf16") == in_bf16


def test_a_model_that_moves_from_a_cpu_computes_in_32_bits_there(make_detector: Any) -> None:
    backend = TorchBackend.of_final(make_detector("resnet18").eval(), "cpu", in_bf16=True)
    backend.to("cpu")
    assert backend.description.endswith("on cpu in bf16")
    backend.to("meta")
    assert backend.description.endswith("on meta")
    assert {p.dtype for p in backend._network.parameters()} == {torch.float32}


def test_bf16_is_for_a_cpu(make_detector: Any) -> None:
    with pytest.raises(ConfigError, match="bf16 is for a CPU, not for meta"):
        TorchBackend.of_final(make_detector("resnet18").eval(), "meta", in_bf16=True)


def test_moving_moves_what_runs_and_what_is_kept(make_detector: Any) -> None:
    backend = TorchBackend.of_final(make_detector("resnet18").eval(), "cpu")
    backend.to("meta")
    assert backend.device == "meta"
    assert {p.device.type for p in backend.detector.parameters()} == {"meta"}
    assert {p.device.type for p in backend._network.parameters()} == {"meta"}


def test_it_says_what_and_where_it_is(make_detector: Any) -> None:
    backend = TorchBackend(make_detector(), "cpu")
    assert backend.device == "cpu"
    assert backend.description == f"torch {torch.__version__} on cpu"
    with pytest.raises(ConfigError, match="no device 'cuda:99' here"):
        backend.to("cuda:99")
    assert backend.device == "cpu"


def test_what_cannot_be_found_stays_on_the_device() -> None:
    """Two pictures with 2 and 1 boxes above 0.5: two rows are copied, in the grid's order."""
    scores = torch.tensor([[[0.1], [0.9], [0.2], [0.6]], [[0.5], [0.4], [0.1], [0.7]]])
    decoded = DecodedBoxes(torch.arange(32.0).reshape(2, 4, 4), scores, one_to_one=True)
    got = _above(decoded, 0.5)
    assert got.boxes[:, :, 0].tolist() == [[4, 12], [28, 16]]
    torch.testing.assert_close(got.scores[..., 0], torch.tensor([[0.9, 0.6], [0.7, 0]]))
    assert got.one_to_one
    assert _above(decoded, 0.95).boxes.shape == (2, 0, 4)


def test_nan_is_copied_for_others_to_judge() -> None:
    decoded = DecodedBoxes(torch.zeros(1, 3, 4), torch.full((1, 3, 2), float("nan")))
    assert _above(decoded, 0.5).scores.isnan().all()
