"""From a detector to an ONNX model: traced by ``torch.export``, cleaned, with its card.

Shape legend: B pictures, H × W input pixels, N boxes, C classes.
"""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import onnx
import torch
from onnx import ModelProto, NodeProto

from yolokit.errors import ExportError
from yolokit.export.graph import DetectorGraph
from yolokit.models.card import CARD_KEY, ModelCard

_SCOPES = "pkg.torch.onnx.name_scopes"  # of a node: the modules it is from, and its own name
_OUTSIDE = "graph"  # of what is in no module: normalisation and decoding


def trace(graph: DetectorGraph, image_hw: tuple[int, int], *, dynamic: bool) -> ModelProto:
    """The graph as an ONNX model with input ``images`` and outputs ``boxes`` and ``scores``.

    Batch norms are part of the convolutions before them. Nodes are named by the module they come
    from; nothing in it tells of this machine.

    Args:
        graph: a detector's.
        image_hw: the network input's (height, width) in pixels.
        dynamic: take any number of pictures, not one only.

    Raises:
        ExportError: the network cannot be traced for any number of pictures.
    """
    # torch.export takes a dimension of 1 for a constant.
    example = torch.zeros((2 if dynamic else 1, *image_hw, 3), dtype=torch.uint8)
    program = torch.onnx.export(
        graph,
        (example,),
        dynamo=True,
        verbose=False,
        input_names=["images"],
        output_names=["boxes", "scores"],
        dynamic_shapes={"images": {0: torch.export.Dim("batch")}} if dynamic else None,
    )
    assert program is not None  # it is where dynamo is asked for
    model = program.model_proto
    if dynamic and not _is_open(model):
        raise ExportError("this model's graph takes one number of pictures. Leave out --dynamic")
    _name_nodes(model)
    _forget_origin(model)
    return model


def with_card(model: ModelProto, card: ModelCard) -> ModelProto:
    """A copy that says of itself what ``card`` says."""
    copy = ModelProto()
    copy.CopyFrom(model)
    onnx.helper.set_model_props(copy, {CARD_KEY: card.model_dump_json()})
    return copy


def write(model: ModelProto, path: Path) -> None:
    """Write a model as one file, once it is found to be one by ONNX's own rules."""
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _is_open(model: ModelProto) -> bool:
    """Whether the number of pictures is open in all that goes in and out."""
    values = (*model.graph.input, *model.graph.output)
    return all(value.type.tensor_type.shape.dim[0].dim_param for value in values)


def _name_nodes(model: ModelProto) -> None:
    """``detector.head.…/Conv_71``: the module a node is from, its kind, its place."""
    for number, node in enumerate(model.graph.node):
        node.name = f"{_module_of(node)}/{node.op_type}_{number}"


def _module_of(node: NodeProto) -> str:
    scopes = [each.value for each in node.metadata_props if each.key == _SCOPES]
    *modules, _own = ast.literal_eval(scopes[0]) if scopes else [""]
    return modules[-1] if modules and modules[-1] else _OUTSIDE


def _forget_origin(model: ModelProto) -> None:
    """Drop what the exporter noted for its developers: source lines and paths of this machine."""
    graph = model.graph
    parts = (graph.node, graph.input, graph.output, graph.value_info, graph.initializer)
    for part in itertools.chain(*parts):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.metadata_props[:]
    del model.metadata_props[:]
