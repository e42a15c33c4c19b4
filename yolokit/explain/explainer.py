"""All explanations of one model: the Python way in, ``model.explain``.

Shape legend: H × W pixels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from yolokit.explain.before import truth_of
from yolokit.explain.cells import cells_answering, cells_found
from yolokit.explain.cells_sheet import answering_sheet, found_sheet
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

    def cells(
        self, picture: Source, *, data: str | Path | None = None, conf: float = CONF
    ) -> Sheet:
        """The grids over a picture and the cell that each box comes from.

        Args:
            picture: to detect in; a path where ``data`` is given.
            data: a data set that holds labels of the picture; given, the cells that answer for its
                truths are shown instead, with their losses.
            conf: show what scores more than this, 0..1.

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
