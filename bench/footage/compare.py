"""Several methods on the same key points: what can be said of them without ground truth. None of it is accuracy.

Shapes: T frames, J joints, M methods.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle

import numpy as np
import torch

from bench.config.registry import AGGREGATIONS
from bench.data.windows import evaluation_windows
from bench.footage.camera import reprojection_errors
from bench.footage.keypoints import in_parts
from bench.footage.lift import Settings, seen_of, sequences
from bench.footage.predict import Result
from bench.footage.weights import Weights
from bench.measure import memory, timing
from bench.measure.cost import blind
from bench.protocol.aggregation import deployable_poses
from bench.results.footage import Compared
from models.lifter import Sampling
from models.skeleton import HUMAN36M

TIMED_SECONDS, TIMED_WINDOWS = 1.0, 4
MILLIMETRES = 1000.0


def compare(
    results: Sequence[Result], weights: Sequence[Weights], settings: Settings, device: torch.device
) -> tuple[list[Compared], np.ndarray]:
    """Measures of every method, and ``[M, M]`` mean distances of their poses in mm, each relative to its root."""
    found = [_measured(result, its, settings, device) for result, its in zip(results, weights, strict=True)]
    apart = np.zeros((len(results), len(results)))
    for one in range(len(results)):
        for other in range(one):
            apart[one, other] = apart[other, one] = distance(results[one], results[other])
    return found, apart


def distance(one: Result, other: Result) -> float:
    """Mean distance of the joints of two predictions in mm, each relative to its root."""
    total, frames = 0.0, 0
    for part in _parts(one):
        apart = np.linalg.norm(one.prediction.poses[part] - other.prediction.poses[part], axis=-1).mean(axis=-1)
        total, frames = total + float(apart.sum()), frames + len(apart)
    return MILLIMETRES * total / frames


def _measured(result: Result, weights: Weights, settings: Settings, device: torch.device) -> Compared:
    prediction, lifter = result.prediction, weights.lifter
    points = prediction.points
    ms, megabytes = cost(result, weights, settings, device)
    errors = reprojection_errors(prediction.poses, points, result.camera)
    bones, symmetry = bone_measures(result)
    sampled = f"H={settings.hypotheses} K={settings.steps} {settings.aggregation}"
    spread = MILLIMETRES * float(np.nanmean(prediction.spread)) if lifter.probabilistic else None
    return Compared(
        name=prediction.method,
        sampling=sampled if lifter.probabilistic else "",
        ms_per_frame=ms,
        memory_mb=megabytes,
        reprojection=float(np.nanmean(errors)),
        spread=spread,
        jitter=jitter(result),
        bones=bones,
        symmetry=symmetry,
        focal=result.camera.focal * points.width / 2,
    )


def jitter(result: Result) -> float:
    """Mean acceleration of the joints relative to the root, m/s²; NaN of fewer than three frames in a row."""
    fps = result.prediction.points.fps
    total, count = 0.0, 0
    for part in _parts(result):
        change = np.diff(result.prediction.poses[part].astype(np.float64), n=2, axis=0)
        size = np.linalg.norm(change, axis=-1)
        total, count = total + float(size.sum()), count + size.size
    return fps**2 * total / count if count else float("nan")


def bone_measures(result: Result) -> tuple[float, float]:
    """Constancy of bone lengths, and symmetry of left and right ones, both in % (see ``Compared``)."""
    parents, children = (list(ends) for ends in zip(*HUMAN36M.bones, strict=True))
    left, right = ([children.index(joint) for joint in side] for side in (HUMAN36M.left, HUMAN36M.right))
    total = squares = np.zeros(len(children))
    uneven, frames = 0.0, 0
    for part in _parts(result):
        poses = result.prediction.poses[part].astype(np.float64)
        lengths = np.linalg.norm(poses[:, children] - poses[:, parents], axis=-1)
        total, squares = total + lengths.sum(axis=0), squares + np.square(lengths).sum(axis=0)
        both = lengths[:, left] + lengths[:, right]
        uneven += float((2 * np.abs(lengths[:, left] - lengths[:, right]) / both).mean(axis=-1).sum())
        frames += len(poses)
    mean = total / frames
    spread = np.sqrt(np.maximum(squares / frames - mean**2, 0))
    return 100 * float((spread / mean).mean()), 100 * uneven / frames


def _parts(result: Result) -> Iterator[slice]:
    """Runs of frames with poses, in parts of bounded length."""
    for first, end in result.prediction.points.pieces:
        yield from in_parts(first, end)


def cost(result: Result, weights: Weights, settings: Settings, device: torch.device) -> tuple[float, float]:
    """Milliseconds per frame and megabytes of predicting one window, aggregation included."""
    lifter, own = weights.lifter, settings.of(weights.lifter)
    camera = result.fit.camera(result.camera.focal)
    takes = sequences(result.lifted.folder, result.prediction.points, camera)
    windows = evaluation_windows([replace(max(takes, key=len), action="")], lifter)  # no label is given
    batches = [windows.batch(np.array([row])).to(device) for row in range(min(TIMED_WINDOWS, len(windows)))]
    inputs = cycle([(blind(batch), seen_of(batch, lifter)) for batch in batches])
    sampling = Sampling(own.hypotheses, own.steps, own.flip)
    aggregate = deployable_poses(AGGREGATIONS.on_request)[own.aggregation]

    def call() -> None:
        hidden, seen = next(inputs)
        aggregate(lifter.predict(hidden, sampling)[:, -1:], seen)

    with torch.inference_mode():
        samples = timing.sample(call, device, TIMED_SECONDS)
        use = memory.peak_memory(call, device)
    added = float("nan") if use.added is None else use.added
    return float(np.median(samples.each)) / lifter.frames, memory.weights_mb(lifter) + added
