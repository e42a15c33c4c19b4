"""YAML as people mean it: a key that stands twice is an error, and 010 is ten."""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.nodes import MappingNode, ScalarNode

_INT, _MERGE = "tag:yaml.org,2002:int", "tag:yaml.org,2002:merge"
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")  # octal in YAML 1.1, decimal in 1.2 and to people


class _Loader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: Any) -> MappingNode:
        node: MappingNode = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, ScalarNode) or key.tag == _MERGE:
                continue
            if key.value in seen:  # of two sections of a name, one would be lost without a word
                raise ComposerError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(key.value)
        return node

    def construct_yaml_int(self, node: ScalarNode) -> int:
        text = str(self.construct_scalar(node))
        if _LEADING_ZERO.fullmatch(text):
            return int(text.replace("_", ""))
        return int(super().construct_yaml_int(node))


_Loader.add_constructor(_INT, _Loader.construct_yaml_int)


def read_yaml(text: str) -> Any:
    """Plain values from YAML text; no code in it is run.

    Raises:
        ValueError: not YAML, a key that stands twice, nested too deep or a number too long; in
            one line.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or number that is none
        raise ValueError(" ".join(str(error).split())) from error
