"""From key points to poses: windows by the same rules as in evaluation, and no more memory for a longer video.

What is done is kept on the disk every few seconds; a killed prediction goes on there and ends with the same poses.

Shapes: T frames, J joints, B windows, K steps, H hypotheses, F frames of a window.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from bench.config.experiment import identity
from bench.config.registry import AGGREGATIONS
from bench.data.sequence import Sequence
from bench.data.windows import Windows, evaluation_windows
from bench.footage.keypoints import Fit, KeyPoints, in_parts, screen_points
from bench.footage.weights import Weights
from bench.measure import memory
from bench.protocol.aggregation import P_AGG, deployable_poses
from bench.protocol.evaluate import predict_batches, windows_per_call
from bench.results.files import write_text
from models.errors import InputError
from models.inference import without_context
from models.lifter import Batch, Lifter, Sampling

SAVE_SECONDS = 5.0
PROGRESS = "windows-done.txt"


@dataclass(frozen=True)
class Settings:
    """How poses are predicted.

    Attributes:
        flip: average with the prediction of the mirrored input.
        aggregation: name of a deployable one.
    """

    hypotheses: int = 5
    steps: int = 5
    flip: bool = True
    aggregation: str = P_AGG.name
    seed: int = 0

    def of(self, lifter: Lifter) -> Settings:
        """What they come to for a method: H, K and aggregation mean nothing to a deterministic one."""
        return self if lifter.probabilistic else replace(self, hypotheses=1, steps=1, aggregation=P_AGG.name)


@dataclass(frozen=True)
class Lifted:
    """Predicted poses; the arrays lie on the disk, in a folder of their own.

    Attributes:
        poses: ``[T, J, 3]`` float32 metres, camera axes, relative to the root; NaN in frames that have none.
        spread: ``[T, J]`` float32 metres, root mean square distance of the hypotheses from their mean; 0 for a
            deterministic method.
        seconds: that the predictions took which were made now.
        frames: that were predicted now; those that two windows share are counted twice.
    """

    poses: np.ndarray
    spread: np.ndarray
    seconds: float
    frames: int
    folder: Path

    def discard(self) -> None:
        """Remove the arrays, when all that is wanted of them is written."""
        shutil.rmtree(self.folder, ignore_errors=True)


def checked_aggregation(name: str) -> str:
    """The name itself, if it is one of an aggregation that needs no ground truth; else ``InputError``."""
    if name not in deployable_poses(AGGREGATIONS.on_request):
        known = ", ".join(deployable_poses(AGGREGATIONS.on_request))
        raise InputError(f"--aggregation {name}: needs ground truth, or is not known: take {known}")
    return name


def lift(
    weights: Weights,
    points: KeyPoints,
    fit: Fit,
    focal: float,
    settings: Settings,
    device: torch.device,
    folder: Path,
) -> Lifted:
    """Poses of one person.

    Args:
        weights, points, settings, device: what is predicted from, how and where.
        fit: that brings the person to the size of the training.
        focal: of the camera in screen units, for aggregations that look at the camera.
        folder: for what is unfinished; a later call with the same one goes on with it.

    Raises:
        InputError: the method reads a confidence that the key points do not have, or its poses are not finite.
    """
    lifter = weights.lifter.to(device)
    if lifter.needs_confidence and lifter.config.confidence == "required" and points.confidence is None:
        raise InputError(
            f"{points.source}: has no confidence, which {lifter.title} reads: take the detector's scores into "
            "it, or another method"
        )
    seen = [points.width, points.height, _digest(points.points), _digest(points.confidence)]
    name = identity([weights.identity, *seen, fit, focal, asdict(settings), device.type])
    work = folder / f".lifting-{name}"
    if not (work / PROGRESS).exists():
        _make_arrays(work, points, fit)
    windows = evaluation_windows(sequences(work, points, fit.camera(focal)), lifter)
    starts = np.array([first for first, _ in points.pieces])
    own = settings.of(lifter)
    at_once = windows_per_call(own.hypotheses * lifter.frames, device)
    done, begun = _done(work), time.monotonic()
    memory.first_that_fits(
        lambda size: _predict_rest(work, windows, starts, lifter, own, device, size), memory.halving(at_once)
    )
    seconds = time.monotonic() - begun
    frames = (len(windows) - done) * lifter.frames
    return Lifted(_open(work, "poses"), _open(work, "spread"), seconds, frames, work)


def _predict_rest(
    work: Path,
    windows: Windows,
    starts: np.ndarray,
    lifter: Lifter,
    settings: Settings,
    device: torch.device,
    size: int,
) -> None:
    """Predict the windows that are not done, ``size`` at once; ``starts``: first frame of each piece."""
    poses, spread = _open(work, "poses"), _open(work, "spread")
    done, saved = _done(work), time.monotonic()
    rest = np.arange(done, len(windows))
    batches = [rest[first : first + size] for first in range(0, len(rest), size)]
    pair = (settings.hypotheses, settings.steps)
    sampling = Sampling(flip=settings.flip, seed=settings.seed)
    aggregate = deployable_poses(AGGREGATIONS.on_request)[settings.aggregation]
    title = f"lift with {lifter.title}"
    with torch.inference_mode(), tqdm(
        total=len(windows), initial=done, desc=title, unit="window", disable=None
    ) as bar:  # fmt: skip
        for rows, batch, _, pred in predict_batches(
            lifter, windows, batches, {pair: [pair]}, sampling, "empty", device, "fp32", bar.update
        ):
            last = pred[:, -1:]  # [B, K, H, F, J, 3] → [B, 1, H, F, J, 3]
            owner, frame = windows.frame_index(rows)
            counts = windows.counts(rows)
            place = (starts[owner][:, None] + frame)[counts]
            poses[place] = aggregate(last, seen_of(batch, lifter))[:, 0].float().cpu().numpy()[counts]
            spread[place] = _spread(last[:, 0]).float().cpu().numpy()[counts]
            if time.monotonic() > saved + SAVE_SECONDS:
                _save(work, int(rows[-1]) + 1, poses, spread)
                saved = time.monotonic()
    _save(work, len(windows), poses, spread)


def _make_arrays(work: Path, points: KeyPoints, fit: Fit) -> None:
    """The arrays that are read and written, on the disk: there, their length needs no memory."""
    work.mkdir(parents=True, exist_ok=True)
    T, J = points.points.shape[:2]
    pose_2d = _new(work, "pose_2d", (T, J, 2))
    for part in in_parts(0, T):
        pose_2d[part] = fit.applied(screen_points(points, part))
    if points.confidence is not None:
        _new(work, "confidence", (T, J))[:] = points.confidence
    for name, shape in (("poses", (T, J, 3)), ("spread", (T, J))):
        _new(work, name, shape)[:] = np.nan
    _new(work, "no_pose", (T, J, 3))  # zeros in place of the ground truth
    _new(work, "no_place", (T, 3))
    write_text(work / PROGRESS, "0")


def _new(work: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.lib.format.open_memmap(work / f"{name}.npy", "w+", np.dtype(np.float32), shape)


def _open(work: Path, name: str) -> np.memmap[Any, Any]:
    return np.lib.format.open_memmap(work / f"{name}.npy", "r+")


def _done(work: Path) -> int:
    """Windows that were finished before."""
    return int((work / PROGRESS).read_text())


def _save(work: Path, windows: int, *arrays: np.memmap[Any, Any]) -> None:
    for array in arrays:
        array.flush()
    write_text(work / PROGRESS, str(windows))


def sequences(work: Path, points: KeyPoints, camera: np.ndarray) -> list[Sequence]:
    """A sequence for every piece, whose arrays are runs of rows of those in ``Lifted.folder``."""
    pose_2d, no_pose, no_place = (_open(work, name) for name in ("pose_2d", "no_pose", "no_place"))
    confidence = None if points.confidence is None else _open(work, "confidence")
    return [
        Sequence(
            subject="own",
            action=f"frame {first}",
            camera="video",
            fps=points.fps,
            pose_2d=pose_2d[first:end],
            pose_3d=no_pose[first:end],
            trajectory=no_place[first:end],
            intrinsics=camera,
            width=points.width,
            height=points.height,
            confidence=None if confidence is None else confidence[first:end],
        )
        for first, end in points.pieces
    ]


def seen_of(batch: Batch, lifter: Lifter) -> Batch:
    """What an aggregation may look at: the 2D input of the output frames, and the camera."""
    return replace(batch, pose_2d=without_context(batch.pose_2d, lifter), pose_3d=None, trajectory=None)


def _spread(pred: Tensor) -> Tensor:
    """``[B, F, J]`` root mean square distance of hypotheses ``[B, H, F, J, 3]`` from their mean."""
    return (pred - pred.mean(1, keepdim=True)).square().sum(-1).mean(1).sqrt()


def _digest(array: np.ndarray | None) -> str:
    digest = blake2b(digest_size=16)
    if array is not None:
        for part in in_parts(0, len(array)):
            digest.update(np.ascontiguousarray(array[part]).data)
    return digest.hexdigest()
