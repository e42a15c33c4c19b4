"""Configs as files: found by name, read strictly, overridden key by key, written.

An unknown key is an error that names the nearest known one.
"""

from __future__ import annotations

import difflib
import os
import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from yolokit.config import Config
from yolokit.errors import ConfigError
from yolokit.heads.family import HEADS, config_class
from yolokit.heads.old_spellings import todays_spellings
from yolokit.strict_yaml import read_yaml

_HEAD = "model.head."
_DURATION = "train.time_budget"  # a bare 10 might be minutes to one and seconds to another
_BRANCHES = {"int", "float", "str", "bool", "constrained-int", "constrained-float"}  # pydantic's
_SHOWN = 80  # characters of a wrong value
_REPR = reprlib.Repr()  # of what aliases made endless, never the whole
_REPR.maxstring = _REPR.maxlong = _REPR.maxother = _SHOWN


def find_config(name: str) -> Path:
    """The path of a config: a file, or the bare name of one that yolokit ships.

    Raises:
        ConfigError: neither exists; the message lists the shipped names.
    """
    path = Path(name)
    if os.path.isfile(path):  # noqa: PTH113 - false for a name that no system takes
        return path
    package = Path(__file__).parent
    folders = [package / "configs", package.parent / "configs"]  # wheel, source checkout
    for folder in folders:
        shipped = folder / f"{name.removesuffix('.yaml')}.yaml"
        if path.name == name and shipped.is_file():
            return shipped
    names = sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})
    raise ConfigError(
        f"no config {_shortened(name)}. Give a YAML file or one of: {', '.join(names)}"
    )


def load_config(path: Path, overrides: Iterable[str] = ()) -> Config:
    """Read a YAML config and apply ``key.path=value`` overrides, strictly.

    Paths under ``data`` are taken relative to the config file, those in overrides to the
    working directory.

    Raises:
        ConfigError: unreadable file, unknown key, wrong type, malformed override.
    """
    try:
        tree = read_yaml(path.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read config {path}: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"config {path} must be a mapping of sections, got {type(tree).__name__}")
    _anchor_data_paths(tree, path.parent)
    return config_from_tree(tree, overrides, str(path))


def config_from_tree(tree: dict[str, Any], overrides: Iterable[str], where: str) -> Config:
    """A config from plain values, which overrides change first.

    Raises:
        ConfigError: see ``load_config``.
    """
    given = {}
    for override in overrides:
        _apply_override(tree, override)
        given[override.partition("=")[0]] = f"-o {_shortened_text(override)}"
    return validate_config(tree, where, given)


def validate_config(
    tree: Mapping[str, Any], where: str, given: Mapping[str, str] | None = None
) -> Config:
    """A ``Config`` from plain values; every problem in one line.

    Args:
        tree: sections of keys.
        where: they come from.
        given: key -> where it comes from instead.

    Raises:
        ConfigError: naming the key, what was expected, and the nearest known key.
    """
    if moved := todays_spellings(tree):
        spelt = "; ".join(f"{old} is now {new}" for old, new in moved.items())
        raise ConfigError(f"{where}: {spelt}. Write those instead, see configs/reference.yaml")
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_explain_all(error, tree, where, given or {})) from error


def dump_config(config: Config) -> str:
    """The resolved config as YAML text."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _anchor_data_paths(tree: dict[str, Any], folder: Path) -> None:
    data = tree.get("data")
    for split in data.values() if isinstance(data, dict) else ():
        for key in ("images", "annotations") if isinstance(split, dict) else ():
            if isinstance(split.get(key), str):
                split[key] = str(folder / split[key])


def _apply_override(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"override {override!r} is not key.path=value, e.g. train.epochs=50")
    try:
        value = read_yaml(text)
    except ValueError as error:
        raise ConfigError(
            f"override {_shortened(override)}: the value is not valid YAML"
        ) from error
    if key == _DURATION and isinstance(value, int | float) and not isinstance(value, bool):
        raise ConfigError(
            f"override {override!r}: {text} of what? Give {text}s, {text}m or {text}h"
        )
    *parents, leaf = key.split(".")
    node = tree
    for parent in parents:
        child = node.setdefault(parent, {})
        if isinstance(child, str) and key.startswith(_HEAD):
            child = node[parent] = {"type": child}  # a bare name
        if not isinstance(child, dict):
            raise ConfigError(f"override {override!r}: {parent} is a value, not a section")
        node = child
    node[leaf] = _number_or(value)


def _number_or(value: Any) -> Any:
    """YAML 1.1 reads 1e-3 (no dot) as text; take it as the number the user meant."""
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value):
        return float(value)
    return value


def _explain_all(
    error: ValidationError, tree: Mapping[str, Any], where: str, given: Mapping[str, str]
) -> str:
    """Every problem, after the place that each comes from."""
    by_key: dict[str, list[Any]] = {}
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"] if not _is_union_branch(str(part)))
        by_key.setdefault(key, []).append(problem)
    by_place: dict[str, list[str]] = {}
    for key, problems in by_key.items():
        place = next((place for own, place in given.items() if _within(key, own)), where)
        by_place.setdefault(place, []).append(_explain(key, problems, tree))
    return "; ".join(f"{place}: {'; '.join(said)}" for place, said in by_place.items())


def _within(key: str, own: str) -> bool:
    """Whether two keys are one, or one is of the section that the other names."""
    return key == own or key.startswith(f"{own}.") or own.startswith(f"{key}.")


def _explain(key: str, problems: Sequence[Any], tree: Mapping[str, Any]) -> str:
    """What is wrong with one key; of several kinds of value, what each should be."""
    if problems[0]["type"] == "extra_forbidden":
        return _explain_unknown(key, tree)
    wanted = list(dict.fromkeys(map(_wanted, problems)))
    said = " or ".join(wanted)
    if not problems[0]["type"].startswith("value_error"):
        said = f"must be {said}"
    got = "" if ", got " in said else f", got {_shortened(problems[0]['input'])}"
    return f"{key}: {said}{got}"


_WANTED = {  # pydantic's kind of problem -> what the value must be, in our words
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    "int_parsing_size": "a whole number of fewer digits",
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    "finite_number": "a finite number",
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("string_type", "path_type"), "text"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list"),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "a section of keys"),
    "missing": "there",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "literal_error": "{expected}",
}


def _wanted(problem: Mapping[str, Any]) -> str:
    words = _WANTED.get(problem["type"])
    if words is None:
        said: str = problem["msg"]
        return said.removeprefix("Value error, ").removeprefix("Input should be ")
    return words.format(**problem.get("ctx", {}))


def _shortened(value: Any) -> str:
    return _shortened_text(_REPR.repr(value))


def _shortened_text(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _explain_unknown(key: str, tree: Mapping[str, Any]) -> str:
    known, owner = _known_keys(Config), ""
    if key.startswith(_HEAD):
        name = tree["model"]["head"].get("type", HEADS[0])
        known = _head_keys(name)
        owners = [other for other in HEADS if key in _head_keys(other)]
        owner = f" of the {name} head (the {owners[0]} head has it)" if owners else ""
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    return f"unknown key {key}{owner}, did you mean {nearest[0]}?"


def _head_keys(name: str) -> list[str]:
    return _known_keys(config_class(name), _HEAD)


def _is_union_branch(part: str) -> bool:
    return part in _BRANCHES or part.startswith(("literal[", "tuple["))


def _known_keys(section: type[BaseModel], prefix: str = "") -> list[str]:
    known = []
    for name, field in section.model_fields.items():
        known.append(prefix + name)
        kinds = (field.annotation, *getattr(field.annotation, "__args__", ()))
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                known += _known_keys(kind, f"{prefix}{name}.")
    return known
