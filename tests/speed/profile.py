"""Where the time of a call goes, by kind of operation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import torch

KINDS = {
    "optimiser": ("aten::_fused_adam",),
    "linear layers": ("aten::addmm", "aten::mm", "aten::mkldnn_convolution"),
    "attention products": ("aten::bmm", "aten::baddbmm"),
    "fused attention": ("aten::_scaled_dot_product",),
    "softmax": ("aten::_softmax",),
    "copies": ("aten::copy_", "aten::cat", "aten::index", "aten::clone"),
    "normalisation": ("aten::native_layer_norm",),
    "activations": ("aten::gelu", "aten::silu"),
    "sums and products": ("aten::add", "aten::mul", "aten::sub", "aten::div", "aten::sum"),
}
"""Beginnings of the names of operations; the first kind that fits counts."""


def profile(call: Callable[[], object]) -> dict[str, float]:
    """Percent of the CPU time of one call in every kind of operation, and "other"."""
    call()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        call()
    total: dict[str, float] = defaultdict(float)
    for event in profiler.key_averages():
        kind = next((kind for kind, names in KINDS.items() if event.key.startswith(names)), "other")
        total[kind] += event.self_cpu_time_total
    whole = sum(total.values())
    return {kind: round(100 * total[kind] / whole, 1) for kind in (*KINDS, "other")}
