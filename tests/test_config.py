"""The configuration: strict keys, values, overrides, shipped files, the documented defaults."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
import zipfile
from itertools import pairwise
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pytest
import torch
import yaml

from yolokit.config import Config
from yolokit.config_file import dump_config, find_config, load_config, validate_config
from yolokit.errors import ConfigError
from yolokit.heads.family import HEADS, read_head
from yolokit.sections import parse_duration

SHIPPED = [
    "quickstart",
    "reference",
    "yolo_efficientnet_lite0",
    "yolo_mobilenet_v2",
    "yolo_mobilenet_v2_light",
    "yolo_mobilenet_v3_large",
    "yolo_resnet18",
    "yolo_resnet50",
    "yolo_squeezenet1_1",
    "yolov1_mobilenet_v2",
    "yolov1_resnet18",
    "yolov1_vgg16",
]


def _write(folder: Path, text: str) -> Path:
    path = folder / "some.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _leaves(tree: dict[str, Any], prefix: str = "") -> set[str]:
    keys: set[str] = set()
    for key, value in tree.items():
        keys |= _leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key}
    return keys


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load_config(_write(tmp_path, "")) == Config()


def _reference(repository: Path, head: str) -> str:
    """The reference with that head's keys, of which all but the default's are comments."""
    text = (repository / "configs" / "reference.yaml").read_text(encoding="utf-8")
    if head == HEADS[0]:
        return text
    (first,) = re.findall(r"^  head:.*\n(?:    .*\n)+", text, re.MULTILINE)
    blocks = re.findall(r"^  # head:\n(?:  #   .*\n)+", text, re.MULTILINE)
    (block,) = (block for block in blocks if f"type: {head} " in block)
    return text.replace(first, "").replace(block, re.sub("(?m)^  # ", "  ", block))


@pytest.mark.parametrize("head", HEADS)
def test_the_reference_holds_every_key_with_its_default(
    head: str, repository: Path, tmp_path: Path
) -> None:
    text = _reference(repository, head)
    defaults = Config.model_validate({"model": {"head": head}})
    assert _leaves(yaml.safe_load(text)) == _leaves(defaults.model_dump(mode="json"))
    assert load_config(_write(tmp_path, text)) == defaults


@pytest.mark.parametrize("head", HEADS)
def test_the_reference_explains_every_key(head: str, repository: Path) -> None:
    text = _reference(repository, head)
    values = [line for line in text.splitlines() if re.match(r" +\w+: [^\s#]", line)]
    defaults = Config.model_validate({"model": {"head": head}})
    assert len(values) == len(_leaves(defaults.model_dump(mode="json")))
    assert [line for line in values if not re.search(r"  # \w", line)] == []


def test_these_configs_are_shipped(repository: Path) -> None:
    assert sorted(path.stem for path in (repository / "configs").glob("*.yaml")) == SHIPPED


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "reference"])
def test_a_shipped_config_is_short(name: str, repository: Path) -> None:
    assert len((repository / "configs" / f"{name}.yaml").read_text().splitlines()) <= 40


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_config_is_found_by_its_bare_name_anywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    load_config(find_config(name))
    assert find_config(f"{name}.yaml") == find_config(name)


def test_a_local_file_wins_over_a_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("quickstart").write_text("train: {epochs: 3}", encoding="utf-8")
    assert load_config(find_config("quickstart")).train.epochs == 3


def test_an_unknown_config_name_lists_the_shipped_ones() -> None:
    with pytest.raises(ConfigError, match=r"'nothing'.*quickstart.*yolov1_mobilenet_v2"):
        find_config("nothing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: {epoch: 3}", "unknown key train.epoch, did you mean train.epochs?"),
        ("trian: {epochs: 3}", "unknown key trian, did you mean train?"),
        ("model: {backbone: {weight: none}}", "did you mean model.backbone.weights?"),
        ("train: {epochs: 0}", "train.epochs: must be at least 1, got 0$"),
        ("train: {epochs: many}", "train.epochs: must be a whole number, got 'many'$"),
        ("train: {time_budget: soon}", "train.time_budget: expected a duration"),
        ("train: {batch_size: 0}", "train.batch_size: must be at least 1 or 'auto', got 0$"),
        ("train: {batch_size: -4}", "train.batch_size: must be at least 1 or 'auto', got -4$"),
        ("train: {validate_every: 0}", "train.validate_every: must be at least 1 or 'auto'"),
        ("train: {lr: -1}", "train.lr: must be more than 0"),
        ("train: {lr: .nan}", "train.lr: .*finite number"),
        ("train: {seed: 18446744073709551616}", "train.seed: must be at most 18446744073709551615"),
        (
            "train: {accumulate: 100000000000000000000}",
            "train.accumulate: must be at most 65536",
        ),
        (
            "train: {time_budget: [15, m]}",
            r"time_budget: expected a duration .*2h, got \[15, 'm'\]$",
        ),
        ("model: {head: {channels: 1000000000}}", "model.head.channels: must be at most"),
        ("model: {head: {type: yolo, strides: [0]}}", "model.head.strides.0: must be at least 1"),
        ("data: {image_size: 1000000}", "data.image_size: .*at most 16384 px"),
        ("data: {image_size: [8192, 8193]}", "data.image_size: .*more pixels than 8192x8192"),
        ("data: {image_size: 16}", "data.image_size: must be at least 32 px"),
        ("data: {cache: tape}", "data.cache: .*'none', 'ram', 'disk' or 'auto'"),
        (
            "model: {backbone: {trainable_stages: -1}}",
            "trainable_stages: must be at least 0 or 'all' or 'auto'",
        ),
        ("model: {head: yolo9}", "model.head: the type must be one of yolov1, yolo, got 'yolo9'$"),
        (
            "model: {head: {type: [yolo]}}",
            r"model.head: the type must be one of .*, got \['yolo'\]$",
        ),
        ("model: {head: 3}", "model.head: expected the name of a head"),
        ("model: {head: {gird_size: 3}}", "did you mean model.head.grid_size?"),
        (
            "model: {head: {type: yolo, stride: [8]}}",
            "unknown key model.head.stride, did you mean model.head.strides?",
        ),
        (
            "model: {head: {type: yolo, grid_size: 7}}",
            r"unknown key model.head.grid_size of the yolo head \(the yolov1 head has it\), did",
        ),
        (
            "model: {head: {type: yolo, loss: {no_object: 1}}}",
            r"model.head.loss.no_object .*yolov1 head has it\), did you mean model.head.loss.\w+\?",
        ),
        ("model: {head: {type: yolo, bins: 1}}", "model.head.bins: must be at least 2"),
        ("train: {epochs: true}", "train.epochs: not true or false, .*, got True$"),
        ("train: {lr: on}", "train.lr: not true or false"),
        ("train: {early_stopping: off}", "early_stopping: not true or false.*null turns it off"),
        ("augment: {hflip: yes}", "augment.hflip: not true or false, as YAML reads yes, no, on"),
        ("data: {cache: off}", "data.cache: not true or false"),
        ("model: {backbone: {trainable_stages: true}}", "trainable_stages: not true or false"),
        ("model: {head: {type: yolo, loss: {box: true}}}", "head.loss.box: not true or false"),
        ("train: {time_budget: 1h30}", "train.time_budget: expected a duration"),
        ("train: {epochs: 3}\ntrain: {seed: 5}", "the key 'train' stands twice .*line 2"),
        ("train: {epochs: 3, epochs: 5}", "the key 'epochs' stands twice"),
        ("train: {epochs: " + 5000 * "9" + "}", "cannot read config .*4300 digits"),
        ("train: {epochs: 2024-02-30}", "cannot read config .*day is out of range"),
        (3000 * "[", "cannot read config .*nested too deep"),
        (
            "a: &a [x, x]\n"
            + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise(ascii_lowercase))
            + "train: {epochs: *z}",
            "train.epochs: must be a whole number",
        ),
        ("- a\n- b", "must be a mapping of sections, got list"),
        ("train: {epochs: 3", "cannot read config"),
    ],
)
def test_a_wrong_config_is_one_line_that_names_the_key(
    text: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(_write(tmp_path, text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "epochs"),
    [
        ("train: {epochs: 010}", 10),
        ("train: {epochs: 0x10}", 16),
        ("train: {epochs: 1_000}", 1000),
        ("train:\n  # epochs: 3\naugment:\n", 100),
        ("train: &t {epochs: 7}\nmodel: {head: {<<: {grid_size: 3}, grid_size: 5}}", 7),
        ("train: {<<: {epochs: 7}, epochs: 8}", 8),
    ],
)
def test_numbers_and_sections_mean_what_people_mean(text: str, epochs: int, tmp_path: Path) -> None:
    assert load_config(_write(tmp_path, text)).train.epochs == epochs


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30, -1e30, 10**30, [-1]])
def test_every_key_refuses_what_is_out_of_all_reason(head: str, value: Any) -> None:
    """One key at a time, in one line that names it."""
    keys = _leaves(Config.model_validate({"model": {"head": head}}).model_dump(mode="json"))
    accepted = []
    for key in keys:
        tree: dict[str, Any] = {"model": {"head": {"type": head}}}
        node = tree
        *parents, leaf = key.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
        try:
            validate_config(tree, "test")
        except ConfigError as error:
            assert "\n" not in str(error) and leaf in str(error)
        else:
            accepted.append(key)
    assert accepted == []


def test_a_seed_may_have_64_bits(tmp_path: Path) -> None:
    seed = 2**64 - 1
    assert load_config(_write(tmp_path, f"train: {{seed: {seed}}}")).train.seed == seed
    with torch.random.fork_rng():
        torch.manual_seed(seed)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read config .*absent\.yaml"):
        load_config(tmp_path / "absent.yaml")


def test_every_problem_of_a_file_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.cache: .*train\.epoch,"):
        load_config(_write(tmp_path, "train: {epoch: 3}\ndata: {cache: tape}"))


def test_overrides_replace_values_of_any_type(tmp_path: Path) -> None:
    config = load_config(
        _write(tmp_path, "train: {epochs: 3, lr: 0.1}"),
        [
            "train.epochs=5",
            "train.lr=1e-3",
            "train.early_stopping=null",
            "model.backbone.weights=a=b.pth",
            "data.image_size=[320, 448]",
            "train.time_budget=1h30m",
        ],
    )
    assert config.train.epochs == 5
    assert config.train.lr == 0.001
    assert config.train.early_stopping is None
    assert config.model.backbone.weights == "a=b.pth"
    assert config.data.image_hw == (320, 448)
    assert config.train.time_budget == 5400


@pytest.mark.parametrize("text", ["", "model: {head: yolo}", "model: {head: {type: yolo}}"])
def test_overrides_reach_into_the_head_however_it_is_written(text: str, tmp_path: Path) -> None:
    path = _write(tmp_path, text)
    wanted = read_head({"type": "yolo" if text else HEADS[0], "loss": {"box": 5}})
    assert load_config(path, ["model.head.loss.box=5"]).model.head == wanted
    assert load_config(path, ["model.head=yolov1"]).model.head == read_head("yolov1")
    grid = load_config(path, ["model.head=yolov1", "model.head.grid_size=3"]).model.head
    assert grid == read_head({"type": "yolov1", "grid_size": 3})


@pytest.mark.parametrize(
    ("text", "today"),
    [
        ("model: {head: yolov1, grid_size: 7}", "model.grid_size is now model.head.grid_size"),
        ("model: {strides: [8]}", "model.strides is now model.head.strides"),
        ("model: {head_channels: 64}", "model.head_channels is now model.head.channels"),
        ("loss: {score: 1}", "loss.score is now model.head.loss.classes"),
        (
            "loss: {coord: 1, noobj: 2, obj: 3, classes: 4}",
            "loss.coord is now model.head.loss.box; loss.noobj is now model.head.loss.no_object; "
            "loss.obj is now model.head.loss.object; loss.classes is now model.head.loss.classes",
        ),
    ],
)
def test_the_flat_spelling_is_refused_with_todays(text: str, today: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(_write(tmp_path, text))
    assert f"{today}. Write" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epochs", "is not key.path=value"),
        ("=3", "is not key.path=value"),
        ("train.epochs.more=3", "epochs is a value, not a section"),
        ("train.epoch=3", "did you mean train.epochs?"),
        ("train.epochs=[", "not valid YAML"),
    ],
)
def test_a_wrong_override_is_explained(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(_write(tmp_path, "train: {epochs: 3}"), [override])


def test_data_paths_are_relative_to_the_config_file(tmp_path: Path) -> None:
    text = "data: {train: {images: pictures, annotations: /elsewhere/train.json}}"
    train = load_config(_write(tmp_path, text)).data.train
    assert train is not None
    assert train.images == tmp_path / "pictures"
    assert train.annotations == Path("/elsewhere/train.json")


def test_a_dumped_config_reads_back_equal(tmp_path: Path) -> None:
    text = "train: {time_budget: 90s, lr: 0.5, precision: 16}\ndata: {image_size: [64, 96]}"
    text += "\nmodel: {head: {type: yolo, strides: [16], loss: {dfl: 0}}}"
    config = load_config(_write(tmp_path, text))
    assert load_config(_write(tmp_path, dump_config(config))) == config


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        (90, 90),
        ("90s", 90),
        ("15m", 900),
        ("1.5h", 5400),
        ("1h30m", 5400),
        (0.5, 0.5),
        ("20min", 1200),
        ("20 min", 1200),
        ("2 hours", 7200),
        ("1h 30 minutes", 5400),
        ("5 Sec", 5),
    ],
)
def test_durations(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "m",
        "15 x",
        "m15",
        "15 m in",
        "hour",
        "1h30",
        "5m30",
        "-3m",
        "0",
        0,
        True,
        "nan",
        "1d",
    ],
)
def test_what_is_no_duration(text: str | float) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.slow
def test_the_wheel_carries_the_configs_and_every_package(repository: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"  # a copy: building writes into the source folder
    for folder in ("yolokit", "configs"):
        shutil.copytree(repository / folder, source / folder)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, source)
    command = [sys.executable, "-m", "pip", "wheel", str(source), "--no-deps", "-q"]
    subprocess.run([*command, "--no-build-isolation", "-w", str(tmp_path)], check=True)

    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = (repository / "yolokit").rglob("*.py")
    assert {path.relative_to(repository).as_posix() for path in modules} <= names
    assert {f"yolokit/configs/{name}.yaml" for name in SHIPPED} | {"yolokit/py.typed"} <= names

    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    script = (
        "from yolokit.config_file import find_config; print(find_config('yolov1_mobilenet_v2'))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path / "site",  # first on the path: the unpacked wheel, not the checkout
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert Path(found) == tmp_path / "site" / "yolokit" / "configs" / "yolov1_mobilenet_v2.yaml"


def test_an_override_is_blamed_for_what_it_says_and_not_the_file(tmp_path: Path) -> None:
    path = _write(tmp_path, "train: {epochs: 0}")
    overrides = ["train.lr=x", "model.head={type: yolo, bins: 1}", "train.sed=3"]
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    parts = str(caught.value).split("; ")
    assert parts == [
        "-o model.head={type: yolo, bins: 1}: model.head.bins: must be at least 2, got 1",
        f"{path}: train.epochs: must be at least 1, got 0",
        "-o train.lr=x: train.lr: must be a number or 'auto', got 'x'",
        "-o train.sed=3: unknown key train.sed, did you mean train.seed?",
    ]
