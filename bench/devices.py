"""The arithmetic of predictions."""

from __future__ import annotations

import torch

from bench.config.experiment import Precision

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Matrix products in ``precision`` on ``device``; for fp32, nothing changes."""
    return torch.autocast(device.type, dtype=TYPES[precision], enabled=precision != "fp32")
