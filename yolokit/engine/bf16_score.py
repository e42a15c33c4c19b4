"""Whether a trained model may be computed in bfloat16: AP on its validation pictures decides."""

from __future__ import annotations

import sys

from yolokit.engine.devices import is_scored_in_bf16
from yolokit.engine.run_folder import RunFolder
from yolokit.engine.training import Finished
from yolokit.inference.torch_backend import TorchBackend
from yolokit.models.card import TELLING_AP
from yolokit.models.model_file import load_model, save_model
from yolokit.signals import SignalWatch


def leave_bf16_score(folder: RunFolder, finished: Finished, signals: SignalWatch) -> None:
    """Score the kept model in bfloat16 too, and write its AP into its file; weights are kept.

    One that finds next to nothing is not scored: it has no AP to lose.

    Where that fails the model is detected with in 32 bits, which is said, and the run goes on.

    Args:
        folder: of the run.
        finished: what the run was; this process alone scores.
        signals: of this process; a signal ends it here too.
    """
    if finished.validator is None or not is_scored_in_bf16(finished.device):
        return
    done = "stopped; the training is done and only a score in bf16 is missing"
    signals.message = f"{done}: {folder.path}"
    try:
        detector, card = load_model(folder.model)
        if (card.metrics.get("AP") or 0.0) < TELLING_AP:
            return
        backend = TorchBackend.of_final(detector, finished.device, in_bf16=True)
        found = {"AP_bf16": finished.validator.score_backend(backend).AP}
        card = card.model_copy(update={"metrics": {**card.metrics, **found}})
        save_model(folder.model, detector, card)
    except Exception as error:  # whatever it is, the trained model is safe and must count
        signals.raise_swallowed()
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"note: {folder.model} could not be scored in bf16: {reason}", file=sys.stderr)
