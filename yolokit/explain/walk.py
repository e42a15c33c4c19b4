"""One run of a detector on an empty picture, in which every operation is noted.

A traced backbone is run node by node, so that an operation belongs to the block it stood in when
torchvision or timm wrote it; a neck or head belongs to itself.

Shape legend: H × W input pixels.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from yolokit.explain.sight import PIXELS, Sight
from yolokit.explain.sight_rules import multiply_adds, sight_after
from yolokit.models.detector import Detector

TRUNK = "backbone.trunk"


@dataclass(frozen=True, slots=True)
class Step:
    """An operation.

    Args:
        path: dotted path of the module it stood in, or of the function inside one.
        calls: paths of the modules that were being called, outermost first.
        shape: of its output.
        multiply_adds: multiplications, each with its addition.
        sight: what the output's cells see; None where that is not known.
    """

    path: str
    calls: tuple[str, ...]
    shape: tuple[int, ...]
    multiply_adds: int
    sight: Sight | None


class _Notebook(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes what is run while it is entered."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps: list[Step] = []
        self.calls: list[str] = []
        self.sights: Any = WeakTensorKeyDictionary()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        outputs = list(_tensors(result))
        if outputs and any(each in self.sights for each in _tensors(args)):
            sight = sight_after(func, args, outputs[0], self.sights)
            for each in outputs:
                self.sights[each] = sight
            if self.calls:
                place = self.calls[-1], tuple(self.calls), tuple(outputs[0].shape)
                cost = multiply_adds(func.overloadpacket, args, result)
                self.steps.append(Step(*place, cost, sight))
        return result

    @contextmanager
    def inside(self, path: str) -> Iterator[None]:
        """Lay what is run to a path."""
        self.calls.append(path)
        try:
            yield
        finally:
            self.calls.pop()


def _tensors(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _tensors(value)


class _NodeByNode(nn.Module):
    """A traced network that says where each node stood."""

    def __init__(self, network: fx.GraphModule, inside: Callable[[str], Any]) -> None:
        super().__init__()
        self.interpreter = _Interpreter(network, inside)

    def forward(self, x: Tensor) -> Any:
        return self.interpreter.run(x)


class _Interpreter(fx.Interpreter):
    def __init__(self, network: fx.GraphModule, inside: Callable[[str], Any]) -> None:
        super().__init__(network)
        self.inside = inside

    def run_node(self, n: fx.Node) -> Any:
        path = str(n.target) if n.op == "call_module" else str(n.meta.get("path", ""))
        with self.inside(f"{TRUNK}.{path}"):
            return super().run_node(n)


def walk(detector: Detector, image_hw: tuple[int, int]) -> list[Step]:
    """The operations that a picture goes through, in order.

    Args:
        detector: not changed.
        image_hw: (height, width) in pixels of the picture.
    """
    runs = copy.deepcopy(detector).cpu().eval()
    notebook = _Notebook()
    trunk = runs.backbone.trunk
    for path, module in runs.named_modules():
        hooked = not (isinstance(trunk, fx.GraphModule) and path.startswith(TRUNK))
        if path and hooked:
            module.register_forward_pre_hook(partial(_enter, notebook, path))
            module.register_forward_hook(partial(_leave, notebook))
    if isinstance(trunk, fx.GraphModule):
        runs.backbone.trunk = _NodeByNode(trunk, notebook.inside)
    picture = torch.zeros(1, 3, *image_hw)
    notebook.sights[picture] = Sight(PIXELS, PIXELS)
    with torch.no_grad(), notebook:
        runs(picture)
    return notebook.steps


def _enter(notebook: _Notebook, path: str, _module: nn.Module, _inputs: Any) -> None:
    notebook.calls.append(path)


def _leave(notebook: _Notebook, _module: nn.Module, _inputs: Any, _output: Any) -> None:
    notebook.calls.pop()
