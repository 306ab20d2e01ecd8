import numpy as np

from bench.training.order import epoch_rows, share, step_rows, step_seed

PLAIN = np.zeros(103, dtype=np.int64)


def test_epochs_visit_every_row_once():
    order = epoch_rows(PLAIN, False, 5, 2)
    rows = [step_rows(order, 7, step) for step in range(7)]
    assert sorted(np.concatenate(rows)) == list(range(103))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1


def test_every_epoch_and_seed_has_its_own_order():
    orders = {tuple(epoch_rows(PLAIN, False, seed, epoch)) for seed in (5, 6) for epoch in (2, 3)}
    assert len(orders) == 4


def test_full_batches_leave_the_rest_to_the_last_one():
    rows = [step_rows(np.arange(103), 7, step, size=16) for step in range(7)]
    assert [len(part) for part in rows] == [16] * 6 + [7]
    assert np.array_equal(np.concatenate(rows), np.arange(103))


def test_half_of_the_windows_are_mirrored_and_each_comes_once():
    flips = np.tile(np.repeat([0, 1], 50), 4)  # four sequences, mirrored windows after plain ones
    counterpart = np.arange(400) // 100 * 50 + np.arange(400) % 50
    orders = [epoch_rows(flips, True, 5, epoch) for epoch in range(3)]
    for order in orders:
        assert sorted(counterpart[order]) == list(range(200))
        assert 60 < flips[order].sum() < 140
    assert not np.array_equal(*(np.sort(order) for order in orders[:2]))
    assert sorted(epoch_rows(PLAIN, True, 5, 0)) == list(range(103))


def test_processes_share_the_rows_of_a_step():
    parts = [share(np.arange(10, 17), process, 2) for process in range(2)]
    assert [len(part) for part in parts] == [4, 4]
    assert set(np.concatenate(parts)) == set(range(10, 17))


def test_every_step_of_every_process_has_its_own_seed():
    seeds = {step_seed(seed, step, process) for seed in (0, 1) for step in range(5) for process in (0, 1)}
    assert len(seeds) == 20
