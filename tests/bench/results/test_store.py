"""The folder that keeps results, and that several programs use at once."""

import threading

import pytest

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


def test_a_device_is_used_together_or_alone(store):
    order, inside = [], threading.Event()

    def measure():
        with store.device("cpu", alone=True):
            order.append("alone")

    def work():
        with store.device("cpu", alone=False):
            order.append("later")

    with store.device("cpu", alone=False), store.device("cpu", alone=False):
        first = threading.Thread(target=measure)
        first.start()
        inside.wait(0.2)
        second = threading.Thread(target=work)
        second.start()
        inside.wait(0.2)
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
