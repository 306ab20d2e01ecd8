from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.data import load
from bench.data.windows import (
    Windows,
    eval_table,
    evaluation_windows,
    train_table,
    training_windows,
)
from models.errors import InputError
from models.skeleton import HUMAN36M, Skeleton
from tests.bench.data import golden, make_sequence
from tests.bench.toy import Toy, ToyConfig

TRAIN, EVAL = golden("train_windows.npz"), golden("eval_windows.npz")
CONFIG = json.loads(str(TRAIN["config"]))
PAIR = Skeleton("pair", ("L", "R"), (-1, 0), (0,), (1,), 0)


@pytest.mark.parametrize(("flip", "name"), [(False, "noaug"), (True, "aug")])
def test_train_tables_match_golden(flip: bool, name: str) -> None:
    table = train_table(CONFIG["lengths"], CONFIG["chunk"], flip)
    np.testing.assert_array_equal(table, TRAIN[f"table_{name}"])
    tiny = train_table(CONFIG["tiny_lengths"], CONFIG["tiny_chunk"], flip)
    np.testing.assert_array_equal(tiny, TRAIN[f"tiny_table_{name}"])


@pytest.mark.parametrize(("flip", "name"), [(False, "noaug"), (True, "aug")])
def test_train_batches_match_golden(flip: bool, name: str) -> None:
    plain = make_sequence(1, joints=2)
    sequences = [
        replace(
            plain,
            pose_2d=TRAIN[f"tiny_seq2d_{i}"],
            pose_3d=TRAIN[f"tiny_seq3d_{i}"],
            trajectory=TRAIN[f"tiny_seq3d_{i}"][:, 0],
            intrinsics=TRAIN[f"tiny_seqcam_{i}"],
        )
        for i in range(5)
    ]
    windows = Windows(sequences, PAIR, CONFIG["tiny_chunk"], flip=flip)
    batch = windows.batch(np.arange(len(windows)))
    order = _rows_like(TRAIN[f"tiny_3d_{name}"], batch.pose_3d.numpy())
    np.testing.assert_array_equal(batch.pose_2d.numpy()[order], TRAIN[f"tiny_2d_{name}"])
    np.testing.assert_array_equal(batch.pose_3d.numpy()[order], TRAIN[f"tiny_3d_{name}"])
    np.testing.assert_array_equal(batch.camera.numpy()[order], TRAIN[f"tiny_cam_{name}"])


def _rows_like(expected: np.ndarray, found: np.ndarray) -> list[int]:
    equal = (expected[:, None] == found[None]).all(axis=(2, 3, 4))
    assert equal.sum(axis=0).tolist() == [1] * len(found)
    return equal.argmax(axis=1).tolist()


@pytest.mark.parametrize(
    ("length", "starts"), [(5, [-2]), (9, [0]), (10, [-1, 2]), (12, [0, 3]), (20, [0, 3, 6, 9, 12])]
)
def test_windows_with_a_stride_overlap_and_cover_every_frame(length: int, starts: list[int]) -> None:
    table = train_table([length, length], 9, True, stride=3)
    rows = table[(table[:, 0] == 1) & (table[:, 3] == 1)]
    assert rows[:, 1].tolist() == starts
    assert (rows[:, 2] - rows[:, 1] == 9).all()


@pytest.mark.parametrize("length", [1, 5, 30])
def test_windows_beyond_the_ends_stand_around_every_frame(length: int) -> None:
    table = train_table([3, length], 9, True, stride=1, beyond=4)
    for flip in (0, 1):
        rows = table[(table[:, 0] == 1) & (table[:, 3] == flip)]
        assert ((rows[:, 1] + rows[:, 2] - 1) // 2).tolist() == list(range(length))
        assert (rows[:, 2] - rows[:, 1] == 9).all()


def test_a_method_says_how_its_windows_are_cut() -> None:
    lifter = Toy(ToyConfig(frames=9))
    lifter.train_frames, lifter.train_stride, lifter.context, lifter.random_frames = 5, 2, (3, 1), 4
    fitted, judged = (
        cut([make_sequence(41)], lifter, **more)
        for cut, more in ((training_windows, {"flip": False}), (evaluation_windows, {}))
    )
    assert set(np.diff(fitted.table[:, 1])) == {2}
    assert set(np.diff(judged.table[:-1, 1])) == {9}
    lifter.train_beyond = 2
    assert len(training_windows([make_sequence(41)], lifter, flip=False)) == len(fitted) + 2
    seen, tested = fitted.batch(np.arange(2)), judged.batch(np.arange(2))
    assert (seen.pose_2d.shape[1], seen.pose_3d.shape[1], seen.random_3d.shape[1]) == (9, 5, 4)
    assert (tested.pose_2d.shape[1], tested.pose_3d.shape[1], tested.random_2d.shape[1]) == (13, 9, 4)


def test_further_frames_are_of_the_same_sequence_and_mirrored_with_the_window() -> None:
    sequences = [make_sequence(length) for length in (40, 50)]
    windows = Windows(sequences, HUMAN36M, 9, flip=True, random_frames=6)
    rows = np.arange(len(windows))
    batch, again, other = windows.batch(rows, 1), windows.batch(rows, 1), windows.batch(rows, 2)
    assert torch.equal(batch.random_2d, again.random_2d)
    assert not torch.equal(batch.random_2d, other.random_2d)
    for row, (number, _, _, flip) in enumerate(windows.table.tolist()):
        seen, pose = batch.random_2d[row], batch.random_3d[row]
        if flip:
            seen, pose = HUMAN36M.mirror(seen), HUMAN36M.mirror(pose)
        sequence = sequences[number]
        frames = [np.flatnonzero((sequence.pose_3d == one).all((1, 2))).item() for one in pose.numpy()]
        np.testing.assert_array_equal(sequence.pose_2d[frames], seen.numpy())


def test_further_frames_in_evaluation_are_spread_over_the_sequence_without_poses() -> None:
    sequences = [make_sequence(41), make_sequence(3)]
    windows = Windows(sequences, HUMAN36M, 9, mode="eval", random_frames=5)
    batch = windows.batch(np.arange(len(windows)))
    np.testing.assert_array_equal(batch.random_2d[0].numpy(), sequences[0].pose_2d[::10])
    np.testing.assert_array_equal(batch.random_2d[-1].numpy(), sequences[1].pose_2d[[0, 0, 1, 2, 2]])
    assert batch.random_3d is None


def test_eval_windows_match_golden() -> None:
    for length in (2, 100, 243, 244, 300, 486, 500):
        windows = Windows([make_sequence(length)], HUMAN36M, 243, mode="eval")
        _, frames = windows.frame_index(np.arange(len(windows)))
        np.testing.assert_array_equal(frames, EVAL[f"frames_{length}"])


def test_a_sequence_of_one_frame_is_one_window() -> None:
    assert eval_table([1], 243).tolist() == [[0, 0, 243, 0]]
    sequence = make_sequence(1)
    batch = Windows([sequence], HUMAN36M, 3, (1, 1), "eval").batch(np.array([0]))
    assert batch.pose_2d.shape == (1, 5, 17, 2)
    assert np.array_equal(batch.pose_3d.numpy()[0], np.repeat(sequence.pose_3d, 3, axis=0))


@pytest.mark.parametrize("frames", [1, 7, 27, 243])
def test_every_frame_counts_once(frames: int) -> None:
    lengths = [1, 6, 7, 8, 100, 243, 244, 500]
    for mode in ("train", "eval"):
        windows = Windows([make_sequence(n) for n in lengths], HUMAN36M, frames, mode=mode)
        rows = np.arange(len(windows))
        sequence, frame = windows.frame_index(rows)
        counted = windows.counts(rows)
        assert counted.any(axis=1).all()
        seen = np.zeros((len(lengths), max(lengths)), dtype=int)
        np.add.at(seen, (np.broadcast_to(sequence[:, None], frame.shape)[counted], frame[counted]), 1)
        for number, length in enumerate(lengths):
            assert (seen[number, :length] == 1).all()
            assert (seen[number, length:] == 0).all()


def test_context_shows_the_neighbours_and_repeats_the_ends() -> None:
    sequence = make_sequence(10)
    windows = Windows([sequence], HUMAN36M, 4, context=(3, 2), mode="eval")
    batch = windows.batch(np.array([0, 1]))
    np.testing.assert_array_equal(batch.pose_2d[0], sequence.pose_2d[[0, 0, 0, 0, 1, 2, 3, 4, 5]])
    np.testing.assert_array_equal(batch.pose_2d[1], sequence.pose_2d[[1, 2, 3, 4, 5, 6, 7, 8, 9]])
    np.testing.assert_array_equal(batch.pose_3d[1], sequence.pose_3d[4:8])
    np.testing.assert_array_equal(batch.trajectory[1], sequence.trajectory[4:8])


def test_mirrored_windows() -> None:
    sequence = make_sequence(5)
    windows = Windows([sequence], HUMAN36M, 5, flip=True)
    batch = windows.batch(np.array([0, 1]))
    swapped = list(HUMAN36M.mirrored_order)
    sign = np.array([-1, 1, 1], dtype=np.float32)
    np.testing.assert_array_equal(batch.pose_3d[0], sequence.pose_3d)
    np.testing.assert_array_equal(batch.pose_3d[1], sequence.pose_3d[:, swapped] * sign)
    np.testing.assert_array_equal(batch.pose_2d[1], sequence.pose_2d[:, swapped] * sign[:2])
    np.testing.assert_array_equal(batch.trajectory[1], sequence.trajectory * sign)
    np.testing.assert_array_equal(np.flatnonzero(batch.camera[1].numpy() != sequence.intrinsics), [2, 7])


def test_slices_of_one_array_are_not_copied_and_give_the_same_batches() -> None:
    parts = [make_sequence(n, action=f"A{n}") for n in (4, 9, 6)]
    pools = [
        np.concatenate([getattr(part, name) for part in parts]) for name in ("pose_2d", "pose_3d", "trajectory")
    ]
    shared = [
        replace(part, pose_2d=pools[0][a:b], pose_3d=pools[1][a:b], trajectory=pools[2][a:b])
        for part, (a, b) in zip(parts, [(0, 4), (4, 13), (13, 19)], strict=True)
    ]
    with_hole = Windows([shared[2], shared[0]], HUMAN36M, 5)
    copied = Windows([parts[2], parts[0]], HUMAN36M, 5)
    rows = np.arange(len(copied))
    for one, other in zip(vars(with_hole.batch(rows)).values(), vars(copied.batch(rows)).values(), strict=True):
        assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
    pools[1][:] = 0
    assert not with_hole.batch(rows).pose_3d.any()
    assert copied.batch(rows).pose_3d.any()


def test_window_keys_name_the_window_wherever_it_stands() -> None:
    sequences = [make_sequence(100, camera=camera) for camera in "abcd"]
    windows = Windows(sequences, HUMAN36M, 27, mode="eval")
    keys = windows.batch(np.arange(len(windows))).window_keys
    assert len(set(keys.tolist())) == len(windows)
    assert (keys >= 0).all()
    alone = Windows(sequences[2:3], HUMAN36M, 27, mode="eval")
    assert torch.equal(alone.batch(np.arange(4)).window_keys, keys[8:12])
    assert alone.keys.tolist()[0] == 3522666960869432225


def test_subset_is_a_fair_sample() -> None:
    sequences = [
        make_sequence(300, subject, action, camera)
        for subject in ("S9", "S11")
        for action in ("Eating", "Eating 1", "Sitting", "Sitting 1", "Walking", "Walking 1")
        for camera in "abcd"
    ]
    windows = Windows(sequences, HUMAN36M, 27, mode="eval")
    for n in (3, 12, 48, 100):
        rows = windows.subset(n)
        chosen = [sequences[number] for number in windows.table[rows, 0]]
        assert len(set(rows.tolist())) == n
        for values in (
            [sequence.action_class for sequence in chosen],
            [sequence.camera for sequence in chosen],
            [sequence.take for sequence in chosen],
        ):
            counts = {value: values.count(value) for value in values}
            assert max(counts.values()) - min(counts.values()) <= 1 + n // 25
        assert len({sequence.subject for sequence in chosen}) == 2
    assert len({sequences[number].take for number in windows.table[windows.subset(12), 0]}) == 12
    np.testing.assert_array_equal(windows.subset(12), windows.subset(12))
    np.testing.assert_array_equal(windows.subset(10**6), np.arange(len(windows)))


def test_input_errors() -> None:
    with pytest.raises(InputError, match="no sequences"):
        Windows([], HUMAN36M, 5)
    with pytest.raises(InputError, match="S1/Walking/a has no frames"):
        Windows([make_sequence(0)], HUMAN36M, 5)
    with pytest.raises(InputError, match="window of 0 frames"):
        Windows([make_sequence(3)], HUMAN36M, 0)


def test_a_large_set_is_indexed() -> None:
    pool_2d = np.zeros((300_000, 2, 2), dtype=np.float32)
    pool_3d, root = np.zeros((300_000, 2, 3), dtype=np.float32), np.zeros((300_000, 3), dtype=np.float32)
    plain = make_sequence(1)
    sequences = [
        replace(plain, pose_2d=pool_2d[a : a + 1000], pose_3d=pool_3d[a : a + 1000], trajectory=root[a : a + 1000])
        for a in range(0, 300_000, 1000)
    ]
    windows = Windows(sequences, PAIR, 1, context=(13, 13), flip=True)
    windows.batch(np.arange(0, len(windows), 600))
    assert len(windows) == 600_000


def test_whole_sequences_are_spread_over_actions_and_complete() -> None:
    windows = Windows(load("synthetic", None, "gt").test, HUMAN36M, 27, mode="eval")
    rows = windows.whole_sequences(60)
    chosen = np.unique(windows.table[rows, 0])
    assert len(chosen) == 60
    assert len({windows.sequences[number].take for number in chosen}) == 60
    assert rows.tolist() == np.flatnonzero(np.isin(windows.table[:, 0], chosen)).tolist()
    assert windows.whole_sequences(10_000).tolist() == list(range(len(windows)))
