"""A lack of memory, on a device or on the machine: telling it from other errors, and giving back what is free."""

from __future__ import annotations

import gc

import torch


def lacking(error: BaseException) -> bool:
    """Whether an error says that there was too little memory."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def release() -> None:
    """Give back what nothing refers to, also what torch keeps in reserve on a GPU."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
