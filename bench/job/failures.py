"""Where in the code a failure came from, and whether the code of its method is another by now."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType

from bench.config.experiment import Experiment
from bench.config.registry import METHODS
from bench.results.files import sha256
from models.errors import InputError
from models.lifter import Lifter

PACKAGES = ("models", "baselines", "bench", "ablations", "reports")

_ROOT = Path(__file__).parents[2]
_DIGESTS: dict[type[Lifter], str] = {}
_FRAME = re.compile(r'^\s*File "(.+)", line (\d+)', re.MULTILINE)


def place_of(details: str) -> str:
    """The innermost line of the suite or of a plug-in in a traceback as Python prints it.

    "FILE:LINE", the file as it is called within its package; "" where there is none.
    """
    points = (point for package in distributions() for point in package.entry_points)
    plugins = {point.module.split(".")[0] for point in points if point.group.startswith("lifting_bench.")}
    for file, line in reversed(_FRAME.findall(details)):
        path = Path(file)
        if path.is_relative_to(_ROOT) and path.relative_to(_ROOT).parts[0] in PACKAGES:
            return f"{path.relative_to(_ROOT)}:{line}"
        for plugin in plugins.intersection((*path.parts, path.stem)):
            parts = path.parts
            start = len(parts) - 1 - parts[::-1].index(plugin) if plugin in parts else len(parts) - 1
            return f"{Path(*parts[start:])}:{line}"
    return ""


def digest_of(experiment: Experiment) -> str:
    """Digest of the code of an experiment's method; "" where there is no such method."""
    try:
        return method_digest(METHODS.load(experiment.method.name))
    except InputError:
        return ""


def method_digest(lifter: type[Lifter]) -> str:
    """Digest of the files that define a method: those of its classes, and what they use of the same packages."""
    if lifter not in _DIGESTS:
        _DIGESTS[lifter] = _digest(lifter)
    return _DIGESTS[lifter]


def _digest(lifter: type[Lifter]) -> str:
    packages = {"models", "baselines", lifter.__module__.partition(".")[0]}
    found: dict[str, Path] = {}
    waiting = [sys.modules[base.__module__] for base in lifter.__mro__]
    while waiting:
        module = waiting.pop()
        name, file = module.__name__, getattr(module, "__file__", None)
        if name not in found and name.partition(".")[0] in packages and file is not None:
            found[name] = Path(file)
            waiting += _used_by(module)
    return sha256(*(found[name].read_bytes() for name in sorted(found)))[:16]


def _used_by(module: ModuleType) -> Iterator[ModuleType]:
    """Modules that names of a module come from, without its submodules: who imports these first is chance."""
    for value in vars(module).values():
        if isinstance(value, ModuleType):
            home = None if value.__name__.startswith(f"{module.__name__}.") else value
        else:
            home = sys.modules.get(str(getattr(value, "__module__", "")))
        if home is not None:
            yield home
