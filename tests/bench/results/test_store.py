"""The folder that keeps results, and that several programs use at once."""

import errno
import threading
import time

import numpy as np
import pytest

from bench.results.index import Index
from bench.results.record import Evaluation
from bench.results.store import Store
from bench.sweep.run import run
from models.errors import InputError
from tests.bench.toy_jobs import job


@pytest.fixture
def store(toy_store):
    return toy_store


def test_the_index_holds_what_was_added_whenever_it_is_read(store):
    wanted = [job(training={"seed": seed}) for seed in (0, 1)]
    records = list(run(wanted, store, "cpu").records.values())
    assert not list((store.root / "records").glob("*.json"))
    store.index.unlink()
    store.add(records[0])
    store.fold()
    store.add(records[1])
    assert store.finished() == {record.id for record in records}
    assert store.records([records[1].id]) == {records[1].id: records[1]}
    assert store.records() == {record.id: record for record in records}


def test_records_that_move_into_the_index_while_it_is_read_are_not_missed(store, monkeypatch):
    wanted = job()
    record = run([wanted], store, "cpu").records[wanted.id]
    store.index.unlink()
    store.add(record)
    read = Index.records

    def read_and_fold(index):
        found = read(index)
        store.fold()
        return found

    monkeypatch.setattr(Index, "records", read_and_fold)
    assert store.records() == {record.id: record}


@pytest.mark.parametrize("gone", [False, True])
def test_an_evaluation_that_a_kill_left_beside_its_record_goes_with_it(store, gone):
    wanted = job()
    record = run([wanted], store, "cpu").records[wanted.id]
    store.evaluations.put(
        record.id, Evaluation(**{name: getattr(record, name) for name in Evaluation.model_fields})
    )
    if gone:  # killed before there was a record: MLflow has it
        store.index.unlink()
        store.rebuild([record], {})
    else:
        store.add(record)
        store.fold()
    assert store.evaluations.ids() == set()
    assert store.records() == {record.id: record}


def test_an_evaluation_with_damaged_arrays_is_made_again(store, capsys):
    wanted = job()
    records = run([wanted], store, "cpu").records
    evaluation = {key: getattr(records[wanted.id], key) for key in Evaluation.model_fields}
    store.index.unlink()
    store.evaluations.put(wanted.id, Evaluation(**evaluation))
    assert store.evaluated() == {wanted.id}
    path = store.files.errors_path(wanted.id)
    path.write_bytes(path.read_bytes()[:-1])
    assert not store.evaluated()
    assert not store.is_evaluated(wanted.id)
    assert f"{path}: cannot be read" in capsys.readouterr().err


def test_a_device_is_used_together_or_alone(store):
    order, ends = [], time.monotonic() + 30

    def measure():
        with store.device("cpu", alone=True):
            order.append("alone")

    def work():
        with store.device("cpu", alone=False):
            order.append("later")

    with store.device("cpu", alone=False), store.device("cpu", alone=False):
        first = threading.Thread(target=measure)
        first.start()
        while not list(store.root.glob("locks/queue-*.holder")) and time.monotonic() < ends:
            time.sleep(0.01)  # until it is in the queue, where it stays
        second = threading.Thread(target=work)
        second.start()
        time.sleep(0.2)  # who does not wait goes in meanwhile
        order.append("together")
    first.join()
    second.join()
    assert order == ["together", "alone", "later"]


def test_a_damaged_index_names_the_way_out(store):
    store.make()
    store.index.write_bytes(b"not parquet")
    with pytest.raises(InputError, match=r"index\.parquet: is damaged .* --rebuild-index"):
        store.records()


def test_a_store_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--store .*: cannot be made"):
        Store(tmp_path / "file" / "store").make()


def test_a_store_is_made_by_the_first_that_is_written(tmp_path):
    store = Store(tmp_path / "store")
    assert not store.finished()
    assert not store.records()
    assert not store.evaluated()
    assert not store.is_trained("0123")
    assert not store.root.exists()
    with store.lock("index"):
        assert store.root.exists()


def test_files_that_are_missing_or_damaged_are_not_there(store):
    wanted = job()
    record = run([wanted], store, "cpu").records[wanted.id]
    errors = store.files.frame_errors(record, "mpjpe", "P-Agg")
    assert errors.mean() == pytest.approx(record.value("mpjpe", "P-Agg").frame_mean, rel=1e-5)
    store.files.errors_path(wanted.id).write_bytes(b"not an archive")
    store.files.examples_path(wanted.id).unlink()
    assert store.files.frame_errors(record, "mpjpe", "P-Agg") is None
    assert store.files.examples(record) is None


def test_arrays_on_a_disk_that_fails_are_not_damaged(store, monkeypatch):
    wanted = job()
    record = run([wanted], store, "cpu").records[wanted.id]

    def fail(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(np, "load", fail)
        with pytest.raises(
            InputError, match=r"errors/.*\.npz: cannot be read \(Input/output error\); check its disk"
        ):
            store.files.frame_errors(record, "mpjpe", "P-Agg")
    assert store.files.frame_errors(record, "mpjpe", "P-Agg") is not None
