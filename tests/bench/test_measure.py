"""What is derived from the measurements, by hand, and how it is printed and written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from yolokit.bench.machine_rate import MatrixRate
from yolokit.bench.measure import Measured, MeasuredModel, measure, require_models
from yolokit.bench.pictures import made_up_pictures
from yolokit.bench.timing import PARTS, ModelTimes, Spread
from yolokit.cli.bench_report import format_measured
from yolokit.errors import WeightsError
from yolokit.models.network_size import NetworkSize


def times(network: float, ratio: float) -> ModelTimes:
    def spread(ms: float) -> Spread:
        return Spread(p50=ms, mean=ms, p95=ms + 1)

    parts = dict(zip(PARTS, map(spread, (3.0, 1.0, network, 1.0)), strict=True))
    return ModelTimes(whole=spread(5 + network), parts=parts, ratio=ratio, runs=50)


def measured(load: float | None = 0.1) -> Measured:
    trained = MeasuredModel(
        "a.safetensors", (256, 320), "torch on cpu", times(20, 1), NetworkSize(3_000_000, 2.0), 500
    )
    exported = MeasuredModel("b.onnx", (256, 320), "onnx on cpu", times(5, 0.4), None, None)
    rate = MatrixRate(fp32=200, bf16=400, library="torch 2")
    return Measured([trained, exported], rate, "12 pictures", 1, "a processor", 2, load)


def test_speed_is_that_of_the_network_alone() -> None:
    trained, exported = measured().models
    assert trained.pictures_per_second == pytest.approx(40)  # 25 ms
    assert trained.gflop_per_second == pytest.approx(100)  # 2 GFLOP in 20 ms
    assert exported.gflop_per_second is None


def test_json_holds_plain_numbers_and_null() -> None:
    written = json.loads(json.dumps(measured().to_dict(), allow_nan=False))
    trained, exported = written["models"]
    assert (trained["share_of_fp32"], trained["share_of_bf16"]) == (0.5, 0.25)
    assert trained["ms"]["network"] == {"p50": 20, "mean": 20, "p95": 21}
    for name in ("parameters", "gflops", "gflop_per_second", "share_of_fp32", "peak_mb"):
        assert exported[name] is None
    assert written["machine"]["matrix_gflop_per_second"]["bf16"] == 400


def test_the_table_has_a_row_a_model() -> None:
    lines = format_measured(measured()).splitlines()
    assert "2 threads; matrix product: fp32 200, bf16 400 GFLOP/s (torch 2)" in lines[0]
    assert "12 pictures; batch 1; 50 runs of each model, in turn" in lines[1]
    assert lines[-2].split()[:10] == (
        ["a.safetensors", "320x256", "1.00", "25.0", "26.0", "40.0", "3.0", "1.0", "20.0", "1.0"]
    )
    assert lines[-2].split()[10:] == [
        "3.00",
        "M",
        "2.00",
        "100",
        "50%",
        "500",
        "MB",
        *["torch", "on", "cpu"],
    ]
    assert lines[-1].split()[10:15] == ["-"] * 5
    assert len({len(line) for line in lines[-3:]}) == 1  # aligned to the right


@pytest.mark.parametrize(("load", "busy"), [(None, False), (0.9, False), (1.1, True)])
def test_a_busy_machine_is_noticed(load: float | None, busy: bool) -> None:
    assert measured(load).is_busy is busy


def test_a_path_to_nothing_is_refused(tmp_path: Path) -> None:
    require_models([tmp_path])
    with pytest.raises(WeightsError, match=r"no model at .*absent"):
        require_models([tmp_path, tmp_path / "absent"])


def test_exported_files_are_timed_and_their_size_is_unknown(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from exported_files import HW, write_onnx

    file = write_onnx(tmp_path / "model.onnx")
    found = measure(
        [file, file],
        made_up_pictures(),
        batch_size=2,
        device="cpu",
        enough=lambda runs, elapsed: runs >= 2,
    )
    first, second = found.models
    assert first.size is None and first.gflop_per_second is None
    assert (first.image_hw, first.times.runs) == (HW, 2)
    assert "onnx" in first.runs_on.lower()
    assert (first.times.ratio, second.name) == (1, str(file))
    assert first.peak_mb is None or first.peak_mb > 20
    assert found.rate.fp32 > 0
