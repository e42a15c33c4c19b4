"""How far a training is, by batches or by the clock, and what that means for learning rates."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from yolokit.engine.ranks import from_first_rank

CLOSING_SECONDS = 2.0  # for writing model, checkpoint and the report's pictures
_RESERVE_MARGIN = 1.1  # the next validation may take a little longer than the last
_MOST_RESERVE = 0.9  # of what set-up left of the budget: something must be trained to be scored


@dataclass
class Clock:
    """Seconds of a run so far, over all its sessions where it was resumed.

    Args:
        before: seconds spent in earlier sessions.
        now: the time in seconds, from any origin; monotonic.
    """

    before: float = 0.0
    now: Callable[[], float] = time.monotonic
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.now()

    def session(self) -> float:
        """Seconds of this session up to now."""
        return self.now() - self.started

    def elapsed(self) -> float:
        """Seconds of the run up to now."""
        return self.before + self.session()


@dataclass
class Progress:
    """The share of a training that is done, the same on every rank.

    With a time budget the share is that of the seconds between the first step and the end of the
    budget, less a reserve for the last evaluations: set-up counts against the budget but not as
    training, and the whole run ends in time. Else it is the share of the batches.

    Args:
        clock: measures the run.
        time_budget: seconds the whole run may take, or None.
        total_batches: batches of the whole run; used without a budget.
        reserve: seconds kept back for what follows the last batch.
        validation: seconds one validation is expected to take; None until measured.
        setup: seconds before the first step, over all sessions.
    """

    clock: Clock
    time_budget: float | None
    total_batches: int
    reserve: float = CLOSING_SECONDS
    validation: float | None = None
    setup: float = 0.0
    _latest: float = 0.0
    _step_began: float = 0.0
    _training: bool = False

    def begin(self) -> None:
        """Note the first step of this session; what went before was set-up."""
        if not self._training:
            self._training = True
            self.setup += self.clock.session()

    def share(self, batches_done: int) -> float:
        """Done share in 0..1; under a budget the first rank's, so all ranks must ask together."""
        if self.time_budget is None:
            return min(1.0, batches_done / max(1, self.total_batches))
        self._step_began = self.clock.elapsed()
        self._latest = from_first_rank(self._by_the_clock())
        return self._latest

    def budget_spent(self) -> bool:
        """Whether another step like the last would eat into the reserve; asked after each step.

        All ranks must ask together; the first one's clock decides.
        """
        if self.time_budget is None:
            return False
        elapsed = self.clock.elapsed()
        next_ends = elapsed + (elapsed - self._step_began)
        return bool(from_first_rank(float(next_ends > self.setup + self._usable())))

    def share_of_batch(self, batch: int) -> float:
        """The share at which a batch that is drawn now is trained on, as far as is known.

        Exact without a budget; with one it is what all ranks last agreed on, so that they draw
        the same pictures.

        Args:
            batch: its number in the whole run, from 0.
        """
        return self.share(batch) if self.time_budget is None else self._latest

    def reserve_for(self, *, validation: float, report: float) -> None:
        """Keep back what the evaluations at the end take, with a margin, and the closing seconds.

        Args:
            validation: seconds of one validation, by all ranks together.
            report: seconds of the report's scoring, by one process.
        """
        self.validation = _RESERVE_MARGIN * validation
        self.reserve = self.validation + _RESERVE_MARGIN * report + CLOSING_SECONDS

    def has_room(self) -> bool:
        """Whether the evaluations at the end fit into the budget after some training."""
        return self.time_budget is None or self.reserve <= self._most_reserve()

    def validation_fits(self) -> bool:
        """Whether a validation now leaves time for the last one; all ranks must ask together."""
        if self.time_budget is None or self.validation is None:
            return True
        left = self.time_budget - self.reserve - self.clock.elapsed()
        return bool(from_first_rank(float(self.validation <= left)))

    def state_dict(self) -> dict[str, float | None]:
        """What a resumed run needs to go on where this one was."""
        return {
            "elapsed": self.clock.elapsed(),
            "setup": self.setup,
            "reserve": self.reserve,
            "validation": self.validation,
            "share": self._latest,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what an earlier session measured."""
        self.clock.before = float(state["elapsed"])
        self.setup = float(state["setup"])
        self.reserve = float(state["reserve"])
        self.validation = state["validation"]
        self._latest = float(state["share"])

    def _by_the_clock(self) -> float:
        trained = max(0.0, self.clock.elapsed() - self.setup)
        return min(1.0, trained / max(1e-9, self._usable()))

    def _usable(self) -> float:
        """Seconds to train in, from the first step to the reserve."""
        assert self.time_budget is not None
        return self.time_budget - self.setup - min(self.reserve, self._most_reserve())

    def _most_reserve(self) -> float:
        assert self.time_budget is not None
        return _MOST_RESERVE * max(0.0, self.time_budget - self.setup)


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
