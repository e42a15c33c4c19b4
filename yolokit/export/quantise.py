"""Post-training quantisation to 8 bits by NNCF, where it costs little."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from yolokit.export.quiet import quiet

if TYPE_CHECKING:
    from openvino import Model

# What stays in float, by the names that ``onnx_model`` gives: box distributions and scores lose
# most, and what suppresses or takes the best of them compares numbers that 8 bits make equal.
_IN_FLOAT = (r"^detector\.head.*", r"^graph/.*", r"^suppression/.*")
_NO_REPORTS = "NNCF_CI"  # set while NNCF is imported: it sends no usage reports


def quantise(model: Model, pictures: Sequence[NDArray[np.uint8]]) -> Model:
    """Backbone and neck in 8 bits but for the first convolution: weights per channel, values per
    map, ranges from the pictures.

    Args:
        model: a detector's graph; not to be used afterwards.
        pictures: [H, W, 3] uint8 RGB of the network's input size, of the training data.
    """
    with _without_reports():
        import nncf
    # NNCF sets its own level when it is imported, and draws progress bars.
    with quiet(), redirect_stdout(io.StringIO()):
        quantised: Model = nncf.quantize(
            model,
            nncf.Dataset([picture[None] for picture in pictures]),
            subset_size=len(pictures),
            preset=nncf.QuantizationPreset.MIXED,  # what SiLU gives is not symmetric around zero
            ignored_scope=nncf.IgnoredScope(
                names=[_first_convolution(model)], patterns=list(_IN_FLOAT), validate=False
            ),
        )
    return quantised


@contextmanager
def _without_reports() -> Iterator[None]:
    before = os.environ.get(_NO_REPORTS)
    os.environ[_NO_REPORTS] = before or "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_NO_REPORTS]


def _first_convolution(model: Model) -> str:
    for node in model.get_ordered_ops():
        if node.get_type_name() in ("Convolution", "GroupConvolution"):
            return str(node.get_friendly_name())
    raise AssertionError("a backbone has a convolution")
