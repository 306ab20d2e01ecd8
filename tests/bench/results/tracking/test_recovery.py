"""What the index or MLflow has lost, the other one gives back; nothing is removed before everything is read."""

import shutil

import pytest

from bench.results.store import Store
from bench.results.tracking import connection
from bench.results.tracking.addresses import sqlite_address
from bench.results.tracking.recovery import rebuild_index
from bench.results.tracking.tracker import Tracker
from bench.sweep.run import run
from models.errors import InputError
from tests.bench.mlflow_runs import search_runs
from tests.bench.toy_jobs import job


@pytest.fixture
def store(store, monkeypatch):
    monkeypatch.setattr(connection, "OPENING_SECONDS", 0.0)
    return store


@pytest.fixture
def records(store):
    jobs = [job(training={"seed": seed}) for seed in (0, 1)]
    return run(jobs, store, "cpu").records


def break_record(store, record):
    (store.root / "artifacts" / record.mlflow_run_id / "artifacts" / "record.json").write_text("{}")


def logged(store):
    """Parameters, metrics and data of every evaluation in MLflow, and the method's options of its training."""
    evaluations = {}
    for found in search_runs(store, "tags.`bench.kind` = 'evaluation'"):
        metrics = {key: value for key, value in found.data.metrics.items() if not key.startswith("system/")}
        data = [(given.dataset.name, given.dataset.digest) for given in found.inputs.dataset_inputs]
        evaluations[found.data.tags["bench.id"]] = found.data.params, metrics, data
    trainings = search_runs(store, "tags.`bench.kind` = 'training'")
    options = {
        found.data.tags["bench.training_id"]: found.data.params["method.options.frames"] for found in trainings
    }
    return evaluations, options


def test_a_lost_index_is_made_again(store, records):
    store.index.unlink()
    assert "2 records, 2 of them from MLflow store" in rebuild_index(store)
    assert store.records() == records


def test_an_unreadable_record_stays_in_the_index_and_is_logged_again(store, records, capfd):
    broken = next(iter(records.values()))
    break_record(store, broken)
    rebuild_index(store)
    assert f"{broken.id}: run {broken.mlflow_run_id}: " in capfd.readouterr().err
    assert store.records().keys() == records.keys()
    assert not Tracker(store.root).records().unreadable
    rebuild_index(store)
    assert "warning" not in capfd.readouterr().err


def test_an_index_that_would_become_smaller_is_refused_and_stays(store, records):
    """The index is damaged, and MLflow has only one of its two records."""
    broken = next(iter(records.values()))
    break_record(store, broken)
    damaged = store.index.read_bytes()[:-200]
    store.index.write_bytes(damaged)
    with pytest.raises(InputError, match=f"would lack 1 of its records: {broken.id} .*run {broken.mlflow_run_id}"):
        rebuild_index(store)
    assert store.index.read_bytes() == damaged


@pytest.mark.parametrize("kind", ["empty", "away"])
def test_a_wrong_tracking_address_loses_nothing(
    store, records, kind, tmp_path, empty_database, monkeypatch, capfd
):
    shutil.copy(empty_database, tmp_path / "empty.db")
    address = sqlite_address(tmp_path / "empty.db") if kind == "empty" else "http://127.0.0.1:9"
    before = logged(store)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    if kind == "empty":
        rebuild_index(store)
        assert "lacks 2 of the 2 records" in capfd.readouterr().err
        assert len(Tracker(store.root).records().records) == 2
        assert logged(store) == before, "also options that nobody has set, call by call or at once"
    else:
        with pytest.raises(InputError, match="127.0.0.1:9"):
            rebuild_index(store)
    assert {name: record.values for name, record in store.records().items()} == {
        name: record.values for name, record in records.items()
    }


def test_a_store_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(InputError, match="there is no such store"):
        rebuild_index(Store(tmp_path / "mistyped"))
    assert not (tmp_path / "mistyped").exists()


def test_what_is_unreadable_counts_as_absent_and_is_done_again(store, records, capfd):
    """The index is lost and so is one record in MLflow: only its experiment is evaluated again."""
    broken, other = records.values()
    break_record(store, broken)
    store.index.unlink()
    jobs = [job(training={"seed": seed}) for seed in (0, 1)]
    outcome = run(jobs, store, "cpu")
    assert (outcome.trained, outcome.evaluated) == (0, 1)
    assert outcome.records.keys() == records.keys()
    assert f"{broken.id}: run {broken.mlflow_run_id}: " in capfd.readouterr().err
    assert outcome.records[other.id] == other
