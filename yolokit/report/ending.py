"""What a training says at its end: how good it is, where the model lies, what to type next."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from typing import Any

from yolokit.engine.console import clock_text
from yolokit.engine.run_folder import RunFolder
from yolokit.engine.training import Finished
from yolokit.evaluation.coco_map import CocoMetrics
from yolokit.evaluation.metrics_text import class_table
from yolokit.files import shown_path
from yolokit.models.card import SAME_AP, ModelCard
from yolokit.models.model_path import card_of
from yolokit.report.facts import data_folder

_CLASSES = 20  # that are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A run that has ended.

    Args:
        folder: of the run.
        finished: what it was.
        metrics: of the kept model on the validation pictures; None where there are none, or where
            the report failed.
        seconds: that the run took, its report included.
    """

    folder: RunFolder
    finished: Finished
    metrics: CocoMetrics | None
    seconds: float

    def text(self) -> str:
        """For people, commands to type among it."""
        rows = self.folder.read_metrics()
        count = f"{len(rows)} {'epoch' if len(rows) == 1 else 'epochs'}"
        lines = [f"\ndone: {count} in {clock_text(self.seconds)}; {self._kept(rows)}"]
        if self.metrics is not None:
            lines += ["", class_table(self.metrics, most=_CLASSES)]
        size = self.folder.model.stat().st_size / 1e6
        lines += ["", f"model   {self.folder.model}  ({size:.1f} MB)"]
        if self.folder.report.is_file():
            lines.append(f"report  {self.folder.report}")
        lines += _in_bf16(card_of(self.folder.path))
        first, *rest = self.commands()
        return "\n".join([*lines, f"next    {first}", *(f"        {each}" for each in rest)])

    def record(self) -> dict[str, Any]:
        """For programs: plain values; None where there is nothing to score."""
        rows = self.folder.read_metrics()
        return {
            "run": str(self.folder.path),
            "model": str(self.folder.model),
            "report": str(self.folder.report) if self.folder.report.is_file() else None,
            "epochs": len(rows),
            "kept_epoch": _best(rows),
            "seconds": round(self.seconds, 1),
            "scores": None if self.metrics is None else self.metrics.to_dict(),
        }

    def commands(self) -> list[str]:
        """What to type next: detect in a picture that is there, and score on what is left."""
        finished, run = self.finished, shlex.quote(str(self.folder.path))
        seen = finished.validator.dataset.data if finished.validator else finished.train_set
        picture = shlex.quote(str(shown_path(seen.image_paths[0])))
        commands = [f"yolokit detect {run} {picture}"]
        test = finished.config.data.test
        where = None if test is None else data_folder(test, "test")
        if where is not None:
            data = shlex.quote(str(shown_path(where)))
            commands.append(f"yolokit eval {run} --data {data} --split test")
        return commands

    def _kept(self, rows: list[dict[str, str]]) -> str:
        best = _best(rows)
        if best is None:
            return "kept is the last one, for nothing was scored"
        scored = sum(bool(row.get("AP")) for row in rows)
        return f"kept is epoch {best}, the best of {scored} that were scored"


def _in_bf16(card: ModelCard) -> list[str]:
    """What bfloat16 does to AP, where it was measured."""
    whole, half = card.metrics.get("AP"), card.metrics.get("AP_bf16")
    if whole is None or half is None:
        return []
    then = (
        "processors that are fast in it detect in it"
        if card.keeps_ap_in_bf16
        else f"over {SAME_AP:g} apart, so only --precision bf16 detects in it"
    )
    return [f"bf16    AP {half:.4f} for {whole:.4f} in 32 bits: {then}"]


def _best(rows: list[dict[str, str]]) -> int | None:
    """The epoch whose model is kept, counted from 1: of equals the last; None without scores."""
    scored = [
        (float(row["AP"]), int(row["epoch"]))
        for row in rows
        if row.get("AP") and not math.isnan(float(row["AP"]))
    ]
    return max(scored)[1] if scored else None
