"""A torchvision classifier cut down to its feature levels, whatever its family.

The classifier is traced once. Its *blocks* are its top-level modules (``Mixed_6e``), or their
children where those are sequences (``features.13``, ``layer3.5``). A level is the last block that
ends at a stride before the resolution drops. Everything above the deepest level is cut away.
"""

from __future__ import annotations

import copy
import difflib
import math
from collections.abc import Mapping
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import fx, nn

from yolokit.backbones.sizes import Sizes
from yolokit.backbones.torchvision_models import (
    NodePathTracer,
    get_model,
    list_models,
    models,
    ops,
)
from yolokit.errors import ConfigError
from yolokit.types import LevelSpec

ALIASES = {"regnet": "regnet_y_400mf"}
# Variants that torchvision builds but has no name for: the classifier and its arguments.
REDUCED_TAIL = "mobilenet_v3_large_reduced_tail"  # what SSDLite has: half as wide at stride 32
VARIANTS: dict[str, tuple[str, dict[str, bool]]] = {
    REDUCED_TAIL: ("mobilenet_v3_large", {"reduced_tail": True}),
}
STRIDES = (2, 4, 8, 16, 32)
PROBE = 512  # px: large enough to tell strides apart despite unpadded borders
_TOLERANCE = 0.15  # inception_v3 ends at 14 cells instead of 16, alexnet at 15
_CLASSIFIERS = ("classifier", "fc", "head", "heads")
_INCEPTIONS: dict[str, dict[str, bool]] = {
    # their weights expect Inception's own scaling on top of ImageNet's; no auxiliary heads
    "googlenet": {"aux_logits": False, "transform_input": True, "init_weights": True},
    "inception_v3": {"aux_logits": False, "transform_input": True, "init_weights": True},
}


class Block(NamedTuple):
    """A block of the traced network: its module path, its last node and that node's size."""

    path: str
    node: fx.Node
    channels: int
    size_hw: tuple[int, int]


class Trunk(NamedTuple):
    """A feature extractor returning one tensor a level, and what is known of it.

    Args:
        module: maps [B, 3, H, W] to a tuple of maps, shallow to deep.
        levels: width and nominal stride of each map.
        stages: module paths grouped by resolution, bottom to top; only those with parameters.
        optional: first components of the classifier's keys that the trunk has no use for.
        kinds: the class of each module by its path, which tracing forgets. A node of a traced
            network holds the path of its module, or of its own inside one, in ``meta["path"]``.
    """

    module: nn.Module
    levels: list[LevelSpec]
    stages: list[list[str]]
    optional: frozenset[str]
    kinds: Mapping[str, str]


def cut_classifier(name: str, image_hw: tuple[int, int]) -> Trunk:
    """Build torchvision's classifier ``name`` with random weights and keep its feature levels.

    Args:
        name: torchvision's name of the classifier, or an alias.
        image_hw: (height, width) in pixels that it must be able to see.

    Raises:
        ConfigError: unknown name, no feature maps to detect on, or an input it cannot see.
    """
    model = _build(name)
    graph, paths = _trace(model, name)
    blocks = _blocks(model, graph, paths, name)
    last_at = {stride: block for block in blocks if (stride := _stride_of(block)) is not None}
    if not last_at:
        raise not_a_cnn(name, "")
    used = blocks[: blocks.index(last_at[max(last_at)]) + 1]
    trunk = _cut(model, graph, [block.node for block in last_at.values()])
    check_input(trunk, name, image_hw)
    return Trunk(
        module=trunk,
        levels=[LevelSpec(block.channels, stride) for stride, block in last_at.items()],
        stages=group_stages(trunk, [(b.path, PROBE // b.size_hw[0]) for b in used]),
        optional=_tops(model) - _tops(trunk),
        kinds=kinds_of(model),
    )


def kinds_of(model: nn.Module) -> dict[str, str]:
    """The class name of each module by its path."""
    return {path: type(module).__name__ for path, module in model.named_modules() if path}


def group_stages(trunk: nn.Module, blocks: list[tuple[str, int]]) -> list[list[str]]:
    """Group blocks (module path, stride) into stages; a new stage starts where stride grows.

    Blocks without parameters of their own are left out, and stages that would be empty with them.
    """
    stages: dict[int, list[str]] = {}
    deepest = 0
    for path, stride in blocks:
        deepest = max(deepest, round(math.log2(max(stride, 1))))
        if _has_parameters(trunk, path):
            stages.setdefault(deepest, []).append(path)
    return list(stages.values())


def _build(name: str) -> nn.Module:
    known = list_models(module=models)
    if name in VARIANTS:
        base, options = VARIANTS[name]
        variant: nn.Module = get_model(base, weights=None, **options)
        return variant
    if name not in known:
        near = difflib.get_close_matches(name, [*known, *ALIASES, *VARIANTS], n=3, cutoff=0.3)
        raise ConfigError(
            f"unknown backbone {name!r}, nearest: {', '.join(near) or 'resnet18, mobilenet_v2'}. "
            "Give a torchvision classifier by its name, or timm:NAME"
        )
    model: nn.Module = get_model(name, weights=None, **_INCEPTIONS.get(name, {}))
    return model


def _trace(model: nn.Module, name: str) -> tuple[fx.Graph, dict[fx.Node, str]]:
    traced = [_trace_mode(model.train(mode)) for mode in (True, False)]
    train_code, eval_code = (
        [(n.op, str(n.target), str(n.args), str(n.kwargs)) for n in graph.nodes]
        for graph, _ in traced
    )
    if train_code != eval_code:  # one graph serves both modes, or copies of it would go wrong
        raise not_a_cnn(name, " (its graph changes with the mode)")
    model.train()
    return traced[0]


def _trace_mode(model: nn.Module) -> tuple[fx.Graph, dict[fx.Node, str]]:
    tracer = NodePathTracer(
        autowrap_modules=(math, ops),
        leaf_modules=[ops.StochasticDepth],  # traced through, it would ignore .train()
    )
    graph = tracer.trace(model)
    for node, path in tracer.node_to_qualname.items():
        node.meta["path"] = path
    return graph, dict(tracer.node_to_qualname)


def _blocks(model: nn.Module, graph: fx.Graph, paths: dict[fx.Node, str], name: str) -> list[Block]:
    values = Sizes(fx.GraphModule(on_meta(model), graph))
    try:
        values.run(torch.empty(1, 3, PROBE, PROBE, device="meta"))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise not_a_cnn(name, " (it sees one image size only)") from error
    nodes = [(_block_path(model, paths[n]), n) for n in graph.nodes if n in paths]
    blocks = []
    for path, run in groupby(nodes, key=lambda item: item[0]):
        *_, (_, node) = run
        size = values.sizes.get(node, ())
        if path.split(".")[0] not in _CLASSIFIERS and len(size) == 4 and size[2] == size[3]:
            blocks.append(Block(path, node, size[1], (size[2], size[3])))
    return blocks


def _block_path(model: nn.Module, path: str) -> str:
    top, *rest = path.split(".")
    return (
        ".".join([top, *rest[:1]]) if isinstance(getattr(model, top, None), nn.Sequential) else top
    )


def on_meta(module: nn.Module) -> nn.Module:
    """A copy without storage: every tensor is on the meta device."""
    memo: dict[int, Any] = {
        id(p): nn.Parameter(p.detach().to("meta"), requires_grad=False) for p in module.parameters()
    }
    memo |= {id(b): b.to("meta") for b in module.buffers()}
    return copy.deepcopy(module, memo)


def _stride_of(block: Block) -> int | None:
    exact = PROBE / block.size_hw[0]
    nearest = 2 ** round(math.log2(exact))
    return nearest if nearest in STRIDES and abs(exact / nearest - 1) <= _TOLERANCE else None


def _cut(model: nn.Module, graph: fx.Graph, outputs: list[fx.Node]) -> fx.GraphModule:
    for node in [n for n in graph.nodes if n.op == "output"]:
        graph.erase_node(node)
    graph.output(tuple(outputs))
    graph.eliminate_dead_code()
    return fx.GraphModule(model, graph)


def check_input(trunk: nn.Module, name: str, image_hw: tuple[int, int]) -> None:
    """Raise ``ConfigError`` unless the trunk can see pictures of this (height, width)."""
    try:
        ghost, picture = on_meta(trunk).eval(), torch.empty(1, 3, *image_hw, device="meta")
        run = Sizes(ghost).run if isinstance(ghost, fx.GraphModule) else ghost
        run(picture)
    except RuntimeError as error:
        raise ConfigError(
            f"backbone {name} cannot see {image_hw[0]}x{image_hw[1]} px. Raise data.image_size"
        ) from error


def not_a_cnn(name: str, reason: str) -> ConfigError:
    """The error for a network without the feature maps a grid head needs."""
    return ConfigError(
        f"backbone {name} has no feature maps [B, C, H, W] to detect on{reason}. "
        "Choose a convolutional one, e.g. mobilenet_v2 or convnext_tiny"
    )


def _tops(module: nn.Module) -> frozenset[str]:
    return frozenset(key.split(".")[0] for key in module.state_dict())


def _has_parameters(trunk: nn.Module, path: str) -> bool:
    return any(name.startswith(f"{path}.") for name, _ in trunk.named_parameters())
