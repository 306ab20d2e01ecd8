"""What a call does, whatever the device: operations, bytes and memory, counted on tensors without values.

B windows, H hypotheses, F frames, J joints.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.measure.flops import count_flops
from bench.measure.live_tensors import live_bytes
from models.lifter import Batch, Lifter


class Counts(NamedTuple):
    """What a call does, whatever the device.

    Attributes:
        calls: operations of torch.
        flops: floating-point operations.
        moved: bytes of all results.
        peak: most bytes of results that were held at the same time.
    """

    calls: int
    flops: int
    moved: int
    peak: int


def count(call: Callable[[], object]) -> Counts | None:
    """What a call does; None where it fails, because it reads values or for another reason."""
    counter, flops = _Counter(), 0

    def counted() -> None:
        nonlocal flops
        flops = count_flops(call)

    try:
        with counter:
            peak = live_bytes(counted).added
    except Exception:  # whoever makes the call in earnest says what is wrong with it
        return None
    return Counts(counter.calls, flops, counter.moved, peak)


def made_up_batch(lifter: Lifter, windows: int, frames: int, truth: bool, device: torch.device) -> Batch:
    """Windows of random values, of none on the meta device. Only keys have values there: noise follows from them.

    Args:
        frames: output frames of a window.
        truth: with ground truth, as a training step has it.
    """
    left, right = lifter.context
    joints, further = len(lifter.skeleton.joints), lifter.random_frames

    def made_up(*shape: int) -> Tensor:
        return torch.randn(windows, *shape, device=device)

    return Batch(
        pose_2d=made_up(left + frames + right, joints, 2),
        actions=("Walking",) * windows,
        window_keys=torch.arange(windows),
        pose_3d=made_up(frames, joints, 3) if truth else None,
        trajectory=made_up(frames, 3) if truth else None,
        camera=made_up(9) if truth else None,
        confidence=made_up(left + frames + right, joints),
        random_2d=made_up(further, joints, 2) if further else None,
        random_3d=made_up(further, joints, 3) if further and truth else None,
    )


def tensor_bytes(tensor: Tensor) -> int:
    """Bytes of the values of a tensor."""
    return tensor.numel() * tensor.element_size()


class _Counter(TorchDispatchMode):
    """Counts operations, and bytes of their results, while it is on."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = self.moved = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self.calls += 1
        if not func.is_view:
            self.moved += sum(tensor_bytes(leaf) for leaf in tree_leaves(result) if isinstance(leaf, Tensor))
        return result
