from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from itertools import starmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.data.sequence import Sequence
from bench.data.windows import Windows
from bench.protocol.aggregation import computed_aggregations
from bench.protocol.evaluate import EvalSetting, assemble_batches, evaluate, shared_samples
from bench.protocol.frame_errors import FrameErrors, takes
from bench.protocol.metrics import acceleration_error, all_metrics, mpjpe, mpjve
from bench.protocol.summary import metric_infos, summarise
from bench.results.record import GroundTruth
from models.lifter import Batch, Lifter, Sampling
from models.skeleton import HUMAN36M

FRAMES, CONTEXT = 6, (2, 1)
SAMPLING = Sampling(flip=False, seed=5)


@dataclass(frozen=True)
class Config:
    deterministic: bool = False


class Guess(Lifter):
    """Noise that depends on window, hypothesis and step only, around a pose made of the 2D input."""

    title = "Guess"
    Config = Config
    frames = train_frames = FRAMES
    context = CONTEXT
    probabilistic = True

    def __init__(self) -> None:
        super().__init__(Config())
        self.calls: list[Sampling] = []
        self.broken_after: int | None = None

    def training_loss(self, batch: Batch) -> Tensor:
        return torch.zeros(())

    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        assert batch.pose_3d is batch.trajectory is batch.camera is None
        assert not self.training
        self.calls.append(sampling)
        h, k = (sampling.hypotheses, sampling.steps) if self.probabilistic else (1, 1)
        middle = batch.pose_2d[:, CONTEXT[0] : CONTEXT[0] + FRAMES]
        base = torch.nn.functional.pad(middle, (0, 1))[:, None, None]
        noise = torch.stack([self.noise(int(key), h, k, sampling.seed) for key in batch.window_keys])
        return base + noise

    def noise(self, key: int, h: int, k: int, seed: int) -> Tensor:
        rows = [[self.sample(key % 2**40 + 7 * step + 1000 * n + seed) for n in range(h)] for step in range(k)]
        return torch.stack([torch.stack(row) for row in rows])

    def sample(self, seed: int) -> Tensor:
        noise = torch.randn(FRAMES, 17, 3, generator=torch.Generator().manual_seed(seed)) / 10
        noise[:, 0] = 0
        return noise


class Exact(Guess):
    """A method without hypotheses."""

    title = "Exact"
    probabilistic = False


def sequences() -> list[Sequence]:
    """Takes of two subjects, three actions and two cameras; one is shorter than a window."""
    rng = np.random.default_rng(0)
    result = []
    for subject, lengths in (("S9", (15, 4, 13)), ("S11", (9, 12, 20))):
        for action, length in zip(("Walking", "Eating 1", "Posing"), lengths, strict=True):
            result += [one_sequence(rng, subject, action, camera, length) for camera in "ab"]
    return result


def one_sequence(rng: np.random.Generator, subject: str, action: str, camera: str, length: int) -> Sequence:
    pose_3d = rng.normal(0, 0.3, (length, 17, 3)).astype(np.float32)
    pose_2d = rng.normal(0, 0.3, (length, 17, 2)).astype(np.float32)
    pose_3d[:, 0] = pose_2d[:, 0] = 0  # a guess is made of the 2D input, and has its root there too
    return Sequence(
        subject, action, camera, 50.0,
        pose_2d,
        pose_3d,
        np.tile(np.float32([0.1, 0.2, 4]), (length, 1)),
        np.float32([2.3, 2.3, 0, 0, -0.2, 0.2, 0, 0, 0]),
        1000, 1002,
    )  # fmt: skip


@pytest.fixture(scope="module")
def windows() -> Windows:
    return Windows(sequences(), HUMAN36M, FRAMES, CONTEXT, mode="eval")


def run(lifter: Lifter, windows: Windows, pairs: list[tuple[int, int]], **options: Any) -> dict:
    results = evaluate(
        lifter, windows, np.arange(len(windows)), SAMPLING, starmap(EvalSetting, pairs), "cpu", **options
    )
    return {(plan.hypotheses, plan.steps): errors for plan, errors in results.items()}


def assert_equal(one: FrameErrors, other: FrameErrors) -> None:
    assert one.keys == other.keys
    assert one.sums.keys() == other.sums.keys()
    np.testing.assert_array_equal(one.frame, other.frame)
    for name in one.sums:
        np.testing.assert_allclose(one.sums[name], other.sums[name], rtol=1e-5)
    for name in one.frames:
        np.testing.assert_allclose(one.frames[name], other.frames[name], atol=1e-3)
        np.testing.assert_allclose(one.joints[name], other.joints[name], rtol=1e-4, atol=1e-6)


def test_every_frame_counts_once_and_nothing_else(windows: Windows) -> None:
    lifter = Exact()
    errors = run(lifter, windows, [(1, 1)])[1, 1]
    lengths = [len(sequence) for sequence in windows.sequences]
    assert errors.counts.tolist() == lengths
    assert errors.frame.tolist() == [frame for length in lengths for frame in range(length)]
    expected = np.full(len(errors.frame), np.nan)
    first = np.cumsum([0, *lengths])
    for row in range(len(windows)):
        batch, counted = windows.batch(np.array([row])), windows.counts(np.array([row]))[0]
        pred = torch.nn.functional.pad(batch.pose_2d[0, 2:-1], (0, 1))
        pred = pred + lifter.noise(int(batch.window_keys[0]), 1, 1, 5)[0, 0]
        (owner,), (frames,) = windows.frame_index(np.array([row]))
        expected[first[owner] + frames[counted]] = mpjpe(pred, batch.pose_3d[0])[counted]
    np.testing.assert_allclose(errors.frames["mpjpe", None], expected, rtol=1e-5)
    np.testing.assert_allclose(errors.sums["mpjpe", None][0].sum(), expected.sum(), rtol=1e-6)


def test_deterministic_methods_have_no_aggregation(windows: Windows) -> None:
    lifter = Exact()
    results = run(lifter, windows, [(1, 1), (5, 2)], batch_windows=100)
    assert len(lifter.calls) == 1
    values = summarise(results[5, 2])
    assert {v.metric for v in values} == {metric.name for metric in all_metrics()}
    assert {(v.aggregation, v.kind, v.step) for v in values} == {(None, "deterministic", 1)}
    assert metric_infos(values) == {metric.name: metric.info for metric in all_metrics()}
    assert list(metric_infos(values[:1])) == [values[0].metric]


def test_runs_are_shared(windows: Windows) -> None:
    lifter = Guess()
    pairs = [(1, 1), (3, 1), (2, 3), (4, 3), (1, 2)]
    together = run(lifter, windows, pairs, batch_windows=100)
    assert sorted((call.hypotheses, call.steps) for call in lifter.calls) == [(1, 2), (4, 3)]
    assert set(together) == set(pairs)
    for pair in pairs:
        assert_equal(together[pair], run(Guess(), windows, [pair])[pair])
        assert together[pair].steps == pair[1]


def test_one_step_is_sampled_when_no_other_run_has_enough_hypotheses(windows: Windows) -> None:
    assert shared_samples({(20, 1), (5, 10), (1, 10)}, Guess) == {(5, 10): [(1, 10), (5, 10)], (20, 1): [(20, 1)]}
    assert shared_samples({(5, 1), (5, 10), (9, 2)}, Guess) == {(9, 2): [(9, 2), (5, 1)], (5, 10): [(5, 10)]}


def test_one_step_is_sampled_by_itself_where_it_is_not_the_first_of_several(monkeypatch) -> None:
    monkeypatch.setattr(Guess, "begins_alike", False)
    assert shared_samples({(5, 1), (5, 10)}, Guess) == {(5, 1): [(5, 1)], (5, 10): [(5, 10)]}


def test_batching_changes_nothing(windows: Windows) -> None:
    finished: list[int] = []
    small = run(Guess(), windows, [(3, 2)], batch_windows=2, progress=finished.append)[3, 2]
    assert sum(finished) == len(windows)
    assert_equal(small, run(Guess(), windows, [(3, 2)], batch_windows=1000)[3, 2])


def test_the_next_batch_is_assembled_while_a_device_is_at_one(
    windows: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = [threading.Event() for _ in windows.table]
    events, assemble = iter(begun), windows.batch

    def assembled(rows: np.ndarray) -> Batch:
        next(events).set()
        return assemble(rows)

    monkeypatch.setattr(windows, "batch", assembled)
    batches, given = np.split(np.arange(len(windows)), len(windows)), {"Walking": "", "Eating": "", "Posing": ""}
    pairs = assemble_batches(windows, batches, given, torch.device("meta"))
    for number, (rows, batch) in enumerate(pairs):
        assert number + 1 == len(begun) or begun[number + 1].wait(10)
        assert batch.pose_2d.is_meta
        assert rows == [number]


def test_some_windows(windows: Windows) -> None:
    rows = np.array([0, 3, 9])
    plan = EvalSetting(2, 1)
    errors = evaluate(Guess(), windows, rows, SAMPLING, [plan], "cpu")[plan]
    assert len(errors.frame) == windows.counts(rows).sum() == errors.counts.sum()
    whole = run(Guess(), windows, [(2, 1)])[2, 1]
    index = {(whole.keys[s], f): i for i, (s, f) in enumerate(zip(whole.sequence, whole.frame, strict=True))}
    chosen = [index[errors.keys[s], f] for s, f in zip(errors.sequence, errors.frame, strict=True)]
    for name, frames in errors.frames.items():
        np.testing.assert_allclose(frames, whole.frames[name][chosen], rtol=1e-4)


def test_aggregations_on_request_are_computed_where_they_are_named(windows: Windows) -> None:
    usual, named = EvalSetting(3, 2), EvalSetting(3, 2, named=("RPEA",))
    found = evaluate(Guess(), windows, np.arange(len(windows)), SAMPLING, [usual, named], "cpu")
    further = found[named].frames.keys() - found[usual].frames.keys()
    assert further == {(metric, "RPEA") for metric, name in found[usual].frames if name == "P-Agg"}
    (value,) = (v for v in summarise(found[named]) if (v.metric, v.aggregation, v.step) == ("mpjpe", "RPEA", 2))
    assert (value.kind, value.looks_at.names) == ("assisted", ("root trajectory",))


def test_summary(windows: Windows) -> None:
    errors = run(Guess(), windows, [(3, 2)])[3, 2]
    values = summarise(errors)
    assert len(values) == 4 * 6 * 2 + 5
    kinds = {value.aggregation: value.kind for value in values}
    assert kinds == {entry.name: entry.kind for entry in computed_aggregations()}
    value = next(v for v in values if (v.metric, v.aggregation, v.step) == ("p_mpjpe", "J-Agg", 2))
    frames = errors.frames["p_mpjpe", "J-Agg"]
    actions = np.array(errors.actions)[errors.sequence]
    expected = {name: frames[actions == name].mean() for name in ("Eating", "Posing", "Walking")}
    assert value.per_action == pytest.approx(expected, rel=1e-5)
    assert value.action_mean == pytest.approx(np.mean(list(expected.values())), rel=1e-5)
    assert value.frame_mean == pytest.approx(frames.mean(), rel=1e-5)
    assert value.low < value.action_mean < value.high
    assert summarise(errors) == values
    tested, _ = takes(errors)
    means = dict(zip((take.name for take in tested), value.per_take[0], strict=True))
    walking = np.array(errors.takes)[errors.sequence] == "S9/Walking"
    assert means["S9/Walking"] == pytest.approx(frames[walking].mean(), rel=1e-5)
    assert np.mean(value.per_joint) == pytest.approx(value.frame_mean, rel=1e-4)
    assert value.looks_at.names == ("root trajectory",)
    labelled = summarise(errors, GroundTruth(action_label=True))
    assert {v.looks_at.action_label for v in labelled} == {True}


def test_the_file_of_errors_says_which_frame_each_is_of(windows: Windows, tmp_path: Path) -> None:
    for lifter, aggregation in ((Guess(), "P-Agg"), (Exact(), None)):
        (errors,) = run(lifter, windows, [(3, 2)]).values()
        path = tmp_path / "new" / f"{aggregation}.npz"
        errors.save(path)
        with np.load(path) as kept:
            assert set(kept.files) == {"keys", "sequence", "frame"} | {
                f"frames/{metric}/{name or ''}" for metric, name in errors.frames
            }
            assert tuple(kept["keys"].tolist()) == errors.keys
            np.testing.assert_array_equal(kept["sequence"], errors.sequence)
            np.testing.assert_array_equal(kept["frame"], errors.frame)
            np.testing.assert_array_equal(
                kept[f"frames/mpjpe/{aggregation or ''}"], errors.frames["mpjpe", aggregation]
            )


def test_overlap_counts_the_shared_frames_of_the_last_windows_twice(windows: Windows) -> None:
    once, twice = EvalSetting(2, 1), EvalSetting(2, 1, overlap=True)
    lifter = Guess()
    results = evaluate(lifter, windows, np.arange(len(windows)), SAMPLING, [once, twice], "cpu", 1000)
    assert len(lifter.calls) == 1
    for key, length, count in zip(results[once].keys, windows.lengths, results[twice].counts, strict=True):
        whole = -(-length // FRAMES) * FRAMES
        assert count == (whole if length >= FRAMES else length), key
    for sequence in range(len(windows.lengths)):
        frames, kept = (r.frame[r.sequence == sequence] for r in (results[twice], results[once]))
        assert set(frames.tolist()) == set(kept.tolist())
    assert results[once].sums["mpjpe", "P-Agg"].sum() < results[twice].sums["mpjpe", "P-Agg"].sum()
    for metric in ("mpjve", "acceleration"):  # never from one window to another that has the same frames
        means = [(results[s].sums[metric, "P-Agg"][-1] / results[s].counts) for s in (once, twice)]
        np.testing.assert_allclose(*means, rtol=1e-6)


def test_a_call_of_all_windows_of_a_sequence_has_one_p_best(windows: Windows) -> None:
    apart, together = EvalSetting(4, 1), EvalSetting(4, 1, call=100)
    alone = run(Guess(), windows, [(4, 1)])[4, 1]
    results = evaluate(Guess(), windows, np.arange(len(windows)), SAMPLING, [apart, together], "cpu", 2)
    assert_equal(results[apart], alone)
    by_hypothesis = np.stack([run(One(n), windows, [(1, 1)])[1, 1].sums["mpjpe", "P-Agg"][0] for n in range(4)])
    np.testing.assert_allclose(results[together].sums["mpjpe", "P-Best"][0], by_hypothesis.min(0), rtol=1e-5)
    assert (results[apart].sums["mpjpe", "P-Best"] <= results[together].sums["mpjpe", "P-Best"] + 1e-3).all()


class One(Guess):
    """The n-th hypothesis of ``Guess`` alone."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        return super().predict(batch, replace(sampling, hypotheses=4))[:, :, self.number, None]


def test_velocity_runs_over_seams_and_not_over_sequences(windows: Windows) -> None:
    lifter = Exact()
    errors = run(lifter, windows, [(1, 1)], batch_windows=3)[1, 1]
    for number, sequence in enumerate(windows.sequences):
        rows = np.flatnonzero(windows.table[:, 0] == number)
        parts = []
        for row in rows:
            batch, counted = windows.batch(np.array([row])), windows.counts(np.array([row]))[0]
            pose = torch.nn.functional.pad(batch.pose_2d[0, 2:-1], (0, 1))
            parts.append((pose + lifter.noise(int(batch.window_keys[0]), 1, 1, 5)[0, 0])[counted])
        pred, target = torch.cat(parts), torch.from_numpy(sequence.pose_3d)
        for metric, compute in (("mpjve", mpjve), ("acceleration", acceleration_error)):
            mean = errors.sums[metric, None][0, number] / errors.counts[number]
            assert mean == pytest.approx(compute(pred, target).mean().item(), rel=1e-5), metric


@pytest.mark.parametrize(
    ("short", "lost"), [(1, {"mpjve": 2, "acceleration": 3}), (2, {"acceleration": 3}), (3, {})]
)
def test_a_sequence_without_successive_frames_is_named(short: int, lost: dict[str, int]) -> None:
    rng = np.random.default_rng(0)
    takes = [one_sequence(rng, "S9", action, "a", length) for action, length in (("Posing", 9), ("Eating", short))]
    errors = run(Exact(), Windows(takes, HUMAN36M, FRAMES, CONTEXT, mode="eval"), [(1, 1)])[1, 1]
    titles = {metric.name: metric.title for metric in all_metrics()}
    assert errors.not_computed == {
        name: f"{titles[name]} needs {frames} successive frames that count, and S9/Eating/a has none"
        for name, frames in lost.items()
    }
    values = {value.metric for value in summarise(errors)}
    assert {metric.name for metric in all_metrics()} - values == set(lost)


def test_answers_are_settled_in_parts(windows: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(Guess(), windows, [(3, 2)], batch_windows=2)[3, 2]
    monkeypatch.setattr("bench.protocol.frame_errors.SETTLE_FRAMES", 5)
    assert_equal(run(Guess(), windows, [(3, 2)], batch_windows=2)[3, 2], whole)


def test_frames_without_valid_ground_truth_never_count() -> None:
    valid = np.arange(15) % 3 > 0
    marked = [replace(s, valid=valid[: len(s)] if len(s) == 15 else None) for s in sequences()]
    errors = run(Exact(), Windows(marked, HUMAN36M, FRAMES, CONTEXT, mode="eval"), [(1, 1)])[1, 1]
    for number, (sequence, count) in enumerate(zip(marked, errors.counts, strict=True)):
        kept = errors.frame[errors.sequence == number]
        expected = np.arange(len(sequence)) if sequence.valid is None else np.flatnonzero(sequence.valid)
        assert kept.tolist() == expected.tolist()
        assert count == len(expected)
