"""Export a model: write the file, run it, and keep it only where it finds what the model finds.

torch.export and the libraries of the formats are imported when an export begins.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolokit.errors import DataError, ExportError
from yolokit.export.accuracy import Accuracy, measure, require_accuracy
from yolokit.export.before import require_exportable
from yolokit.export.graph import DetectorGraph, is_one_to_one, weights_fingerprint
from yolokit.export.options import ExportOptions, require_packages, versions
from yolokit.export.parity import compare, require_parity
from yolokit.export.pictures import (
    CheckPictures,
    calibration_pictures,
    compared_pictures,
    find_pictures,
)
from yolokit.export.quiet import quiet
from yolokit.export.suppression import require_suppression
from yolokit.export.target import default_target, require_target, size_mb, workplace
from yolokit.files import put_in_place
from yolokit.inference.loading import load_backend
from yolokit.inference.predictor import Predictor
from yolokit.inference.torch_backend import TorchBackend
from yolokit.models.card import ModelCard
from yolokit.models.detector import Detector
from yolokit.models.export_record import ExportRecord, NmsRecord, ParityRecord
from yolokit.models.model_file import load_model
from yolokit.models.model_path import model_file
from yolokit.models.network_size import size_of

_SUPPRESSED_PICTURES = 16  # to compare suppression on


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Args:
        path: the file, or OpenVINO's folder.
        megabytes: its size, in millions of bytes.
        card: as it stands in the file.
        checked_on: the pictures, for people.
        accuracy: AP before and after; None where no picture had labels.
    """

    path: Path
    megabytes: float
    card: ModelCard
    checked_on: str
    accuracy: Accuracy | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """Everything an export needs, checked."""

    detector: Detector
    card: ModelCard
    options: ExportOptions
    pictures: CheckPictures
    calibration: list[NDArray[np.uint8]]
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Checked:
    """A file that is good enough, its card, and its AP."""

    path: Path
    card: ModelCard
    accuracy: Accuracy | None


def export_model(
    detector: Detector,
    card: ModelCard,
    options: ExportOptions,
    *,
    file: Path | None = None,
    data: Path | None = None,
    out: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Exported:
    """Write a detector as a file that other runtimes run, and prove that it is the same.

    The file is run on real pictures and compared with the detector, box by box, and by AP where
    there are labels. It takes its name only when it is good enough.

    Args:
        detector: not changed.
        card: as it was loaded.
        options: what to write.
        file: what it was loaded from; the run whose pictures are checked on is its folder.
        data: a data folder or data.yaml to check on, and to calibrate ``int8`` by.
        out: the file, or OpenVINO's folder; beside the model by default.
        say: is told what is being done.

    Raises:
        ExportError: a library is missing, nothing can be written there, or the file is not good
            enough: then there is none.
        DataError: pictures or labels that cannot be used, or that are needed and not there.
    """
    require_packages(options)
    if out is None:
        if file is None:
            raise ExportError("the model has no file to write beside. Say where with out")
        out = default_target(file, options)
    require_target(out, options.format)
    calibration: list[NDArray[np.uint8]] = []
    if options.precision == "int8":
        calibration = calibration_pictures(data, card.image_hw)
    job = _Job(
        detector=copy.deepcopy(detector).cpu().eval(),
        card=card,
        options=options,
        pictures=find_pictures(data, file.parent if file else None),
        calibration=calibration,
        say=say,
    )
    if options.precision != "f32" and job.pictures.split is None:  # before anything takes time
        raise _no_labels(job)
    with workplace(out) as folder, quiet():
        checked = _write_and_check(job, folder)
        put_in_place(checked.path, out)
    return Exported(out, size_mb(out), checked.card, job.pictures.where, checked.accuracy)


def export_file(
    path: Path,
    options: ExportOptions,
    *,
    data: Path | None = None,
    out: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Exported:
    """``export_model`` of a model file, or of the one in a run folder.

    Raises:
        WeightsError, ExportError, DataError: see ``require_exportable``, and ``export_model``.
    """
    require_exportable(path, options, data=data, out=out)
    detector, card = load_model(path)
    return export_model(
        detector,
        card,
        options,
        file=model_file(path),
        data=data,
        out=out,
        say=say,
    )


def _write_and_check(job: _Job, folder: Path) -> _Checked:
    """Write into the folder, run what was written, and write what was found into the last one.

    Nothing is written over a file that is open: a runtime may read it as it goes.
    """
    from yolokit.export import onnx_model
    from yolokit.export.formats import writer_of
    from yolokit.export.onnx_nms import with_nms

    options, hw, record = job.options, job.card.image_hw, _record(job)
    job.say("tracing the network")
    half = options.precision == "f16" and options.format == "onnx"  # OpenVINO makes its own
    model = onnx_model.trace(DetectorGraph(job.detector, half=half), hw, dynamic=options.dynamic)
    write = writer_of(model, options, job.calibration)
    path = _named(folder, "dense", options)
    write(_card(job, record, nms=None), path)
    job.say("comparing boxes")
    record = record.model_copy(update={"parity": _check_boxes(job, path)})
    if record.nms is not None:
        write = writer_of(with_nms(model, record.nms, hw), options, job.calibration)
        dense, path = path, _named(folder, "suppressed", options)
        write(_card(job, record, nms=record.nms), path)
        if options.precision == "f32":  # in fewer bits the two graphs differ; AP judges them
            _check_suppression(job, dense, path, record.nms)
    record, accuracy = _check_accuracy(job, path, record)
    card, final = _card(job, record, nms=record.nms), _named(folder, "final", options)
    write(card, final)
    _require_equal(job, path, final)
    return _Checked(final, card, accuracy)


def _named(folder: Path, name: str, options: ExportOptions) -> Path:
    return folder / (f"{name}.onnx" if options.format == "onnx" else name)


def _card(job: _Job, record: ExportRecord, *, nms: NmsRecord | None) -> ModelCard:
    metrics = {name: ap for name, ap in job.card.metrics.items() if name != "AP_bf16"}  # PyTorch's
    update = {"export": record.model_copy(update={"nms": nms}), "metrics": metrics}
    return job.card.model_copy(update=update)


def _check_boxes(job: _Job, path: Path) -> ParityRecord:
    """Compare in 32 bits where the file has them, whatever it will really run in.

    Raises:
        ExportError: a file in 32 bits differs by more than rounding.
    """
    precise = job.options.precision == "f32"
    exported, _ = load_backend(path, "cpu", "f32" if precise else "auto")
    pictures = compared_pictures(job.pictures, job.card.image_hw)
    parity = compare(TorchBackend(job.detector), exported, pictures, job.pictures.source)
    if precise:
        require_parity(parity)
    return parity


def _check_suppression(job: _Job, dense: Path, suppressed: Path, nms: NmsRecord) -> None:
    all_boxes, kept = (load_backend(path, "cpu", "f32")[0] for path in (dense, suppressed))
    pictures = compared_pictures(job.pictures, job.card.image_hw)
    for picture in islice(pictures, _SUPPRESSED_PICTURES):
        batch = picture[None]
        require_suppression(all_boxes(batch), kept(batch), job.card.image_hw, nms)


def _check_accuracy(
    job: _Job, path: Path, record: ExportRecord
) -> tuple[ExportRecord, Accuracy | None]:
    """AP before and after, as the file will really run here, where there are labels.

    Raises:
        ExportError: too much is lost.
        DataError: a precision that only AP can judge, and no labels.
    """
    pictures = job.pictures
    accuracy = None
    if pictures.split is not None:
        job.say("scoring the model, then the file")
        exported = Predictor(*load_backend(path, "cpu", "auto"))
        original = Predictor(TorchBackend(job.detector), job.card)
        accuracy = measure(original, exported, pictures.split, pictures.source)
    if accuracy is None:
        if job.options.precision != "f32":
            raise _no_labels(job)
        return record, None
    require_accuracy(accuracy, job.options.max_drop)
    found = {"ap_before": accuracy.before.AP, "ap_after": accuracy.after.AP}
    return record.model_copy(update={**found, "ap_split": pictures.source}), accuracy


def _no_labels(job: _Job) -> DataError:
    return DataError(
        f"{job.options.precision} is judged by AP, and no pictures are labelled "
        f"({job.pictures.where}). Give --data with a val split"
    )


def _require_equal(job: _Job, checked: Path, final: Path) -> None:
    """Check that the file to keep computes what the file that was checked does."""
    picture = next(iter(compared_pictures(job.pictures, job.card.image_hw)))[None]
    before, after = (load_backend(path, "cpu", "auto")[0](picture) for path in (checked, final))
    if not all(np.array_equal(*pair) for pair in zip(before[:2], after[:2], strict=True)):
        raise ExportError(
            "writing the checked model once more gave another one. Report this with the versions "
            "of `yolokit env`"
        )


def _record(job: _Job) -> ExportRecord:
    """What is known before the file is run."""
    options, predict = job.options, job.card.predict
    single = is_one_to_one(job.detector, job.card.image_hw)
    nms = NmsRecord(
        iou_threshold=1.0 if single else predict.iou_threshold,
        score_threshold=predict.eval_score_threshold,
        max_detections=predict.max_detections,
    )
    size = size_of(job.detector, job.card.image_hw)
    return ExportRecord(
        format=options.format,
        precision=options.precision,
        dynamic=options.dynamic,
        nms=nms if options.nms else None,
        one_to_one=single,
        parameters=size.parameters,
        gflops=size.gflops,
        weights_fingerprint=weights_fingerprint(job.detector),
        versions=versions(options),
    )
