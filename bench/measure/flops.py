"""Floating-point operations of a call, counted from the operations that were executed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

UNCOUNTED_ATTENTION = (
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_fused_attention_overrideable",
)
"""Fused attention kernels for which torch's own counter has no formula and would report zero."""


def count_flops(call: Callable[[], object]) -> int:
    """Run ``call`` once and count 2 × multiply-accumulates of its matrix products, convolutions and attentions.

    Element-wise work (norms, activations, softmax, sampling noise) and Fourier transforms are not counted.
    """
    formulas: dict[Any, Callable[..., int]] = {
        getattr(torch.ops.aten, name): _attention for name in UNCOUNTED_ATTENTION if hasattr(torch.ops.aten, name)
    }
    formulas[torch.ops.aten.mv] = formulas[torch.ops.aten.dot] = _product
    with _plain_transformer_layers(), FlopCounterMode(display=False, custom_mapping=formulas) as counter:
        call()
    return int(counter.get_total_flops())


def _attention(query: torch.Size, key: torch.Size, value: torch.Size, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))


def _product(left: torch.Size, *_: Any, **__: Any) -> int:
    return 2 * left.numel()


@contextmanager
def _plain_transformer_layers() -> Iterator[None]:
    """Keep ``nn.TransformerEncoderLayer`` from running as one opaque operation, which would count as zero."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
