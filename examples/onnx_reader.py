"""Boxes of an exported ONNX file with NumPy, ONNX Runtime and Pillow alone: what a port has to do.

python examples/onnx_reader.py model.onnx photo.jpg      (a file exported without --nms)
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def weights(source, target):
    """[target, source]: what each old pixel of a line gives to each new one."""
    old = np.arange(source)
    if target < source:  # shrunk: the mean of the area that a new pixel covers
        ends = np.arange(target + 1)[:, None] * source / target
        share = np.clip(np.minimum(ends[1:], old + 1) - np.maximum(ends[:-1], old), 0, None)
        return (share * target / source).astype(np.float32)
    centres = np.clip((np.arange(target)[:, None] + 0.5) * source / target - 0.5, 0, source - 1)
    return np.clip(1 - abs(centres - old), 0, None).astype(np.float32)  # enlarged: bilinear


def letterbox(image, input_hw):
    """The picture [H, W, 3] centred on a grey input; its scales (x, y), its left and top margin."""
    (h, w), (input_h, input_w) = image.shape[:2], input_hw
    new_h, new_w = (max(1, round(side * min(input_h / h, input_w / w))) for side in (h, w))
    rows = np.tensordot(weights(h, new_h), image.astype(np.float32), axes=1)  # [new_h, W, 3]
    left, top = (input_w - new_w) // 2, (input_h - new_h) // 2
    padded = np.full((input_h, input_w, 3), 114, dtype=np.uint8)
    padded[top : top + new_h, left : left + new_w] = weights(w, new_w) @ rows + 0.5  # rounded
    return padded, (new_w / w, new_h / h), (left, top)


def detect(session, card, image, conf=0.25):
    """Rows (x1, y1, x2, y2, score, label) in the picture's own pixels, best first."""
    padded, scale, margin = letterbox(image, card["image_hw"])
    boxes, scores = (a[0] for a in session.run(["boxes", "scores"], {"images": padded[None]}))
    boxes = np.clip((boxes - margin * 2) / (scale * 2), 0, image.shape[1::-1] * 2)
    pairs = np.argwhere((scores > conf) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)[:, None])
    limit = 1.0 if card["export"]["one_to_one"] else card["predict"]["iou_threshold"]
    kept = []
    for row, label in pairs[np.argsort(-scores[tuple(pairs.T)], kind="stable")]:
        if all(iou(boxes[row], other) <= limit for *other, _, kind in kept if kind == label):
            kept.append((*boxes[row], scores[row, label], label))
    return kept[: card["predict"]["max_detections"]]


def iou(a, b):
    w, h = (max(0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
    return w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h)


if __name__ == "__main__":
    session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
    card = json.loads(session.get_modelmeta().custom_metadata_map["yolokit"])
    photo = np.array(ImageOps.exif_transpose(Image.open(sys.argv[2])).convert("RGB"))
    for *box, score, label in detect(session, card, photo):
        print(card["class_names"][label], f"{score:.3f}", *(f"{side:.1f}" for side in box))
