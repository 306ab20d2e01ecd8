"""``torch.compile`` for trainings and predictions.

Only the part that a method names (``Lifter.compiled_part``) is compiled: the rest draws noise, looks texts up, and
joins chunks.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from models.errors import InputError, UnfitError
from models.lifter import Lifter


def compiler() -> str | None:
    """Path of the C++ compiler that ``torch.compile`` calls; None where there is none."""
    return shutil.which(os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++"))


def compile_part(lifter: Lifter, dynamic: bool | None = None, setting: str = "evaluation.compile") -> None:
    """Replace the part that computes most by its compiled form, made when it is first called.

    What this process has compiled before is forgotten, so that no measurement depends on it. Stochastic depth
    draws the same numbers as without.

    Args:
        lifter: on its device.
        dynamic: None where shapes vary (the last batch of a test set is smaller): the first is compiled as it is,
            a second one as variable. False for one compiled form for each shape.
        setting: that asks for it: "evaluation.compile" or "training.compile".

    Raises:
        UnfitError: the method names no part, or its training does not go through that part.
        InputError: what compiles for its device is not there.
    """
    check_compiles(lifter, setting)
    if compiler() is None:
        raise InputError(
            f"{setting}: torch.compile needs a C++ compiler, and there is none: install one (Debian: "
            "apt install g++), or name it in CXX"
        )
    if any(parameter.is_cuda for parameter in lifter.parameters()) and not importlib.util.find_spec("triton"):
        raise InputError(f"{setting}: torch.compile needs Triton on a GPU: pip install triton")
    torch.compiler.reset()
    owner, name = _place_of(lifter)
    options: dict[str, Any] | None = {"fallback_random": True} if lifter.training else None
    setattr(owner, name, torch.compile(getattr(owner, name), dynamic=dynamic, options=options))
    lifter.compiled = True


def check_compiles(lifter: Lifter, setting: str) -> None:
    """Whether the method is made for what the setting asks for.

    Raises:
        UnfitError: it names no part, or its training does not go through that part.
    """
    if not lifter.compiled_part:
        raise UnfitError(f"{setting}: {lifter.title} names no part to compile: set its compiled_part")
    if setting.startswith("training") and not lifter.trains_compiled_part:
        raise UnfitError(
            f"{setting}: a training step of {lifter.title} does not go through its compiled_part, or changes it; "
            "train it without"
        )


def release_part(lifter: Lifter) -> None:
    """Undo ``compile_part``."""
    owner, name = _place_of(lifter)
    delattr(owner, name)
    lifter.compiled = False


def eagerly(lifter: Lifter) -> AbstractContextManager[object]:
    """While it is open, the form of a method that is not compiled computes."""
    return torch.compiler.set_stance("force_eager") if lifter.compiled else nullcontext()


def _place_of(lifter: Lifter) -> tuple[object, str]:
    """The object whose method is the compiled part, and the name of that method."""
    *path, name = lifter.compiled_part.split(".")
    owner = functools.reduce(getattr, path, lifter)
    part = getattr(owner, name)
    return (part, "forward") if isinstance(part, nn.Module) else (owner, name)


def is_compiled(module: nn.Module) -> bool:
    """Whether ``compile_part`` compiled a part of a method, or the method itself compiled one of its modules.

    torch has no public question for the latter: ``module.compile()`` sets ``_compiled_call_impl``, and what
    ``torch.compile(module)`` returns has ``_orig_mod``. ``tests/test_private_names.py`` looks whether they exist.
    """
    return getattr(module, "compiled", False) or any(
        hasattr(part, "_orig_mod") or part._compiled_call_impl is not None for part in module.modules()
    )
