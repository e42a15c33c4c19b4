"""What loggers are told of names and addresses: each metric its own, and no password."""

from __future__ import annotations

import json
import math
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers.logger import DummyLogger

from yolokit.engine.console import Console
from yolokit.engine.logger_kinds import KINDS, Begun, class_terms
from yolokit.engine.loggers import QuietLogger
from yolokit.engine.run_folder import RunFolder


def test_classes_of_like_names_do_not_take_each_others_place() -> None:
    assert class_terms(["a/b", "a_b", "..", "fish"]) == [
        "AP/a_b",
        "AP/a_b 2",
        "AP/class 2",
        "AP/fish",
    ]


def test_a_number_that_is_none_moves_no_other_ones_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two classes are one word to MLflow, and in an epoch the first has no AP."""
    taken: list[dict[str, float]] = []

    class Noting(DummyLogger):
        def log_metrics(self, metrics: Any, step: int | None = None) -> None:
            taken.append(metrics)

    kind = KINDS["mlflow"]._replace(begin=lambda *_: Begun(Noting(), {}, lambda _: None))
    monkeypatch.setitem(KINDS, "mlflow", kind)
    logger = QuietLogger("mlflow", RunFolder(tmp_path), Console())
    logger.begin({}, None, -1)
    for first in (0.5, math.nan):
        logger.log_metrics({"AP/猫": first, "AP/毛": 0.25}, 1)
    assert taken == [{"AP/Mao": 0.5, "AP/Mao 2": 0.25}, {"AP/Mao 2": 0.25}]


def test_a_password_of_mlflows_address_is_neither_kept_nor_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mlflow", reason="the package mlflow is not installed (extra mlflow)")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with mlflow_server() as (address, asked):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ann:s3cret@{address}")
        begun = KINDS["mlflow"].begin(tmp_path, {}, True)
        assert begun.remembered == {"id": "r1", "uri": f"http://{address}"}
        again = KINDS["mlflow"].begin(tmp_path, begun.remembered, True)
        assert again.continued and set(asked) == {"Basic " + b64encode(b"ann:s3cret").decode()}
    logger = QuietLogger("mlflow", RunFolder(tmp_path), Console())
    assert logger.begin({}, None, -1) is None  # nobody answers any more
    said = capsys.readouterr().err
    assert "mlflow takes no numbers" in said and "s3cret" not in said


@contextmanager
def mlflow_server() -> Iterator[tuple[str, list[str]]]:
    """One that has an experiment and a run; its address, and who asked it."""
    asked: list[str] = []
    info = {"run_id": "r1", "run_uuid": "r1", "experiment_id": "1", "status": "RUNNING"}
    known = {
        "experiment": {"experiment_id": "1", "name": "yolokit", "lifecycle_stage": "active"},
        "run": {"info": {**info, "lifecycle_stage": "active"}, "data": {}},
        "run_info": info,
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Authorization", ""))
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(known).encode())

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
