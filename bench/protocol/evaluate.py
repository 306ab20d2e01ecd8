"""Run a method over test windows once, and give the errors of every number of hypotheses and steps asked for.

Shapes: B windows, K steps, H hypotheses, F frames, J joints, S sequences, T takes, N counted frames.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from bench.data.windows import Windows
from bench.experiment import ActionLabels
from bench.files import atomic
from bench.protocol.aggregation import AGGREGATIONS, NamedErrors, aggregate_errors, single_errors
from bench.protocol.counterfactual import substitutes
from bench.protocol.uncertainty import action_mean, interval
from bench.records import Value
from models.errors import InputError
from models.lifter import Batch, Lifter, Sampling

Pair = tuple[int, int]
Name = tuple[str, str | None]

CPU_BATCH_FRAMES, GPU_BATCH_FRAMES = 20_000, 120_000
"""Frames of all hypotheses that go through a method at once, unless the caller sets ``batch_windows``."""


@dataclass(frozen=True)
class FrameErrors:
    """Errors in millimetres of one evaluated (H, K) over counted frames, each frame of a sequence once.

    Attributes:
        hypotheses, steps: H and K; 1 and 1 for a deterministic method.
        keys, takes, actions: of the S sequences that have counted frames: name, take, action class.
        sequence, frame: ``[N]`` int32, where each frame comes from, in ascending order.
        counts: ``[S]`` int64, counted frames of each sequence.
        sums: (metric, aggregation) → ``[K, S]`` float64, sum of the errors of each sequence at every step.
        frames: (metric, aggregation) → ``[N]`` float32, error of each frame at the last step.
    """

    hypotheses: int
    steps: int
    keys: tuple[str, ...]
    takes: tuple[str, ...]
    actions: tuple[str, ...]
    sequence: np.ndarray
    frame: np.ndarray
    counts: np.ndarray
    sums: dict[Name, np.ndarray]
    frames: dict[Name, np.ndarray]

    def by_take(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sums ``[names, K, T]`` of errors, frames ``[T]`` and actions ``[T]`` of each take, its cameras together.

        Names come in the order of ``sums``, takes in sorted order: two evaluations of the same frames can be
        compared take by take (``uncertainty.paired_difference``).
        """
        takes, first, owner = np.unique(self.takes, return_index=True, return_inverse=True)
        member = (owner == np.arange(len(takes))[:, None]).astype(np.float64)
        return np.stack(list(self.sums.values())) @ member.T, member @ self.counts, np.array(self.actions)[first]


def evaluate(
    lifter: Lifter,
    windows: Windows,
    indices: np.ndarray,
    plans: Iterable[Sampling],
    device: torch.device | str,
    batch_windows: int | None = None,
    labels: ActionLabels = "given",
    progress: Callable[[int], object] = lambda windows: None,
) -> dict[Pair, FrameErrors]:
    """Errors of every plan from as few predictions as possible.

    Fewer hypotheses are the first ones of more, and one step is the first of several; so each K is sampled once,
    with the largest H that it is asked for, and K = 1 not at all where another K has hypotheses enough. The
    method is given no ground truth, and action labels only if it says that it reads them.

    Args:
        lifter: on ``device``.
        windows: cut in mode "eval" with the ``frames`` and ``context`` of the method.
        indices: rows of the windows to evaluate.
        plans: differ in H and K only.
        device: of the method; errors are computed there too.
        batch_windows: windows per call; by default as many as suit the device. No result depends on it.
        labels: the action labels that a method which reads them is given; others get none.
        progress: called with the number of windows just finished.

    Returns:
        (H, K) of each plan → its errors; a deterministic method gives the same for all.

    Raises:
        InputError: a prediction has the wrong shape or values that are not finite.
    """
    plans = list(plans)
    base = replace(plans[0], hypotheses=1, steps=1)
    if any(replace(plan, hypotheses=1, steps=1) != base for plan in plans):
        raise ValueError("plans of one evaluation may differ in hypotheses and steps only")
    asked = {(plan.hypotheses, plan.steps) for plan in plans}
    runs = _runs(asked) if lifter.probabilistic else {(1, 1): [(1, 1)]}
    most = max(h for h, _ in runs)
    size = batch_windows or windows_per_call(most * lifter.frames, torch.device(device))

    classes = {sequence.action_class for sequence in windows.sequences}
    given = substitutes(labels, classes) if lifter.uses_action else dict.fromkeys(classes, "")

    collected: dict[Pair, _Collector] = defaultdict(_Collector)
    was_training = lifter.training
    lifter.eval()
    with torch.inference_mode():
        for rows in np.array_split(indices, -(-len(indices) // size)):
            truth, counts = _labelled(windows.batch(rows), given).to(device), windows.counts(rows)
            for run, served in runs.items():
                sampling = replace(base, hypotheses=run[0], steps=run[1])
                errors = _errors(lifter, windows, rows, truth, counts, sampling, served)
                for pair in served:
                    collected[pair].add(errors[pair], counts)
            progress(len(rows))
    lifter.train(was_training)
    results = {pair: collector.result(pair, windows, indices) for pair, collector in collected.items()}
    return {pair: results[pair if lifter.probabilistic else (1, 1)] for pair in asked}


def windows_per_call(frames: int, device: torch.device) -> int:
    """Windows that go through a method at once, when each has ``frames`` frames over all its hypotheses."""
    budget = CPU_BATCH_FRAMES if device.type == "cpu" else GPU_BATCH_FRAMES
    return max(1, budget // frames)


def summarise(errors: FrameErrors, seed: int = 0) -> tuple[Value, ...]:
    """Every metric under every aggregation at every step, with its conditions and its 95 % interval.

    Args:
        errors: of one evaluation.
        seed: of the bootstrap; the interval belongs to the same takes and seed, whatever the method.
    """
    sums, frames, actions = errors.by_take()
    low, high = interval(sums, frames, actions, np.random.default_rng(seed))
    mean = action_mean(sums, frames, actions)
    names = np.unique(actions)
    members = (actions == names[:, None]).astype(np.float64)
    per_action = sums @ members.T / (members @ frames)
    values = []
    for row, (metric, aggregation) in enumerate(errors.sums):
        record = AGGREGATIONS.get(aggregation or "")
        values += [
            Value(
                metric=metric,
                aggregation=aggregation,
                kind=record.kind if record else "deterministic",
                looks_at=record.looks_at if record else (),
                step=step + 1,
                action_mean=float(mean[row, step]),
                low=float(low[row, step]),
                high=float(high[row, step]),
                frame_mean=float(sums[row, step].sum() / frames.sum()),
                per_action=dict(zip(names.tolist(), per_action[row, step].tolist(), strict=True)),
            )
            for step in range(sums.shape[1])
        ]
    return tuple(values)


def save_errors(path: Path, errors: FrameErrors) -> None:
    """Write errors as a plain ``.npz``; the file appears whole or not at all."""
    arrays = {field: getattr(errors, field) for field in ("sequence", "frame", "counts")}
    arrays |= {field: np.array(getattr(errors, field), dtype=np.str_) for field in ("keys", "takes", "actions")}
    arrays["hypotheses_steps"] = np.array([errors.hypotheses, errors.steps])
    for kind, named in (("sums", errors.sums), ("frames", errors.frames)):
        arrays |= {f"{kind}/{metric}/{aggregation or ''}": array for (metric, aggregation), array in named.items()}
    with atomic(path) as file:
        np.savez(file, **arrays)


def load_errors(path: Path) -> FrameErrors:
    """Read what ``save_errors`` wrote.

    Raises:
        InputError: the file is missing, damaged, or something else.
    """
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        named: dict[str, dict[Name, np.ndarray]] = {"sums": {}, "frames": {}}
        for name in [name for name in arrays if "/" in name]:
            kind, metric, aggregation = name.split("/")
            named[kind][metric, aggregation or None] = arrays[name]
        hypotheses, steps = arrays["hypotheses_steps"].tolist()
        return FrameErrors(
            hypotheses=hypotheses,
            steps=steps,
            keys=tuple(arrays["keys"].tolist()),
            takes=tuple(arrays["takes"].tolist()),
            actions=tuple(arrays["actions"].tolist()),
            sequence=arrays["sequence"],
            frame=arrays["frame"],
            counts=arrays["counts"],
            sums=named["sums"],
            frames=named["frames"],
        )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(f"{path}: is not a file of evaluation errors ({error}); evaluate again") from None


def _runs(asked: set[Pair]) -> dict[Pair, list[Pair]]:
    """Predictions to make → what is read off each of them."""
    served: dict[int, list[Pair]] = defaultdict(list)
    for pair in sorted(asked):
        served[pair[1]].append(pair)
    largest = {k: max(h for h, _ in pairs) for k, pairs in served.items()}
    hosts = [k for k in served if k > 1 and largest[k] >= largest.get(1, 0)]
    if 1 in served and hosts:
        served[min(hosts)] += served.pop(1)
    return {(largest[k], k): pairs for k, pairs in served.items()}


def _labelled(batch: Batch, given: dict[str, str]) -> Batch:
    return replace(batch, actions=tuple(given[action] for action in batch.actions))


def _errors(
    lifter: Lifter,
    windows: Windows,
    rows: np.ndarray,
    truth: Batch,
    counts: np.ndarray,
    sampling: Sampling,
    served: list[Pair],
) -> dict[Pair, NamedErrors]:
    """Predict these windows once and compute the errors ``[B, K, F]`` of every pair read off the prediction."""
    assert truth.pose_3d is not None
    pred = lifter.predict(replace(truth, pose_3d=None, trajectory=None, camera=None), sampling).float()
    _check(pred, lifter, windows, rows, truth.pose_3d.shape, sampling)
    if not lifter.probabilistic:
        return {(1, 1): single_errors(pred, truth.pose_3d)}
    left = lifter.context[0]
    cropped = replace(truth, pose_2d=truth.pose_2d[:, left : left + lifter.frames])
    counted = torch.from_numpy(counts).to(pred.device)
    by_prefix = aggregate_errors(pred, cropped, counted, sorted({h for h, _ in served}))
    return {(h, k): {name: error[:, :k] for name, error in by_prefix[h].items()} for h, k in served}


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
        raise InputError(
            f"{lifter.title}: the prediction for {sequence} has values that are not finite; "
            "check the 2D poses of that sequence, or train again with a smaller learning rate"
        )


class _Collector:
    """Errors of one (H, K), batch by batch."""

    def __init__(self) -> None:
        self.window_sums: dict[Name, list[np.ndarray]] = defaultdict(list)
        self.frames: dict[Name, list[np.ndarray]] = defaultdict(list)

    def add(self, errors: NamedErrors, counts: np.ndarray) -> None:
        """Take errors ``[B, K, F]`` on any device, of which the frames ``counts`` ``[B, F]`` count."""
        stacked = torch.stack(list(errors.values()))
        counted = torch.from_numpy(counts).to(stacked.device)
        sums = torch.where(counted[:, None], stacked, 0).sum(-1, dtype=torch.float64).cpu().numpy()
        last = stacked[:, :, -1].float()[:, counted].cpu().numpy()
        for name, window_sums, frames in zip(errors, sums, last, strict=True):
            self.window_sums[name].append(window_sums)
            self.frames[name].append(frames)

    def result(self, pair: Pair, windows: Windows, indices: np.ndarray) -> FrameErrors:
        """All of it, frames in order of sequence and frame."""
        counts = windows.counts(indices)
        owner, frame = windows.frame_index(indices)
        present, owner = np.unique(owner, return_inverse=True)
        sequence = np.broadcast_to(owner[:, None], counts.shape)[counts]
        order = np.lexsort((frame[counts], sequence))
        chosen = [windows.sequences[number] for number in present]
        return FrameErrors(
            hypotheses=pair[0],
            steps=pair[1],
            keys=tuple(sequence.key for sequence in chosen),
            takes=tuple(sequence.take for sequence in chosen),
            actions=tuple(sequence.action_class for sequence in chosen),
            sequence=sequence[order].astype(np.int32),
            frame=frame[counts][order].astype(np.int32),
            counts=np.bincount(sequence, minlength=len(present)),
            sums={name: _summed(sums, owner, len(present)) for name, sums in self.window_sums.items()},
            frames={name: np.concatenate(frames)[order] for name, frames in self.frames.items()},
        )


def _summed(window_sums: list[np.ndarray], owner: np.ndarray, sequences: int) -> np.ndarray:
    """``[K, S]`` sums over the windows of each sequence, from ``[B, K]`` of every batch."""
    values = np.concatenate(window_sums)
    total = np.zeros((sequences, values.shape[1]))
    np.add.at(total, owner, values)
    return total.T
