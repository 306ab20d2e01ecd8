"""Journals of trainings: what is noted is there, once, whatever is killed."""

import os
import threading

import pytest

from bench.results.tracking.journal import Journal, RunHead, head_of, journals, path_of, read

RUNS = (RunHead(id="a", name="first", params={"x": "1"}), RunHead(id="b", name="second", params={}))


def noted(path, start=0):
    points, _ = read(path, start)
    return [(point.step, point.metrics, point.run) for point in points]


def test_points_are_read_from_where_one_stopped(tmp_path):
    path = path_of(tmp_path, "a+b")
    journal = Journal(path, RUNS)
    assert journals(tmp_path) == [path]
    assert head_of(path).runs == RUNS
    _, begin = read(path)
    journal.note(1, {"loss": 2.0, "rate": 0.1})
    first, place = read(path, begin)
    journal.note(2, {"loss": float("nan")}, 1)
    assert [(point.step, point.run) for point in first] == [(1, None)]
    (later,), _ = read(path, place)
    assert (later.step, later.run, str(later.metrics["loss"])) == (2, 1, "nan")
    assert later.moment >= first[0].moment >= head_of(path).began


def test_an_interrupted_training_repeats_nothing(tmp_path):
    path = path_of(tmp_path, "a")
    before = Journal(path, RUNS)
    for step in (1, 2, 3):
        before.note(step, {"loss": float(step)})
    with path.open("ab") as file:
        file.write(b'{"moment":1,"step":4,"metr')  # killed while it wrote
    began = head_of(path).began
    after = Journal(path, RUNS)
    for step in (2, 3, 4):
        after.note(step, {"loss": float(step)})
    after.note(3, {"rate": 0.1})
    after.note(3, {"error": 5.0}, 0)
    after.note(3, {"error": 6.0}, 1)
    expected = [(step, {"loss": float(step)}, None) for step in (1, 2, 3, 4)]
    assert noted(path) == [*expected, (3, {"rate": 0.1}, None), (3, {"error": 5.0}, 0), (3, {"error": 6.0}, 1)]
    assert head_of(path).began == began


def test_a_disk_that_takes_half_a_line_is_full(tmp_path, monkeypatch):
    path = path_of(tmp_path, "a")
    journal = Journal(path, RUNS)
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, line: write(file, line[: len(line) // 2]))
        with pytest.raises(OSError, match="No space left"):
            journal.note(1, {"loss": 1.0})
    assert noted(path) == []
    Journal(path, RUNS).note(1, {"loss": 1.0})
    assert noted(path) == [(1, {"loss": 1.0}, None)]


def test_half_a_line_is_not_read_and_a_damaged_one_is_passed_over(tmp_path):
    path = path_of(tmp_path, "a")
    journal = Journal(path, RUNS)
    journal.note(1, {"loss": 1.0})
    with path.open("ab") as file:
        file.write(b"\x00\x00\n7\n")
    journal.note(2, {"loss": 2.0})
    _, whole = read(path)
    with path.open("ab") as file:
        file.write(b'{"moment":1')
    assert [step for step, _, _ in noted(path)] == [1, 2]
    assert read(path)[1] == whole


def test_two_threads_write_whole_lines(tmp_path):
    path = path_of(tmp_path, "a")
    journal = Journal(path, RUNS)

    def write(key):
        for step in range(500):
            journal.note(step, {key: 1.0})

    threads = [threading.Thread(target=write, args=(key,)) for key in ("loss", "system")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read(path)[0]) == 1000


def test_a_journal_that_was_sent_is_not_begun_again(tmp_path):
    """By what watches the machine and comes a moment too late."""
    path = path_of(tmp_path, "a")
    journal = Journal(path, RUNS)
    path.unlink()
    journal.note(1, {"system/cpu": 1.0})
    assert not path.exists()
    assert head_of(path) is None
