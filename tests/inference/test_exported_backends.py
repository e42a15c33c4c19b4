"""Exported files, built by hand, answer what arithmetic says, and no stranger's file gets further.

Both backends are put through the same tests.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from exported_files import (
    HW,
    NMS,
    Edit,
    by_hand,
    constant,
    make_card,
    write_onnx,
    write_openvino,
)
from numpy.typing import NDArray

from yolokit.errors import ConfigError, WeightsError
from yolokit.inference.backend import is_backend
from yolokit.inference.loading import load_backend
from yolokit.models.card import ModelCard

Write = Callable[..., Path]


@pytest.fixture(params=["onnx", "openvino"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def write(kind: str, tmp_path: Path) -> Write:
    """Writes the model in this test's format: ``write(card, edit=…)``; ``export`` in its card."""

    def written(
        card: ModelCard | str | None = None, edit: Edit | None = None, **export: Any
    ) -> Path:
        card = make_card(format=kind, **export) if card is None else card
        if kind == "onnx":
            return write_onnx(tmp_path / "cells.onnx", card, edit=edit)
        return write_openvino(tmp_path / "cells_openvino", card, edit=edit)

    return written


def pictures(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, *HW, 3), dtype=np.uint8)


def refused(path: Path, kind: type[Exception] = WeightsError, **options: Any) -> str:
    """The one line with which a file is refused."""
    with pytest.raises(kind) as caught:
        backend, _ = load_backend(path, **options)
        backend(pictures(1))
    line = str(caught.value)
    assert "\n" not in line and "\x1b" not in line
    assert len(line) < 500
    return line


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("count", [1, 5])
def test_the_answer_is_the_arithmetics(write: Write, dynamic: bool, count: int) -> None:
    backend, card = load_backend(write(dynamic=dynamic), precision="f32")
    images = pictures(count)
    got, expected = backend(images), by_hand(images)
    assert is_backend(backend)
    assert backend.device == "cpu"
    assert card.class_names == ["red", "green", "blue"]
    assert got.boxes.dtype == got.scores.dtype == np.float32
    assert not got.one_to_one
    np.testing.assert_array_equal(got.boxes, expected.boxes)
    np.testing.assert_allclose(got.scores, expected.scores, atol=1e-6)


def test_a_one_to_one_file_is_marked(write: Write) -> None:
    backend, _ = load_backend(write(one_to_one=True))
    assert backend(pictures(1)).one_to_one


def test_suppressed_rows_become_one_score_at_their_labels_place(write: Write) -> None:
    images = np.zeros((2, *HW, 3), dtype=np.uint8)
    images[0, :16, :16, 2] = 255  # the first cell is blue: one row of six is used
    images[1, 16:32, 16:32, :2] = 204, 102  # one cell, red 0.8 and green 0.4
    backend, _ = load_backend(write(nms=NMS), precision="f32")
    got = backend(images)
    expected = np.zeros((2, 6, 3), dtype=np.float32)
    expected[0, 0, 2] = 1
    expected[1, 0, 0], expected[1, 1, 1] = 0.8, 0.4
    assert got.one_to_one
    np.testing.assert_allclose(got.scores, expected, atol=1e-6)
    np.testing.assert_array_equal(got.boxes[0, 0], [0, 0, 16, 16])
    np.testing.assert_array_equal(got.boxes[1, :2], [[16, 16, 32, 32]] * 2)


def test_it_says_what_runs_it(write: Write, kind: str) -> None:
    backend, _ = load_backend(write(), precision="f32")
    library = {"onnx": "onnxruntime", "openvino": "openvino"}[kind]
    assert backend.description.startswith(f"{library} 2026." if kind == "openvino" else library)
    assert backend.description.endswith(" on cpu in f32")


def test_onnx_runtime_does_not_claim_to_compute_in_what_numbers_are_kept_in(
    tmp_path: Path,
) -> None:
    backend, _ = load_backend(write_onnx(tmp_path / "cells.onnx", make_card(precision="f16")))
    assert backend.description.endswith(" on cpu with numbers kept in f16")


def test_the_answer_does_not_change_under_the_callers_hands(write: Write) -> None:
    backend, _ = load_backend(write())
    first = backend(pictures(1))
    kept = first.scores.copy()
    backend(255 - pictures(1))
    np.testing.assert_array_equal(first.scores, kept)


def test_a_device_that_it_cannot_use_is_one_line(write: Write) -> None:
    path = write()
    assert "cuda" in refused(path, ConfigError, device="cuda")
    assert "warp" in refused(path, ConfigError, device="warp:9")
    backend, _ = load_backend(path, device="auto")
    backend.to("cpu")
    with pytest.raises(ConfigError, match="mps"):
        backend.to("mps")
    assert backend.device == "cpu"


def test_a_file_that_was_replaced_is_checked_anew(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "cells.onnx")
    backend, _ = load_backend(path)
    write_onnx(path, with_card("onnx", class_names=["a", "b"], category_ids=[1, 2]))
    with pytest.raises(WeightsError, match="not what its card says"):
        backend.to("cpu")
    np.testing.assert_array_equal(backend(pictures(1)).boxes, by_hand(pictures(1)).boxes)


def test_eight_bits_cannot_be_asked_for_32(write: Write) -> None:
    assert "int8" in refused(write(precision="int8"), ConfigError, precision="f32")


def test_a_file_without_a_card_is_refused(write: Write) -> None:
    assert "yolokit export" in refused(write(card=""))


@pytest.mark.parametrize(
    "card",
    [
        "{",
        "null",
        '{"class_names": []}',
        '{"class_names": ["\\u001b[2J"]}',
        make_card().model_copy(update={"export": None}).model_dump_json(),
    ],
)
def test_a_card_that_is_none_is_refused(write: Write, card: str) -> None:
    refused(write(card=card))


def test_a_card_of_another_format_is_refused(write: Write, kind: str) -> None:
    other = {"onnx": "openvino", "openvino": "onnx"}[kind]
    assert other in refused(write(card=make_card(format=other)))


def with_card(kind: str, **changes: Any) -> ModelCard:
    return ModelCard.model_validate(
        {**make_card(format=kind).model_dump(), "category_ids": [1, 2, 3], **changes}
    )


def test_a_card_with_other_classes_is_refused(write: Write, kind: str) -> None:
    card = with_card(kind, class_names=["a", "b"], category_ids=[1, 2])
    assert "scores is float32 [1, 24, 3]" in refused(write(card))


def test_a_card_with_another_input_size_is_refused(write: Write, kind: str) -> None:
    card = with_card(kind, image_hw=(64, 64))
    assert "images is uint8 [1, 64, 96, 3]" in refused(write(card))


def test_a_card_that_promises_other_pictures_is_refused(write: Write, kind: str) -> None:
    def only_one(model: onnx.ModelProto) -> None:
        for port in (*model.graph.input, *model.graph.output):
            port.type.tensor_type.shape.dim[0].dim_value = 1

    assert "images is uint8 [1, " in refused(write(dynamic=True, edit=only_one))


def test_other_output_names_are_refused(write: Write) -> None:
    def rename(model: onnx.ModelProto) -> None:
        model.graph.output[1].name = model.graph.node[5].output[0] = "confidences"

    assert "confidences" in refused(write(edit=rename))


def test_rows_that_the_card_does_not_promise_are_refused(write: Write) -> None:
    assert "[1, 6, 4]" in refused(write(nms={**NMS, "max_detections": 7}))


def test_scores_spread_over_all_classes_are_bounded(write: Write, kind: str) -> None:
    names = [str(number) for number in range(25_000)]
    card = with_card(
        kind,
        class_names=names,
        category_ids=list(range(25_000)),
        export={"format": kind, "nms": {**NMS, "max_detections": 10**6}},
    )
    refused(write(card))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_answers_that_are_no_numbers_are_an_error(write: Write, number: float) -> None:
    def spoil(model: onnx.ModelProto) -> None:
        next(each for each in model.graph.initializer if each.name == "cells").CopyFrom(
            constant(np.full((1, 24, 4), number, dtype=np.float32), "cells")
        )

    line = refused(write(edit=spoil))
    assert "not numbers" in line and "train.lr" not in line


def test_a_label_beyond_the_classes_is_an_error(write: Write) -> None:
    def shift(model: onnx.ModelProto) -> None:
        next(each for each in model.graph.initializer if each.name == "classes").CopyFrom(
            constant(np.int64(7), "classes")
        )

    assert "label" in refused(write(edit=shift, nms=NMS))


def test_a_truncated_file_is_refused(write: Write, kind: str) -> None:
    path = write()
    file = path if kind == "onnx" else path / "model.xml"
    file.write_bytes(file.read_bytes()[:-300])
    refused(path)


def test_another_file_under_its_name_is_refused(
    write: Write, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write()
    (path if kind == "onnx" else path / "model.xml").write_bytes(b"\x1b[2J" * 99)
    refused(path)
    assert capfd.readouterr() == ("", "")  # no library has more to say


def test_numbers_that_are_missing_are_an_error(tmp_path: Path) -> None:
    folder = write_openvino(tmp_path / "cells_openvino")
    (folder / "model.bin").unlink()
    refused(folder)
    (folder / "model.bin").write_bytes(b"")
    refused(folder)


@pytest.mark.parametrize("library", ["onnxruntime", "openvino"])
def test_a_library_that_is_not_installed_is_named(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = (
        write_onnx(tmp_path / "cells.onnx")
        if library == "onnxruntime"
        else write_openvino(tmp_path / "cells_openvino")
    )
    monkeypatch.setitem(sys.modules, library, None)
    assert f"pip install {library}" in refused(path, ConfigError)


TWO_MODELS = """
import os, signal, sys
from pathlib import Path
from yolokit.inference.loading import load_backend

models = [load_backend(Path(sys.argv[1])) for _ in range(2)]
del models[0]
del models[0]
signal.signal(signal.SIGTERM, lambda *_: print("answered"))
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_signal_is_answered_after_several_models_have_gone(write: Write) -> None:
    path = write()
    command = [sys.executable, "-c", TWO_MODELS, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "answered\n"), done.stderr


@pytest.mark.parametrize("text", ["<net>", "<net/>", '<nets version="11">', "{}", ""])
def test_what_only_looks_like_openvinos_is_refused_without_a_word_of_its_readers(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str
) -> None:
    (tmp_path / "model.xml").write_text(text)
    assert "no <net> with a version" in refused(tmp_path)
    assert capfd.readouterr() == ("", "")
