"""All explanations of one model: the Python way in, ``model.explain``.

Shape legend: H × W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from yolokit.errors import ConfigError
from yolokit.explain.before import label_of, truth_of
from yolokit.explain.cam_sheet import cam_sheet, place_of
from yolokit.explain.cells import cells_answering, cells_found
from yolokit.explain.cells_sheet import answering_sheet, found_sheet
from yolokit.explain.features import features_sheet
from yolokit.explain.filters import filters_sheet
from yolokit.explain.layers import Layers, layer_table
from yolokit.explain.seen import look
from yolokit.explain.sheet import Sheet
from yolokit.inference.sources import Source, pixels_of
from yolokit.models.card import ModelCard
from yolokit.models.detector import Detector

CONF = 0.25  # of detections, as ``predict`` has it


class Explainer:
    """Looks into a trained detector.

    Pictures are paths, arrays [H, W, 3] uint8 RGB, or PIL images. What comes back shows itself in
    a notebook and can be saved; its ``numbers`` are all that is drawn.

    Args:
        detector: in evaluation mode; not changed.
        card: its card.
    """

    def __init__(self, detector: Detector, card: ModelCard) -> None:
        self.detector = detector
        self.card = card

    def model(self, *, every_layer: bool = False) -> Layers:
        """The detector as a table: output, parameters, cost and receptive field of each block.

        Args:
            every_layer: a row for each convolution, norm, sum, …, not for each block.
        """
        return layer_table(self.detector, self.card.image_hw, every_layer=every_layer)

    def filters(self, layer: str | None = None) -> Sheet:
        """The kernels of a convolution.

        Args:
            layer: its name, or that of a block whose first one is meant; None for the first of all.

        Raises:
            ConfigError: no such layer, or kernels of one weight.
        """
        return filters_sheet(self.detector, layer)

    def features(self, picture: Source) -> Sheet:
        """The strongest feature maps of each level of the backbone.

        Raises:
            ImageError: a picture that cannot be read.
        """
        return features_sheet(self.detector, look(self.detector, self.card, pixels_of(picture)))

    def cam(
        self,
        picture: Source,
        number: int | None = None,
        *,
        box: Sequence[float] | None = None,
        label: str | None = None,
        conf: float = CONF,
    ) -> Sheet:
        """Where the evidence for a box lies: by gradient, and by activation.

        Args:
            picture: to detect in.
            number: of a found box; the best is 1. None for that, or with ``box``.
            box: instead, x1, y1, x2, y2 in pixels of the picture: of the boxes decoded there the
                one that scores best.
            label: the name of the class to explain; None for that of the box.
            conf: boxes found score more than this, 0..1; of no effect with ``box``.

        Raises:
            ConfigError: no box of that number, a number and a box both, or no such class.
            ImageError: a picture that cannot be read.
        """
        names = self.card.class_names
        wanted = None if label is None else label_of(label, names)
        seen = look(self.detector, self.card, pixels_of(picture), score_threshold=conf)
        if number is not None and box is not None:
            raise ConfigError("give the number of a found box, or a box, not both")
        corners = None if box is None else np.asarray(box, dtype=np.float32)
        place, chosen = place_of(
            seen, number=1 if number is None else number, box=corners, label=wanted
        )
        return cam_sheet(self.detector, seen, place, chosen, names)

    def cells(
        self, picture: Source, *, data: str | Path | None = None, conf: float = CONF
    ) -> Sheet:
        """The grids over a picture and the cell that each box comes from.

        Args:
            picture: to detect in; a path where ``data`` is given.
            data: a data set that holds labels of the picture; given, the cells that answer for its
                truths are shown instead, with their losses.
            conf: show what scores more than this, 0..1; of no effect with ``data``.

        Raises:
            ImageError: a picture that cannot be read.
            DataError: the picture is not in the data.
            ValueError: ``data`` with a picture that is no path.
        """
        seen = look(self.detector, self.card, pixels_of(picture), score_threshold=conf)
        if data is None:
            return found_sheet(seen, cells_found(seen), self.card.class_names)
        if not isinstance(picture, str | Path):
            raise ValueError("with data, the picture must be the path of one of its pictures")
        boxes, labels, _ = truth_of(Path(picture), Path(data), self.card)
        answering = cells_answering(seen, boxes, labels.astype(np.int64))
        return answering_sheet(seen, answering, self.card.class_names)


def explainer_of(path: str | Path) -> Explainer:
    """The explainer of a model file.

    Raises:
        WeightsError: see ``load_model``.
    """
    from yolokit.models.model_file import load_model

    return Explainer(*load_model(Path(path)))
