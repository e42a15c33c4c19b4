"""A loaded model as people who script have it: it predicts, and can be exported. Needs no torch.

``Predictor`` stands below the exporters and cannot know them; what joins the two stands above both.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from yolokit.errors import ExportError
from yolokit.inference.exported import ComputePrecision
from yolokit.inference.loading import load_backend
from yolokit.inference.predictor import Predictor
from yolokit.models.card import ModelCard
from yolokit.models.torchvision_name import NOT_EXPORTED

if TYPE_CHECKING:
    from yolokit.export.write import Exported
    from yolokit.models.export_record import ExportFormat, Precision


class Model(Predictor):
    """A trained detector: see ``Predictor`` for what it does, ``load`` for where it is from."""

    path: Path | None = None  # what it was loaded from

    def export(
        self,
        format: ExportFormat,
        *,
        out: str | Path | None = None,
        data: str | Path | None = None,
        precision: Precision = "f32",
        dynamic: bool = False,
        nms: bool = False,
        max_drop: float = 0.5,
    ) -> Exported:
        """Write it for other runtimes and prove that what is written is the same.

        Args:
            format: ``onnx``, one file, or ``openvino``, a folder.
            out: the file or folder; by default beside the model's own.
            data: a data folder or data.yaml to check on; by default the run's own val split, else
                made-up photos. ``int8`` is calibrated on its train split.
            precision: ``f32``, ``f16``, or ``int8`` (OpenVINO).
            dynamic: take any number of pictures at once, not one.
            nms: suppress duplicates inside, by the model's own thresholds.
            max_drop: AP points of 100; a file that loses more is refused.

        Returns:
            Where it is, its card, and AP before and after.

        Raises:
            ExportError: a library is missing, the file is not good enough (and is not there), or
                this model is an exported one itself, or torchvision's.
            DataError, ConfigError: see ``yolokit.export.write``.
        """
        if self.card.export is not None:  # asked first: there may be no torch to import
            raise ExportError("this model is an exported one. Export the one it came from")
        if not isinstance(self.card, ModelCard):
            raise ExportError(NOT_EXPORTED)
        from yolokit.export.options import ExportOptions
        from yolokit.export.write import export_model
        from yolokit.inference.torch_backend import TorchBackend
        from yolokit.models.transfer import model_file

        options = ExportOptions(
            format=format, precision=precision, dynamic=dynamic, nms=nms, max_drop=max_drop
        )
        assert isinstance(self.backend, TorchBackend)
        return export_model(
            self.backend.detector,
            self.card,
            options,
            file=None if self.path is None else model_file(self.path),
            data=None if data is None else Path(data),
            out=None if out is None else Path(out),
        )


def load(path: str | Path, *, device: str = "auto", precision: ComputePrecision = "auto") -> Model:
    """Read a model of any kind, ready to predict; see ``Predictor.load``."""
    model = Model(*load_backend(Path(path), device, precision))
    model.path = Path(path)
    return model
