"""Floating-point operations of a call, counted from the operations that were executed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from bench.measure.operators import Operators

UNCOUNTED_ATTENTION = (
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_fused_attention_overrideable",
)
"""Fused attention kernels for which torch's own counter has no formula and would report zero."""


def count_flops(call: Callable[[], object]) -> int:
    """Run ``call`` once and count 2 × multiply-accumulates of its matrix products, convolutions and attentions.

    Element-wise work (norms, activations, softmax, sampling noise) and Fourier transforms are not counted.
    """
    flops = Flops()
    with plain_transformer_layers(), Operators(flops.add):
        call()
    return flops.total


class Flops:
    """``total``: of the operators that were added."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """An operator that was executed, with what it was given and gave."""
        formula = _formulas().get(func.overloadpacket)
        if formula is not None:
            self.total += int(formula(*args, **kwargs, out_val=result))


@cache
def _formulas() -> dict[Any, Callable[..., int]]:
    """Those of torch, and those that it lacks."""
    own: dict[Any, Callable[..., int]] = dict.fromkeys((torch.ops.aten.mv, torch.ops.aten.dot), _product)
    for name in UNCOUNTED_ATTENTION:
        if hasattr(torch.ops.aten, name):
            own[getattr(torch.ops.aten, name)] = _attention
    return FlopCounterMode(display=False, custom_mapping=own).flop_registry


def _attention(query: torch.Size, key: torch.Size, value: torch.Size, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))


def _product(left: torch.Size, *_: Any, **__: Any) -> int:
    return 2 * left.numel()


@contextmanager
def plain_transformer_layers() -> Iterator[None]:
    """Keep ``nn.TransformerEncoderLayer`` from running as one opaque operation, which would count as zero."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
