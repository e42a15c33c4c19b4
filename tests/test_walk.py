"""The whole walk at odd picture sizes: truth written as predictions scores AP 1.0."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from yolokit.config import ModelConfig
from yolokit.data.coco import CocoDataset
from yolokit.data.loading import DetectionDataset
from yolokit.data.pictures import PreparedPictures
from yolokit.evaluation.coco_io import load_truth
from yolokit.evaluation.evaluate import evaluate_backend, evaluate_split
from yolokit.heads.yolov1.codec import assign_cells, decode_yolov1
from yolokit.inference.backend import Images
from yolokit.inference.predictor import Predictor
from yolokit.models.build import build_detector
from yolokit.models.card import ModelCard
from yolokit.sections import BackboneConfig, PredictConfig, SplitConfig
from yolokit.synthesis.dataset import visible_box
from yolokit.synthesis.scenes import make_scene
from yolokit.types import DecodedArrays, DecodedBoxes, GridOutput

ODD_SIZES = [(333, 217), (50, 800), (801, 64), (97, 131), (480, 640)]  # (height, width)
CATEGORY_IDS = [40, 0, 17]  # sparse, from 0, unordered
# Every box shall come through: nothing of a truth is a duplicate of something else.
PREDICT = PredictConfig(iou_threshold=1.0)
GRID_HW = (160, 160)  # so fine that no two centres share a cell


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> SplitConfig:
    """Painted scenes of odd sizes, crowds and a picture without boxes among them."""
    folder = tmp_path_factory.mktemp("odd")
    rng = np.random.default_rng(7)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index, size_hw in enumerate(ODD_SIZES * 3):
        scene = make_scene(rng, size_hw, len(CATEGORY_IDS), 0.8)
        height, width = scene.image.shape[:2]
        image_id, name = 1000 - 7 * index, f"{index}.png"
        Image.fromarray(scene.image).save(folder / name)
        images.append({"id": image_id, "file_name": name, "height": height, "width": width})
        for instance in scene.instances if index else ():
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": image_id,
                    "category_id": CATEGORY_IDS[instance.label],
                    "bbox": list(map(float, visible_box(instance.mask))),
                    "area": float(instance.mask.sum()),
                    "iscrowd": int(instance.crowd),
                }
            )
    categories = [{"id": number, "name": f"kind {number}"} for number in CATEGORY_IDS]
    tree = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "truth.json").write_text(json.dumps(tree), encoding="utf-8")
    return SplitConfig(images=folder, annotations=folder / "truth.json")


class _Clairvoyant:
    """A backend that answers with the truth of a data set's next pictures, in YOLOv1's grid code.

    ``shift`` moves every answer right by a share of the input's width.
    """

    device = description = "clairvoyance"

    def __init__(self, dataset: DetectionDataset, shift: float = 0.0) -> None:
        self.dataset, self.shift, self.next = dataset, shift, 0

    def to(self, device: str) -> None:
        raise NotImplementedError

    def __call__(
        self, images: Images, *, score_threshold: float = 0.0, iou_threshold: float | None = None
    ) -> DecodedArrays:
        assert isinstance(images, np.ndarray)
        classes = torch.zeros(len(images), *GRID_HW, len(self.dataset.data.class_names))
        confidences = torch.zeros(len(images), *GRID_HW, 1)
        box_codes = torch.zeros(len(images), *GRID_HW, 1, 4)
        stride_hw = (images.shape[1] / GRID_HW[0], images.shape[2] / GRID_HW[1])
        for place, image in enumerate(images):
            prepared = self.dataset[self.next]
            self.next += 1
            assert np.array_equal(prepared.image.permute(1, 2, 0).numpy(), image)
            boxes, labels = prepared.truth.boxes, prepared.truth.labels
            owners = assign_cells(boxes, GRID_HW, stride_hw)
            assert len(owners.kept) == len(boxes)
            cells = (place, owners.rows, owners.cols)
            classes[(*cells, labels)] = 1.0
            confidences[cells] = 1.0
            box_codes[cells] = owners.box_codes[:, None]
        output = GridOutput(classes, confidences, box_codes, stride_hw)
        boxes, scores, _ = decode_yolov1(output)
        width = stride_hw[1] * GRID_HW[1]
        shifted = boxes + boxes.new_tensor([1, 0, 1, 0]) * self.shift * width
        return DecodedBoxes(shifted, scores).numpy()


def _score(split: SplitConfig, input_hw: tuple[int, int], shift: float = 0.0) -> dict[str, float]:
    dataset = DetectionDataset(CocoDataset.load(split), input_hw)
    metrics, _ = evaluate_backend(
        _Clairvoyant(dataset, shift),
        PreparedPictures(dataset.data, input_hw),
        load_truth(split.annotations),
        dataset.data.category_ids,
        predict=PREDICT,
        batch_size=4,
        workers=2,
    )
    return metrics.numbers


def test_the_set_holds_what_makes_it_hard(split: SplitConfig) -> None:
    data = CocoDataset.load(split)
    assert data.crowd.any()
    assert not len(data.truth(0).boxes)
    assert len(set(data.labels.tolist())) == len(CATEGORY_IDS)
    assert len({tuple(size) for size in data.sizes_hw.tolist()}) >= len(ODD_SIZES)
    assert data.bad_boxes == ()


@pytest.mark.parametrize("input_hw", [(448, 448), (320, 448), (416, 224)])
def test_perfect_detections_score_one(split: SplitConfig, input_hw: tuple[int, int]) -> None:
    numbers = _score(split, input_hw)
    for name in ("AP", "AP50", "AP75", "AR100"):
        assert numbers[name] == pytest.approx(1.0, abs=1e-9), name


def test_detections_a_little_to_the_right_do_not(split: SplitConfig) -> None:
    numbers = _score(split, (448, 448), shift=0.005)
    assert 0.1 < numbers["AP"] < 0.95


def test_files_predicted_one_way_or_the_other_give_the_same_rows(split: SplitConfig) -> None:
    data = CocoDataset.load(split)
    backbone = BackboneConfig(name="squeezenet1_1", weights="none")
    head = {"type": "yolov1", "grid_size": 5, "channels": 16}
    config = ModelConfig.model_validate({"head": head, "backbone": backbone})
    torch.manual_seed(0)
    detector = build_detector(config, num_classes=len(data.class_names), image_hw=(96, 128))
    card = ModelCard(
        model=config,
        predict=PredictConfig(),
        class_names=data.class_names,
        category_ids=data.category_ids,
        image_hw=(96, 128),
        mean=detector.backbone.mean,
        std=detector.backbone.std,
    )
    predictor = Predictor(detector, card)
    _, rows, _ = evaluate_split(predictor, split, batch_size=1)
    results = predictor.predict(data.image_paths, conf=0.001, batch_size=1)  # sums in one order
    direct = [
        row
        for image_id, result in zip(data.image_ids.tolist(), results, strict=True)
        for row in result.to_coco(image_id)
    ]
    assert rows == direct
    assert len(rows) > len(data)
