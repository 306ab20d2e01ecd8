import numpy as np

from bench.training.order import share, step_rows, step_seed


def test_epochs_visit_every_row_once():
    rows = [step_rows(103, 7, 5, 2, step) for step in range(7)]
    assert sorted(np.concatenate(rows)) == list(range(103))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1


def test_every_epoch_and_seed_has_its_own_order():
    orders = {tuple(step_rows(103, 1, seed, epoch, 0)) for seed in (5, 6) for epoch in (2, 3)}
    assert len(orders) == 4


def test_processes_share_the_rows_of_a_step():
    parts = [share(np.arange(10, 17), process, 2) for process in range(2)]
    assert [len(part) for part in parts] == [4, 4]
    assert set(np.concatenate(parts)) == set(range(10, 17))


def test_every_step_of_every_process_has_its_own_seed():
    seeds = {step_seed(seed, step, process) for seed in (0, 1) for step in range(5) for process in (0, 1)}
    assert len(seeds) == 20
