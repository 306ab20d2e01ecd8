"""What NVML reports of a GPU. Settings are never changed; what NVML does not know is None."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pynvml
import torch

from bench.measure.memory import MEGABYTE
from bench.results.cost import DeviceState

Answer = TypeVar("Answer")

THROTTLING = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "heat (software)",
    0x40: "heat (hardware)",
    0x80: "power brake",
}
"""Bits of NVML's reasons for lower clocks; idling, and clocks that somebody has set, are not among them."""


def driver() -> str | None:
    """Version of the driver."""
    with _started() as there_is:
        return str(found) if there_is and (found := _ask(pynvml.nvmlSystemGetDriverVersion)) else None


@contextmanager
def gpu(device: torch.device) -> Iterator[Any]:
    """NVML's handle of the GPU that torch calls ``device``; None for a CPU, and where there is no NVML."""
    if device.type != "cuda":
        yield None
        return
    with _started() as there_is:
        uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        yield _ask(pynvml.nvmlDeviceGetHandleByUUID, uuid) if there_is else None


def energy_j(handle: Any) -> float | None:
    """Joules that the GPU has used since its driver was loaded."""
    used = _ask(pynvml.nvmlDeviceGetTotalEnergyConsumption, handle)
    return None if used is None else used / 1000


def process_memory_mb(handle: Any) -> float | None:
    """Memory of this process; None where a container hides its number."""
    for process in _ask(pynvml.nvmlDeviceGetComputeRunningProcesses, handle) or ():
        if process.pid == os.getpid() and process.usedGpuMemory is not None:
            return process.usedGpuMemory / MEGABYTE
    return None


def state(handle: Any) -> DeviceState | None:
    """Clocks, power, temperature and other processes of the GPU at this moment; None without a handle.

    The workers of this process are not other ones: they are idle, or predict beside it because they are asked to.
    """
    if handle is None:
        return None
    power = _ask(pynvml.nvmlDeviceGetPowerUsage, handle)
    limit = _ask(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle)
    reasons = _ask(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle) or 0
    processes = _ask(pynvml.nvmlDeviceGetComputeRunningProcesses, handle)
    workers = {child.pid for child in multiprocessing.active_children()}
    others = [process for process in processes or () if process.pid not in workers]
    return DeviceState(
        clock_mhz=_ask(pynvml.nvmlDeviceGetClockInfo, handle, pynvml.NVML_CLOCK_SM),
        highest_clock_mhz=_ask(pynvml.nvmlDeviceGetMaxClockInfo, handle, pynvml.NVML_CLOCK_SM),
        memory_clock_mhz=_ask(pynvml.nvmlDeviceGetClockInfo, handle, pynvml.NVML_CLOCK_MEM),
        power_w=None if power is None else power / 1000,
        power_limit_w=None if limit is None else limit / 1000,
        temperature_c=_ask(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU),
        throttled=tuple(name for bit, name in THROTTLING.items() if reasons & bit),
        other_processes=max(0, len(others) - 1) if processes else None,
    )


@contextmanager
def _started() -> Iterator[bool]:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield False
        return
    try:
        yield True
    finally:
        pynvml.nvmlShutdown()


def _ask(read: Callable[..., Answer], *arguments: Any) -> Answer | None:
    """The answer; None where NVML knows none, and without a handle."""
    try:
        return None if None in arguments else read(*arguments)
    except pynvml.NVMLError:
        return None
