"""A server under load: how long clients wait, beside the network alone on the same pictures.

    python benchmarks/speed/serving.py --pictures DIR --model cells.onnx --out serving.json

``yolokit serve`` runs as a process of its own; clients, each with a connection that stays open,
send pictures as fast as they are answered. Before a time is printed, every answer is compared with
what the model finds without a server. The network alone is timed in this process, before the
server starts: one picture at a time, prepared. With more clients than the machine has processors a
request waits for those before it: 8 clients cannot wait less than 8 pictures' computing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from existing import existing

from yolokit.data.images import read_image
from yolokit.data.prepare import prepare_image
from yolokit.inference.predictor import Predictor
from yolokit.video.frames import Kind
from yolokit.video.sources import find_sources

_WARM_UP = 5  # runs that do not count
_NEAR = {"score": 1e-3, "box": 0.05}  # a batch adds numbers in another order; box in pixels


def main() -> None:
    """Time the network, then the server, compare what was found, print a table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=existing, required=True, help="folder of pictures")
    parser.add_argument("--model", type=existing, required=True)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=25, help="of each client")
    parser.add_argument("--out", type=Path, help="JSON")
    options = parser.parse_args()
    sources = find_sources([str(options.pictures)])
    files = [source.path for source in sources if source.kind is Kind.IMAGE and source.path]
    predictor = Predictor.load(options.model)
    wanted = [result.to_dict()["detections"] for result in predictor.predict(files)]
    rows = {"network alone": spread(alone(predictor, files, options.clients * options.requests))}
    with server(options.model) as port:
        began = time.perf_counter()
        answers = load(port, files, options.clients, options.requests)
        seconds = time.perf_counter() - began
    require_equal(answers, wanted)
    rows["request"] = spread([spent for _, spent, _ in answers])
    for part in answers[0][2]["ms"]:
        rows[f"  {part}"] = spread([answer["ms"][part] / 1000 for _, _, answer in answers])
    report = {"requests": len(answers), "a second": len(answers) / seconds, "ms": rows}
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"{len(answers)} requests, none lost, {report['a second']:.1f} a second; milliseconds:")
    for name, (middle, high) in rows.items():
        print(f"{name:<16} p50 {middle:8.1f}   p95 {high:8.1f}")


def spread(seconds: Sequence[float]) -> tuple[float, float]:
    """The median, and what 95 of 100 stay below, in milliseconds."""
    middle, high = (1000 * np.percentile(seconds, (50, 95))).tolist()
    return middle, high


def alone(predictor: Predictor, files: Sequence[Path], runs: int) -> list[float]:
    """Seconds of the network for one picture, run by run."""
    prepared = [prepare_image(read_image(file), predictor.image_hw)[0][None] for file in files]
    spent = []
    for run in range(_WARM_UP + runs):
        began = time.perf_counter()
        predictor.backend(prepared[run % len(prepared)], score_threshold=0.25)
        spent.append(time.perf_counter() - began)
    return spent[_WARM_UP:]


@contextmanager
def server(model: Path) -> Iterator[int]:
    """The port of a server that runs meanwhile."""
    command = [sys.executable, "-m", "yolokit", "serve", str(model), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r":(\d+) ", process.stdout.readline())
        if found is None:
            sys.exit("error: the server did not start")
        yield int(found[1])
    finally:
        process.terminate()
        process.wait()


def load(
    port: int, files: Sequence[Path], clients: int, requests: int
) -> list[tuple[int, float, Any]]:
    """For every request the picture's number, the seconds, and the answer."""
    bodies = [file.read_bytes() for file in files]

    def client(number: int) -> list[tuple[int, float, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        answers = []
        for turn in range(requests):
            place = (number * requests + turn) % len(bodies)
            began = time.perf_counter()
            connection.request("POST", "/v1/detect", bodies[place])
            response = connection.getresponse()
            answer = json.loads(response.read())
            if response.status != 200:
                sys.exit(f"error: a request was answered {response.status}: {answer}")
            answers.append((place, time.perf_counter() - began, answer))
        connection.close()
        return answers

    with ThreadPoolExecutor(clients) as pool:
        return [answer for each in pool.map(client, range(clients)) for answer in each]


def require_equal(answers: Sequence[tuple[int, float, Any]], wanted: Sequence[Any]) -> None:
    """End where an answer is not what the model finds by itself."""
    for place, _, answer in answers:
        alone, served = wanted[place], answer["detections"]
        corners = [[x, y, x + w, y + h] for x, y, w, h in (each["box_xywh"] for each in served)]
        same = len(alone) == len(served) and all(
            a["name"] == s["name"]
            and abs(a["score"] - s["score"]) <= _NEAR["score"]
            and np.allclose(a["box"], box, atol=_NEAR["box"], rtol=0)
            for a, s, box in zip(alone, served, corners, strict=True)
        )
        if not same:
            sys.exit(f"error: picture {place}: the server found {served}, the model {alone}")


if __name__ == "__main__":
    main()
