"""What a failure broke, where in the code it came from, and whether the code of its method is another by now."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType

import torch

from bench.config.experiment import Experiment
from bench.config.registry import METHODS
from bench.measure.memory import is_out_of_memory
from bench.results.files import sha256
from models.errors import InputError
from models.lifter import Lifter

PACKAGES = ("models", "baselines", "bench", "ablations", "reports")

_ROOT = Path(__file__).parents[2]
_FRAME = re.compile(r'^\s*File "(.+)", line (\d+)', re.MULTILINE)


def breaks_device(error: BaseException | None) -> bool:
    """Whether an error leaves a GPU unusable for this process, as an illegal address or a failed assertion does.

    Torch names such errors since version 2.8. Some of them do no lasting harm; that cannot be told apart.
    """
    kind = getattr(torch, "AcceleratorError", ())
    while error is not None:
        if isinstance(error, kind) and not is_out_of_memory(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def code_location(details: str) -> str:
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
    return _digest(tuple(base.__module__ for base in lifter.__mro__))


@functools.cache
def _digest(modules: tuple[str, ...]) -> str:
    packages = {"models", "baselines", modules[0].partition(".")[0]}
    found: dict[str, Path] = {}
    waiting = [sys.modules[name] for name in modules]
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
