"""Speed and memory of what feeds a training."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench.data.windows import Windows
from models.lifter import Batch
from models.skeleton import HUMAN36M
from tests import ROOT
from tests.speed.sequences import made_up_sequences

FRAMES = 1_500_000
LEFT, RIGHT = list(HUMAN36M.left), list(HUMAN36M.right)

Outcome = Callable[..., None]
Interleaved = Callable[..., float]


def by_loop(windows: Windows, rows: np.ndarray) -> Batch:
    """The same batch, window after window: cut, repeat the end frames, mirror, and stack in the end."""
    cut: list[tuple[torch.Tensor, ...]] = []
    actions = []
    for sequence, start, end, flip in windows.table[rows].tolist():
        source = windows.sequences[sequence]
        inside = slice(max(start, 0), min(end, len(source)))
        beyond = (inside.start - start, end - inside.stop)
        pose_2d, pose_3d, trajectory = (
            np.pad(array[inside], [beyond] + [(0, 0)] * (array.ndim - 1), "edge")
            for array in (source.pose_2d, source.pose_3d, source.trajectory)
        )
        camera = source.intrinsics.copy()
        if flip:
            for poses in (pose_2d, pose_3d):
                poses[..., 0] *= -1
                poses[:, LEFT + RIGHT] = poses[:, RIGHT + LEFT]
            trajectory[:, 0] *= -1
            camera[[2, 7]] *= -1
        cut.append(tuple(map(torch.from_numpy, (pose_2d, pose_3d, trajectory, camera))))
        actions.append(source.action_class)
    pose_2d, pose_3d, trajectory, camera = (torch.stack(parts) for parts in zip(*cut, strict=True))
    return Batch(pose_2d, tuple(actions), torch.from_numpy(windows.keys[rows]), pose_3d, trajectory, camera)


def test_assembly(full_size: bool, interleaved: Interleaved, outcome: Outcome) -> None:
    windows = Windows(made_up_sequences(300_000 if full_size else 6000), HUMAN36M, frames=27, flip=True)
    rows = np.random.default_rng(0).permutation(len(windows))[: 1024 if full_size else 64]
    ours, theirs = windows.batch(rows), by_loop(windows, rows)
    for name in ("pose_2d", "pose_3d", "trajectory", "camera", "window_keys"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
    assert ours.actions == theirs.actions
    ratio = interleaved(lambda: windows.batch(rows), lambda: by_loop(windows, rows), rounds=15)
    what = "batch of 1,024 windows of 27 frames, half of them mirrored"
    outcome(what, "≥ 20× a Python loop", ratio, 20, "{:.0f}×")


def test_first_batch(full_size: bool, benchmark: BenchmarkFixture, outcome: Outcome) -> None:
    found: list[float] = []
    frames = FRAMES if full_size else 20_000
    benchmark.pedantic(lambda: found.extend(footprint("data", frames)), rounds=1)
    memory, seconds = found
    outcome("first batch of 1.5 million frames", "≤ 3 s", seconds, 3, "{:.2f} s", at_most=True)
    outcome("peak memory with it", "≤ 1.5× the arrays", memory, 1.5, "{:.2f}×", at_most=True)


def test_memory_of_sampling(full_size: bool, benchmark: BenchmarkFixture, outcome: Outcome) -> None:
    hypotheses, steps, channels = (20, 10, 512) if full_size else (2, 1, 16)
    found: list[float] = []
    benchmark.pedantic(lambda: found.extend(footprint("sampling", hypotheses, steps, channels)), rounds=1)
    ratio = found[0] / footprint("sampling", 1, steps, channels)[0]
    what = "D3DP paper, H=20, K=10, one window: peak memory"
    outcome(what, "≤ 1.3× that of H=1", ratio, 1.3, "{:.2f}×", at_most=True)


def footprint(*arguments: object) -> list[float]:
    """What ``tests.speed.footprint`` prints."""
    command = [sys.executable, "-m", "tests.speed.footprint", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [float(number) for number in done.stdout.split()]
