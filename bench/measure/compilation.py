"""``torch.compile`` for predictions.

Only the part that a method names (``Lifter.compiled_part``) is compiled: the rest of a prediction draws noise,
looks texts up, and joins chunks.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import sys

import torch
from torch import nn

from models.errors import InputError
from models.lifter import Lifter


def compiler() -> str | None:
    """Path of the C++ compiler that ``torch.compile`` calls; None where there is none."""
    return shutil.which(os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++"))


def compile_part(lifter: Lifter, dynamic: bool | None = None) -> None:
    """Replace the part that computes most in a prediction by its compiled form, made when it is first called.

    What this process has compiled before is forgotten, so that no measurement depends on it.

    Args:
        lifter: in evaluation mode, on its device.
        dynamic: None where shapes vary (the last batch of a test set is smaller): the first is compiled as it is,
            a second one as variable. False for one compiled form for each shape.

    Raises:
        InputError: the method names no part, or what compiles for its device is not there.
    """
    if not lifter.compiled_part:
        raise InputError(f"evaluation.compile: {lifter.title} names no part to compile: set its compiled_part")
    if compiler() is None:
        raise InputError(
            "evaluation.compile: torch.compile needs a C++ compiler, and there is none: install one (Debian: "
            "apt install g++), or name it in CXX"
        )
    if any(parameter.is_cuda for parameter in lifter.parameters()) and not importlib.util.find_spec("triton"):
        raise InputError("evaluation.compile: torch.compile needs Triton on a GPU: pip install triton")
    torch.compiler.reset()
    *path, name = lifter.compiled_part.split(".")
    owner = functools.reduce(getattr, path, lifter)
    part = getattr(owner, name)
    if isinstance(part, nn.Module):
        part.compile(dynamic=dynamic)
    else:
        setattr(owner, name, torch.compile(part, dynamic=dynamic))
    lifter.compiled = True


def is_compiled(module: nn.Module) -> bool:
    """Whether ``compile_part`` compiled a part of a method, or the method itself compiled one of its modules.

    torch has no public question for the latter: ``module.compile()`` sets ``_compiled_call_impl``, and what
    ``torch.compile(module)`` returns has ``_orig_mod``. ``tests/test_private_names.py`` looks whether they exist.
    """
    return getattr(module, "compiled", False) or any(
        hasattr(part, "_orig_mod") or part._compiled_call_impl is not None for part in module.modules()
    )
