"""Other processes that work while this one is measured."""

import multiprocessing
import time
from functools import partial

import psutil
import pytest
import torch

from bench.measure.background_load import background_load


def write_down(folder):
    """Leave a file, then do nothing, over and over."""
    (folder / str(psutil.Process().pid)).touch()
    while True:
        time.sleep(0.01)
        yield


def fail():
    raise SystemExit(3)
    yield


def fail_later():
    yield
    raise SystemExit(3)


def wait_for_ended():
    while multiprocessing.active_children():
        time.sleep(0.01)


def test_they_work_until_the_block_ends(tmp_path):
    threads = torch.get_num_threads()
    with background_load(partial(write_down, tmp_path), 2):
        assert len(list(tmp_path.iterdir())) == 2
        assert torch.get_num_threads() == max(1, threads // 3)
    assert torch.get_num_threads() == threads
    assert not any(psutil.pid_exists(int(path.name)) for path in tmp_path.iterdir())


def test_one_that_ends_before_its_first_piece_of_work_is_an_error():
    with pytest.raises(RuntimeError, match="ended \\(3\\)"), background_load(fail, 1):
        pass


def test_one_that_ends_later_is_an_error_too():
    with pytest.raises(RuntimeError, match="ended \\(3\\)"), background_load(fail_later, 1):
        wait_for_ended()


def test_none_at_all():
    """No process is started, and this one keeps all its threads."""
    threads = torch.get_num_threads()
    with background_load(fail, 0):
        assert not multiprocessing.active_children()
        assert torch.get_num_threads() == threads
