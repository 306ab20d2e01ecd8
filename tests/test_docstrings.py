"""Docstrings of the product are read without the name in front of them: in a help system, in a tooltip, in a diff.

A sentence that begins in the middle ("Of the bootstrap.") says nothing there.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture import modules

HALF_SENTENCES = ("Of", "That", "Those", "So", "Between", "As", "And")


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of the docstrings of a file, and of the texts that stand below constants and attributes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield node.lineno, node.value.value.strip()


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_docstring_begins_with_what_it_is_about(module: str) -> None:
    found = {line: text.splitlines()[0] for line, text in docstrings(modules()[module]) if text}
    half = [(line, text) for line, text in found.items() if text.split()[0].strip(",:;.") in HALF_SENTENCES]
    told = "\n".join(f"line {line}: {text}" for line, text in half)
    assert not told, f'begin with the noun ("Seconds between two looks", not "Between two looks"):\n{told}'
