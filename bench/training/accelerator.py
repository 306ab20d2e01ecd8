"""The accelerator of a training: its device, its precision, and the processes that train together."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import torch

from bench.config.experiment import Precision
from bench.devices import use_device
from models.errors import InputError

if TYPE_CHECKING:
    from accelerate import Accelerator


def accelerator_for(device: str, precision: Precision) -> Accelerator:
    """What places a training on a device, sets its precision, and knows the processes that train together.

    Raises:
        InputError: the device does not exist here.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs

    place = use_device(device)
    handlers = [
        DistributedDataParallelKwargs(find_unused_parameters=True),
        InitProcessGroupKwargs(timeout=timedelta(days=2)),
    ]
    mixed = "no" if precision == "fp32" else precision
    AcceleratorState._reset_state()  # there is no public way to have another precision than before in this process
    return Accelerator(cpu=place.type == "cpu", mixed_precision=mixed, kwargs_handlers=handlers)


def check_precision(device: torch.device, precision: Precision) -> None:
    """Raise ``InputError`` for a training in fp16 on a CPU, which accelerate would do in fp32."""
    if precision == "fp16" and device.type == "cpu":
        raise InputError("training.precision is fp16, in which a CPU does not train: set it to bf16 or fp32")


def end_together() -> None:
    """End the process group of a distributed training, if there is one, once all its processes are here."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
