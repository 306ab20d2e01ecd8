"""Linear layers that some CPUs compute faster as convolutions of one point.

The BLAS that PyTorch is built with, MKL, keeps its fastest kernels for Intel's CPUs. On other CPUs oneDNN's
convolutions are faster for large products (docs/performance.md). Which is faster here is measured once and kept in
the user's cache folder, because the two differ in the last digits and the same seed shall give the same numbers.

P points (all axes but the last), I input channels, O output channels.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from platformdirs import user_cache_dir
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

LARGE_PRODUCT = 2**27
"""Multiplications in a product beyond which the faster convolution makes up for its longer set-up."""
MEASURED = (2048, 512, 512)
"""P, I and O of the product by which the two ways are compared; 6 ms of one core."""
TIMES = 7
CLEARLY = 0.95
"""Convolutions are taken where they need less than this share of a product's time: of two equally fast ways, noise
would choose, and machines of one kind would differ in their numbers."""


class Linear(nn.Linear):
    """``nn.Linear`` computed by the function ``linear``."""

    def forward(self, rows: Tensor) -> Tensor:
        return linear(rows, self.weight, self.bias)


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``rows @ weight.T + bias`` of rows ``[..., I]`` and a weight ``[O, I]``: ``[..., O]``, contiguous."""
    if (
        rows.device.type != "cpu"
        or rows.numel() * len(weight) < LARGE_PRODUCT
        or torch.compiler.is_compiling()
        or torch.is_autocast_enabled("cpu")
        or not convolutions_pay()
    ):
        return functional.linear(rows, weight, bias)
    products = _Convolution.apply(rows.reshape(-1, rows.shape[-1]), weight, bias)
    return products.view(*rows.shape[:-1], len(weight))


class _Convolution(torch.autograd.Function):
    """``[P, I]`` to ``[P, O]``. A convolution's own gradients are slower than a product's; they are not used."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(rows, weight)
        return _convolve(rows, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        of_rows, of_weight, of_bias = ctx.needs_input_grad
        return (
            _convolve(gradient, weight.t()) if of_rows else None,
            gradient.t() @ rows if of_weight else None,
            gradient.sum(0) if of_bias else None,
        )


def _convolve(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    points = rows[None, :, None].permute(0, 3, 1, 2)  # [P, I] → [1, P, 1, I] → [1, I, P, 1]
    products = functional.conv2d(points, weight.contiguous()[:, :, None, None], bias)  # [1, O, P, 1]
    return products.permute(0, 2, 3, 1).reshape(len(rows), len(weight))  # [1, O, P, 1] → [1, P, 1, O] → [P, O]


def convolutions_pay() -> bool:
    """Whether this machine computes large products faster as convolutions, as measured here first."""
    return _measured_or_kept(torch.get_num_threads())


@functools.cache
def _measured_or_kept(threads: int) -> bool:
    if not torch.backends.mkldnn.is_available():
        return False
    with suppress(OSError):
        path = _kept_in(threads)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            mine = path.with_suffix(f".{os.getpid()}")
            mine.write_text(json.dumps(_convolutions_are_faster()))
            with suppress(FileExistsError):
                os.link(mine, path)  # where several processes measure at once, the first one's word holds for all
            mine.unlink()
        return json.loads(path.read_text()) is True
    return False


def _kept_in(threads: int) -> Path:
    """The file of this CPU, this PyTorch and so many threads."""
    cpu = platform.processor() or platform.machine()
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        cpu = next((line.partition(":")[2] for line in text.splitlines() if line.startswith("model name")), cpu)
    cpu += f" {torch.backends.cpu.get_cpu_capability()}"  # virtual machines often hide the model
    name = re.sub("[^A-Za-z0-9.]+", "-", f"{cpu} torch {torch.__version__} threads {threads}.json").strip("-")
    return Path(os.environ.get("BENCH_CACHE") or user_cache_dir("lifting-bench"), "linear", name)


@torch.no_grad()
def _convolutions_are_faster() -> bool:
    """Whether the faster half of a few convolutions is clearly faster than that of as many products, in turns."""
    points, inputs, outputs = MEASURED
    rows, weight, bias = torch.ones(points, inputs), torch.ones(outputs, inputs), torch.ones(outputs)
    found: dict[Any, list[float]] = {_convolve: [], functional.linear: []}
    for _ in range(TIMES):
        for way, seconds in found.items():
            start = time.perf_counter()
            way(rows, weight, bias)
            seconds.append(time.perf_counter() - start)
    convolution, product = (sum(sorted(seconds)[: TIMES // 2]) for seconds in found.values())
    return convolution < CLEARLY * product
