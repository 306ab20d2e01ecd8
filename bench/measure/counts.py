"""What a call does, whatever the device: operations, bytes and memory, counted on tensors without values.

B windows, H hypotheses, F frames, J joints.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bench.measure.flops import Flops, plain_transformer_layers
from bench.measure.live_tensors import Live, cycles_kept
from bench.measure.operators import Operators, tensors_in
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
    results, flops, live = _Results(), Flops(), Live()
    try:
        with cycles_kept(), plain_transformer_layers(), Operators(results.add, flops.add, live.add):
            call()
    except Exception:  # whoever makes the call in earnest says what is wrong with it
        return None
    return Counts(results.calls, flops.total, results.moved, live.most)


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


class _Results:
    """``calls``: operators that were executed; ``moved``: bytes of their results."""

    def __init__(self) -> None:
        self.calls = self.moved = 0

    def add(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        self.calls += 1
        if not func.is_view:
            self.moved += sum(map(tensor_bytes, tensors_in(result)))
