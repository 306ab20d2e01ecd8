"""Reading YAML that anybody may have written: bounded in size, depth and expansion, and one error for all faults.

PyYAML's safe loader runs no code, but some texts make it fail with any exception of Python, recurse without end,
or stand for far more than they hold (aliases of aliases).
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

LARGEST = 100_000
"""Bytes of a text; the longest of this repository has 2,000."""

DEEPEST = 50
"""Levels of lists and mappings."""

MOST_WRITTEN = 1_000_000
"""Characters of values, with every alias written out."""

LONGEST_NUMBER = 100
LARGEST_NUMBER = 2**63
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters apart from tabs and ends of lines, and halves of characters."""


class YamlError(ValueError):
    """A text is not YAML that is read here; the message says where and why."""


def load_yaml(text: str) -> Any:
    """The content of a YAML text: texts, numbers, lists, mappings.

    Raises:
        YamlError: it is not valid, a key stands twice in a mapping, a value cannot be read as what it looks like,
            a number is not finite or beyond 64 bits, or the text is too large, too deep, or its aliases stand for
            too much.
    """
    if len(text) > LARGEST:
        raise YamlError(f"it has more than {LARGEST:,} characters")
    try:
        loader = _Loader(text)
        return loader.get_single_data()
    except yaml.YAMLError as error:
        raise YamlError(_told(error)) from None


class _Loader(yaml.SafeLoader):
    """The safe loader with the bounds of this file."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._written = 0
        self._sizes: dict[yaml.Node, int] = {}  # of finished nodes, aliases written out

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Read one value, and count what it holds; refuse it before it explodes."""
        mark, is_alias = self.peek_event().start_mark, self.check_event(yaml.AliasEvent)
        self._depth += 1
        if self._depth > DEEPEST:
            raise _fault(f"there are more than {DEEPEST} levels of lists and mappings", mark)
        before = self._written
        node = super().compose_node(parent, index)
        self._depth -= 1
        assert node is not None
        if is_alias and node not in self._sizes:
            raise _fault("an alias stands inside of what it stands for", mark)
        characters = len(node.value) if isinstance(node, yaml.ScalarNode) else 0
        self._written += self._sizes.get(node, 0) if is_alias else 1 + characters
        if self._written > MOST_WRITTEN:
            raise _fault(f"aliases stand for more than {MOST_WRITTEN:,} characters", mark)
        self._sizes[node] = self._written - before
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Read a mapping; of a key that stands twice, PyYAML would silently keep the last."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise _fault(f"the key {key.value!r} stands twice", key.start_mark)
                seen.add((key.tag, key.value))
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Make the value of a node. PyYAML takes any text that looks like a number or a date for a valid one."""
        if isinstance(node, yaml.ScalarNode):
            if UNPRINTABLE.search(node.value):
                raise _fault("a text has a control character", node.start_mark)
            if node.tag in NUMBERS and len(node.value) > LONGEST_NUMBER:
                raise _fault(f"a number has more than {LONGEST_NUMBER} characters", node.start_mark)
        try:
            value = super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        except Exception:
            kind = node.tag.rpartition(":")[2]
            raise _fault(f"{_text(node)} cannot be read as {kind}; quote a text", node.start_mark) from None
        if isinstance(value, int) and abs(value) >= LARGEST_NUMBER:
            raise _fault(f"{_text(node)} is beyond 64 bits", node.start_mark)
        if isinstance(value, float) and not math.isfinite(value):
            raise _fault(f"{_text(node)} is not a finite number", node.start_mark)
        return value


def _text(node: yaml.Node) -> str:
    return repr(node.value) if isinstance(node, yaml.ScalarNode) else "a list or mapping"


def _fault(problem: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _told(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    context = getattr(error, "context", None)
    what = " ".join(part for part in (context, problem) if part) or " ".join(str(error).split())
    return f"line {mark.line + 1}, column {mark.column + 1}: {what}" if mark else what
