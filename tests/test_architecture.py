"""Rooms and floors, read from the imports: nothing points upwards, third parties stay in theirs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from yolokit.cli.main import COMMANDS
from yolokit.heads.family import HEADS

PACKAGE = Path(__file__).resolve().parents[1] / "yolokit"

FLOORS = {
    "types": 0,
    "errors": 0,
    "sections": 0,
    "files": 0,
    "fonts": 0,
    "machine": 0,
    "signals": 0,
    "slim": 0,
    "plain_text": 0,
    "strict_yaml": 0,
    "drawing": 0,
    "label_places": 0,
    "_version": 0,
    "ops": 0,
    "config": 1,
    "config_file": 1,
    "models": 1,
    "heads": 1,
    "backbones": 1,
    "data": 1,
    "synthesis": 1,
    "inference": 2,
    "evaluation": 2,
    "engine": 3,
    "video": 3,
    "serving": 3,
    "tracking": 3,
    "ceiling": 3,
    "bench": 3,
    "export": 3,
    "hub": 3,
    "report": 4,
    "explain": 4,
    "api": 5,
    "model": 5,
    "scoring": 5,
    "cli": 5,
    "__init__": 6,  # the package's face: lazily, everything it offers
    "__main__": 6,
}
# Above the ground floor, rooms of one floor do not know each other, but for these.
SIBLINGS = {
    ("config", "heads"),
    ("config_file", "config"),
    ("config_file", "heads"),
    ("models", "config"),
    ("models", "heads"),
    ("models", "backbones"),
    ("evaluation", "inference"),
    ("serving", "video"),
    ("tracking", "video"),
    ("explain", "report"),
    ("cli", "api"),
}
# Who may import a third party: a room, or one file.
THIRD_PARTIES: dict[str, set[str]] = {
    "albumentations": {"data/augment.py"},
    "pycocotools": {"data", "evaluation", "synthesis"},
    "hotcoco": {"evaluation/evaluators.py"},
    "simplejpeg": {"data/jpeg.py"},
    "jinja2": {"report/page.py"},
    "markupsafe": {"report/page.py"},
    "lightning": {"engine"},
    "click": {"cli"},
    "cv2": {"data", "drawing.py", "synthesis", "video", "tracking"},
    "timm": {"backbones"},
    "huggingface_hub": {"models/hub_files.py", "models/hub_errors.py", "hub", "backbones"},
    "tqdm": {"engine/console.py"},
    "fastapi": {"serving"},
    "starlette": {"serving"},
    "uvicorn": {"serving/run.py", "serving/connections.py"},
    "h11": {"serving/connections.py"},
    "prometheus_client": {"serving/metrics.py"},
    "anyio": {"serving"},
    "onnx": {"export"},
    "nncf": {"export/quantise.py"},
    "anyascii": {"fonts.py", "engine/logger_kinds.py"},
    "wandb": {"engine/logger_kinds.py"},
    "mlflow": {"engine/logger_kinds.py"},
    "onnxruntime": {"inference/onnx_backend.py", "export"},
    "openvino": {"inference/openvino_backend.py", "export"},
    "scipy": {"heads/yolo/matching.py", "data/grouping.py"},
    "supervision": {"inference", "tracking/library.py"},
    "trackers": {"tracking/library.py"},
    "torchvision": {"backbones", "models"},
    "pydantic": {
        *("sections.py", "config.py", "config_file.py"),
        *(f"heads/{name}/config.py" for name in HEADS),
        *("models", "data", "engine", "serving"),
    },
    "yaml": {"config_file.py", "engine", "strict_yaml.py"},
}
# What may not reach torch by any import that runs when it is imported: files, and whole rooms.
TORCH_FREE = {
    *("types.py", "errors.py", "sections.py", "config.py", "config_file.py", "files.py"),
    *(
        "plain_text.py",
        "strict_yaml.py",
        "drawing.py",
        "label_places.py",
        "heads/family.py",
        "heads/old_spellings.py",
    ),
    *(f"heads/{name}/{part}.py" for name in HEADS for part in ("config", "family")),
    *("data/images.py", "data/prepare.py", "data/locate.py", "data/cache.py", "data/pictures.py"),
    *(
        "machine.py",
        "models/card.py",
        "ops/letterbox.py",
        "ops/nms.py",
        "evaluation",
        "video",
        "serving",
        "tracking",
        "bench",
    ),
    *(f"inference/{name}.py" for name in ("backend", "postprocess", "predictor", "result")),
    *(f"inference/{name}.py" for name in ("exported", "loading", "sources")),
    *(f"inference/{name}_backend.py" for name in ("onnx", "openvino")),
    *(
        "models/export_record.py",
        "models/network_size.py",
        "models/torchvision_name.py",
        "scoring.py",
        "model.py",
        *(f"models/hub_{name}.py" for name in ("name", "files", "errors")),
        "hub",
        "slim.py",
        "engine/isolation.py",
        "engine/logger_packages.py",
    ),
    *("api.py", "models/model_path.py", "engine/reading.py", "engine/run_folder.py"),
    *("data/split.py", "data/unsplit.py", "cli/data_split.py"),
    *(f"cli/{name}.py" for name in ("main", *COMMANDS)),
    *(f"report/{name}.py" for name in ("page", "charts", "pictures", "scored", "sections")),
    *(f"report/{name}.py" for name in ("advice", "evaluation", "model_section", "compare")),
    "cli/eval_results.py",
}
LABEL_FORMAT_FILES = {
    "sections.py",
    "data/read_split.py",
    "data/formats/yolo.py",
    "data/formats/convert.py",
    "cli/data_convert.py",
}
LONGEST_FILE = 320  # lines; a longer file is usually two rooms
FILES = sorted(PACKAGE.rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def _imports(path: Path) -> Iterator[str]:
    """Every module a file imports anywhere, inside functions and for type checking too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{_name(path)} imports relatively; write the full name"
            assert node.module is not None
            # `from yolokit import types` names a room of ours in its second part
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            yield from (a.value for a in node.args[:1] if isinstance(a, ast.Constant))


def _arrows(path: Path) -> list[str]:
    """The rooms of ours that a file imports from."""
    names = (name.split(".") for name in _imports(path))
    return [parts[1] if len(parts) > 1 else "__init__" for parts in names if parts[0] == "yolokit"]


def _may_import(importer: str, imported: str) -> bool:
    if FLOORS[importer] == FLOORS[imported]:
        same_room = importer == imported
        return same_room or FLOORS[importer] == 0 or (importer, imported) in SIBLINGS
    return FLOORS[importer] > FLOORS[imported]


def test_the_package_is_read() -> None:
    assert {"config.py", "cli/main.py", "ops/letterbox.py"} <= {_name(path) for path in FILES}


def test_every_room_has_a_floor() -> None:
    assert {_room(path) for path in FILES} <= set(FLOORS)


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_no_arrow_points_upwards(path: Path) -> None:
    room = _room(path)
    wrong = [imported for imported in _arrows(path) if not _may_import(room, imported)]
    assert wrong == [], f"{_name(path)} (floor {FLOORS[room]}) must not import {wrong}"


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("models", "engine", False),
        ("models", "data", False),
        ("heads", "models", False),
        ("heads", "config", False),
        ("config", "heads", True),
        ("data", "config", False),
        ("data", "sections", True),
        ("models", "heads", True),
        ("backbones", "heads", False),
        ("engine", "report", False),
        ("report", "engine", True),
        ("data", "models", False),
        ("ops", "models", False),
        ("types", "engine", False),
        ("inference", "evaluation", False),
        ("evaluation", "inference", True),
        ("engine", "video", False),
        ("video", "engine", False),
        ("engine", "cli", False),
        ("engine", "models", True),
        ("cli", "video", True),
        ("serving", "video", True),
        ("video", "serving", False),
        ("ops", "types", True),
    ],
)
def test_the_rule_itself(importer: str, imported: str, allowed: bool) -> None:
    assert _may_import(importer, imported) == allowed


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_third_parties_keep_to_their_rooms(path: Path) -> None:
    own = {_name(path), _room(path)}
    parties = {name.partition(".")[0] for name in _imports(path)}
    wrong = [name for name in parties & set(THIRD_PARTIES) if own.isdisjoint(THIRD_PARTIES[name])]
    if _name(path) == "cli/env.py":  # it reports whether each of them can be imported
        wrong = [name for name in wrong if name not in {"cv2", "torch"}]
    assert wrong == [], f"{_name(path)} must not import {wrong}"


def _imported(path: Path) -> Iterator[str]:
    """Modules that are imported as soon as this file is: not in functions, nor for types only."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module or ""
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                waiting += node.orelse
            elif not isinstance(node, ast.FunctionDef | ast.Lambda):
                waiting.append(node)


def _way_to_torch(path: Path, seen: set[Path]) -> list[str]:
    """The files and the module through which a file reaches torch as soon as it is imported."""
    for name in _imported(path):
        if name.partition(".")[0] in {"torch", "torchvision", "lightning", "timm"}:
            return [_name(path), name]
        inside = PACKAGE.parent / Path(*name.split("."))
        for file in (inside.with_suffix(".py"), inside / "__init__.py"):
            if name.startswith("yolokit.") and file.is_file() and file not in seen:
                seen.add(file)
                if way := _way_to_torch(file, seen):
                    return [_name(path), *way]
    return []


def _torch_free() -> list[Path]:
    return [path for path in FILES if not {_name(path), _room(path)}.isdisjoint(TORCH_FREE)]


def test_the_torch_free_set_is_there() -> None:
    found = {name for path in _torch_free() for name in (_name(path), _room(path))}
    assert found >= TORCH_FREE


@pytest.mark.parametrize("path", _torch_free(), ids=_name)
def test_no_file_of_the_torch_free_set_reaches_torch(path: Path) -> None:
    assert _way_to_torch(path, {path}) == []


def test_importing_the_torch_free_set_loads_no_torch() -> None:
    files = [path.relative_to(PACKAGE.parent).with_suffix("").parts for path in _torch_free()]
    modules = [".".join(parts) for parts in files if parts[-1] != "__init__"]
    script = "import sys, importlib\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\n"
    script += "    assert 'torch' not in sys.modules, name"
    command = [sys.executable, "-c", script, *modules]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("head", HEADS)
def test_a_head_is_named_in_its_folder_and_in_one_other_place(head: str) -> None:
    """Not as a value, nor as a module: who wants to know what a head is asks its family."""
    places = []
    for path in FILES:
        if PACKAGE / "heads" / head in path.parents:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        values = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        if _name(path) in LABEL_FORMAT_FILES:  # one head and one format of labels share a name
            values = []
        modules = [name for name in _imports(path) if f"yolokit.heads.{head}." in f"{name}."]
        places += [_name(path)] * (values.count(head) + len(modules))
    assert places == ["heads/family.py"]


def test_package_files_are_empty() -> None:
    insides = PACKAGE.glob("*/__init__.py")
    assert [_name(path) for path in insides if path.read_text(encoding="utf-8").strip()] == []


def test_there_is_no_room_for_everything() -> None:
    names = {part for path in FILES for part in path.relative_to(PACKAGE).with_suffix("").parts}
    assert names & {"utils", "util", "helpers", "common", "misc"} == set()


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_file_is_one_room(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("name", ["main", "data_convert", "data_split", *COMMANDS])
def test_command_files_load_our_rooms_only_when_they_run(name: str) -> None:
    body = ast.parse((PACKAGE / "cli" / f"{name}.py").read_text(encoding="utf-8")).body
    modules = {node.module or "" for node in body if isinstance(node, ast.ImportFrom)}
    ours = {module for module in modules if module.startswith("yolokit")}
    light = (
        "_version",
        "errors",
        "signals",
        "cli.share",
        "cli.detect_options",
        "cli.data_convert",
        "cli.data_split",
    )
    assert ours <= {f"yolokit.{each}" for each in light}


def test_every_package_is_listed_for_the_wheel() -> None:
    setup = (PACKAGE.parent / "setup.cfg").read_text(encoding="utf-8")
    folders = {path.parent.relative_to(PACKAGE.parent) for path in FILES}
    missing = [f for f in folders if f"\n    {'.'.join(f.parts)}\n" not in setup]
    assert missing == []
