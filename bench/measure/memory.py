"""Memory of a device or of the machine: how much a call needs, and what to do when there is too little."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from torch import nn

from bench.measure.counts import live_bytes, tensor_bytes

MEGABYTE = 1e6
COUNTED = "tensors that are alive at once, weights and inputs included, counted"

Result = TypeVar("Result")


class Use(NamedTuple):
    """Megabytes of one call; None for what the system does not tell.

    Attributes:
        peak: the most there was.
        source: what ``peak`` counts.
        added: of the peak, what was not there before the call.
        reserved: the most that torch's allocator held on a GPU.
        resident: the most that the process held on a CPU, with interpreter, libraries and data: another number at
            each call, so only kept.
    """

    peak: float
    source: str
    added: float | None
    reserved: float | None = None
    resident: float | None = None


def peak_memory(call: Callable[[], object], device: torch.device) -> Use:
    """Memory of one call. The call is not timed: measuring its memory may slow it down."""
    if device.type == "mps":
        return _on_apple(call)
    return _on_gpu(call, device) if device.type == "cuda" else _on_cpu(call)


def weights_mb(module: nn.Module) -> float:
    """Megabytes of parameters and buffers."""
    return sum(map(tensor_bytes, [*module.parameters(), *module.buffers()])) / MEGABYTE


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that there was too little memory, on a GPU or for the CPU."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    words = ("can't allocate memory", "MPS backend out of memory", "CUDA error: out of memory")
    return isinstance(error, RuntimeError) and any(text in str(error) for text in words)


def first_that_fits(call: Callable[[int], Result], sizes: Iterable[int]) -> Result:
    """What ``call`` returns for the first of one or more sizes (``halving(64)``) for which there is enough memory.

    Raises:
        Exception: what the call raises, except a lack of memory at any but the last size.
    """
    *larger, last = sizes
    for size in larger:
        try:
            return call(size)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        release()
    return call(last)


def halving(size: int, least: int = 1) -> Iterator[int]:
    """A size, its half, its quarter, …, down to ``least``; ``size`` alone where that is less."""
    yield size
    while size // 2 >= least:
        size //= 2
        yield size


def doubling(parts: int, most: int) -> Iterator[int]:
    """A number of parts, twice, four times as many, …, up to the first that is at least ``most``."""
    yield parts
    while parts < most:
        parts *= 2
        yield parts


def release() -> None:
    """Free what nothing refers to any more, also the memory that torch holds in reserve on a GPU."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _on_gpu(call: Callable[[], object], device: torch.device) -> Use:
    release()  # methods that were measured before may still be there, in reference cycles
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    torch.cuda.synchronize(device)
    peak = torch.cuda.max_memory_allocated(device)
    return Use(
        peak / MEGABYTE,
        "tensors allocated by torch on the GPU, weights included",
        (peak - before) / MEGABYTE,
        torch.cuda.max_memory_reserved(device) / MEGABYTE,
    )


def _on_apple(call: Callable[[], object]) -> Use:
    """Use of Apple's GPU, which counts no peak: memory that its driver took and gives back only when it must."""
    torch.mps.empty_cache()
    call()
    torch.mps.synchronize()
    peak = torch.mps.driver_allocated_memory()
    return Use(peak / MEGABYTE, "memory that Metal's driver held after one prediction", None)


def _on_cpu(call: Callable[[], object]) -> Use:
    can_tell = reset_peak()
    used = live_bytes(call)
    resident = status_mb("VmHWM") if can_tell else None
    return Use(used.peak / MEGABYTE, COUNTED, used.added / MEGABYTE, resident=resident)


def reset_peak() -> bool:
    """Start a new high-water mark of resident memory; False where the system offers none (not Linux).

    What the C library has kept of earlier work is given back first, as far as it can be.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def status_mb(field: str) -> float:
    """Resident memory of this process in MB as Linux knows it: ``VmRSS`` now, ``VmHWM`` at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / MEGABYTE
    raise OSError(f"/proc/self/status has no field {field}")
