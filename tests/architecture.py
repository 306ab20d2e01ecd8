"""Which room imports from which, read from the source code.

A room is a folder of a package, or a file that stands beside its folders. ``ORDER`` lists the rooms from the
ground up: a room may import from those before it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests import ROOT

ORDER = {
    "models": (
        "optim", "skeleton", "errors", "camera", "losses", "lifter", "tuned", "config", "inference", "layers",
        "diffusion", "checkpoints", "text", "finepose",
    ),
    "baselines": ("layers", "", "published"),
    "bench": (
        "config", "devices", "results", "data", "protocol", "measure", "training", "job", "footage", "sweep",
        "cli", "__main__",
    ),
    "ablations": ("",),
    "reports": (
        "rules", "writers", "figures", "tables", "page", "summary", "findings", "document", "pdf", "build",
        "footage",
    ),
}  # fmt: skip
"""Package → its rooms, from the ground up; "" stands for all files beside its folders."""

FLOORS = {
    "models": {"models"},
    "baselines": {"models", "baselines"},
    "bench": {"models", "bench"},
    "ablations": {"models", "bench", "ablations"},
    "reports": {"models", "bench", "reports"},
}
"""Package → the packages that it may import from; only ``bench.cli``, the roof, may reach further."""


@cache
def modules() -> Mapping[str, Path]:
    """Every module of the product by its dotted name; a package by the name of its folder."""
    found = {}
    for package in ORDER:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(module: str) -> frozenset[str]:
    """The modules of the product that one imports: at its head, inside functions and for type checking alike."""
    found = set()
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            inside = below & modules().keys()
            found |= inside | ({node.module or ""} if inside != below else set())
    return frozenset(found & modules().keys() - {module})


def room_of(module: str) -> str:
    """``"bench.results"`` for ``"bench.results.store"``; the package alone for what ``ORDER`` does not list."""
    package, _, rest = module.partition(".")
    room = rest.split(".")[0]
    return f"{package}.{room}" if room in ORDER[package] and room else package


def rooms(package: str) -> list[str]:
    """Rooms of a package, from the ground up, named as ``room_of`` names them."""
    return [f"{package}.{room}" if room else package for room in ORDER[package]]


@cache
def arrows() -> frozenset[tuple[str, str]]:
    """(room, another room that it imports from)."""
    pairs = {(room_of(module), room_of(other)) for module in modules() for other in imports(module)}
    return frozenset((room, other) for room, other in pairs if room != other)


def points_down(room: str, other: str) -> bool:
    """Whether a room may import from another one."""
    package, below = room.split(".")[0], other.split(".")[0]
    if package != below:
        return below in FLOORS[package] or (room == "bench.cli" and below != "baselines")
    order = rooms(package)
    return room in order and other in order and order.index(other) < order.index(room)
