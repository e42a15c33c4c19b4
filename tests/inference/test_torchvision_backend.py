"""torchvision's detectors behind the backend find what torchvision finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from numpy.typing import NDArray
from torchvision_weights import (
    CATEGORIES,
    COCO_NAMES,
    SSDLITE,
    by_torchvision,
    in_double,
    noise,
    published_file,
    scale_to,
    untrained,
    write_weights,
)

import yolokit
from yolokit.errors import ConfigError, ExportError, ImageError, WeightsError
from yolokit.inference.predictor import Predictor
from yolokit.models.model_file import load_model
from yolokit.models.model_path import model_file
from yolokit.models.torchvision_name import DETECTORS, torchvision_name
from yolokit.types import Detections

FASTER = "fasterrcnn_mobilenet_v3_large_320_fpn"
PICTURES = [noise(90, 130), noise(160, 70, seed=1)]


@pytest.fixture(scope="session")
def ssdlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of random weights."""
    folder = tmp_path_factory.mktemp("weights")
    return write_weights(folder / "ssdlite.pth", untrained(SSDLITE))


@pytest.fixture(scope="session")
def predictor(ssdlite: Path) -> Predictor:
    return yolokit.load(f"torchvision:{SSDLITE}={ssdlite}", device="cpu")


def test_it_has_no_grid_to_explain(ssdlite: Path) -> None:
    with pytest.raises(WeightsError, match="torchvision's own detector, which has no grid"):
        _ = yolokit.load(f"torchvision:{SSDLITE}={ssdlite}", device="cpu").explain


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch.hub's folder of downloads, empty, and nobody to download from."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # the discard port: nobody answers
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def expect_same(got: Detections, expected: dict[str, NDArray[Any]], ids: list[int]) -> None:
    """Box by box, for as many as torchvision gives."""
    count = len(expected["scores"])
    assert count > 3
    np.testing.assert_allclose(got.scores[:count], expected["scores"], atol=1e-5)
    np.testing.assert_allclose(got.boxes[:count], expected["boxes"], atol=1e-3)
    assert [ids[label] for label in got.labels[:count]] == expected["labels"].tolist()


def expect_torchvisions(name: str, file: Path, side: int | None = None) -> None:
    model = untrained(name)
    write_weights(file, model)
    ours = yolokit.load(f"torchvision:{name}={file}", device="cpu")
    own = ours.card.predict.eval_score_threshold
    for each in (model, ours.backend.detector.network):  # type: ignore[attr-defined]
        if side is not None:
            scale_to(each, side)
        in_double(each)
    for found, picture in zip(ours.predict_images(PICTURES, conf=own), PICTURES, strict=True):
        expect_same(found, by_torchvision(model, picture), ours.category_ids)


@pytest.mark.parametrize("name", [SSDLITE, FASTER])
def test_what_is_found_is_what_torchvision_finds(name: str, tmp_path: Path) -> None:
    """In the pixels of the picture as it is, by torchvision's own thresholds."""
    expect_torchvisions(name, tmp_path / "weights.pth")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [each for each in DETECTORS if each not in (SSDLITE, FASTER) and "keypoint" not in each],
)
def test_what_every_other_finds_is_what_torchvision_finds(name: str, tmp_path: Path) -> None:
    expect_torchvisions(name, tmp_path / "weights.pth", side=None if "ssd" in name else 128)


def test_every_detector_of_torchvision_is_known() -> None:
    listed = torchvision.models.list_models(module=torchvision.models.detection)
    assert sorted(listed) == sorted(DETECTORS)


def test_classes_are_cocos(predictor: Predictor) -> None:
    """80 names under the numbers that COCO's own files give them."""
    assert predictor.class_names == COCO_NAMES
    table = dict(zip(predictor.category_ids, predictor.class_names, strict=True))
    assert len(table) == 80
    assert (table[1], table[13], table[90]) == ("person", "stop sign", "toothbrush")
    assert all(CATEGORIES[number] == name for number, name in table.items())
    assert predictor.image_hw is None


def test_own_thresholds_are_torchvisions(predictor: Predictor) -> None:
    own = predictor.card.predict
    assert (own.eval_score_threshold, own.iou_threshold, own.max_detections) == (0.001, 0.55, 300)


def test_thresholds_are_those_that_torchvision_would_be_built_with(
    predictor: Predictor, ssdlite: Path
) -> None:
    asked = {"score_thresh": 0.2, "nms_thresh": 0.3, "detections_per_img": 100_000}
    other = torchvision.models.get_model(
        SSDLITE, weights=None, weights_backbone=None, **asked
    ).eval()
    other.load_state_dict(torch.load(ssdlite, weights_only=True))
    expected = by_torchvision(other, PICTURES[0])
    (got,) = predictor.predict_images(PICTURES[:1], conf=0.2, iou=0.3, max_detections=100_000)
    assert len(got) == len(expected["scores"])
    expect_same(got, expected, predictor.category_ids)
    (few,) = predictor.predict_images(PICTURES[:1], conf=0.2, iou=0.3, max_detections=7)
    np.testing.assert_array_equal(few.boxes, got.boxes[:7])


def test_of_some_classes_none_is_crowded_out(predictor: Predictor) -> None:
    (every,) = predictor.predict_images(PICTURES[:1], conf=0.001, max_detections=10_000)
    wanted = predictor.class_names[int(every.labels[-1])]  # of the worst box of all
    (some,) = predictor.predict_images(PICTURES[:1], conf=0.001, max_detections=3, classes=[wanted])
    own = every.scores[every.labels == every.labels[-1]]
    np.testing.assert_array_equal(some.scores, own[:3])


def test_other_pictures_beside_it_change_nothing(predictor: Predictor) -> None:
    """torchvision itself pads a batch to its largest picture."""
    alone = [predictor.predict_images([each], conf=0.01)[0] for each in PICTURES]
    for one, other in zip(predictor.predict_images(PICTURES, conf=0.01), alone, strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_nothing_found_is_nothing(predictor: Predictor) -> None:
    assert [len(each) for each in predictor.predict_images(PICTURES, conf=1.0)] == [0, 0]


def test_results_know_the_picture(predictor: Predictor) -> None:
    (result,) = predictor.predict(PICTURES[0], conf=0.01)
    assert result.image_hw == (90, 130)
    assert set(result.names) <= set(COCO_NAMES)
    assert {row["category_id"] for row in result.to_coco()} <= set(predictor.category_ids)
    assert result.boxes[:, 2].max() <= 130 and result.boxes[:, 3].max() <= 90


@pytest.mark.slow
def test_masks_are_left_out(tmp_path: Path) -> None:
    name = "maskrcnn_resnet50_fpn"
    ours = yolokit.load(f"torchvision:{name}={write_weights(tmp_path / 'm.pth', untrained(name))}")
    scale_to(ours.backend.detector.network, 64)  # type: ignore[attr-defined]
    (found,) = ours.backend.detector.network([torch.zeros(3, 64, 64)])  # type: ignore[attr-defined]
    assert sorted(found) == ["boxes", "labels", "scores"]


def test_the_backend_says_what_it_is(predictor: Predictor) -> None:
    assert predictor.device == "cpu"
    assert predictor.backend.description == (
        f"torch {torch.__version__} on cpu, torchvision's {SSDLITE}"
    )


def test_loading_disturbs_no_random_numbers(ssdlite: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    yolokit.load(f"torchvision:{SSDLITE}={ssdlite}", device="cpu")
    assert torch.equal(torch.rand(3), expected)


# ------------------------------------------------------------------------------ torchvision's own


def test_published_weights_come_from_torch_hubs_cache(cache: Path, ssdlite: Path) -> None:
    (cache / published_file(SSDLITE)).write_bytes(ssdlite.read_bytes())
    ours = yolokit.load(f"torchvision:{SSDLITE}", device="cpu")
    theirs = torchvision.models.get_model(SSDLITE, weights="DEFAULT").eval()
    (got,) = ours.predict_images(PICTURES[:1], conf=0.001)
    expect_same(got, by_torchvision(theirs, PICTURES[0]), ours.category_ids)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["retinanet_resnet50_fpn", "fasterrcnn_resnet50_fpn"])
def test_an_epsilon_that_torchvision_changes_is_changed(cache: Path, name: str) -> None:
    """Of variances so small that the epsilon of 1e-5 would count: torchvision takes 0.

    A third of it doubles the weights, which rounds none of them.
    """
    variance = 1e-5 / 3
    model = untrained(name)
    with torch.no_grad():
        for norm in model.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.weight.mul_((variance / norm.running_var).sqrt())
                norm.running_var.fill_(variance)
    write_weights(cache / published_file(name), model)
    theirs = torchvision.models.get_model(name, weights="DEFAULT").eval()
    ours = yolokit.load(f"torchvision:{name}", device="cpu")
    for each in (theirs, ours.backend.detector.network):  # type: ignore[attr-defined]
        scale_to(each, 128)
        in_double(each)
    (got,) = ours.predict_images(PICTURES[:1], conf=0.05)
    found = by_torchvision(theirs, PICTURES[0])
    best = {key: values[:20] for key, values in found.items()}
    expect_same(got, best, ours.category_ids)


def test_offline_it_says_which_file_goes_where(cache: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        yolokit.load(f"torchvision:{SSDLITE}")
    for part in (published_file(SSDLITE), str(cache), f"torchvision:{SSDLITE}=FILE", "https://"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(cache.iterdir()) == []


def test_a_device_that_is_not_here_is_named_before_anything_is_fetched(cache: Path) -> None:
    with pytest.raises(ConfigError, match="no device 'cuda:99' here"):
        yolokit.load(f"torchvision:{SSDLITE}", device="cuda:99")


# ----------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ssdlite", f"no detector 'ssdlite', nearest: {SSDLITE}"),
        ("fcos_resnet50", "nearest: fcos_resnet50_fpn"),
        ("qqq", "it has fasterrcnn_mobilenet_v3_large_320_fpn, .*, ssdlite320_mobilenet"),
        ("", "no detector '', it has"),
        (f"{SSDLITE}=", f"no weights file '' for {SSDLITE}"),
        (f"{SSDLITE}=no/such.pth", "no weights file 'no/such.pth'"),
    ],
)
def test_a_wrong_name_is_one_line(name: str, said: str) -> None:
    with pytest.raises(WeightsError, match=said):
        yolokit.load(f"torchvision:{name}")


def test_any_other_path_is_none_of_torchvisions() -> None:
    assert torchvision_name(Path("runs/torchvision:x")) is None
    assert torchvision_name("model.safetensors") is None


def test_weights_of_other_classes_are_refused(tmp_path: Path) -> None:
    """Their names are not in the file."""
    file = write_weights(tmp_path / "cells.pth", untrained(SSDLITE, num_classes=5))
    with pytest.raises(WeightsError, match=r"cells\.pth tells 5 classes apart .*, not COCO's 91"):
        yolokit.load(f"torchvision:{SSDLITE}={file}")


def test_weights_of_another_detector_are_refused(ssdlite: Path) -> None:
    with pytest.raises(WeightsError, match=rf"ssdlite\.pth does not fit torchvision's {FASTER}"):
        yolokit.load(f"torchvision:{FASTER}={ssdlite}")


def test_weights_that_are_no_numbers_are_refused(ssdlite: Path, tmp_path: Path) -> None:
    state = torch.load(ssdlite, weights_only=True)
    key = next(iter(state))
    state[key].view(-1)[0] = torch.nan
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(WeightsError, match=rf"nan\.pth holds NaN or infinity: {key}"):
        yolokit.load(f"torchvision:{SSDLITE}={tmp_path / 'nan.pth'}")


def test_a_file_that_is_no_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match=r"cannot read weights .*w\.pth"):
        yolokit.load(f"torchvision:{SSDLITE}={tmp_path / 'w.pth'}")


def test_a_picture_that_scaling_leaves_nothing_of_is_refused(tmp_path: Path) -> None:
    """torchvision scales the longer side of 1400 to 640, and one pixel to none."""
    file = write_weights(tmp_path / "w.pth", untrained(FASTER))
    ours = yolokit.load(f"torchvision:{FASTER}={file}", device="cpu")
    with pytest.raises(ImageError, match="a picture of 1400x1 px is too narrow"):
        ours.predict_images([np.zeros((1, 1400, 3), np.uint8)])
    ours.predict_images([np.zeros((1, 640, 3), np.uint8)])


def test_it_is_not_exported_and_not_trained_on(predictor: Predictor) -> None:
    assert isinstance(predictor, yolokit.Model)
    with pytest.raises(ExportError, match="torchvision's own detectors are not exported here"):
        predictor.export("onnx")
    for read in (load_model, model_file):
        with pytest.raises(WeightsError, match="torchvision's own detector, from which no model"):
            read(Path(f"torchvision:{SSDLITE}"))
