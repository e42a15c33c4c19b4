"""Batch norms in evaluation mode as part of the convolutions before them."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TypeVar

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)

# Convolutions by their weight as it is: a subclass may standardise it first, as timm's StdConv2d.
_CONVOLUTIONS = ("Conv2d", "GroupedConv2d", "Conv2dSame")


def fold_batch_norms(network: Network) -> Network:
    """A copy in which no batch norm is left that can be part of the convolution before it.

    Pairs are found in traced networks and in ``nn.Sequential``, wherever in the network these are.
    A norm that learns, has no statistics or follows anything else stays; of timm's norms that hold
    an activation the activation stays.

    Args:
        network: not changed; outputs of the copy differ by rounding.
    """
    network = copy.deepcopy(network)
    for part in list(network.modules()):
        if isinstance(part, fx.GraphModule):
            _fold_graph(part)
        elif isinstance(part, nn.Sequential):
            _fold_sequence(part)
    return network


def _fold_graph(network: fx.GraphModule) -> None:
    modules = dict(network.named_modules())
    uses = Counter(node.target for node in network.graph.nodes if node.op == "call_module")
    for node in list(network.graph.nodes):
        before = node.all_input_nodes[0] if len(node.all_input_nodes) == 1 else node
        pair = [modules.get(str(each.target)) for each in (before, node)]
        alone = uses[before.target] == len(before.users) == uses[node.target] == 1
        merged = _merged(*pair) if alone else None
        if merged is None:
            continue
        convolution, rest = merged
        _replace(network, str(before.target), convolution)
        if isinstance(rest, nn.Identity):
            node.replace_all_uses_with(before)
            network.graph.erase_node(node)
        else:
            _replace(network, str(node.target), rest)
    network.recompile()


def _fold_sequence(sequence: nn.Sequential) -> None:
    for index in range(len(sequence) - 1):
        merged = _merged(sequence[index], sequence[index + 1])
        if merged is not None:
            sequence[index], sequence[index + 1] = merged


def _merged(
    convolution: nn.Module | None, norm: nn.Module | None
) -> tuple[nn.Conv2d, nn.Module] | None:
    """The pair as one convolution, and what is left of the norm; None where it must stay."""
    rest = _without_norm(norm)
    if rest is None or type(convolution).__name__ not in _CONVOLUTIONS:
        return None
    assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    if norm.training or norm.running_mean is None or convolution.training:
        return None
    return fuse_conv_bn_eval(convolution, norm), rest


def _without_norm(norm: nn.Module | None) -> nn.Module | None:
    if type(norm) is nn.BatchNorm2d:
        return nn.Identity()
    if type(norm).__name__ == "BatchNormAct2d":  # timm's; what else it does stands in its children
        assert isinstance(norm, nn.Module)
        return nn.Sequential(*norm.children()).eval()
    return None


def _replace(network: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, module)


def trace(network: nn.Module) -> fx.GraphModule | None:
    """The network as a graph of whatever ``fold_batch_norms`` looks for; it shares the modules.

    Args:
        network: its modes are left as they are.

    Returns:
        None where the graph would not do in both modes, or Python decides by a tensor's values.
    """
    modes = [(module, module.training) for module in network.modules()]
    try:
        graphs = [_Tracer().trace(network.train(mode)) for mode in (True, False)]
    except Exception:  # tracing code that was not written for it fails in any way
        return None
    finally:
        for module, mode in modes:
            module.training = mode
    codes = [[(n.op, str(n.target), str(n.args), str(n.kwargs)) for n in g.nodes] for g in graphs]
    for node in graphs[0].nodes:
        node.meta["path"] = next(reversed(node.meta.get("nn_module_stack", {"": ""})))
    traced = fx.GraphModule(network, graphs[0])
    same_keys = traced.state_dict().keys() == network.state_dict().keys()
    return traced if codes[0] == codes[1] and same_keys else None


class _Tracer(fx.Tracer):
    """Goes into what has a batch norm inside; all else keeps its own forward, and its mode."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not any(isinstance(part, _BatchNorm) for part in m.modules() if part is not m)
