"""Every way in gives the same detections, and every way out the same numbers."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import yolokit
from yolokit.backbones.folding import fold_batch_norms
from yolokit.config import ModelConfig
from yolokit.data.images import read_image
from yolokit.data.prepare import prepare_image
from yolokit.errors import ConfigError, ImageError, WeightsError, YolokitError
from yolokit.evaluation.evaluate import evaluate_split
from yolokit.inference.backend import Images
from yolokit.inference.postprocess import select_detections
from yolokit.inference.predictor import Predictor
from yolokit.models.build import build_detector
from yolokit.models.card import ModelCard
from yolokit.models.model_file import load_model, save_model
from yolokit.sections import PredictConfig, SplitConfig
from yolokit.types import DecodedArrays, DecodedBoxes, Detections

HW = (64, 96)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    head = {"type": "yolov1", "grid_size": 3, "channels": 16}
    backbone = {"name": "resnet18", "weights": "none"}
    config = ModelConfig.model_validate({"head": head, "backbone": backbone})
    detector = build_detector(config, num_classes=2, image_hw=HW)
    last = detector.get_submodule("head").predict[-1]  # type: ignore[union-attr, index]
    torch.nn.init.normal_(last.weight, std=2.0)  # type: ignore[union-attr, arg-type]
    card = ModelCard(
        model=config,
        predict=PredictConfig(iou_threshold=0.5, max_detections=15),
        class_names=["cat", "dog"],
        category_ids=[17, 3],
        image_hw=HW,
        mean=detector.backbone.mean,
        std=detector.backbone.std,
    )
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(path, detector, card)
    return path


@pytest.fixture(scope="module")
def predictor(model_file: Path) -> Predictor:
    return Predictor.load(model_file, device="cpu")


@pytest.fixture(scope="module")
def images() -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 256, (*hw, 3), dtype=np.uint8) for hw in [(61, 47), HW, (130, 333), (1, 9)]
    ]


@pytest.fixture
def torch_threads() -> Iterator[Callable[[int], None]]:
    """Sets how many threads torch computes with, for one test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def _assert_same(got: Detections, expected: Detections) -> None:
    assert len(got) == len(expected)
    np.testing.assert_array_equal(got.labels, expected.labels)
    np.testing.assert_allclose(got.scores, expected.scores, atol=1e-5)
    np.testing.assert_allclose(got.boxes, expected.boxes, atol=1e-2)


@pytest.mark.parametrize(
    ("backbone", "head"),
    [("mobilenet_v2", {"type": "yolo"}), ("resnet18", {"type": "yolov1", "grid_size": 3})],
)
def test_detection_imports_only_what_it_runs(
    backbone: str, head: dict[str, Any], tmp_path: Path
) -> None:
    """torch's compiler alone takes longer to import than torch."""
    tree = {"head": head, "backbone": {"name": backbone, "weights": "none"}}
    config = ModelConfig.model_validate(tree)
    detector = build_detector(config, num_classes=1, image_hw=HW)
    mean, std = detector.backbone.mean, detector.backbone.std
    names: dict[str, Any] = {"class_names": ["cat"], "category_ids": [1]}
    card = ModelCard(model=config, image_hw=HW, mean=mean, std=std, **names)
    save_model(tmp_path / "model.safetensors", detector, card)
    program = f"""
import sys, numpy, yolokit
yolokit.load({str(tmp_path)!r}).predict(numpy.zeros((50, 60, 3), numpy.uint8), conf=0)[0].draw()
names = "torch._dynamo torch._inductor lightning albumentations scipy timm pycocotools sympy"
print([name for name in names.split() if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_a_batch_equals_its_pictures_alone(
    predictor: Predictor, images: list[NDArray[np.uint8]]
) -> None:
    together = predictor.predict_images(images, conf=0.05)
    assert sum(map(len, together)) > 0
    for image, expected in zip(images, together, strict=True):
        _assert_same(predictor.predict_images([image], conf=0.05)[0], expected)


def test_only_the_classes_asked_for_and_none_crowded_out_by_others(
    predictor: Predictor, images: list[NDArray[np.uint8]]
) -> None:
    (every,) = predictor.predict_images(images[:1], conf=0.0, max_detections=1000)
    dogs = np.flatnonzero(every.labels == 1)
    assert 2 < len(dogs) < len(every)
    (found,) = predictor.predict(images[0], conf=0.0, max_objects=2, classes=["dog"])
    np.testing.assert_array_equal(found.boxes, every.boxes[dogs[:2]])
    np.testing.assert_array_equal(found.labels, [1, 1])
    (both,) = predictor.predict_images(
        images[:1], conf=0.0, max_detections=1000, classes=("dog", "cat")
    )
    _assert_same(both, every)


@pytest.mark.parametrize(("classes", "named"), [(["dog", "cow"], "'cow'"), ([], "without a name")])
def test_a_class_the_model_does_not_know_is_named_at_once(
    predictor: Predictor, images: list[NDArray[np.uint8]], classes: list[str], named: str
) -> None:
    with pytest.raises(ConfigError, match=f"no class {named}. Its classes are cat, dog"):
        predictor.predict(iter(images), classes=classes)


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_batch_size_changes_nothing(
    predictor: Predictor, images: list[NDArray[np.uint8]], batch_size: int
) -> None:
    results = predictor.predict(images, conf=0.05, batch_size=batch_size)
    for result, expected in zip(results, predictor.predict_images(images, conf=0.05), strict=True):
        _assert_same(result.detections, expected)


def test_the_backend_is_the_detector(
    model_file: Path, predictor: Predictor, images: list[NDArray[np.uint8]]
) -> None:
    """Contiguous CHW bytes, a picture a thread, batch norms folded: bit for bit the same."""
    detector = fold_batch_norms(load_model(model_file)[0])
    prepared = [prepare_image(image, HW) for image in images]
    batch = torch.stack([torch.from_numpy(p).permute(2, 0, 1).contiguous() for p, _ in prepared])
    with torch.inference_mode():
        parts = torch.split(batch, torch.get_num_threads())
        decoded = [detector.decode(detector(part)) for part in parts]
    expected = select_detections(
        DecodedBoxes(*(torch.cat(each) for each in list(zip(*decoded, strict=True))[:2])).numpy(),
        [letterbox for _, letterbox in prepared],
        score_threshold=0.001,
        iou_threshold=0.5,
        max_detections=15,
    )
    for got, want in zip(predictor.predict_images(images, conf=0.001), expected, strict=True):
        np.testing.assert_array_equal(got.boxes, want.boxes)
        np.testing.assert_array_equal(got.scores, want.scores)


def test_path_array_and_pil_image_agree(
    predictor: Predictor, images: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(images[0]).save(path)
    results = predictor.predict([path, str(path), images[0], Image.open(path)], conf=0.05)
    assert [result.source for result in results] == [str(path), str(path), None, None]
    for result in results:
        np.testing.assert_array_equal(result.image, images[0])
        _assert_same(result.detections, results[0].detections)


def test_one_source_needs_no_list(predictor: Predictor, images: list[NDArray[np.uint8]]) -> None:
    (result,) = predictor.predict(images[1])
    assert result.image.shape == (*HW, 3)
    assert predictor.predict([]) == [] and predictor.predict_images([]) == []


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16"])
def test_pil_modes_become_the_pixels_that_files_have(
    predictor: Predictor, mode: str, tmp_path: Path
) -> None:
    ramp = np.linspace(0, 255, 30 * 20).reshape(30, 20)
    if mode.startswith("I"):
        image = Image.fromarray((ramp * 257).astype(np.uint16)).convert(mode)
    else:
        image = Image.fromarray(ramp.astype(np.uint8)).convert("RGB").convert(mode)
    path = tmp_path / ("picture.png" if mode == "P" else "picture.tiff")
    image.save(path)
    (result,) = predictor.predict(image)
    np.testing.assert_array_equal(result.image, read_image(path))


def test_pil_images_are_turned_upright(predictor: Predictor, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    path = tmp_path / "turned.jpg"
    Image.new("RGB", (40, 20), (200, 10, 10)).save(path, exif=exif)
    (result,) = predictor.predict(Image.open(path))
    assert result.image.shape == (40, 20, 3)
    np.testing.assert_array_equal(result.image, read_image(path))


def test_thresholds_default_to_the_models(
    predictor: Predictor, images: list[NDArray[np.uint8]]
) -> None:
    (plain,) = predictor.predict_images(images[:1], conf=0)
    (explicit,) = predictor.predict_images(images[:1], conf=0, iou=0.5, max_detections=15)
    (loose,) = predictor.predict_images(images[:1], conf=0, iou=1, max_detections=36)
    _assert_same(plain, explicit)
    assert len(plain) < len(loose)
    threshold = float(np.sort(loose.scores)[len(loose) // 2])
    (cut,) = predictor.predict_images(images[:1], conf=threshold, iou=1, max_detections=36)
    assert len(cut) == (loose.scores > threshold).sum()


@pytest.mark.parametrize(
    "source",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.float32),
        np.zeros((0, 5, 3), np.uint8),
        7,
    ],
)
def test_other_inputs_are_refused(predictor: Predictor, source: object) -> None:
    with pytest.raises(ValueError, match=r"expected a path, a PIL image or a uint8 RGB array"):
        predictor.predict([source])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((40, 60, 3)),  # floats of 0..1 would all be black
        np.zeros((40, 60, 3), dtype=np.int64),
        np.zeros((40, 60), dtype=np.uint8),
        np.zeros((40, 60, 4), dtype=np.uint8),
        np.zeros((0, 60, 3), dtype=np.uint8),
    ],
)
def test_pictures_in_memory_are_looked_at_too(predictor: Predictor, image: Any) -> None:
    with pytest.raises(ValueError, match=r"expected .* a uint8 RGB array \[H, W, 3\], got "):
        predictor.predict_images([image])


def test_pictures_may_come_stacked(predictor: Predictor, images: list[NDArray[np.uint8]]) -> None:
    (alone,) = predictor.predict_images(images[:1])
    stacked = predictor.predict_images(np.stack([images[0], images[0]]))  # type: ignore[arg-type]
    for each in stacked:
        _assert_same(each, alone)


def test_names_of_classes_may_come_one_by_one(
    predictor: Predictor, images: list[NDArray[np.uint8]]
) -> None:
    names = predictor.class_names[:1]
    (listed,) = predictor.predict(images[:1], conf=0.0, classes=names)
    (counted,) = predictor.predict(images[:1], conf=0.0, classes=iter(names))  # type: ignore[arg-type]
    _assert_same(counted.detections, listed.detections)


def test_a_pil_image_of_half_a_file_is_an_image_error(predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:800])
    with Image.open(path) as image, pytest.raises(ImageError, match="truncated"):
        predictor.predict(image)


def test_unreadable_pictures_are_named(predictor: Predictor, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"nowhere\.jpg"):
        predictor.predict(tmp_path / "nowhere.jpg")


def test_what_a_result_says(predictor: Predictor, images: list[NDArray[np.uint8]]) -> None:
    (result,) = predictor.predict(images[2], conf=0.01)
    assert len(result) == len(result.boxes) > 0
    assert result.names == [["cat", "dog"][label] for label in result.labels]
    assert (np.diff(result.scores) <= 0).all()
    record = result.to_dict()
    assert (record["source"], record["width"], record["height"]) == (None, 333, 130)
    first = record["detections"][0]
    assert first == {
        "box": result.boxes[0].tolist(),
        "score": float(result.scores[0]),
        "label": int(result.labels[0]),
        "name": result.names[0],
    }
    row = result.to_coco(image_id=42)[0]
    x1, y1, x2, y2 = result.boxes[0].tolist()
    assert row["bbox"] == [x1, y1, x2 - x1, y2 - y1]
    assert row["image_id"] == 42 and row["score"] == first["score"]
    assert row["category_id"] == [17, 3][first["label"]]


def test_drawing_leaves_the_picture_alone(
    predictor: Predictor, images: list[NDArray[np.uint8]]
) -> None:
    (result,) = predictor.predict(images[2], conf=0.01)
    before = result.image.copy()
    drawn = result.draw()
    assert drawn.size == (333, 130) and drawn.mode == "RGB"
    assert not np.array_equal(np.asarray(drawn), before)
    np.testing.assert_array_equal(result.image, before)


def test_supervision_is_optional(
    predictor: Predictor, images: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (result,) = predictor.predict(images[0])
    monkeypatch.setitem(__import__("sys").modules, "supervision", None)
    with pytest.raises(YolokitError, match=r"pip install 'supervision<0\.30'"):
        result.to_supervision()


def test_supervision_gets_the_same_boxes(
    predictor: Predictor, images: list[NDArray[np.uint8]]
) -> None:
    (result,) = predictor.predict(images[0], conf=0.01)
    converted = result.to_supervision()
    np.testing.assert_array_equal(converted.xyxy, result.boxes)
    assert list(converted.data["class_name"]) == result.names


def test_load_from_the_package(model_file: Path, tmp_path: Path) -> None:
    model = yolokit.load(model_file.parent, device="cpu")
    assert model.class_names == ["cat", "dog"] and model.category_ids == [17, 3]
    assert model.image_hw == HW and model.device == "cpu"
    with pytest.raises(WeightsError, match="no model file"):
        yolokit.load(tmp_path / "none.safetensors")


@pytest.mark.parametrize("device", ["foo", "cuda:99", "cpu:x"])
def test_a_device_that_is_not_here_is_named(model_file: Path, device: str) -> None:
    with pytest.raises(ConfigError, match=f"no device '{device}' here"):
        yolokit.load(model_file, device=device)


def test_an_endless_source_gives_results_as_it_goes(predictor: Predictor) -> None:
    taken = 0

    def camera() -> Iterator[NDArray[np.uint8]]:
        nonlocal taken
        while True:
            taken += 1
            yield np.zeros((40, 50, 3), np.uint8)

    results = iter(predictor.predict(camera(), batch_size=3))
    assert taken == 0
    next(results)
    assert taken == 3
    list(islice(results, 3))
    assert taken == 6


class Album(Sequence[NDArray[np.uint8]]):
    """Pictures that are counted when they are taken."""

    def __init__(self, images: list[Any]) -> None:
        self.images, self.taken = images, 0

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> Any:
        picture = self.images[index]
        self.taken += 1
        return picture


@pytest.mark.parametrize(
    ("threads", "steps"),
    [
        (1, (6, 6, 6, 9)),  # two steps
        (2, (4, 5, 6, 7)),  # the one that is asked for, and a step
    ],
)
def test_of_a_list_one_more_step_is_read_ahead(
    predictor: Predictor, threads: int, steps: tuple[int, ...], torch_threads: Callable[[int], None]
) -> None:
    torch_threads(threads)
    album = Album([np.zeros((40, 50, 3), np.uint8)] * 20)
    results = iter(predictor.predict(album, batch_size=3, stream=True))
    assert album.taken == 0
    for taken in steps:
        next(results)
        assert album.taken == taken
    results.close()  # type: ignore[attr-defined]
    assert not [each for each in threading.enumerate() if each.name.startswith("ahead")]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_broken_file_fails_at_its_step_and_leaves_no_thread(
    predictor: Predictor, tmp_path: Path, threads: int, torch_threads: Callable[[int], None]
) -> None:
    torch_threads(threads)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    picture = np.zeros((40, 50, 3), np.uint8)
    sources = [picture] * 3 + [tmp_path / "broken.jpg"] + [picture] * 3
    results = iter(predictor.predict(sources, batch_size=3, stream=True))
    assert len([next(results) for _ in range(3)]) == 3
    with pytest.raises(ImageError, match=r"broken\.jpg"):
        next(results)
    assert not [each for each in threading.enumerate() if each.name.startswith("ahead")]


@pytest.mark.parametrize("threads", [1, 4])
def test_a_pil_image_may_be_given_twice(
    predictor: Predictor, tmp_path: Path, threads: int, torch_threads: Callable[[int], None]
) -> None:
    """It is decoded when first asked, and has one file behind it."""
    torch_threads(threads)
    pixels = np.random.default_rng(0).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    (expected,) = predictor.predict([pixels], conf=0.05)
    for _ in range(5):
        image = Image.open(tmp_path / "noise.png")
        for result in predictor.predict([image] * 4, conf=0.05):
            _assert_same(result.detections, expected.detections)


def test_a_stream_gives_what_the_list_gives(
    predictor: Predictor, images: list[NDArray[np.uint8]]
) -> None:
    listed = predictor.predict(images, conf=0.05)
    assert isinstance(listed, list)
    streamed = predictor.predict(images, conf=0.05, stream=True)
    assert not isinstance(streamed, list)
    for got, expected in zip(streamed, listed, strict=True):
        _assert_same(got.detections, expected.detections)


def test_results_of_files_hold_no_pixels(
    predictor: Predictor, images: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(images[0]).save(path)
    of_file, of_array = predictor.predict([path, images[0]])
    assert of_file.pixels is None and of_array.pixels is images[0]
    np.testing.assert_array_equal(of_file.image, of_array.image)
    assert of_file.draw().tobytes() == of_array.draw().tobytes()
    Image.fromarray(images[1]).save(path)
    with pytest.raises(ImageError, match="was 47x61 pixels when it was predicted and is 96x64 now"):
        of_file.draw()
    path.unlink()
    assert of_file.to_dict()["width"] == 47
    with pytest.raises(ImageError, match="no picture at"):
        of_file.draw()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
        ({"batch_size": -1}, "batch_size must be a whole number of at least 1, got -1"),
        ({"max_objects": 0}, "max_objects must be a whole number of at least 1, got 0"),
        ({"max_objects": 2.5}, "max_objects must be a whole number of at least 1, got 2.5"),
        ({"conf": 25}, "conf must be from 0 to 1, got 25"),
        ({"conf": float("nan")}, "conf must be from 0 to 1, got nan"),
        ({"iou": 45}, "iou must be from 0 to 1, got 45"),
        ({"iou": -0.1}, "iou must be from 0 to 1, got -0.1"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_options_out_of_range_are_named_at_once(
    predictor: Predictor, options: dict[str, Any], message: str, stream: bool
) -> None:
    with pytest.raises(ValueError, match=message):
        predictor.predict([], stream=stream, **options)


@pytest.mark.parametrize(
    ("source", "kind"), [(None, "NoneType"), (b"\xff\xd8", "bytes"), (7, "int")]
)
def test_what_is_no_source_at_all_is_refused(
    predictor: Predictor, source: object, kind: str
) -> None:
    with pytest.raises(ValueError, match=rf"expected a path.* got {kind}$"):
        predictor.predict(source)  # type: ignore[call-overload]


def test_what_is_neither_backend_nor_detector_is_refused(predictor: Predictor) -> None:
    with pytest.raises(TypeError, match="network must be a backend or a Detector, got str"):
        Predictor("model.safetensors", predictor.card)  # type: ignore[arg-type]


def test_a_backend_needs_no_detector(predictor: Predictor) -> None:
    """Any callable with a device will do: here one that sees a box in every picture."""

    class Constant:
        device = "abacus"
        description = "an abacus"

        def to(self, device: str) -> None:
            raise ConfigError(f"no {device} here")

        def __call__(
            self,
            images: Images,
            *,
            score_threshold: float = 0.0,
            iou_threshold: float | None = None,
        ) -> DecodedArrays:
            assert isinstance(images, np.ndarray)
            assert images.dtype == np.uint8 and images.shape[1:] == (*HW, 3)
            boxes = np.tile(np.array([8, 8, 24, 24], np.float32), (len(images), 1, 1))
            scores = np.tile(np.array([0.1, 0.9], np.float32), (len(images), 1, 1))
            return DecodedArrays(boxes, scores)

    model = Predictor(Constant(), predictor.card)
    (result,) = model.predict(np.zeros((2 * HW[0], 2 * HW[1], 3), np.uint8))
    assert (result.boxes.tolist(), result.names) == ([[16, 16, 48, 48]], ["dog"])
    assert model.device == "abacus"
    with pytest.raises(ConfigError, match="no cpu here"):
        model.to("cpu")


def test_a_model_that_answers_nan_is_an_error(
    predictor: Predictor, painted_split: Callable[..., SplitConfig]
) -> None:
    """It used to detect nothing, or to score 0.000, without a word."""

    class Diverged:
        device = description = "nowhere"

        def to(self, device: str) -> None: ...

        def __call__(
            self,
            images: Images,
            *,
            score_threshold: float = 0.0,
            iou_threshold: float | None = None,
        ) -> DecodedArrays:
            nan = np.full((len(images), 3, 4), np.nan, np.float32)
            return DecodedArrays(nan, nan[:, :, :2])

    names = {"class_names": ["seven", "three"], "category_ids": [7, 3]}
    model = Predictor(Diverged(), predictor.card.model_copy(update=names))
    with pytest.raises(WeightsError, match="outputs are not numbers"):
        model.predict(np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(WeightsError, match="outputs are not numbers"):
        evaluate_split(model, painted_split(), batch_size=4)
