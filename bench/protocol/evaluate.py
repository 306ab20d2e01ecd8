"""Run a method over test windows once, and give the errors of every number of hypotheses and steps asked for.

Shapes: B windows, K steps, H hypotheses, F frames, J joints, S sequences, T takes, N counted frames.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bench.config.experiment import ActionLabels, Precision
from bench.data.windows import Windows
from bench.devices import autocast
from bench.protocol.aggregation import P_AGG, aggregate_errors, p_agg, single_errors
from bench.protocol.counterfactual import substitutes
from bench.protocol.frame_errors import Collector
from bench.results.errors import FrameErrors
from models.errors import DivergedError, InputError
from models.lifter import Batch, Lifter, Sampling

CPU_BATCH_FRAMES, GPU_BATCH_FRAMES = 1_500, 120_000
"""Frames of all hypotheses that go through a method at once, unless the caller sets ``batch_windows``."""


class EvalSetting(NamedTuple):
    """What is read off a prediction.

    Attributes:
        hypotheses, steps: H and K.
        overlap: count the frames that the last two windows of a sequence share twice, as the published evaluation
            does, instead of every frame once.
        call: P-Best chooses one hypothesis for so many successive windows of a sequence, as the published code
            does for each call, instead of one for every window.
    """

    hypotheses: int = 1
    steps: int = 1
    overlap: bool = False
    call: int | None = None


def evaluate(
    lifter: Lifter,
    windows: Windows,
    indices: np.ndarray,
    sampling: Sampling,
    plans: Iterable[EvalSetting],
    device: torch.device | str,
    batch_windows: int | None = None,
    labels: ActionLabels = "given",
    precision: Precision = "fp32",
    progress: Callable[[int], object] = lambda windows: None,
) -> dict[EvalSetting, FrameErrors]:
    """Errors of every plan from as few predictions as possible.

    Fewer hypotheses are the first ones of more, and one step is the first of several; so each K is sampled once,
    with the largest H that it is asked for, and K = 1 not at all where another K has hypotheses enough. The
    method is given no ground truth, and action labels only if it says that it reads them.

    Args:
        lifter: on ``device``.
        windows: cut in mode "eval" with the ``frames`` and ``context`` of the method.
        indices: ascending rows of the windows to evaluate.
        sampling: flip and seed; its H and K are not read.
        plans: what is wanted.
        device: of the method; errors are computed there too.
        batch_windows: windows per call; by default as many as suit the device. No result depends on it.
        labels: the action labels that a method which reads them is given; others get none.
        precision: of the predictions; errors are computed in full.
        progress: called with the number of windows just finished.

    Returns:
        The errors of each plan; a deterministic method gives the same whatever H, K and call are.

    Raises:
        InputError: a prediction has the wrong shape or values that are not finite.
    """
    asked = {plan: served_by(plan, lifter) for plan in plans}
    served = set(asked.values())
    runs = shared_samples({(plan.hypotheses, plan.steps) for plan in served})
    most = max(h for h, _ in runs)
    device = torch.device(device)
    size = batch_windows or windows_per_call(most * lifter.frames, device)
    collected = {
        plan: Collector(windows.skeleton, P_AGG.name if lifter.probabilistic else None) for plan in served
    }
    batches = _batches(windows, indices, size, {plan.call for plan in served})
    with torch.inference_mode():
        for rows, truth, pairs, pred in samples(
            lifter, windows, batches, runs, sampling, labels, device, precision, progress
        ):
            _collect(collected, pairs, pred, _without_context(truth, lifter), lifter, windows, rows)
    results = {
        plan: collector.result(plan.hypotheses, plan.steps, windows) for plan, collector in collected.items()
    }
    return {plan: results[its] for plan, its in asked.items()}


def served_by(plan: EvalSetting, lifter: Lifter) -> EvalSetting:
    """The plan that gives the same numbers: H, K and call mean nothing to a deterministic method."""
    return plan if lifter.probabilistic else EvalSetting(overlap=plan.overlap)


def samples(
    lifter: Lifter,
    windows: Windows,
    batches: Iterable[np.ndarray],
    runs: Mapping[tuple[int, int], list[tuple[int, int]]],
    sampling: Sampling,
    labels: ActionLabels,
    device: torch.device,
    precision: Precision,
    progress: Callable[[int], object] = lambda windows: None,
) -> Iterator[tuple[np.ndarray, Batch, list[tuple[int, int]], Tensor]]:
    """Predict batch by batch, in inference mode by the caller.

    Yields:
        Rows of the windows, what is known about them, the (H, K) to read off (from ``runs``, of
        ``shared_samples``), and the prediction ``[B, K, H, F, J, 3]``.
    """
    classes = {sequence.action_class for sequence in windows.sequences}
    given = substitutes(labels, classes) if lifter.uses_action else dict.fromkeys(classes, "")
    was_training = lifter.training
    lifter.eval()
    for rows, truth in _assembled(windows, batches, given, device):
        for run, pairs in runs.items():
            drawn = replace(sampling, hypotheses=run[0], steps=run[1])
            with autocast(device, precision):
                pred = _predicted(lifter, windows, rows, truth, drawn)
            yield rows, truth, pairs, pred
        progress(len(rows))
    lifter.train(was_training)


def _assembled(
    windows: Windows, batches: Iterable[np.ndarray], given: dict[str, str], device: torch.device
) -> Iterator[tuple[np.ndarray, Batch]]:
    """Batches on the device, each with its rows; the next one is put together while a GPU is at this one.

    A CPU would have to do both, and is faster with one after the other.
    """

    def assemble(rows: np.ndarray) -> Batch:
        batch = _labelled(windows.batch(rows), given)
        return batch.pinned() if device.type == "cuda" else batch

    if device.type == "cpu":
        yield from ((rows, assemble(rows)) for rows in batches)
        return
    with ThreadPoolExecutor(1) as beside:
        begun = ((rows, beside.submit(assemble, rows)) for rows in batches)
        waiting = next(begun, None)
        while waiting is not None:
            following = next(begun, None)
            rows, batch = waiting
            yield rows, batch.result().to(device)
            waiting = following


def windows_per_call(frames: int, device: torch.device) -> int:
    """Windows that go through a method at once, when each has ``frames`` frames over all its hypotheses."""
    budget = CPU_BATCH_FRAMES if device.type == "cpu" else GPU_BATCH_FRAMES
    return max(1, budget // frames)


def shared_samples(asked: Iterable[tuple[int, int]]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """The (H, K) that are drawn → the (H, K) that are read off each of them."""
    served: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for pair in sorted(set(asked)):
        served[pair[1]].append(pair)
    largest = {k: max(h for h, _ in pairs) for k, pairs in served.items()}
    hosts = [k for k in served if k > 1 and largest[k] >= largest.get(1, 0)]
    if 1 in served and hosts:
        served[min(hosts)] += served.pop(1)
    return {(largest[k], k): pairs for k, pairs in served.items()}


def _batches(windows: Windows, indices: np.ndarray, size: int, calls: set[int | None]) -> list[np.ndarray]:
    """Rows in batches of about ``size``; windows that share a choice of P-Best are never torn apart."""
    numbers = [_call_numbers(windows, indices, call) for call in calls if call is not None]
    ends = np.ones(len(indices), dtype=bool)
    for number in numbers:
        ends[:-1] &= number[1:] != number[:-1]
    possible = np.flatnonzero(ends) + 1
    wanted = np.append(np.arange(size, len(indices), size), len(indices))
    cuts = np.unique(possible[np.minimum(np.searchsorted(possible, wanted), len(possible) - 1)])
    return np.split(indices, cuts[:-1])


def _call_numbers(windows: Windows, rows: np.ndarray, call: int) -> np.ndarray:
    """``[B]``: which rows fall into one call of ``call`` successive windows of a sequence."""
    sequence, start = windows.table[rows, 0], windows.table[rows, 1]
    per_sequence = -(-windows.lengths.max() // windows.frames) // call + 1
    return sequence * per_sequence + -(-start // windows.frames) // call


def _labelled(batch: Batch, given: dict[str, str]) -> Batch:
    return replace(batch, actions=tuple(given[action] for action in batch.actions))


def _without_context(truth: Batch, lifter: Lifter) -> Batch:
    left = lifter.context[0]
    return replace(truth, pose_2d=truth.pose_2d[:, left : left + lifter.frames])


def _predicted(lifter: Lifter, windows: Windows, rows: np.ndarray, truth: Batch, sampling: Sampling) -> Tensor:
    assert truth.pose_3d is not None
    pred = lifter.predict(replace(truth, pose_3d=None, trajectory=None, camera=None), sampling).float()
    _check(pred, lifter, windows, rows, truth.pose_3d.shape, sampling)
    return pred


def _collect(
    collected: dict[EvalSetting, Collector],
    pairs: list[tuple[int, int]],
    pred: Tensor,
    truth: Batch,
    lifter: Lifter,
    windows: Windows,
    rows: np.ndarray,
) -> None:
    """Hand the errors of one prediction to the plans that are read off it."""
    assert truth.pose_3d is not None
    plans = [plan for plan in collected if (plan.hypotheses, plan.steps) in pairs]
    for overlap, call in dict.fromkeys((plan.overlap, plan.call) for plan in plans):
        members = [plan for plan in plans if (plan.overlap, plan.call) == (overlap, call)]
        counts = windows.counts(rows, overlap)
        if lifter.probabilistic:
            counted = torch.from_numpy(counts).to(pred.device)
            calls = None if call is None else torch.from_numpy(_call_numbers(windows, rows, call)).to(pred.device)
            by_prefix = aggregate_errors(pred, truth, counted, sorted({p.hypotheses for p in members}), calls)
        else:
            by_prefix = {1: single_errors(pred, truth.pose_3d)}
        for plan in members:
            errors = {name: error[:, : plan.steps] for name, error in by_prefix[plan.hypotheses].items()}
            answer = p_agg(pred[:, plan.steps - 1 : plan.steps, : plan.hypotheses], truth)[:, 0]
            collected[plan].add(errors, answer, truth.pose_3d, counts, *windows.frame_index(rows))


def _check(
    pred: Tensor, lifter: Lifter, windows: Windows, rows: np.ndarray, shape: Sequence[int], sampling: Sampling
) -> None:
    steps, hypotheses = (sampling.steps, sampling.hypotheses) if lifter.probabilistic else (1, 1)
    expected = (shape[0], steps, hypotheses, *shape[1:])
    if pred.shape != expected:
        raise InputError(
            f"{lifter.title}: predict gave a tensor of shape {tuple(pred.shape)}, expected {expected}; "
            "mend the method"
        )
    finite = pred.isfinite().flatten(1).all(1)
    if not finite.all():
        bad = rows[int((~finite).nonzero()[0])]
        sequence = windows.sequences[int(windows.table[bad, 0])].key
        raise DivergedError(
            f"{lifter.title}: the prediction for {sequence} has values that are not finite; "
            "check the 2D poses of that sequence, or train again with a smaller learning rate"
        )
