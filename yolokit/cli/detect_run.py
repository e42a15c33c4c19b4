"""One walk of ``yolokit detect`` over its sources, and what is said at its end."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from yolokit.cli.detect_jobs import Job, Wanted
from yolokit.cli.detect_lines import Teller
from yolokit.cli.watching import (
    Manner,
    Watch,
    free_json,
    tell_end,
    tell_left_out,
    telling_kept,
)
from yolokit.inference.predictor import Predictor
from yolokit.video.detect import Outputs, Painter, detect
from yolokit.video.frames import Kind
from yolokit.video.walk import Outcome


def run(
    job: Job, predictor: Predictor, wanted: Wanted, out: Path, outputs: Outputs, manner: Manner
) -> Outcome:
    """Detect in a job's sources, write what is wanted, and say what was found.

    Args:
        outputs: without a JSON file and category ids, which are the job's.
    """
    names = predictor.class_names
    pictures = sum(source.kind is Kind.IMAGE for source in job.sources)
    teller = Teller(names, pictures, quiet=manner.quiet, as_json=manner.as_json)
    watch = Watch(predictor, wanted, teller, manner.view, Painter(names, outputs.style))
    began = time.monotonic()
    aloud = not (manner.quiet or manner.as_json)
    with telling_kept(teller, aloud=aloud):
        outcome = detect(
            job.sources,
            watch.predict,
            job.folder(out),
            class_names=names,
            batch_size=watch.batch_size,
            workers=watch.workers,
            outputs=replace(
                outputs,
                json_file=free_json(job.json_file(out)) if manner.save_json else None,
                category_ids=job.category_ids(predictor),
            ),
            observe=watch.observe,
            ended=teller.end_film,
            stop=manner.stop,
        )
    watch.tell_full()
    tell_left_out(outcome)
    if aloud:
        tell_end(outcome, teller, time.monotonic() - began, job.folder(out))
    return outcome
