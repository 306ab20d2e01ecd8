"""Errors of a method on test windows, for several numbers of hypotheses and steps from one pass of predictions.

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
from bench.devices import autocast, random_state
from bench.protocol.aggregation import (
    P_AGG,
    aggregate_errors,
    computed_aggregations,
    p_agg,
    single_errors,
)
from bench.protocol.counterfactual import substitutes
from bench.protocol.frame_errors import Collector, FrameErrors
from bench.protocol.joined_windows import predict_joined
from bench.protocol.metrics import Metric, all_metrics
from models.errors import DivergedError, InputError
from models.inference import without_context
from models.lifter import Batch, Lifter, Sampling

CPU_BATCH_FRAMES, GPU_BATCH_FRAMES = 1_500, 120_000
"""Frames of all hypotheses that go through a method at once, unless the caller sets ``batch_windows``."""

ROOT_TOLERANCE = 1e-4
"""Metres by which a predicted root may be off the origin."""

REPEAT_TOLERANCE = 1e-4
"""Metres by which poses that are predicted again may differ."""


class EvalSetting(NamedTuple):
    """How errors are read off predictions; several settings can share the same predictions.

    Attributes:
        hypotheses, steps: H and K.
        overlap, call: ``count_overlap`` and ``p_best_calls`` of ``EvaluationSpec``.
        named: aggregations that are computed on request only.
    """

    hypotheses: int = 1
    steps: int = 1
    overlap: bool = False
    call: int | None = None
    named: tuple[str, ...] = ()


def evaluate(
    lifter: Lifter,
    windows: Windows,
    indices: np.ndarray,
    sampling: Sampling,
    settings: Iterable[EvalSetting],
    device: torch.device | str,
    batch_windows: int | None = None,
    labels: ActionLabels = "given",
    precision: Precision = "fp32",
    progress: Callable[[int], object] = lambda windows: None,
) -> dict[EvalSetting, FrameErrors]:
    """Errors under every setting, from as few predictions as possible (see ``shared_samples``).

    The method is given no ground truth, and action labels only if it declares that it reads them.

    Args:
        lifter: on ``device``.
        windows: cut in mode "eval" with the ``frames`` and ``context`` of the method.
        indices: ascending rows of the windows to evaluate.
        sampling: flip and seed; its H and K are not read.
        settings: under which errors are wanted.
        device: of the method; errors are computed there too, but for Apple's GPU on the CPU.
        batch_windows: windows per call; by default as many as suit the device. No result depends on it.
        labels: the action labels that a method which reads them is given; others get none.
        precision: of the predictions; errors are computed in fp32.
        progress: called with the number of windows just finished.

    Returns:
        The errors under each setting; a deterministic method has the same whatever H, K and call are.

    Raises:
        InputError: a prediction has the wrong shape, values that are not finite, or a root that is not 0; or it
            depends on global random numbers.
    """
    served = {setting: served_by(setting, lifter) for setting in settings}
    wanted = set(served.values())
    runs = shared_samples({(setting.hypotheses, setting.steps) for setting in wanted}, lifter)
    device = torch.device(device)
    size = batch_windows or windows_per_call(max(h for h, _ in runs) * lifter.frames, device)
    batches = _batches(windows, indices, size, {setting.call for setting in wanted})
    metrics = [metric for metric in all_metrics() if metric.defined_for(windows.skeleton)]
    answer = P_AGG.name if lifter.probabilistic else None
    collectors = {setting: Collector(windows.skeleton, answer, metrics) for setting in wanted}
    with torch.inference_mode():
        for rows, batch, pairs, pred in predict_batches(
            lifter, windows, batches, runs, sampling, labels, device, precision, progress
        ):
            if device.type == "mps":  # errors are computed in double precision
                pred, batch = pred.cpu(), batch.to("cpu")
            truth = replace(batch, pose_2d=without_context(batch.pose_2d, lifter))
            read = {key: one for key, one in collectors.items() if (key.hypotheses, key.steps) in pairs}
            _collect(read, pred, truth, lifter, windows, rows, metrics)
    results = {setting: collector.result(setting.steps, windows) for setting, collector in collectors.items()}
    return {setting: results[its] for setting, its in served.items()}


def served_by(setting: EvalSetting, lifter: Lifter) -> EvalSetting:
    """The setting with the same numbers: H, K and call mean nothing to a deterministic method."""
    return setting if lifter.probabilistic else EvalSetting(overlap=setting.overlap)


def predict_batches(
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
    """Predict batch by batch; the caller has switched to inference mode.

    Args:
        batches: rows of the windows of each batch.
        runs: which (H, K) to sample, and which to read off each (``shared_samples``).

    The others are those of ``evaluate``.

    Yields:
        Rows of the windows, the batch with its ground truth, the (H, K) to read off, and the prediction
        ``[B, K, H, F, J, 3]``.
    """
    classes = {sequence.action_class for sequence in windows.sequences}
    given = substitutes(labels, classes) if lifter.uses_action else dict.fromkeys(classes, "")
    was_training = lifter.training
    lifter.eval()

    def predict(rows: np.ndarray, hidden: Batch, drawn: Sampling) -> Tensor:
        with autocast(device, precision):
            if not lifter.convolutional:
                return lifter.predict(hidden, drawn).float()
            sequence, start, *_ = windows.table[rows].T
            return predict_joined(lifter, hidden, drawn, sequence, start).float()

    for number, (rows, truth) in enumerate(assemble_batches(windows, batches, given, device)):
        hidden = replace(truth, pose_3d=None, trajectory=None, camera=None)
        for run, pairs in runs.items():
            drawn = replace(sampling, hypotheses=run[0], steps=run[1])
            before = random_state(device) if number == 0 else None
            pred = predict(rows, hidden, drawn)
            _check(pred, lifter, windows, rows, drawn, hidden)
            if before is not None and random_state(device) != before:  # something was drawn, perhaps for nothing
                _check_repeated(pred, predict(rows, hidden, drawn), lifter)
            yield rows, truth, pairs, pred
        progress(len(rows))
    lifter.train(was_training)


def assemble_batches(
    windows: Windows, batches: Iterable[np.ndarray], given: dict[str, str], device: torch.device
) -> Iterator[tuple[np.ndarray, Batch]]:
    """Batches on the device, each with its rows; a GPU computes while the CPU puts the next one together.

    On a CPU both would compete for the same cores; there, a batch is put together when it is needed.
    ``given``: action class → the label that the method is given.
    """

    def assemble(rows: np.ndarray) -> Batch:
        batch = windows.batch(rows)
        batch = replace(batch, actions=tuple(given[action] for action in batch.actions))
        return batch.pinned() if device.type == "cuda" else batch

    if device.type == "cpu":
        yield from ((rows, assemble(rows)) for rows in batches)
        return
    with ThreadPoolExecutor(1) as thread:
        begun = ((rows, thread.submit(assemble, rows)) for rows in batches)
        current = next(begun, None)
        while current is not None:
            following = next(begun, None)
            rows, batch = current
            yield rows, batch.result().to(device)
            current = following


def windows_per_call(frames: int, device: torch.device) -> int:
    """Windows that go through a method at once, when each has ``frames`` frames over all its hypotheses."""
    budget = CPU_BATCH_FRAMES if device.type == "cpu" else GPU_BATCH_FRAMES
    return max(1, budget // frames)


def shared_samples(
    asked: Iterable[tuple[int, int]], lifter: type[Lifter] | Lifter
) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """The (H, K) of a method to sample → the (H, K) to read off each of them.

    Fewer hypotheses are the first ones of more, so each K is sampled once, with its largest H. Where one step is
    the first of several (``Lifter.begins_alike``), K = 1 is not sampled if another K has hypotheses enough.
    """
    by_steps: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for pair in sorted(set(asked)):
        by_steps[pair[1]].append(pair)
    largest = {k: max(h for h, _ in pairs) for k, pairs in by_steps.items()}
    enough = [k for k in by_steps if k > 1 and largest[k] >= largest.get(1, 0)]
    if 1 in by_steps and enough and lifter.begins_alike:
        by_steps[min(enough)] += by_steps.pop(1)
    return {(largest[k], k): pairs for k, pairs in by_steps.items()}


def _batches(windows: Windows, indices: np.ndarray, size: int, calls: set[int | None]) -> list[np.ndarray]:
    """Rows in batches of about ``size``; windows that share a choice of P-Best stay in one batch."""
    ends = np.ones(len(indices), dtype=bool)
    for call in filter(None, calls):
        number = _call_numbers(windows, indices, call)
        ends[:-1] &= number[1:] != number[:-1]
    possible = np.flatnonzero(ends) + 1
    wanted = np.append(np.arange(size, len(indices), size), len(indices))
    cuts = np.unique(possible[np.minimum(np.searchsorted(possible, wanted), len(possible) - 1)])
    return np.split(indices, cuts[:-1])


def _call_numbers(windows: Windows, rows: np.ndarray, call: int) -> np.ndarray:
    """``[B]``: a number for each row, equal for those in one call of ``call`` successive windows of a sequence."""
    sequence, start = windows.table[rows, 0], windows.table[rows, 1]
    per_sequence = -(-windows.lengths.max() // windows.frames) // call + 1
    return sequence * per_sequence + -(-start // windows.frames) // call


def _collect(
    collectors: Mapping[EvalSetting, Collector],
    pred: Tensor,
    truth: Batch,
    lifter: Lifter,
    windows: Windows,
    rows: np.ndarray,
    metrics: Sequence[Metric],
) -> None:
    """Hand the errors of one prediction to the collectors of all settings that are read off it."""
    assert truth.pose_3d is not None
    for overlap, call, named in dict.fromkeys(setting[2:] for setting in collectors):
        members = [setting for setting in collectors if setting[2:] == (overlap, call, named)]
        counts = windows.counts(rows, overlap)
        if lifter.probabilistic:
            counted = torch.from_numpy(counts).to(pred.device)
            calls = None if call is None else torch.from_numpy(_call_numbers(windows, rows, call)).to(pred.device)
            prefixes = sorted({setting.hypotheses for setting in members})
            aggregations = computed_aggregations(named)
            by_prefix = aggregate_errors(pred, truth, counted, prefixes, calls, metrics, aggregations)
        else:
            by_prefix = {1: single_errors(pred, truth.pose_3d, metrics)}
        for setting in members:
            h, k = setting.hypotheses, setting.steps
            errors = {name: error[:, :k] for name, error in by_prefix[h].items()}
            answer = p_agg(pred[:, k - 1 : k, :h], truth)[:, 0]
            collectors[setting].add(errors, answer, truth.pose_3d, counts, *windows.frame_index(rows))


def _check(pred: Tensor, lifter: Lifter, windows: Windows, rows: np.ndarray, drawn: Sampling, seen: Batch) -> None:
    steps, hypotheses = (drawn.steps, drawn.hypotheses) if lifter.probabilistic else (1, 1)
    expected = (len(rows), steps, hypotheses, lifter.frames, len(windows.skeleton.joints), 3)
    if pred.shape != expected:
        raise InputError(
            f"{lifter.title}: predict gave a tensor of shape {tuple(pred.shape)}, expected {expected}, which is "
            "[windows, K, H, F, J, 3]; correct the method"
        )
    finite = pred.isfinite().flatten(1).all(1)
    if not finite.all():
        bad = int((~finite).nonzero()[0])
        sequence = windows.sequences[int(windows.table[rows[bad], 0])].key
        raise DivergedError(
            f"{lifter.title}: the prediction for {sequence} has values that are not finite"
            + _origin(lifter, seen, bad)
        )
    off = float(pred[..., windows.skeleton.root, :].abs().max())
    if off > ROOT_TOLERANCE:
        raise InputError(
            f"{lifter.title}: predict put the root {1000 * off:.3g} mm off the origin, but poses are relative to "
            "it: set its row to 0 (models.inference.root_at_origin)"
        )


def _origin(lifter: Lifter, seen: Batch, row: int) -> str:
    """End of a sentence: what makes the prediction of a window not finite, and what to do."""
    given = (seen.pose_2d, seen.confidence, seen.random_2d)
    if not all(entry[row].isfinite().all() for entry in given if entry is not None):
        return ", and so have its 2D poses: check the 2D poses of that sequence"
    if not all(weight.isfinite().all() for weight in lifter.parameters()):
        return ", and so have the weights: train again with a smaller learning rate"
    return (
        ", although its 2D poses and the weights are finite: correct predict, or train again with a smaller "
        "learning rate"
    )


def _check_repeated(pred: Tensor, again: Tensor, lifter: Lifter) -> None:
    off = float((again - pred).abs().max())
    if off > REPEAT_TOLERANCE:
        raise InputError(
            f"{lifter.title}: predict gave poses up to {1000 * off:.3g} mm apart for the same windows, because it "
            "draws from global random numbers; draw noise with window_noise (models.diffusion.process), which "
            "follows from window and seed"
        )
