"""Who may ask, and what browsers are told."""

from __future__ import annotations

import pytest
from served import Served, cells_picture, encoded, serving

from yolokit.inference.predictor import Predictor
from yolokit.serving.page_files import page_files

PNG = encoded(cells_picture((0, 0, "red")))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost:9000", 200),
        ("[::1]:80", 200),
        ("192.168.0.7", 200),
        ("evil.example:8000", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.nip.io", 403),
        ("[", 403),
        ("", 403),
    ],
)
def test_only_names_that_are_ours(served: Served, host: str, status: int) -> None:
    assert served.get("/live", Host=host).status == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:8000", 200),
        ("http://127.0.0.1:1234", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
def test_pages_of_others_may_not_post(served: Served, origin: str, status: int) -> None:
    answer = served.post("/v1/detect", PNG, Host="127.0.0.1:8000", Origin=origin)
    assert answer.status == status
    assert "access-control-allow-origin" not in answer.headers


def test_a_name_that_was_given(predictor: Predictor) -> None:
    with serving(predictor, names=("detect.example",)) as named:
        asked = {"Host": "Detect.example", "Origin": "https://detect.example"}
        assert named.ask("POST", "/v1/detect", PNG, asked).status == 200
        behind = {"Host": "127.0.0.1:8000", "Origin": "https://detect.example"}
        assert named.ask("POST", "/v1/detect", PNG, behind).status == 200
        elsewhere = {**behind, "Origin": "http://detect.example:9999"}
        assert named.ask("POST", "/v1/detect", PNG, elsewhere).status == 403
        assert named.get("/live", Host="other.example").status == 403


@pytest.mark.parametrize("path", [*page_files(), "/live", "/v1/model", "/metrics", "/nowhere"])
def test_head_is_get_without_the_body(served: Served, path: str) -> None:
    whole, head = served.get(path), served.ask("HEAD", path)
    assert (head.status, head.body) == (whole.status, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]
    if path in page_files():
        assert int(head.headers["content-length"]) == len(whole.body) > 0


def test_what_is_not_allowed_is_said_with_what_is(served: Served) -> None:
    assert served.ask("HEAD", "/v1/detect").status == 405
    answer = served.ask("PUT", "/v1/detect")
    assert (answer.status, answer.kind, answer.headers["allow"]) == (405, "path", "POST")


@pytest.mark.parametrize("path", ["/", "/page.js", "/v1/model", "/nowhere"])
def test_every_answer_carries_the_policy(served: Served, path: str) -> None:
    headers = served.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


def test_no_answer_names_a_file_of_this_machine(served: Served, cells: object) -> None:
    answer = served.get("/v1/model")
    assert answer.json["name"] == "cells.onnx"
    assert str(cells).rpartition("/")[0].encode() not in answer.body
    assert [each["name"] for each in answer.json["classes"]] == ["red", "green", "blue"]
    assert answer.json["classes"][1]["category_id"] == 90


def test_the_api_describes_itself(served: Served) -> None:
    described = served.get("/openapi.json").json
    assert {"/v1/detect", "/v1/films", "/v1/model", "/live", "/ready", "/metrics"} <= set(
        described["paths"]
    )
    post = described["paths"]["/v1/detect"]["post"]
    assert set(post["requestBody"]["content"]) == {"image/*", "multipart/form-data"}
    assert {"200", "413", "422", "503", "504"} <= set(post["responses"])
    assert served.get("/docs").status == 404  # its scripts would come from another host
    for path in ("/nowhere", "/page.js/"):
        answer = served.get(path)
        assert (answer.status, answer.kind) == (404, "path")
    assert served.get("/v1/detect").status == 405
