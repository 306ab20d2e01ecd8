"""Memory, of a device or of the machine: what a call needs; telling a lack of it, and giving back what is free."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

MEGABYTE = 1e6
RESIDENT = "resident memory of the process, with interpreter, libraries, data and weights"


class Use(NamedTuple):
    """Megabytes of one call; None for what the system does not tell.

    Attributes:
        peak: the most there was.
        source: what ``peak`` counts.
        added: of the peak, what was not there before the call.
        reserved: the most that torch's allocator held on a GPU.
    """

    peak: float
    source: str
    added: float | None
    reserved: float | None = None


def peak_memory(call: Callable[[], object], device: torch.device) -> Use:
    """Memory of one call, which nothing is timed in."""
    return _on_gpu(call, device) if device.type == "cuda" else _on_cpu(call)


def weights_mb(module: nn.Module) -> float:
    """Megabytes of parameters and buffers."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors) / MEGABYTE


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was too little memory."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def release() -> None:
    """Give back what nothing refers to, also what torch keeps in reserve on a GPU."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _on_gpu(call: Callable[[], object], device: torch.device) -> Use:
    torch.cuda.empty_cache()
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


def _on_cpu(call: Callable[[], object]) -> Use:
    if not _reset_peak():
        call()
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEGABYTE
        return Use(peak, f"peak {RESIDENT}, since the process began", None)
    before = _status_mb("VmRSS")
    call()
    peak = _status_mb("VmHWM")
    return Use(peak, f"peak {RESIDENT}, during one prediction", max(0.0, peak - before))


def _reset_peak() -> bool:
    """Start a new high-water mark of resident memory; False where the system offers none (not Linux).

    What the C library has kept of earlier work is given back first, as far as it can be.
    """
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _status_mb(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / MEGABYTE
    raise OSError(f"/proc/self/status has no field {field}")
