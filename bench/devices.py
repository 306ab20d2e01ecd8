"""Devices by name, and the arithmetic of predictions on them."""

from __future__ import annotations

import ctypes
import os
import pickle
import re
import sys

import numpy as np
import torch

from bench.config.experiment import Precision
from models.errors import InputError

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

MALLOPT = ((-1, 2**31 - 1), (-2, 2**26), (-4, 0))
"""Parameters of glibc's ``mallopt``, with their values: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX.

With them all memory comes from the heap, and what is freed stays there.
"""


def device_of(name: str) -> torch.device:
    """The device that a name means here: "auto" takes a CUDA device where there is one.

    Apple's GPU is taken by its name only: nothing was run on one yet (docs/gpu.md).

    Args:
        name: "auto", "cpu", "cuda", "cuda:i" or "mps". Without a number, a process that trains together with
            others takes the GPU of its own number. ``ACCELERATE_USE_CPU`` keeps all work on the CPU, not only the
            training.

    Raises:
        InputError: the device does not exist here.
    """
    kind, _, index = name.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (index and not re.fullmatch("[0-9]{1,4}", index)):
        raise InputError(f"--device {name}: is not a device; use auto, cpu, cuda, cuda:i or mps")
    if kind == "mps":
        if index or not torch.backends.mps.is_available():
            raise InputError(f"--device {name}: torch sees no such GPU of Apple's here; use --device mps or cpu")
        return torch.device("cpu" if _stays_on_cpu() else "mps")
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(f"--device {name}: torch sees no CUDA device here; use --device cpu")
    if index and int(index) >= torch.cuda.device_count():
        raise InputError(f"--device {name}: there are {torch.cuda.device_count()} CUDA devices, from cuda:0")
    if kind == "cpu" or not torch.cuda.is_available() or _stays_on_cpu():
        return torch.device("cpu")
    if index:
        return torch.device("cuda", int(index))
    rank = os.environ.get("LOCAL_RANK")  # some launchers show each process its own GPU only, as number 0
    return torch.device("cuda", int(rank) % torch.cuda.device_count() if rank else torch.cuda.current_device())


def _stays_on_cpu() -> bool:
    return os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "t", "yes", "y", "on")


def use_device(name: str) -> torch.device:
    """``device_of`` a name, which becomes the current GPU of this process if it is one.

    Methods of other packages may make tensors on "cuda" without a number.
    """
    keep_freed_memory()
    device = device_of(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cudnn.allow_tf32 = False  # fp32 means fp32 for convolutions too, as for matrix products
    return device


def lock_name(device: torch.device) -> str:
    """What locks between programs call a device of this machine.

    A CUDA device has the name of its hardware (UUID): its number depends on which GPUs a process sees. Where torch
    tells no such name, all CUDA devices count as one.
    """
    if device.type != "cuda":
        return device.type
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    return f"cuda-{uuid}" if uuid else "cuda"


def keep_freed_memory() -> None:
    """Let glibc keep the memory that tensors free, for the next ones (docs/performance.md).

    Otherwise it returns that of large tensors to the system, which clears each page that is asked for again. Where
    the environment has settings of glibc's for this (``MALLOC_...``), they hold.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None and not any(name.startswith("MALLOC_") for name in os.environ):
        for parameter, value in MALLOPT:
            mallopt(parameter, value)


def seed_generators(device: torch.device, seed: int) -> None:
    """Seed torch's generators of the CPU and of ``device``, and no other, which would take longer."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def random_state(device: torch.device) -> tuple[bytes, ...]:
    """State of the global generators: torch's of the CPU and of ``device``, and NumPy's."""
    generators = [torch.get_rng_state()]
    if device.type == "cuda":
        generators.append(torch.cuda.get_rng_state(device))
    elif device.type == "mps":
        generators.append(torch.mps.get_rng_state())
    old = pickle.dumps(np.random.get_state(legacy=False))  # noqa: NPY002 - methods may draw from it by mistake
    return old, *(state.numpy().tobytes() for state in generators)


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done what it was given; a CPU has done it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def precision_of_sums(device: torch.device) -> torch.dtype:
    """Data type for long sums: double precision, but on Apple's GPU, which has none."""
    return torch.float32 if device.type == "mps" else torch.float64


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Matrix products in ``precision`` on ``device``; for fp32, nothing changes."""
    return torch.autocast(device.type, dtype=TYPES[precision], enabled=precision != "fp32")
