"""Box conversions against hand arithmetic, and back."""

import torch

from yolokit.ops.boxes import cxcywh_to_xyxy, xywh_to_xyxy, xyxy_to_cxcywh, xyxy_to_xywh

BOX = torch.tensor([[10.0, 20.0, 40.0, 80.0]])  # 30 wide, 60 high, centre (25, 50)


def test_centre_form_of_one_box() -> None:
    assert xyxy_to_cxcywh(BOX).tolist() == [[25.0, 50.0, 30.0, 60.0]]


def test_coco_form_of_one_box() -> None:
    assert xyxy_to_xywh(BOX).tolist() == [[10.0, 20.0, 30.0, 60.0]]


def test_conversions_undo_each_other() -> None:
    torch.manual_seed(0)
    corner = torch.rand(5, 7, 2) * 100
    boxes = torch.cat((corner, corner + torch.rand(5, 7, 2) * 50), -1)
    torch.testing.assert_close(cxcywh_to_xyxy(xyxy_to_cxcywh(boxes)), boxes)
    torch.testing.assert_close(xywh_to_xyxy(xyxy_to_xywh(boxes)), boxes)


def test_no_boxes_stay_no_boxes() -> None:
    empty = torch.zeros(0, 4)
    for convert in (xyxy_to_cxcywh, cxcywh_to_xyxy, xyxy_to_xywh, xywh_to_xyxy):
        assert convert(empty).shape == (0, 4)
