"""The frozen bottom of a backbone, run by itself while the rest is trained.

What is frozen needs no gradients, its batch norms fold into its convolutions, and it may see a few
pictures at a time, whose large maps then stay in a processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, fx, nn

from yolokit.backbones.folding import fold_batch_norms

_WITHOUT_CHOICE = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.GELU, nn.MaxPool2d, nn.AvgPool2d)


class FrozenFront:
    """A traced network, split where its frozen part ends; called like the network.

    The frozen part is a folded copy: make a new split when it is no longer ``current``.

    Args:
        network: maps [B, 3, H, W] to a tuple of maps; not changed.
        frozen: paths of its frozen modules, which are in evaluation mode.
    """

    def __init__(self, network: fx.GraphModule, frozen: Sequence[str]) -> None:
        self._originals = _tensors(network, frozen)
        self._seen = _state(self._originals)
        nodes = [node for node in network.graph.nodes if node.op != "output"]
        front = _frozen_nodes(network, frozen)
        handed_over = [node for node in nodes if node in front and not front.issuperset(node.users)]
        inputs = [node for node in nodes if node.op == "placeholder"]
        output = next(node for node in network.graph.nodes if node.op == "output")
        inner = [node for node in nodes if node in front and node.op != "placeholder"]
        self._front = fold_batch_norms(_part(network, inputs, inner, tuple(handed_over)))
        above = [node for node in nodes if node not in front]
        self._rest = _part(network, handed_over, above, output.args[0])

    def is_current(self) -> bool:
        """Whether the network's frozen tensors are those that were folded, value for value."""
        return _state(self._originals) == self._seen

    def __call__(self, x: Tensor) -> Sequence[Tensor]:
        """The network's maps of [B, 3, H, W] normalised pictures."""
        with torch.no_grad():
            parts = [self._front(part) for part in torch.split(x, torch.get_num_threads())]
        maps: Sequence[Tensor] = self._rest(*map(torch.cat, zip(*parts, strict=True)))
        return maps


def _tensors(network: fx.GraphModule, frozen: Sequence[str]) -> list[Tensor]:
    """Parameters and buffers of the frozen modules, each once."""
    modules = [network.get_submodule(path) for path in frozen]
    found = [t for module in modules for t in (*module.parameters(), *module.buffers())]
    return list({id(tensor): tensor for tensor in found}.values())


def _state(tensors: Sequence[Tensor]) -> list[tuple[object, ...]]:
    """What changes with a tensor: where it lies, its type, and its values.

    Torch counts changes in place, but not those made through ``.data`` or a view of NumPy's: sums
    of the values find these, in a thousandth of the time that a training step takes.
    """
    with torch.no_grad():
        sums = [float(each.sum(dtype=torch.float64)) for each in tensors]
    return [
        (each.data_ptr(), each.dtype, 0 if each.is_inference() else each._version, total)
        for each, total in zip(tensors, sums, strict=True)
    ]


def _frozen_nodes(network: fx.GraphModule, frozen: Sequence[str]) -> set[fx.Node]:
    """The nodes that depend on pictures and frozen modules alone."""
    found: set[fx.Node] = set()
    for node in network.graph.nodes:
        if node.op == "placeholder" or (
            node.op != "output"
            and found.issuperset(node.all_input_nodes)
            and _is_frozen(network, node, frozen)
        ):
            found.add(node)
    return found


def _is_frozen(network: fx.GraphModule, node: fx.Node, frozen: Sequence[str]) -> bool:
    if node.op in ("call_function", "call_method"):
        return True
    path = str(node.target)
    inside = any(path == each or path.startswith(f"{each}.") for each in frozen)
    return inside or (
        node.op == "call_module" and isinstance(network.get_submodule(path), _WITHOUT_CHOICE)
    )


def _part(
    network: fx.GraphModule,
    inputs: Iterable[fx.Node],
    nodes: Iterable[fx.Node],
    output: fx.node.Argument,
) -> fx.GraphModule:
    """Some of a network's nodes as a network of their own, with the same modules."""
    graph = fx.Graph()
    copies = {node: graph.placeholder(node.name) for node in inputs}
    for node in nodes:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(fx.map_arg(output, copies.__getitem__))
    return fx.GraphModule(network, graph)
