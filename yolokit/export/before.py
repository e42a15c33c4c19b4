"""What can be said of an export before torch is imported."""

from __future__ import annotations

from pathlib import Path

from yolokit.data.check import require_labels
from yolokit.data.locate import locate_splits
from yolokit.errors import ExportError, WeightsError
from yolokit.export.options import ExportOptions, require_packages
from yolokit.export.target import default_target, require_target
from yolokit.models.export_record import exported_file
from yolokit.models.model_path import card_of, model_file
from yolokit.models.torchvision_name import NOT_EXPORTED, torchvision_name


def require_exportable(
    model: Path, options: ExportOptions, *, data: Path | None = None, out: Path | None = None
) -> None:
    """Refuse what cannot become an exported file, as far as paths and the model's card tell.

    Raises:
        WeightsError: no model of ours, or one that is exported already.
        ExportError: a detector of torchvision's, a library is missing, or the place is taken.
        DataError: no such data.
    """
    if torchvision_name(model) is not None:
        raise ExportError(NOT_EXPORTED)
    if exported_file(model):
        raise WeightsError(f"{model} is exported already. Give the model.safetensors it came from")
    require_packages(options)
    card_of(model)
    require_target(out or default_target(model_file(model), options), options.format)
    if data is not None:
        require_labels(locate_splits(data).values())
