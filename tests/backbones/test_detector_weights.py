"""Backbones out of torchvision's detectors compute what they computed in there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import detection, get_model_weights, list_models

from yolokit.backbones.backbone import Backbone, build_backbone
from yolokit.backbones.detector_weights import DETECTORS
from yolokit.config import ModelConfig
from yolokit.errors import WeightsError
from yolokit.models.build import build_detector
from yolokit.models.card import ModelCard
from yolokit.models.model_file import load_model, save_model

HW = (128, 160)
REDUCED = "mobilenet_v3_large_reduced_tail"
BACKBONES = {
    "ssdlite320_mobilenet_v3_large": "mobilenet_v3_large",
    "fasterrcnn_mobilenet_v3_large_fpn": "mobilenet_v3_large",
    "fcos_resnet50_fpn": "resnet50",
    "retinanet_resnet50_fpn": "resnet50",
    "retinanet_resnet50_fpn_v2": "resnet50",
    "fasterrcnn_resnet50_fpn": "resnet50",
    "fasterrcnn_resnet50_fpn_v2": "resnet50",
    "ssd300_vgg16": "vgg16",
}
Oracle = Callable[[Any, Tensor], list[Tensor]]  # the maps that a detector's backbone makes


def make(detector: str, **options: Any) -> Any:
    """torchvision's detector with random weights and batch-norm statistics.

    Variances are down to 1e-5, where epsilons matter; the scales undo their size.
    """
    torch.manual_seed(0)
    model = getattr(detection, detector)(weights=None, weights_backbone=None, **options)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.copy_(10 ** (-5 * torch.rand_like(module.running_var)))
            scale = module.running_var.sqrt() * (0.5 + torch.rand_like(module.running_var))
            module.weight.data.copy_(scale)
            module.bias.data.normal_(0, 0.1)
    return model.eval()


def pyramid_maps(model: Any, x: Tensor) -> list[Tensor]:
    return list(model.backbone.body(x).values())


def ssdlite_maps(model: Any, x: Tensor) -> list[Tensor]:
    return [model.backbone.features(x)]


def ssd_maps(model: Any, x: Tensor) -> list[Tensor]:
    conv4_3 = model.backbone.features(x)
    return [conv4_3, model.backbone.extra[0][:7](conv4_3)]  # pooling, then as far as conv5_3


def oracle_of(detector: str) -> Oracle:
    return {"ssdlite320": ssdlite_maps, "ssd300": ssd_maps}.get(
        detector.split("_")[0], pyramid_maps
    )


def expect_same_maps(model: Any, backbone: Backbone, oracle: Oracle) -> None:
    """Every map of the detector's is one of ours, from the same picture of 0..1."""
    picture = torch.rand(3, *HW, generator=torch.Generator().manual_seed(1))
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (backbone.mean, backbone.std))
    with torch.no_grad():
        theirs = oracle(model, model.transform.normalize(picture)[None])
        ours = backbone.eval()(((picture - mean) / std)[None])
    by_size = {tuple(each.shape): each for each in ours}
    checked = [each for each in theirs if tuple(each.shape) in by_size]
    # mobilenet's pyramid also looks at the first block of stride 32, which is no level of ours
    assert len(checked) >= max(1, len(theirs) - 1)
    assert checked[-1] is theirs[-1]
    for each in checked:
        largest = each.abs().max().item()
        assert largest > 1e-3
        torch.testing.assert_close(by_size[tuple(each.shape)], each, rtol=0, atol=1e-4 * largest)


def build(name: str, weights: object) -> Backbone:
    return build_backbone(name, weights=str(weights), image_hw=HW)


@pytest.mark.parametrize("detector", BACKBONES)
def test_maps_are_the_detectors_own(detector: str, tmp_path: Path) -> None:
    model = make(detector)
    torch.save(model.state_dict(), tmp_path / "detector.pth")
    backbone = build(BACKBONES[detector], tmp_path / "detector.pth")
    expect_same_maps(model, backbone, oracle_of(detector))


def test_maps_of_ssdlite_with_its_full_tail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_mobilenet = detection.ssdlite.mobilenet_v3_large
    monkeypatch.setattr(
        detection.ssdlite,
        "mobilenet_v3_large",
        lambda **options: build_mobilenet(**{**options, "reduced_tail": False}),
    )
    model = make("ssdlite320_mobilenet_v3_large")
    torch.save({"model": model.state_dict()}, tmp_path / "checkpoint.pth")
    backbone = build("mobilenet_v3_large", tmp_path / "checkpoint.pth")
    assert backbone.name == "mobilenet_v3_large" and backbone.levels[-1].channels == 960
    expect_same_maps(model, backbone, ssdlite_maps)


@pytest.mark.parametrize("detector", ["fasterrcnn_resnet50_fpn", "retinanet_resnet50_fpn"])
def test_published_files_that_were_trained_without_epsilon(detector: str, tmp_path: Path) -> None:
    model = make(detector)
    for module in model.backbone.body.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0  # torchvision: overwrite_eps(model, 0.0)
    frozen = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    path = tmp_path / get_model_weights(detector).DEFAULT.url.rsplit("/", 1)[-1]
    torch.save(frozen, path)
    expect_same_maps(model, build("resnet50", path), pyramid_maps)


def test_a_saved_model_keeps_backbone_and_normalisation(tmp_path: Path) -> None:
    torch.save(make("ssdlite320_mobilenet_v3_large").state_dict(), tmp_path / "ssdlite.pth")
    tree = {"name": "mobilenet_v3_large", "weights": str(tmp_path / "ssdlite.pth")}
    config = ModelConfig.model_validate({"head": {"channels": 16}, "backbone": tree})
    detector = build_detector(config, num_classes=2, image_hw=HW).eval()
    card = ModelCard(
        model=config,
        class_names=["a", "b"],
        category_ids=[1, 2],
        image_hw=HW,
        mean=detector.backbone.mean,
        std=detector.backbone.std,
    )
    save_model(tmp_path / "model.safetensors", detector, card)
    loaded, read = load_model(tmp_path / "model.safetensors")
    assert read.model.backbone.name == REDUCED and loaded.backbone.name == REDUCED
    assert loaded.backbone.mean == loaded.backbone.std == (0.5, 0.5, 0.5)
    pictures = torch.randint(0, 256, (2, 3, *HW), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(loaded(pictures)[0].box_codes, detector(pictures)[0].box_codes)


# ---------------------------------------------------------------------------------------- coco


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch.hub's folder of downloads, empty, and nobody to download from."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # the discard port: nobody answers
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("weights", "detector", "name", "channels"),
    [
        ("coco", "ssdlite320_mobilenet_v3_large", REDUCED, 480),
        (
            "coco:fasterrcnn_mobilenet_v3_large_fpn",
            "fasterrcnn_mobilenet_v3_large_fpn",
            "mobilenet_v3_large",
            960,
        ),
    ],
)
def test_coco_comes_from_torch_hubs_cache(
    cache: Path, weights: str, detector: str, name: str, channels: int
) -> None:
    model = make(detector)
    torch.save(
        model.state_dict(), cache / get_model_weights(detector).DEFAULT.url.rsplit("/", 1)[-1]
    )
    backbone = build("mobilenet_v3_large", weights)
    assert backbone.name == name and backbone.levels[-1].channels == channels
    expect_same_maps(model, backbone, oracle_of(detector))


@pytest.mark.parametrize("name", DETECTORS)
def test_coco_that_cannot_be_had_says_what_to_do(cache: Path, name: str) -> None:
    with pytest.raises(WeightsError) as caught:
        build(name, "coco")
    url = get_model_weights(DETECTORS[name][0]).DEFAULT.url
    for part in (url, url.rsplit("/", 1)[-1], str(cache), "-o model.backbone.weights=FILE"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "timm:resnet50"])
def test_a_backbone_without_a_detector_names_those_with(name: str) -> None:
    with pytest.raises(WeightsError, match=rf"backbone {name}\..* mobilenet_v3_large, .*vgg16"):
        build(name, "coco")


def test_a_detector_of_another_backbone_is_refused() -> None:
    with pytest.raises(WeightsError, match=r"no detector 'ssd300_vgg16' .* fcos_resnet50_fpn"):
        build("resnet50", "coco:ssd300_vgg16")


def test_a_reduced_tail_has_no_imagenet_weights() -> None:
    with pytest.raises(WeightsError, match="no ImageNet weights of mobilenet_v3_large_reduced"):
        build(REDUCED, "imagenet")
    assert build(REDUCED, "none").levels[-1].channels == 480


def test_every_detector_is_torchvisions_and_trained_on_coco() -> None:
    named = {detector for detectors in DETECTORS.values() for detector in detectors}
    assert named <= set(list_models(module=detection))
    assert {get_model_weights(each).DEFAULT.name for each in named} == {"COCO_V1"}


# --------------------------------------------------------------------------------- strictness


def drop_a_layer(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v for k, v in state.items() if ".layer3.0.conv2." not in k}


def add_a_part(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**state, "backbone.body.layer9.weight": torch.zeros(1), "neck.bias": torch.zeros(1)}


@pytest.mark.parametrize(
    ("name", "spoil", "expected"),
    [
        ("resnet50", drop_a_layer, r"1 missing \(layer3.0.conv2.weight\)"),
        ("resnet50", add_a_part, r"2 unexpected \(layer9.weight, neck.bias\)"),
        ("resnet18", dict, "missing|unexpected|of another shape"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, name: str, spoil: Callable[[Any], dict[str, Tensor]], expected: str
) -> None:
    torch.save(spoil(make("fcos_resnet50_fpn").state_dict()), tmp_path / "spoilt.pth")
    with pytest.raises(WeightsError, match=expected) as caught:
        build(name, tmp_path / "spoilt.pth")
    assert "\n" not in str(caught.value)
