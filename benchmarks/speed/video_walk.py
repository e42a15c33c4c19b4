"""A film to an annotated film: the whole walk beside each of its stages alone.

    python benchmarks/speed/video_walk.py --model runs/cells/model.safetensors --video film.mp4 \
        --frames 1000 --memory-frames 5000 --out video.json

Reading, predicting and writing run at the same time; at best the walk is as fast as its slowest
stage. Stages alone have the machine to themselves, and the network's threads take all of its
processors: where those are few, the walk cannot reach that. So ``processors`` is told too: the
processor seconds of the stages, over the processors there are, as frames a second. A short film is
gone through several times. Memory is that of the process after a fifth of the frames and at the
end.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

from existing import existing

Figures: TypeAlias = dict[str, float]


def main() -> None:
    """Measure in turn, print a table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=existing, required=True)
    parser.add_argument("--video", type=existing, required=True)
    parser.add_argument("--frames", type=int, default=300, help="of each measurement")
    parser.add_argument("--memory-frames", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=4, help="frames ahead, as of yolokit detect")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True, help="JSON")
    options = parser.parse_args()
    for path in (options.model, options.video):
        if not path.exists():
            parser.error(f"{path} is missing")
    with tempfile.TemporaryDirectory() as folder:
        report = measure(options, Path(folder))
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Frames a second of the stages and of the walk, and memory of a long walk."""
    import yolokit

    predictor = yolokit.load(options.model, device="cpu")
    stages = Stages(predictor, options.video, options.frames, options.batch, folder)
    names = ("read", "predict", "write", "walk")
    rounds = [{name: timed(getattr(stages, name)) for name in names} for _ in range(options.rounds)]
    fps = {
        name: options.frames / median(each[name]["seconds"] for each in rounds) for name in names
    }
    processor = sum(median(each[name]["processor"] for each in rounds) for name in names[:-1])
    slowest = min(fps[name] for name in names[:-1])
    long = Stages(predictor, options.video, options.memory_frames, options.batch, folder)
    return {
        "options": {name: str(value) for name, value in vars(options).items() if name != "out"},
        "fps": fps,
        "walk of slowest stage": fps["walk"] / slowest,
        "fps of all processors": options.frames * (os.cpu_count() or 1) / processor,
        "memory_mb": long.memory(),
        "rounds": rounds,
    }


class Stages:
    """The walk of ``yolokit detect`` over a film, and its stages one by one.

    Args:
        predictor: the model.
        video: gone through as often as needed.
        frames: how many.
        batch: predicted together, or taken ahead of those that workers look at.
        folder: for what is written.
    """

    def __init__(self, predictor: Any, video: Path, frames: int, batch: int, folder: Path) -> None:
        from yolokit.video.sources import find_sources

        self._predictor, self._frames, self._folder = predictor, frames, folder
        self._batch = batch
        self._sources = find_sources([str(video)])
        self._kept = list(itertools.islice(self._read(), 32))
        self._found = self._predict([frame.image for frame in self._kept])

    def read(self) -> None:
        """Decode."""
        for _ in itertools.islice(self._read(), self._frames):
            pass

    def predict(self) -> None:
        """Prepare, network, postprocess."""
        from yolokit.video.pipeline import predicted

        frames = itertools.islice(itertools.cycle(self._kept), self._frames)
        workers = self._predictor.workers
        for _ in predicted(frames, self._predict, batch_size=self._batch, workers=workers):
            pass

    def write(self) -> None:
        """Draw, encode, and write JSON."""
        with self._sinks() as sinks:
            pairs = itertools.cycle(zip(self._kept, self._found, strict=True))
            for number, (frame, found) in enumerate(itertools.islice(pairs, self._frames)):
                self._write(sinks, number, frame, found)

    def walk(self) -> None:
        """All of them at the same time."""
        from yolokit.video.pipeline import run_pipeline

        numbers = itertools.count()
        with self._sinks() as sinks:
            run_pipeline(
                itertools.islice(self._read(), self._frames),
                self._predict,
                lambda frame, found: self._write(sinks, next(numbers), frame, found),
                batch_size=self._batch,
                workers=self._predictor.workers,
            )

    def memory(self) -> Figures:
        """MB of the process after a fifth of a walk, and at its end."""
        from yolokit.video.pipeline import run_pipeline

        taken: list[float] = []
        numbers = itertools.count()

        def consume(frame: Any, found: Any) -> None:
            number = next(numbers)
            self._write(sinks, number, frame, found)
            if number + 1 in (self._frames // 5, self._frames):
                taken.append(resident_mb())

        with self._sinks() as sinks:
            frames = itertools.islice(self._read(), self._frames)
            run_pipeline(
                frames,
                self._predict,
                consume,
                batch_size=self._batch,
                workers=self._predictor.workers,
            )
        return {"after a fifth": taken[0], "at the end": taken[1]}

    def _read(self) -> Iterator[Any]:
        from yolokit.video.reader import FrameReader

        while True:
            yield from FrameReader(self._sources)

    def _predict(self, images: list[Any]) -> Any:
        return self._predictor.predict_images(images)

    @contextmanager
    def _sinks(self) -> Iterator[list[Any]]:
        from yolokit.video.detect import Painter
        from yolokit.video.json_sinks import RecordSink
        from yolokit.video.names import OutputNames
        from yolokit.video.sinks import AnnotatedSink

        names = self._predictor.class_names
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            folder = Path(name)
            sinks = [
                AnnotatedSink(OutputNames(folder, self._sources), Painter(names)),
                RecordSink(folder / "detections.json", names),
            ]
            yield sinks
            for sink in sinks:
                sink.close()

    def _write(self, sinks: list[Any], number: int, frame: Any, found: Any) -> None:
        from dataclasses import replace

        film = self._kept[0]
        at_ms = number * 1000 / film.fps  # the film may begin anew
        moved = replace(frame, source=film.source, index=number, pts_ms=at_ms)
        for sink in sinks:
            sink.write(moved, found)


def timed(stage: Callable[[], None]) -> Figures:
    """Seconds and processor seconds of a stage."""
    started, before = time.perf_counter(), processor_seconds()
    stage()
    return {"seconds": time.perf_counter() - started, "processor": processor_seconds() - before}


def processor_seconds() -> float:
    """Of this process and of those that it started and that have ended: an encoder's, too."""
    used = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def resident_mb() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    if sys.platform != "linux":
        raise SystemExit("memory is read from /proc: Linux only")
    main()
