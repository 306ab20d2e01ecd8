"""Private names of other libraries that the product uses: few, known, and still there.

A library may drop such a name in any version. Then its test fails and says what it is needed for.
"""

from __future__ import annotations

import ast
import pickle
from collections.abc import Iterator

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from tests.architecture import modules

KNOWN = {
    "_reset_state": "accelerate: a training may have another precision than the one before it in the same process",
    "_compiled_call_impl": "torch: whether a module was compiled by module.compile()",
    "_orig_mod": "torch: whether a module is what torch.compile(module) returned",
    "_version": "torch: whether a parameter was changed since something was computed of it",
    "_Unpickler": "Python: the unpickler whose table of opcodes can be restricted",
}
PUBLIC = {"_replace", "_exit", "_fields", "_asdict"}
"""Documented in spite of their names: of named tuples, and ``os._exit``."""


def private_names() -> Iterator[tuple[str, str]]:
    """(module, private name) of every attribute that the product takes of an object and defines nowhere."""
    trees = {module: ast.parse(path.read_text()) for module, path in modules().items()}
    own = {name for tree in trees.values() for node in ast.walk(tree) for name in _defined(node)}
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("__"):
                yield from [(module, node.attr)] * (node.attr in KNOWN or node.attr not in own | PUBLIC)
            elif isinstance(node, ast.Constant) and node.value in KNOWN:
                yield module, str(node.value)
            elif isinstance(node, ast.ImportFrom):
                taken = [alias.name for alias in node.names if alias.name.startswith("_")]
                yield from [(module, name) for name in taken if node.module != "__future__"]


def _defined(node: ast.AST) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        return [node.attr] if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls") else []
    return [node.id] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else []


def test_no_other_private_name_is_used() -> None:
    assert {name for _, name in private_names()} == KNOWN.keys(), (
        "take a public name; where there is none, name it in KNOWN and test below that the library has it: "
        + ", ".join(f"{module} uses {name}" for module, name in private_names() if name not in KNOWN)
    )


def needs(name: str, there: bool) -> None:
    assert there, f"{name} is gone. It is needed for this: {KNOWN[name]}"


def test_accelerate_resets_its_state() -> None:
    needs("_reset_state", callable(getattr(AcceleratorState, "_reset_state", None)))
    for precision in ("bf16", "no"):
        AcceleratorState._reset_state()
        needs("_reset_state", Accelerator(cpu=True, mixed_precision=precision).mixed_precision == precision)


def test_torch_tells_that_a_module_was_compiled() -> None:
    module = nn.Linear(2, 2)
    needs("_compiled_call_impl", hasattr(module, "_compiled_call_impl") and module._compiled_call_impl is None)
    module.compile()
    needs("_compiled_call_impl", module._compiled_call_impl is not None)


def test_torch_tells_that_a_module_is_wrapped() -> None:
    module = nn.Linear(2, 2)
    needs("_orig_mod", getattr(torch.compile(module), "_orig_mod", None) is module)


def test_torch_counts_the_changes_of_a_parameter() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    before = getattr(parameter, "_version", None)
    with torch.no_grad():
        parameter.add_(1)
    needs("_version", before is not None and parameter._version > before)


@pytest.mark.parametrize("code", [pickle.REDUCE, pickle.BUILD, pickle.GLOBAL])
def test_python_has_the_unpickler_written_in_python(code: bytes) -> None:
    found = getattr(pickle, "_Unpickler", None)
    needs("_Unpickler", found is not None and callable(found.dispatch[code[0]]))
