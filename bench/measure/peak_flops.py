"""The speed that a device reaches in plain matrix products, measured: its peak.

Reports give a method's speed as a share of it. On a CPU it is the faster of the two ways in which the methods'
linear layers compute: the BLAS's products and oneDNN's convolutions.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import torch

from bench.config.experiment import Precision
from bench.devices import TYPES
from bench.measure import memory
from bench.measure.environment import device_label, environment
from bench.measure.timing import affordable, timed
from models.layers.linear import linear

ROWS = {"cpu": 1024, "cuda": 8192, "mps": 4096}
"""Rows and columns of the square matrices that are multiplied, by type of device."""

FEWEST_ROWS = 512  # smaller matrices would not reach the peak; with these, a lack of memory is an error

SECONDS = 0.4


def product_peak(device: torch.device, precision: Precision) -> float:
    """10⁹ operations a second in a matrix product of this precision, the fastest of those measured.

    Measured once in a process for each device, precision, state of TF32 and number of threads.
    """
    return measure_peak(str(device), precision, torch.get_float32_matmul_precision(), torch.get_num_threads())


def peak_lines(device: torch.device) -> Iterator[str]:
    """Lines of text with the peak of a device in each precision that it has."""
    yield f"{device_label(device)}, torch {torch.__version__}: matrix products, the fastest of those measured"
    before = torch.get_float32_matmul_precision()
    arithmetics: list[tuple[str, Precision, str]] = [("fp32", "fp32", "highest"), ("bf16", "bf16", "highest")]
    if device.type == "cuda":
        arithmetics += [("TF32", "fp32", "high"), ("fp16", "fp16", "highest")]
    for name, precision, allowed in arithmetics:
        try:
            torch.set_float32_matmul_precision(allowed)
            yield f"{name}: {product_peak(device, precision):,.4g} GFLOP/s"
        finally:
            torch.set_float32_matmul_precision(before)
    yield from (f"warning: {text}" for text in environment(device).warnings)


@functools.cache
def measure_peak(device: str, precision: Precision, tf32: str, threads: int) -> float:
    """10⁹ operations a second (see ``product_peak``), kept by everything that the result depends on.

    ``tf32``, ``threads``: the settings of torch as they are now.
    """
    place = torch.device(device)
    sizes = memory.halving(ROWS[place.type], least=FEWEST_ROWS)
    return memory.first_that_fits(lambda rows: _time_products(place, precision, rows), sizes)


def _time_products(device: torch.device, precision: Precision, rows: int) -> float:
    left, right = torch.randn(2, rows, rows, device=device).to(TYPES[precision])
    result = torch.empty_like(left)

    def multiply() -> torch.Tensor:
        return torch.mm(left, right, out=result)

    ways = [multiply, lambda: linear(left, right)] if device.type == "cpu" else [multiply]
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        found = timed(ways, affordable(multiply, device, SECONDS), device)
    return 2 * rows**3 / (min(min(samples.each) for samples in found) * 1e6)
