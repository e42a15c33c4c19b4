"""The multi-scale head and its neck: shapes, strides, first outputs, configuration."""

import pytest
import torch

from yolokit.config import ModelConfig
from yolokit.errors import ConfigError
from yolokit.heads.yolo.neck import PanNeck
from yolokit.models.build import build_detector
from yolokit.sections import BackboneConfig
from yolokit.types import LevelSpec


def config(**keys: object) -> ModelConfig:
    backbone = BackboneConfig(name="squeezenet1_1", weights="none")
    head = {"type": "yolo", "width": 16, "tower_depth": 1, **keys}
    return ModelConfig.model_validate({"head": head, "backbone": backbone})


@pytest.mark.parametrize("separable", [True, False])
@pytest.mark.parametrize("strides", [(8, 16, 32), (4, 8), (16,), (8, 16, 32, 64)])
def test_one_grid_per_stride_also_above_the_backbone(
    strides: tuple[int, ...], separable: bool
) -> None:
    wanted = config(strides=strides, separable=separable)
    detector = build_detector(wanted, num_classes=3, image_hw=(128, 192))
    outputs = detector(torch.zeros(2, 3, 128, 192, dtype=torch.uint8))
    assert [output.stride_hw for output in outputs] == [(stride, stride) for stride in strides]
    for output, stride in zip(outputs, strides, strict=True):
        grid = (2, 128 // stride, 192 // stride)
        assert output.classes.shape == (*grid, 3)
        assert output.box_codes.shape == (*grid, 1, 64)
        assert output.confidences is None


def test_odd_sizes_keep_their_strides() -> None:
    detector = build_detector(config(), num_classes=1, image_hw=(100, 75))
    outputs = detector(torch.zeros(1, 3, 100, 75, dtype=torch.uint8))
    assert [tuple(output.classes.shape[1:3]) for output in outputs] == [(13, 10), (7, 5), (4, 3)]
    decoded = detector.decode(outputs)
    assert decoded.boxes.shape == (1, 13 * 10 + 7 * 5 + 4 * 3, 4)


def test_first_scores_are_the_prior_and_first_boxes_are_a_few_cells() -> None:
    torch.manual_seed(0)
    detector = build_detector(config(), num_classes=10, image_hw=(128, 128)).eval()
    outputs = detector(torch.randint(0, 256, (1, 3, 128, 128), dtype=torch.uint8))
    decoded = detector.decode(outputs)
    # 5 objects over 10 classes and 16² cells of stride 8.
    assert decoded.scores[0, :256].mean().item() == pytest.approx(5 / 10 / 256, rel=0.2)
    width = (decoded.boxes[..., 2] - decoded.boxes[..., 0])[0, :256].mean().item()
    assert 3 * 8 < width < 6 * 8


@pytest.mark.parametrize("strides", [(1, 2), (64,), (8, 32), (16, 8)])
def test_strides_that_cannot_be_made_are_refused(strides: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"model\.head\.strides"):
        build_detector(config(strides=strides), num_classes=1, image_hw=(128, 128))


def test_every_part_of_the_neck_is_used() -> None:
    neck = PanNeck(
        [LevelSpec(4, 8), LevelSpec(6, 16)], strides=(8, 16, 32), width=8, separable=True
    )
    maps = neck([torch.randn(2, 4, 8, 8), torch.randn(2, 6, 4, 4)])
    torch.stack([each.square().mean() for each in maps]).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in neck.parameters())


def test_a_one_to_one_branch_learns_beside_the_other_and_detects_alone() -> None:
    detector = build_detector(config(one_to_one=True), num_classes=3, image_hw=(128, 128))
    images = torch.randint(0, 256, (2, 3, 128, 128), dtype=torch.uint8)
    outputs = detector.train()(images)
    assert [output.one_to_one for output in outputs] == [False] * 3 + [True] * 3
    single = detector.eval()(images)
    assert [output.one_to_one for output in single] == [True] * 3
    decoded = detector.decode(single)
    assert decoded.one_to_one and decoded.boxes.shape == (2, 16**2 + 8**2 + 4**2, 4)
    # In training it does not change the features it reads.
    detector.train()(images)[3].classes.square().sum().backward()
    assert all(p.grad is None for p in detector.neck.parameters())
    branch = detector.get_submodule("head.one_to_one.class_towers.0")
    assert all(p.grad is not None for p in branch.parameters())


def test_weights_saved_under_the_branches_old_names_fit() -> None:
    saved, blank = (
        build_detector(config(one_to_one=True), num_classes=3, image_hw=(128, 128)).eval()
        for _ in range(2)
    )
    new = saved.state_dict()
    old = {
        name.replace("head.one_to_many.", "head.many.").replace("head.one_to_one.", "head.once."): v
        for name, v in new.items()
    }
    assert len(old.keys() - new.keys()) == len([n for n in new if n.startswith("head.")]) > 0
    blank.load_state_dict(old)
    assert all(torch.equal(v, blank.state_dict()[name]) for name, v in new.items())
