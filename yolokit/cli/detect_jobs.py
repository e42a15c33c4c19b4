"""What ``yolokit detect`` is asked for: where from, where to, and which detections."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yolokit.data.coco_tree import CocoTree
    from yolokit.inference.predictor import Predictor
    from yolokit.video.frames import Skipped, Source


@dataclass(frozen=True)
class Job:
    """Sources that are written to one folder and one JSON file; ``split`` of a data set."""

    sources: list[Source]
    split: str | None = None
    truth: CocoTree | None = None  # of that split

    def category_ids(self, predictor: Predictor) -> list[int | None] | None:
        """The data set's own category id of each of the model's labels."""
        if self.truth is None:
            return None
        from yolokit.data.classes import align_categories

        return align_categories(
            predictor.class_names, predictor.category_ids, self.truth, strict=False
        )

    def folder(self, out: Path) -> Path:
        """Where pictures and videos go."""
        return out if self.split is None else out / self.split

    def json_file(self, out: Path) -> Path:
        """Where detections go."""
        return out / ("detections.json" if self.split is None else f"detections_{self.split}.json")


@dataclass(frozen=True)
class Wanted:
    """Which of the detections are reported.

    Args:
        conf: what scores more.
        iou: see ``Predictor.predict_images``.
        limit: at most so many in a picture, the best.
        limit_given: whether the user said so.
        labels: of these classes only; None: of all.
    """

    conf: float
    iou: float | None
    limit: int
    limit_given: bool
    labels: list[int] | None = None

    @classmethod
    def of(
        cls,
        predictor: Predictor,
        *,
        conf: float,
        iou: float | None,
        max_objects: int | None,
        classes: str | None,
    ) -> Wanted:
        """What a command's options ask of a model.

        Raises:
            YolokitError: it knows no such class, or cannot do what is asked.
        """
        from yolokit.inference.classes import labels_of, split_classes

        names = predictor.class_names
        wanted = cls(
            conf=conf,
            iou=iou,
            limit=max_objects or predictor.card.predict.max_detections,
            limit_given=max_objects is not None,
            labels=None if classes is None else labels_of(split_classes(classes, names), names),
        )
        predictor.require_possible(conf=conf, iou=iou, max_detections=max_objects)
        return wanted


def plan_jobs(words: tuple[str, ...]) -> list[Job]:
    """One job for all sources, or one for each split of a data set.

    Raises:
        SourceError: a word names nothing.
        DataError: a data set that cannot be read, or has no pictures.
    """
    from yolokit.data.locate import locate_splits
    from yolokit.data.split_names import WHOLE
    from yolokit.errors import DataError
    from yolokit.evaluation.coco_io import load_split
    from yolokit.video.detect import dataset_sources
    from yolokit.video.sources import find_sources

    path = Path(words[0])
    is_yaml = path.suffix.lower() in {".yaml", ".yml"}
    if len(words) == 1 and (path.is_dir() or is_yaml):
        try:
            splits = locate_splits(path)
        except DataError:
            if is_yaml:
                raise
            splits = {}  # no data set: a folder of pictures
        if splits and WHOLE not in splits:  # else a folder of pictures, labelled or not
            trees = {name: load_split(split) for name, split in splits.items()}
            if not any(tree.file_names for tree in trees.values()):
                raise DataError(f"the data set {path} lists no picture. Give one that does")
            return [
                Job(dataset_sources(tree, splits[name].images), name, tree)
                for name, tree in trees.items()
            ]
    return [Job(find_sources(words, sys.stdin))]


def readable_jobs(jobs: Sequence[Job]) -> tuple[list[Job], list[Skipped]]:
    """The jobs without films that cannot be read, and these.

    Raises:
        SourceError: none of the sources can be read.
    """
    from yolokit.video.ahead import look_ahead

    ahead = look_ahead([source for job in jobs for source in job.sources])
    readable = set(ahead.readable)
    kept = [replace(job, sources=[s for s in job.sources if s in readable]) for job in jobs]
    return kept, ahead.skipped
