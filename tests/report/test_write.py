"""The report of a run: what it says, that it is one whole file, and that nothing can break out."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import re
import shlex
import shutil
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from PIL import Image

import yolokit
from yolokit.cli.main import main
from yolokit.config import Config
from yolokit.config_file import validate_config
from yolokit.evaluation.coco_io import load_truth
from yolokit.evaluation.verdicts import judge
from yolokit.synthesis.dataset import synthesise

NASTY = "</td><script>alert(\"x\")</script> & 'co' <u>"
CLASSES = 80
VOID = {"meta", "img", "br"}


@dataclass
class Page(HTMLParser):
    """A parsed page; raises where tags do not match."""

    open: list[str] = field(default_factory=list)
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data.strip()))

    def inside(self, tag: str) -> list[str]:
        """The texts directly inside a kind of tag."""
        return [data for parent, data in self.texts if parent == tag]


def read(run: Path) -> Page:
    """The report, parsed to its end."""
    page = Page()
    page.feed((run / "report.html").read_text(encoding="utf-8"))
    page.close()
    assert page.open == []
    return page


def config(**train: object) -> Config:
    backbone = {"name": "squeezenet1_1", "weights": "none"}
    model = {"head": {"type": "yolov1", "grid_size": 4, "channels": 32}, "backbone": backbone}
    tree = {
        "model": model,
        "data": {"image_size": 64},
        "train": {"recipe": "fixed", "batch_size": 4, "workers": 0, **train},
    }
    return validate_config(tree, "test")


def rename(data: Path, first: str, count: int) -> None:
    """Call the first category so, and list ``count`` categories in all."""
    for file in (data / "annotations").glob("*.json"):
        tree = json.loads(file.read_text())
        tree["categories"][0]["name"] = first
        known = len(tree["categories"])
        extra = range(known, count)
        tree["categories"] += [{"id": 1000 + each, "name": f"rare {each}"} for each in extra]
        file.write_text(json.dumps(tree))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Data and run: eighty classes, most of them without a box, and one with a nasty name.

    It is scored on what it was trained on, every fifth epoch, so that it has a score.
    """
    folder = tmp_path_factory.mktemp("many <&> 'folder'")
    data = folder / "set"
    synthesise(data, images=(8, 1, 1), size_hw=(64, 80), classes=2, seed=5, video=False)
    shutil.rmtree(data / "images" / "val")
    shutil.copytree(data / "images" / "train", data / "images" / "val")
    annotations = data / "annotations"
    shutil.copy(annotations / "instances_train.json", annotations / "instances_val.json")
    rename(data, NASTY, CLASSES)
    settings = config(epochs=20, lr=0.004, validate_every=5)
    return data, yolokit.train(settings, data=data, run=folder / "run", device="cpu")


@pytest.fixture(scope="module")
def unscored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one class and one epoch, without validation pictures."""
    folder = tmp_path_factory.mktemp("unscored")
    synthesise(folder / "set", images=(4, 1, 1), size_hw=(64, 64), classes=1, seed=1, video=False)
    images, annotations = (folder / "set" / each for each in ("images/train", "annotations"))
    (folder / "data.yaml").write_text(
        f"train: {{images: {images}, annotations: {annotations / 'instances_train.json'}}}"
    )
    run = folder / "run"
    return yolokit.train(config(epochs=1), data=folder / "data.yaml", run=run, device="cpu")


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_is_one_file_that_loads_nothing(many: tuple[Path, Path], unscored: Path) -> None:
    for run in (many[1], unscored):
        page = read(run)
        assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "u"})
        links = [
            value
            for _, attributes in page.tags
            for name, value in attributes.items()
            if name in {"src", "href", "xlink:href", "srcset", "data", "action"}
        ]
        assert all(link.startswith("data:image/jpeg;base64,") for link in links)
        (style,) = page.inside("style")
        assert "url(" not in style and "@import" not in style
        assert not [name for _, attributes in page.tags for name in attributes if name[:2] == "on"]
        policies = [attributes.get("content", "") for tag, attributes in page.tags if tag == "meta"]
        assert any("default-src 'none'" in policy for policy in policies)
        assert len((run / "report.html").read_bytes()) < 3_000_000


def test_its_numbers_are_those_of_the_metrics_file(many: tuple[Path, Path]) -> None:
    page, rows = read(many[1]), rows_of(many[1])
    scored = [row for row in rows if row["AP"]]
    best = max(scored, key=lambda row: (float(row["AP"]), int(row["epoch"])))
    assert len(scored) == 4 and float(best["AP"]) > 0
    sentence = page.inside("p")[1]
    assert sentence.startswith(f"AP {float(best['AP']):.3f} and AP50 {float(best['AP50']):.3f} on")
    assert "8 validation pictures" in sentence
    assert f"for 20 epochs on 8 pictures of {CLASSES} classes" in sentence
    assert sentence.endswith(f"kept is epoch {int(best['epoch'])}, the best.")
    columns = ("loss", "box", "object", "no_object", "classes", "lr", "AP", "AP50")
    points = [each for each in page.inside("title") if each.split()[0] in columns]
    for row in rows:
        for column in columns:
            value, epoch = row[column], int(row["epoch"])
            assert not value or f"{column} {float(value):.4g} at {epoch}" in points
    assert len(points) == 6 * len(rows) + 2 * len(scored)
    # Beside AP and AP50 stand those of the epoch that was kept, from 1 in both places.
    assert [row["epoch"] for row in rows] == [str(number) for number in range(1, 21)]
    legend = page.inside("span")
    assert f"AP {float(best['AP']):.3f}" in legend and f"AP50 {float(best['AP50']):.3f}" in legend
    assert yolokit.load(many[1]).card.metrics["epoch"] == int(best["epoch"])


def test_its_counts_of_boxes_agree(many: tuple[Path, Path]) -> None:
    page = read(many[1])
    truth = json.loads((many[0] / "annotations/instances_val.json").read_text())
    boxes = str(len(truth["annotations"]))
    assert f"with {boxes} boxes: " in page.inside("p")[1]
    cells = page.inside("td")
    place = cells.index("val")
    assert cells[place : place + 4] == ["val", "8", cells[place + 2], boxes]


def test_the_threshold_it_names_gives_the_f1_it_promises(
    many: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = many
    page = read(run)
    (promise,) = (each for each in page.inside("p") if each.startswith("Use --conf "))
    found = re.match(
        r"Use --conf (\S+): there F1 is best on the val pictures, (\S+), with precision (\S+) and "
        r"recall (\S+) at IoU",
        promise,
    )
    assert found is not None
    conf, f1, precision, recall = found.groups()
    out = tmp_path / "out.json"
    arguments = ["eval", str(run), "--data", str(data), "--split", "val", "--device", "cpu"]
    assert main([*arguments, "--conf", conf, "--json", str(out)]) == 0
    told = json.loads(out.read_text())["threshold"]
    assert [f"{told[name]:.3f}" for name in ("F1", "precision", "recall")] == [
        f1,
        precision,
        recall,
    ]
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    every = [row for row in rows if row[:1] == ["all"]]
    assert every == [["all", str(told["objects"]), precision, recall, f1]]
    # The oracle: what yolokit detect would show at that threshold, judged anew.
    predictor = yolokit.load(run, device="cpu")
    tree = load_truth(data / "annotations/instances_val.json")
    shown = [
        {
            "image_id": tree.image_ids[index],
            "category_id": predictor.category_ids[int(label)],
            "bbox": [x, y, right - x, bottom - y],
            "score": float(score),
        }
        for index, name in enumerate(tree.file_names)
        for result in predictor.predict([data / "images/val" / name], conf=float(conf))
        for (x, y, right, bottom), label, score in zip(
            result.boxes.astype(float).tolist(), result.labels, result.scores, strict=True
        )
    ]
    pictures = judge(tree, shown, score_threshold=0.0)
    found_ones = sum(each.found for each in pictures)
    assert (found_ones, sum(each.false_alarms for each in pictures)) == (
        told["found"],
        told["false_alarms"],
    )
    written = json.loads((run / "evaluation.json").read_text())
    assert written["threshold"] == {"conf": float(conf), "F1": told["F1"]}


def test_an_evaluation_has_its_report_too(
    many: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = many
    rows = tmp_path / "rows.json"
    arguments = ["eval", str(run), "--data", str(data), "--predictions", str(rows)]
    assert main([*arguments, "--report", str(tmp_path / "new")]) == 0
    assert f"report: {tmp_path / 'new/report.html'}" in capsys.readouterr().out
    page, of_run = read(tmp_path / "new"), read(run)
    for tag in ("td", "figcaption"):
        assert set(page.inside(tag)) <= set(of_run.inside(tag))
    assert page.inside("h2")[1:8] == [
        "Which threshold",
        "Where the points are lost",
        "Confusion",
        "Classes",
        "Can a score be trusted",
        "Pictures",
        "Surest errors",
    ]
    file = tmp_path / "file.html"
    from_file = ["eval", "--predictions-from", str(rows), "--data", str(data)]
    assert main([*from_file, "--report", str(file)]) == 0
    assert "Surest errors" in file.read_text() and "data:image" not in file.read_text()


def test_its_classes_are_those_of_the_evaluation(many: tuple[Path, Path]) -> None:
    data, run = many
    page = read(run)
    scores = yolokit.evaluate(run, data=data, split="val", device="cpu")
    cells = page.inside("td")
    assert len(scores.per_class) == CLASSES
    rows = list(zip(cells, cells[1:], cells[2:], cells[3:], strict=False))
    for name, each in scores.per_class.items():
        shown = [f"{v:.3f}" if math.isfinite(v) else "-" for v in (each["AP"], each["AP50"])]
        assert (name, str(scores.class_annotations[name]), *shown) in rows
    captions = page.inside("figcaption")
    drawn = [name for name in scores.per_class if f"{name}, AP50 " in "\n".join(captions)]
    assert drawn == [name for name, count in scores.class_annotations.items() if count]
    assert NASTY in drawn


def test_names_stay_text(many: tuple[Path, Path]) -> None:
    page = read(many[1])
    assert NASTY in page.inside("td")
    assert NASTY not in (many[1] / "report.html").read_text(encoding="utf-8")
    (commands,) = (each for each in page.inside("pre") if "yolokit train" in each)
    assert f"yolokit train {shlex.quote(str(many[1] / 'config.yaml'))} --run" in commands
    assert f"--data {shlex.quote(str(many[0]))} --split val" in commands


def test_pictures_show_the_worst_first(many: tuple[Path, Path]) -> None:
    page = read(many[1])
    captions = [each for each in page.inside("figcaption") if " found, " in each]
    counts = [[int(n) for n in re.findall(r"(\d+) (?:found|missed|false)", c)] for c in captions]
    mistakes = [missed + false for _, missed, false in counts]
    assert mistakes and mistakes == sorted(mistakes, reverse=True)
    truth = json.loads((many[0] / "annotations/instances_val.json").read_text())
    objects = {image["file_name"]: 0 for image in truth["images"]}
    names = {image["id"]: image["file_name"] for image in truth["images"]}
    for annotation in truth["annotations"]:
        objects[names[annotation["image_id"]]] += not annotation["iscrowd"]
    shown = {
        caption.partition(":")[0]: count for caption, count in zip(captions, counts, strict=True)
    }
    assert {name: found + missed for name, (found, missed, _) in shown.items()} == {
        name: objects[name] for name in shown
    }
    assert {name for name, count in objects.items() if count} <= set(shown)
    images = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    crops = [each for each in page.inside("figcaption") if each.startswith("image ")]
    assert len(images) == 2 * len(captions) + len(crops)
    assert 0 < len(crops) <= 12
    for uri in images:
        picture = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
        assert max(picture.size) in (480, 240)  # whole pictures, crops


def test_settings_are_told(unscored: Path) -> None:
    page = read(unscored)
    told = dict(zip(page.inside("dt"), page.inside("dd"), strict=True))
    assert told["model"].startswith("yolov1 on squeezenet1_1 (weights none), ")
    assert told["model"].endswith(" input 64x64 px")
    assert told["head"].startswith("grid_size 4, boxes_per_cell 2, variant conv, ")
    assert told["head"].endswith("dropout 0") and "strides" not in told["head"]
    assert told["backbone"] == "trainable_stages all, lr_factor 0.1"
    assert told["loss"] == "box 5, object 1, no_object 0.5, classes 1"
    assert re.fullmatch(r"1 epoch in \d+:\d\d", told["length"])
    assert f"torch {torch.__version__.partition('+')[0]}" in told["versions"]
    assert page.inside("td")[:3] == ["train", "4", "0"]
    assert (unscored / "config.yaml").read_text().strip() in page.inside("pre")


def test_without_validation_pictures_it_says_so(unscored: Path) -> None:
    page = read(unscored)
    sentence = page.inside("p")[1]
    assert "There are no validation pictures" in sentence
    assert "for 1 epoch on 4 pictures of 1 class." in sentence
    assert page.inside("h2") == ["The run", "Learning curves", "The model", "Reproduce"]
    assert "img" not in {tag for tag, _ in page.tags}
    loss = float(rows_of(unscored)[0]["loss"])
    assert f"loss {loss:.4g} at 1" in page.inside("title")
    assert "yolokit eval" not in "".join(page.inside("pre"))


def test_a_report_that_cannot_be_written_loses_no_run(
    unscored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    (run / "report.html" / "in the way").mkdir(parents=True)
    data = unscored.parent / "data.yaml"
    assert yolokit.train(config(epochs=1), data=data, run=run, device="cpu") == run
    assert (run / "model.safetensors").read_bytes() == (unscored / "model.safetensors").read_bytes()
    errors = capsys.readouterr().err
    assert re.search(r"note: \S+report\.html could not be written: ", errors)
    assert not list(run.glob(".*"))
