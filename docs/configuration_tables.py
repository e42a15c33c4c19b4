"""Tables of every setting: keys, values and defaults from the program's own models, what they mean
from the comments of ``configs/reference.yaml``. ``site_hooks.py`` puts them into the site."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from yolokit.config import Config
from yolokit.heads.family import HEADS, config_class
from yolokit.sections import BackboneConfig

_KEY = re.compile(r"(?P<indent> *)(?P<key>\w+):(?P<value>[^#]*)(?:# (?P<comment>.*))?")
_MORE = re.compile(r"(?P<indent> +)# {1,2}(?P<comment>\S.*)")
_LIMITS = (
    ("minimum", "≥ "),
    ("exclusiveMinimum", "> "),
    ("maximum", "≤ "),
    ("exclusiveMaximum", "< "),
)
_COLUMNS = "| key | values | default | meaning |\n|---|---|---|---|"


def configuration_tables(reference: str) -> str:
    """The page's tables, as Markdown.

    Args:
        reference: the text of ``configs/reference.yaml``.
    """
    parts = [_table("model.backbone", BackboneConfig, meanings(reference))]
    for head in HEADS:
        title = f"model.head, of type {head}"
        parts.append(_table(title, config_class(head), meanings(_with_head(reference, head))))
    for name, field in Config.model_fields.items():
        if name != "model":
            assert isinstance(field.annotation, type)
            parts.append(_table(name, field.annotation, meanings(reference)))
    return "\n\n".join(parts)


def meanings(reference: str) -> dict[str, str]:
    """Dotted key -> its comment, joined over lines."""
    found: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    for line in reference.splitlines():
        if key := _KEY.fullmatch(line):
            indent = len(key["indent"])
            path = [*(each for each in path if each[0] < indent), (indent, key["key"])]
            found[_dotted(path)] = (key["comment"] or "").strip()
        elif (more := _MORE.fullmatch(line)) and path and len(more["indent"]) > path[-1][0] + 2:
            found[_dotted(path)] += f" {more['comment'].strip()}"
    return found


def _dotted(path: list[tuple[int, str]]) -> str:
    return ".".join(key for _, key in path)


def _with_head(reference: str, head: str) -> str:
    """The reference with that head's keys; those of all but the first are comments in it."""
    if head == HEADS[0]:
        return reference
    commented = re.findall(r"^  # head:\n(?:  #   .*\n)+", reference, re.MULTILINE)
    (block,) = (each for each in commented if f"type: {head} " in each)
    return "model:\n" + re.sub(r"(?m)^  # ", "  ", block)


def _table(title: str, model: type[BaseModel], meaning: dict[str, str]) -> str:
    section = title.partition(",")[0]
    rows = [
        f"| `{key}` | {values} | {default} | {_cell(meaning[f'{section}.{key}'])} |"
        for key, values, default in _rows(model)
    ]
    doc = (model.__doc__ or "").strip().splitlines()[0]
    return "\n".join([f"## {title}", "", doc, "", _COLUMNS, *rows])


def _rows(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Key, allowed values and default of every setting, those of inner sections too."""
    schema = model.model_json_schema()
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _rows(kind, f"{prefix}{name}.")
            continue
        default = json.dumps(field.get_default(), default=str).strip('"')
        yield f"{prefix}{name}", _values(schema["properties"][name], schema), f"`{default}`"


def _values(property_: dict[str, Any], schema: dict[str, Any]) -> str:
    """What a setting takes, in words."""
    if "anyOf" in property_:
        return ", ".join(_values(each, schema) for each in property_["anyOf"])
    if "$ref" in property_:
        inner = schema["$defs"][property_["$ref"].rpartition("/")[2]]
        return "{" + ", ".join(inner["properties"]) + "}"
    if "const" in property_ or "enum" in property_:
        choices = property_.get("enum", [property_.get("const")])
        return ", ".join(f"`{each}`" for each in choices)
    if property_["type"] == "array":
        each = property_.get("items") or property_["prefixItems"][0]
        return f"[{_values(each, schema)}, …]"
    limits = [f"{sign}{_number(property_[key])}" for key, sign in _LIMITS if key in property_]
    names = {"null": "`null`", "boolean": "`true`, `false`", "string": "text", "number": "number"}
    return " ".join([names.get(property_["type"], "whole number"), *limits])


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
