"""Threads that detect side by side find what one finds, in order, and leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from exported_files import HW, by_hand, make_card, write_onnx, write_openvino
from numpy.typing import NDArray

from yolokit.config import ModelConfig
from yolokit.inference.backend import Backend, is_side_by_side
from yolokit.inference.loading import load_backend
from yolokit.inference.torch_backend import TorchBackend
from yolokit.inference.workers import Workers, detect_each, workers_of
from yolokit.models.build import build_detector
from yolokit.models.detector import Detector
from yolokit.types import Detections

Picture = NDArray[np.uint8]


def numbered(images: Sequence[Picture]) -> list[Detections]:
    """The picture's first value as the label."""
    boxes, scores = np.zeros((1, 4), np.float32), np.ones(1, np.float32)
    return [Detections(boxes, scores, image[0, 0, :1].astype(int)) for image in images]


def picture(number: int) -> Picture:
    return np.full((2, 2, 3), number, np.uint8)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 11])
@pytest.mark.parametrize("workers", [None, 2, 3])
def test_each_item_comes_with_its_own_in_order(
    batch_size: int, count: int, workers: int | None
) -> None:
    begun: list[threading.Thread] = []
    beside = workers and Workers(workers, lambda: begun.append(threading.current_thread()))
    items = detect_each(
        range(count), picture, numbered, batch_size=batch_size, workers=beside or None
    )
    got = [(item, int(pixels[0, 0, 0]), int(found.labels[0])) for item, pixels, found in items]
    assert got == [(number, number, number) for number in range(count)]
    assert len(set(begun)) == len(begun) <= (workers or 0)
    assert threading.current_thread() not in begun
    assert bool(begun) == (workers is not None and batch_size > 1 and count > 0)


def test_workers_call_at_the_same_time_one_picture_each() -> None:
    both = threading.Barrier(2)

    def detect(images: Sequence[Picture]) -> list[Detections]:
        assert len(images) == 1
        both.wait(timeout=10)  # breaks where calls wait for each other
        return numbered(images)

    workers = Workers(2, lambda: None)
    assert len(list(detect_each(range(6), picture, detect, batch_size=4, workers=workers))) == 6


@pytest.mark.parametrize("failing", ["pixels_of", "detect", "begin"])
def test_an_error_comes_at_its_place(failing: str) -> None:
    def opened(number: int) -> Picture:
        if failing == "pixels_of" and number == 3:
            raise ValueError("three")
        return picture(number)

    def detect(images: Sequence[Picture]) -> list[Detections]:
        if failing == "detect" and images[0][0, 0, 0] == 3:
            raise ValueError("three")
        return numbered(images)

    def begin() -> None:
        if failing == "begin":
            raise ValueError("three")

    got = []
    with pytest.raises(ValueError, match="three"):
        for item, _, _ in detect_each(
            range(9), opened, detect, batch_size=3, workers=Workers(2, begin)
        ):
            got.append(item)
    assert got == ([] if failing == "begin" else [0, 1, 2])
    assert not [each for each in threading.enumerate() if each.name.startswith("ahead")]


@pytest.fixture
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def untrained() -> Detector:
    """With random weights, always the same."""
    config = ModelConfig.model_validate(
        {"head": "yolo", "backbone": {"name": "mobilenet_v2", "weights": "none"}}
    )
    torch.manual_seed(0)
    return build_detector(config, num_classes=3, image_hw=HW).eval()


@pytest.fixture(params=["torch", "onnx", "openvino"])
def backend(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    four_threads: None,
) -> Backend:
    """One of a process that computes with four threads."""
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    if request.param == "torch":
        return TorchBackend.of_final(untrained(), "cpu")
    card = make_card(format=request.param)
    if request.param == "onnx":
        return load_backend(write_onnx(tmp_path / "cells.onnx", card))[0]
    return load_backend(write_openvino(tmp_path / "cells_openvino", card), precision="f32")[0]


def test_workers_find_what_one_caller_finds(backend: Backend) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, *HW, 3), dtype=np.uint8)
    workers = workers_of(backend)
    assert workers is not None and workers.count == 4
    begun = threading.local()

    def look(image: Picture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if not hasattr(begun, "here"):
            workers.begin()
            begun.here = True
        answer = backend(image[None])
        return answer.boxes.copy(), answer.scores.copy()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(look, images))
    for image, (boxes, scores) in zip(images, found, strict=True):
        alone = backend(image[None])
        np.testing.assert_allclose(boxes, alone.boxes, atol=1e-3)
        np.testing.assert_allclose(scores, alone.scores, atol=1e-5)


def test_a_worker_changes_its_own_threads_only(four_threads: None) -> None:
    backend = TorchBackend(untrained(), "cpu")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(backend.begin_worker, 1).result()
        assert pool.submit(torch.get_num_threads).result() == 1
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 4
    assert torch.get_num_threads() == 4


def test_workers_that_begin_together_leave_the_number_of_threads(four_threads: None) -> None:
    """One that looked while another set its own kept that for all threads to come."""
    backend = TorchBackend(untrained(), "cpu")
    together = threading.Barrier(4)

    def begin(_number: int) -> None:
        together.wait(timeout=10)
        backend.begin_worker(1)

    for _ in range(25):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(begin, range(4)))
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 4


def zeroed(model: onnx.ModelProto) -> None:
    """Other numbers under the same card."""
    for each in model.graph.initializer:
        array = onnx.numpy_helper.to_array(each)
        if array.dtype == np.float32:
            each.CopyFrom(onnx.numpy_helper.from_array(array * 0, each.name))


@pytest.mark.parametrize("then", ["gone", "replaced", "elsewhere"])
def test_a_file_that_is_gone_or_another_is_still_what_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.chdir(tmp_path)
    path = write_onnx(Path("cells.onnx"), make_card(format="onnx"))
    backend, _ = load_backend(path)
    if then == "elsewhere":
        monkeypatch.chdir("/")
    else:
        path.unlink()
    if then == "replaced":
        write_onnx(path, make_card(format="onnx"), edit=zeroed)
    images = np.random.default_rng(0).integers(0, 256, (1, *HW, 3), dtype=np.uint8)
    assert is_side_by_side(backend)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(backend.begin_worker, 1).result()
        found = pool.submit(backend, images).result()
    np.testing.assert_allclose(found.scores, by_hand(images).scores, atol=1e-6)


def test_one_processor_needs_no_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    backend, _ = load_backend(write_onnx(tmp_path / "cells.onnx", make_card(format="onnx")))
    assert workers_of(backend) is None
    images = np.zeros((1, *HW, 3), np.uint8)
    np.testing.assert_array_equal(backend(images).boxes, by_hand(images).boxes)


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(6))
def test_workers_whose_first_arrays_meet_do_not_wait_for_ever(tmp_path: Path, attempt: int) -> None:
    """One run in four did, in a process where OpenVINO had seen no array."""
    path = write_openvino(tmp_path / "cells_openvino", make_card(format="openvino"))
    program = f"""
import sys, threading, numpy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from yolokit.inference.loading import load_backend

sys.setswitchinterval(1e-6)
backend, _ = load_backend(Path({str(path)!r}))
together = threading.Barrier(4)

def look(number):
    backend.begin_worker(1)
    together.wait()
    return len(backend(numpy.zeros((1, *{HW}, 3), numpy.uint8)).boxes)

with ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(look, range(4))))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "OMP_NUM_THREADS": "4"},
    )
    assert (done.stdout.strip(), done.returncode) == ("4", 0), done.stderr
