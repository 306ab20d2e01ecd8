"""Jobs of the toy method on the toy data that take little time, and what goes wrong with them."""

import pytest
import torch

from bench.config.experiment import parse
from bench.job.resolve import resolve


def job(**changes):
    """A job on four test windows; ``changes``: section → keys and values."""
    description = {"method": {"name": "toy"}, "training": {"epochs": 1}, "evaluation": {"windows": 4}}
    for key, value in changes.items():
        description.setdefault(key, {}).update(value)
    return resolve(parse(description))


names_broken_devices = pytest.mark.skipif(not hasattr(torch, "AcceleratorError"), reason="torch before 2.8")


def out_of_memory(*arguments, **more):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80.00 GiB")


def illegal_address(*arguments, **more):
    raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nand advice")
