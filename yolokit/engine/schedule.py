"""How far a training is, by batches or by the clock, and what that means for learning rates."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

CLOSING_SECONDS = 2.0  # for writing model, checkpoint and the report's pictures
_RESERVE_MARGIN = 1.1  # the next validation may take a little longer than the last


@dataclass
class Clock:
    """Seconds of training so far, over all the sessions of a run that was resumed.

    Args:
        before: seconds spent in earlier sessions.
        started: monotonic time at which this session began.
    """

    before: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def elapsed(self) -> float:
        """Seconds of training up to now."""
        return self.before + time.monotonic() - self.started


@dataclass
class Progress:
    """The share of a training that is done.

    With a time budget the share is that of the seconds, less a reserve for the last evaluations,
    so that the whole run ends within its budget; else that of the batches.

    Args:
        clock: measures the run.
        time_budget: seconds the whole run may take, or None.
        total_batches: batches of the whole run; used without a budget.
        reserve: seconds kept back for what follows the last batch.
    """

    clock: Clock
    time_budget: float | None
    total_batches: int
    reserve: float = CLOSING_SECONDS

    def share(self, batches_done: int) -> float:
        """Done share in 0..1."""
        if self.time_budget is None:
            return min(1.0, batches_done / max(1, self.total_batches))
        usable = max(1e-9, self.time_budget - self.reserve)
        return min(1.0, self.clock.elapsed() / usable)

    def reserve_for(self, seconds: float) -> None:
        """Keep back what evaluating takes at the end, with a margin, and the closing seconds."""
        self.reserve = _RESERVE_MARGIN * seconds + CLOSING_SECONDS


def lr_factor(share: float, *, warmup: float, final: float) -> float:
    """The learning rate at a share of the training, relative to its peak.

    A linear climb over ``warmup``, then half a cosine down to ``final`` (Loshchilov and Hutter
    2017, one cycle).

    Args:
        share: done share in 0..1.
        warmup: share of the training spent climbing, 0..1.
        final: factor at the end, 0..1.
    """
    if share < warmup:
        return max(share / warmup, 1e-3)
    fall = (share - warmup) / max(1e-9, 1 - warmup)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, fall)))
