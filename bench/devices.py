"""Devices by name, and the arithmetic of predictions on them."""

from __future__ import annotations

import os

import torch

from bench.config.experiment import Precision
from models.errors import InputError

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def device_of(name: str) -> torch.device:
    """The device that a name means here: "auto" takes a GPU where there is one.

    Args:
        name: "auto", "cpu", "cuda" or "cuda:i". Without a number, a process that trains together with others takes
            the GPU of its own number.

    Raises:
        InputError: the device does not exist here.
    """
    kind, _, index = name.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (index and not (index.isascii() and index.isdecimal())):
        raise InputError(f"--device {name}: is not a device; use auto, cpu, cuda or cuda:i")
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(f"--device {name}: torch sees no CUDA device here; use --device cpu")
    if index and int(index) >= torch.cuda.device_count():
        raise InputError(f"--device {name}: there are {torch.cuda.device_count()} CUDA devices, from cuda:0")
    if kind == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(index or os.environ.get("LOCAL_RANK") or torch.cuda.current_device()))


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Matrix products in ``precision`` on ``device``; for fp32, nothing changes."""
    return torch.autocast(device.type, dtype=TYPES[precision], enabled=precision != "fp32")
