"""The machine that numbers are made on: hardware, software, and reasons to distrust timings made now."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from contextlib import suppress
from pathlib import Path

import psutil
import torch

from bench.measure import nvml
from bench.results.cost import DeviceState, Environment

BUSY_PERCENT = 20.0
LOOK_SECONDS = 0.2
LIBRARIES = ("torch", "numpy", "accelerate", "transformers")


class OtherWork:
    """What other processes compute, from the moment when this is made."""

    def __init__(self) -> None:
        self._before = _cpu_seconds()

    def percent(self) -> float | None:
        """Percent of the CPU that they kept busy since then; None where that time is too short to tell."""
        every, busy, own = (now - before for now, before in zip(_cpu_seconds(), self._before, strict=True))
        if every < LOOK_SECONDS * (os.cpu_count() or 1):
            return None
        return 100 * max(0.0, busy - own) / every


def environment(
    device: torch.device | str, state: DeviceState | None = None, busy: float | None = None
) -> Environment:
    """The machine, its software, and warnings where timings made on it are not to be trusted.

    Args:
        device: that was timed.
        state: of a GPU while it was timed.
        busy: percent of the CPU that other processes kept busy meanwhile; None to wait a moment and see.
    """
    device = torch.device(device)
    on_gpu = device.type == "cuda"
    versions = {}
    for name in LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    if on_gpu:
        versions |= {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
    return Environment(
        device=device_name(device),
        cpu=cpu_name(),
        threads=torch.get_num_threads(),
        platform=platform.platform(),
        python=platform.python_version(),
        driver=nvml.driver() if on_gpu else None,
        versions=versions,
        warnings=tuple(_warnings(state, busy)),
    )


def device_name(device: torch.device) -> str:
    """The GPU's name, or the CPU's with its instructions: virtual machines often hide the model."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"{cpu_name()}, GPU"
    instructions = torch.backends.cpu.get_cpu_capability()
    return cpu_name() if instructions == "DEFAULT" else f"{cpu_name()} ({instructions})"


def device_label(device: torch.device) -> str:
    """Name of the device as measurements of this process are kept under; the threads belong to it."""
    return f"{device_name(device)}, {torch.get_num_threads()} threads"


def tf32(device: torch.device) -> str:
    """What may use TF32 in place of fp32; nothing does on a CPU."""
    if device.type != "cuda":
        return "nothing"
    allowed = {
        "matrix products": torch.get_float32_matmul_precision() != "highest",
        "convolutions": torch.backends.cudnn.allow_tf32,
    }
    return " and ".join(name for name, is_allowed in allowed.items() if is_allowed) or "nothing"


def cpu_name() -> str:
    """The model of the CPU, as the system calls it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _warnings(state: DeviceState | None, busy: float | None) -> list[str]:
    """Other work on the machine: processes on the GPU, and load on the CPU beside this process."""
    found = []
    if state is not None and state.other_processes:
        found.append(f"{state.other_processes} other processes computed on the GPU")
    if state is not None and state.throttled:
        found.append(f"the GPU's clocks were held back: {', '.join(state.throttled)}")
    if busy is None:
        busy = psutil.cpu_percent(interval=LOOK_SECONDS)
    if busy > BUSY_PERCENT:
        found.append(f"other processes kept {busy:.0f} % of the CPU busy")
    return found


def _cpu_seconds() -> tuple[float, float, float]:
    """Seconds of all CPUs since the system started, those in which they were busy, and those of this process."""
    times, own = psutil.cpu_times(), os.times()
    every = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)  # which are in others
    idle = times.idle + getattr(times, "iowait", 0.0)
    return every, every - idle, own.user + own.system
