"""Frames of many sequences in one tensor, gathered without a loop."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class Pool:
    """Frames of many sequences in one tensor, with the row at which each sequence begins."""

    def __init__(self, arrays: list[np.ndarray]) -> None:
        shared = _shared_base(arrays)
        if shared is None:
            lengths = [len(array) for array in arrays]
            self._rows = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
            self._data = torch.from_numpy(np.concatenate(arrays).astype(np.float32, copy=False))
        else:
            self._data, self._rows = torch.from_numpy(shared), _offsets(shared, arrays)

    def gather(self, sequence: np.ndarray, frame: np.ndarray) -> Tensor:
        """``[B, F, ...]`` for sequences ``[B]`` and frames ``[B, F]``."""
        rows = torch.from_numpy(self._rows[sequence][:, None] + frame)
        return self._data.index_select(0, rows.flatten()).unflatten(0, rows.shape)


def _shared_base(arrays: list[np.ndarray]) -> np.ndarray | None:
    """The array of which all ``arrays`` are runs of rows; None if there is none."""
    base = arrays[0].base
    if not isinstance(base, np.ndarray) or base.dtype != np.float32 or not base.flags.c_contiguous:
        return None
    alike = all(
        array.base is base and array.shape[1:] == base.shape[1:] and array.strides == base.strides
        for array in arrays
    )
    return base if alike and base.flags.writeable else None


def _offsets(base: np.ndarray, arrays: list[np.ndarray]) -> np.ndarray:
    addresses = np.array([array.ctypes.data for array in arrays], dtype=np.int64)
    return (addresses - base.ctypes.data) // base.strides[0]
