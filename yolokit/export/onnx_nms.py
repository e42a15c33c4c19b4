"""Non-maximum suppression as a graph behind a detector's own: what ``ops/nms.py`` does outside.

Shape legend: N pictures, P boxes a picture, C classes, M rows that are kept, K pairs found.
"""

from __future__ import annotations

from collections.abc import Mapping

from onnx import ModelProto, compose, parser

from yolokit.models.export_record import NmsRecord

# A box and a class are a candidate. ONNX suppresses class by class; the best rows of all classes
# are taken from the scores that are left, in which a candidate that fell scores 0. TopK takes the
# first of equal scores, as our own does. A corner of a box may be its y or x: IoU does not mind.
_TEXT = """
<ir_version: {ir_version}, opset_import: ["" : {opset}]>
suppression (float[{N}, {P}, 4] all_boxes, float[{N}, {P}, {C}] all_scores)
    => (float[{N}, {M}, 4] boxes, float[{N}, {M}] scores, int64[{N}, {M}] labels)
<float nms_zero = {{0}}, float[4] nms_limits = {{{W}, {H}, {W}, {H}}}, int64 nms_none = {{-1}},
 int64 nms_most = {{{M}}}, float nms_iou = {{{iou}}}, float nms_score = {{{score}}},
 int64[2] nms_flat = {{0, -1}}, int64[4] nms_missing = {{0, 0, 0, {missing}}},
 int64[1] nms_rows = {{{M}}}, int64 nms_classes = {{{C}}}, int64 nms_last_box = {{{last_box}}},
 int64[1] nms_at_end = {{-1}}, int64[3] nms_corners = {{1, 1, 4}}>
{{
    nms_above = Max (all_boxes, nms_zero)
    nms_clipped = Min (nms_above, nms_limits)
    nms_x1, nms_y1, nms_x2, nms_y2 = Split <axis = -1, num_outputs = 4> (nms_clipped)
    nms_wide = Greater (nms_x2, nms_x1)
    nms_tall = Greater (nms_y2, nms_y1)
    nms_sound = And (nms_wide, nms_tall)
    nms_sound_scores = Where (nms_sound, all_scores, nms_zero)
{suppression}
    nms_left_flat = Reshape (nms_left, nms_flat)
    nms_candidates = Pad (nms_left_flat, nms_missing, nms_zero)
    scores, nms_places = TopK <axis = -1, largest = 1, sorted = 1> (nms_candidates, nms_rows)
    nms_kept = Greater (scores, nms_zero)
    nms_places_of_boxes = Div (nms_places, nms_classes)
    nms_possible_labels = Mod (nms_places, nms_classes)
    labels = Where (nms_kept, nms_possible_labels, nms_none)
    nms_boxes_taken = Min (nms_places_of_boxes, nms_last_box)
    nms_box_indices = Unsqueeze (nms_boxes_taken, nms_at_end)
    nms_repeated = Expand (nms_box_indices, nms_corners)
    nms_taken = GatherElements <axis = 1> (nms_clipped, nms_repeated)
    nms_kept_box = Unsqueeze (nms_kept, nms_at_end)
    boxes = Where (nms_kept_box, nms_taken, nms_zero)
}}
"""

_SUPPRESSION = """\
    nms_by_class = Transpose <perm = [0, 2, 1]> (nms_sound_scores)
    nms_found = NonMaxSuppression (nms_clipped, nms_by_class, nms_most, nms_iou, nms_score)
    nms_found_scores = GatherND (nms_by_class, nms_found)
    nms_shape = Shape (nms_by_class)
    nms_nothing = ConstantOfShape <value = float[1] {0}> (nms_shape)
    nms_left_by_class = ScatterND (nms_nothing, nms_found, nms_found_scores)
    nms_left = Transpose <perm = [0, 2, 1]> (nms_left_by_class)"""
_NO_SUPPRESSION = """\
    nms_scoring = Greater (nms_sound_scores, nms_score)
    nms_left = Where (nms_scoring, nms_sound_scores, nms_zero)"""


def with_nms(dense: ModelProto, nms: NmsRecord, image_hw: tuple[int, int]) -> ModelProto:
    """A model that gives the boxes that survive instead of all.

    They are those of ``select_detections`` for a picture that fills the input: clipped to the
    input, of an area, one class at a time, best first.

    Args:
        dense: gives ``boxes`` [N, P, 4] and ``scores`` [N, P, C]; not changed.
        nms: the thresholds; an ``iou_threshold`` of 1 suppresses nothing, not even equal boxes.
        image_hw: the network input's (height, width) in pixels.

    Returns:
        A model with ``boxes`` [N, M, 4], ``scores`` [N, M] descending, ``labels`` [N, M] int64;
        rows that are not used are zeros of label -1.
    """
    return compose.merge_models(
        _renamed(dense, {name: f"all_{name}" for name in ("boxes", "scores")}),
        nms_model(dense, nms, image_hw),
        io_map=[(f"all_{name}", f"all_{name}") for name in ("boxes", "scores")],
        name=dense.graph.name,
        producer_name=dense.producer_name,
        producer_version=dense.producer_version,
    )


def nms_model(dense: ModelProto, nms: NmsRecord, image_hw: tuple[int, int]) -> ModelProto:
    """The suppression alone, for the outputs of ``dense``."""
    pictures, boxes, classes = _dimensions(dense, "scores")
    count = int(boxes) * int(classes)
    text = _TEXT.format(
        suppression=_SUPPRESSION if nms.iou_threshold < 1 else _NO_SUPPRESSION,
        ir_version=dense.ir_version,
        opset=next(each.version for each in dense.opset_import if not each.domain),
        N=pictures,
        P=boxes,
        C=classes,
        M=nms.max_detections,
        H=float(image_hw[0]),
        W=float(image_hw[1]),
        iou=float(nms.iou_threshold),
        score=float(nms.score_threshold),
        missing=max(0, nms.max_detections - count),
        last_box=int(boxes) - 1,
    )
    model = parser.parse_model(text)
    for number, node in enumerate(model.graph.node):
        node.name = f"suppression/{node.op_type}_{number}"
    return model


def _dimensions(model: ModelProto, output: str) -> list[str]:
    (found,) = [each for each in model.graph.output if each.name == output]
    return [each.dim_param or str(each.dim_value) for each in found.type.tensor_type.shape.dim]


def _renamed(model: ModelProto, names: Mapping[str, str]) -> ModelProto:
    """A copy whose values of these names have others."""
    copy = ModelProto()
    copy.CopyFrom(model)
    for node in copy.graph.node:
        node.input[:] = [names.get(each, each) for each in node.input]
        node.output[:] = [names.get(each, each) for each in node.output]
    for value in copy.graph.output:
        value.name = names.get(value.name, value.name)
    return copy
