"""A detector as a table: what each layer is, makes, holds, costs and sees.

Shape legend: C × H × W of a map.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from yolokit.explain.sheet import Sheet, Table
from yolokit.explain.walk import TRUNK, Step, walk
from yolokit.models.detector import Detector
from yolokit.plain_text import aligned, tamed

_HEAD = ["output", "parameters", "M mult-adds", "sees px", "stride", ""]
_TITLE = "What the model is made of"
_NOTE = (
    "mult-adds: a multiplication and its addition counted once, millions (`yolokit bench` counts "
    "both: GFLOPs). sees: the receptive field, the side of the square of input pixels that a cell "
    "can depend on, borders left aside; whole: something in it, such as a mean over all cells, "
    "depends on the whole picture. stride: input pixels from cell to cell."
)


@dataclass(frozen=True, slots=True)
class Layer:
    """A row of the table.

    Args:
        name: dotted path, of the backbone as torchvision or timm writes it; ``neck`` and ``head``
            begin the others'.
        kind: its class, or what it is made of.
        output: (C, H, W), or the shape it has, without the batch.
        parameters: numbers that can be learnt.
        multiply_adds: multiplications a picture, each with its addition.
        receptive_field: (height, width) in input pixels that a cell sees, borders left aside; None
            where it has no bounds (``whole_picture``) or is not known.
        whole_picture: a cell depends on the whole picture.
        stride: (vertical, horizontal) input pixels from cell to cell; None where there are none.
        training: ``trained``, ``frozen``, ``partly``, or empty without parameters.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    multiply_adds: int
    receptive_field: tuple[int, int] | None
    whole_picture: bool
    stride: tuple[float, float] | None
    training: str


@dataclass(frozen=True, slots=True)
class Layers:
    """The table; printed, it is text, in a notebook a picture.

    Args:
        rows: in the order in which a picture meets them.
        image_hw: the input's (height, width), pixels.
        parameters: of the whole detector.
        frozen: of those, how many are not trained.
        multiply_adds: of the whole detector, a picture.
    """

    rows: tuple[Layer, ...]
    image_hw: tuple[int, int]
    parameters: int
    frozen: int
    multiply_adds: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        names = max(len(row.name) for row in self.rows)
        rows = [[f"{'layer':<{names}}  kind", *_HEAD]]
        rows += [[f"{row.name:<{names}}  {row.kind}", *_cells(row)] for row in self.rows]
        return tamed("\n".join([aligned(rows), "", self.total, _NOTE]))

    @property
    def total(self) -> str:
        """The sums, in words."""
        height, width = self.image_hw
        frozen = f", {self.frozen:,} of them frozen" if self.frozen else ""
        return (
            f"{self.parameters:,} parameters{frozen}; {self.multiply_adds / 1e6:,.0f} M mult-adds "
            f"({2 * self.multiply_adds / 1e9:.2f} GFLOPs) for a picture of {width}x{height} px"
        )

    def sheet(self) -> Sheet:
        """The same as a picture, or a page."""
        rows = [[row.name, *_cells(row), row.kind] for row in self.rows]
        table = Table("Layers", ["layer", *_HEAD[:-1], "training", "kind"], rows, texts=2)
        lead = f"{self.total}. {_NOTE}"
        return Sheet(title=_TITLE, lead=lead, figures=(), tables=[table], numbers=self.to_dict())

    def save(self, path: str | Path) -> None:
        """Write it whole or not at all: a PNG, or with ``.html`` a page."""
        self.sheet().save(path)

    def _repr_png_(self) -> bytes:
        return self.sheet()._repr_png_()


def layer_table(
    detector: Detector, image_hw: tuple[int, int], *, every_layer: bool = False
) -> Layers:
    """What a detector is made of.

    Args:
        detector: not changed.
        image_hw: (height, width) in pixels of the picture to measure on.
        every_layer: a row for each convolution, norm, sum, …, not for each block.
    """
    steps = walk(detector, image_hw)
    groups: dict[str, list[Step]] = {}
    for step in steps:
        path = step.path if every_layer else block_of(detector, step)
        if path is not None and not (every_layer and _is_bare(step)):
            groups.setdefault(path, []).append(step)
    rows = tuple(_layer(detector, path, group) for path, group in groups.items())
    frozen = [each for each in detector.parameters() if not each.requires_grad]
    return Layers(
        rows=rows,
        image_hw=image_hw,
        parameters=sum(each.numel() for each in detector.parameters()),
        frozen=sum(each.numel() for each in frozen),
        multiply_adds=sum(step.multiply_adds for step in steps),
    )


def block_of(detector: Detector, step: Step) -> str | None:
    """The path of the block that an operation belongs to; None for one between blocks."""
    if step.path.startswith(f"{TRUNK}."):
        return trunk_block(detector.backbone.kinds, step.path.removeprefix(f"{TRUNK}."))
    for path in step.calls:
        module = detector.get_submodule(path)
        if not path.startswith("backbone") and (_is_leaf(module) or type(module) is nn.Sequential):
            return path
    return None


def trunk_block(kinds: Mapping[str, str], path: str) -> str | None:
    """The path of the block of the backbone that a module, or a function in one, belongs to."""
    top, *rest = path.split(".")
    if top not in kinds:
        return None
    inside = rest[:1] if kinds[top] == "Sequential" else []
    return ".".join([TRUNK, top, *inside])


def _is_bare(step: Step) -> bool:
    """An operation of a neck or head itself, such as turning a map round."""
    return step.path in ("neck", "head", "backbone") or not step.path.startswith(
        (TRUNK, "neck.", "head.")
    )


def _is_leaf(module: nn.Module) -> bool:
    return not any(True for _ in module.children())


def _layer(detector: Detector, path: str, steps: list[Step]) -> Layer:
    last = steps[-1]
    module = _module(detector, path)
    parameters = [] if module is None else list(module.parameters())
    field, stride = _seen(last)
    return Layer(
        name=shown_name(path),
        kind=_kind(detector, path, module),
        output=last.shape[1:],
        parameters=sum(each.numel() for each in parameters),
        multiply_adds=sum(step.multiply_adds for step in steps),
        receptive_field=field,
        whole_picture=last.sight is not None and last.sight.whole,
        stride=stride,
        training=_training([each.requires_grad for each in parameters]),
    )


def _seen(step: Step) -> tuple[tuple[int, int] | None, tuple[float, float] | None]:
    """The receptive field and the stride, as far as there are such."""
    sight = step.sight
    if sight is None or sight.rows is None or sight.cols is None:
        return None, None
    high, wide = step.shape[-2:]
    stride = float(sight.rows.stride), float(sight.cols.stride)
    size = sight.rows.size(high), sight.cols.size(wide)
    return None if sight.whole else size, stride


def shown_name(path: str) -> str:
    """A module's path as people write it: in the backbone that of torchvision or timm."""
    return path.removeprefix(f"{TRUNK}.")


def _module(detector: Detector, path: str) -> nn.Module | None:
    try:
        return detector.get_submodule(path)
    except AttributeError:  # a function's place: it is no module
        return None


def _kind(detector: Detector, path: str, module: nn.Module | None) -> str:
    if module is None:
        return path.rpartition(".")[2].rstrip("_0123456789")
    if _is_leaf(module):
        return described(module)
    if path.startswith(TRUNK):
        return _library_kind(detector.backbone.kinds, shown_name(path))
    learnt = [each for each in module.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    return ", ".join(map(described, learnt)).replace(", Conv2d", ",")


def _library_kind(kinds: Mapping[str, str], path: str) -> str:
    """A block's class; of a bare sequence, what stands in it: ``3 CNBlock``."""
    if kinds[path] != "Sequential":
        return kinds[path]
    depth = path.count(".") + 1
    inside = [
        kind
        for name, kind in kinds.items()
        if name.startswith(f"{path}.") and name.count(".") == depth
    ]
    return ", ".join(
        kind if count == 1 else f"{count} {kind}" for kind, count in Counter(inside).items()
    )


def described(module: nn.Module) -> str:
    """A layer's class and, of a window, its size, stride and groups: ``Conv2d 3x3 /2``."""
    name, size = type(module).__name__, getattr(module, "kernel_size", None)
    name = {"GroupedConv2d": "Conv2d"}.get(name, name)
    if size is None:
        return name
    high, wide = size if isinstance(size, tuple) else (size, size)
    stride, groups = getattr(module, "stride", 1), getattr(module, "groups", 1)
    step = max(stride) if isinstance(stride, tuple) else stride
    text = f"{name} {high}x{wide}" + (f" /{step}" if step != 1 else "")
    if groups == 1:
        return text
    return (
        f"{text} depthwise"
        if groups == getattr(module, "in_channels", 0)
        else (f"{text} in {groups} groups")
    )


def _training(learns: list[bool]) -> str:
    if not learns:
        return ""
    return "trained" if all(learns) else "partly" if any(learns) else "frozen"


def _cells(row: Layer) -> list[str]:
    field, stride = row.receptive_field, row.stride
    sees = "whole" if row.whole_picture else "?" if field is None else _side(field)
    return [
        "x".join(map(str, row.output)),
        f"{row.parameters:,}" if row.parameters else "-",
        f"{row.multiply_adds / 1e6:,.1f}" if row.multiply_adds else "-",
        sees,
        "-" if stride is None else _side(stride),
        row.training,
    ]


def _side(pair: tuple[float, float]) -> str:
    """One number where both are the same."""
    high, wide = (f"{round(each, 2):g}" for each in pair)
    return high if high == wide else f"{high}x{wide}"
