"""``torch.compile`` for predictions.

Only the part that a method names (``Lifter.compiled_part``) is compiled: the rest of a prediction draws noise,
looks texts up, and joins chunks.
"""

from __future__ import annotations

import functools
import os
import shutil

import torch
from torch import nn

from models.errors import InputError
from models.lifter import Lifter


def check_compilable(lifter: type[Lifter]) -> None:
    """Complain about what compilation lacks.

    Raises:
        InputError: the method names no part, or there is no C++ compiler.
    """
    if not lifter.compiled_part:
        raise InputError(
            f"evaluation.compile: {lifter.title} names no part to compile: set its compiled_part, or leave the "
            "key out"
        )
    wanted = os.environ.get("CXX", "g++")
    if not any(map(shutil.which, (wanted, "clang++"))):
        raise InputError(
            f"evaluation.compile: torch.compile needs a C++ compiler, and there is no {wanted}: install one "
            "(Debian: apt install g++), name another in CXX, or leave the key out"
        )


def compile_part(lifter: Lifter, dynamic: bool | None = None) -> None:
    """Replace the part that computes most in a prediction by its compiled form, made when it is first called.

    What this process has compiled before is forgotten, so that no price depends on it.

    Args:
        lifter: in evaluation mode, on its device.
        dynamic: None where shapes vary (the last batch of a test set is smaller): the first is compiled as it is,
            a second one as variable. False for one compiled form for each shape.
    """
    torch.compiler.reset()
    *path, name = lifter.compiled_part.split(".")
    owner = functools.reduce(getattr, path, lifter)
    part = getattr(owner, name)
    if isinstance(part, nn.Module):
        part.compile(dynamic=dynamic)
    else:
        setattr(owner, name, torch.compile(part, dynamic=dynamic))
    lifter.compiled = True
