"""What is used of torchvision's models, without the compiler that importing them would load.

One function of torchvision's, which no backbone runs, asks torch's compiler whether it works here;
importing the compiler takes as long as importing torch itself. The question is put off until it is
asked (torchvision 0.29).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_COMPILER = "torch._dynamo"
_ANSWERING = f"{_COMPILER}.utils"


class _PutOff(ModuleType):
    """Stands for a module until something is asked of it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import system asks of every module
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


def _is_compile_supported(device_type: Any) -> Any:
    return _real(_ANSWERING).is_compile_supported(device_type)


def _real(name: str) -> ModuleType:
    _take_away()
    return import_module(name)


def _take_away() -> None:
    for name in (_COMPILER, _ANSWERING):
        if isinstance(sys.modules.get(name), _PutOff):
            del sys.modules[name]


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Whoever imports the compiler meanwhile gets it as soon as he asks anything else of it."""
    spec = find_spec(_COMPILER)
    if _COMPILER in sys.modules or spec is None:
        yield
        return
    compiler, answering = _PutOff(_COMPILER), _PutOff(_ANSWERING)
    compiler.__path__ = list(spec.submodule_search_locations or ())
    answering.__dict__["is_compile_supported"] = _is_compile_supported
    sys.modules.update({_COMPILER: compiler, _ANSWERING: answering})
    try:
        yield
    finally:
        _take_away()


with _without_compiler():
    from torchvision import models, ops
    from torchvision.models import WeightsEnum, get_model, get_model_weights, list_models
    from torchvision.models.feature_extraction import NodePathTracer

__all__ = [
    "NodePathTracer",
    "WeightsEnum",
    "get_model",
    "get_model_weights",
    "list_models",
    "models",
    "ops",
]
