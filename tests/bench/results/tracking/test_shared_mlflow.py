"""Several stores that log to one MLflow: every evaluation has one run, whoever is late, fails or dies."""

import platform
import threading
from unittest.mock import Mock

import mlflow
import pytest

from bench.results.runs.removal import Removal, remove
from bench.results.tracking import tracker
from bench.results.tracking.mlflow_files import EXPERIMENT_NAME
from bench.results.tracking.tracker import Tracker
from models.errors import InputError


def statuses(tracker, wanted="tags.`bench.kind` = 'evaluation'"):
    client = mlflow.MlflowClient(tracker.uri)
    experiment = client.get_experiment_by_name(EXPERIMENT_NAME)
    return [found.info.status for found in client.search_runs([experiment.experiment_id], wanted)]


def test_two_stores_that_log_the_same_at_once_log_it_once(record, shared, tmp_path):
    trackers = [Tracker(tmp_path / name) for name in "ab"]
    start, logged = threading.Barrier(2), []

    def log(tracker):
        start.wait()
        logged.append(tracker.log(record, []))

    threads = [threading.Thread(target=log, args=(tracker,)) for tracker in trackers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert logged[0] == logged[1]
    assert statuses(trackers[0], "") == ["FINISHED"] * 2, "an evaluation and its training"


def test_a_store_whose_run_is_seen_late_is_the_younger_one(record, shared, tmp_path, monkeypatch):
    """The second store makes its run first, but it appears only when the first one has looked for others."""
    first, second = Tracker(tmp_path / "a"), Tracker(tmp_path / "b")
    first.log(record, [])  # the training's run is there
    first.remove("bench.id", record.id)
    client = mlflow.MlflowClient
    create, end, delete = client.create_run, client.set_terminated, client.delete_run
    began, looked, decided, logged = threading.Event(), threading.Event(), threading.Event(), {}

    def create_late(client, *arguments, **more):
        if threading.current_thread().name == "second":
            began.set()
            looked.wait(60)
        return create(client, *arguments, **more)

    def end_late(client, run_id, **more):
        if threading.current_thread().name == "first":
            looked.set()
            decided.wait(60)
        end(client, run_id, **more)
        decided.set()

    def withdraw(client, run_id):
        delete(client, run_id)
        decided.set()

    monkeypatch.setattr(client, "create_run", create_late)
    monkeypatch.setattr(client, "set_terminated", end_late)
    monkeypatch.setattr(client, "delete_run", withdraw)
    threads = {
        name: threading.Thread(target=lambda t=t, n=name: logged.update({n: t.log(record, [])}), name=name)
        for name, t in {"second": second, "first": first}.items()
    }
    threads["second"].start()
    began.wait(60)
    threads["first"].start()
    for thread in threads.values():
        thread.join(60)
    assert logged["first"] == logged["second"]
    assert statuses(first) == ["FINISHED"]


def test_what_a_failed_attempt_left_goes_where_another_store_ended_first(record, shared, tmp_path):
    failed, other = Tracker(tmp_path / "a"), Tracker(tmp_path / "b")
    logged = other.log(record, [])
    failed.runs.create("left", {"bench.id": record.id, tracker.LOGGED_BY: failed.name})
    assert sorted(statuses(failed, "")) == ["FINISHED", "FINISHED", "RUNNING"]
    assert failed.log(record, []) == logged
    assert statuses(failed, "") == ["FINISHED"] * 2, "an evaluation and its training"


def test_a_run_that_another_store_logs_is_waited_for_and_taken(record, shared, tmp_path, monkeypatch):
    """The first one is stopped just before it marks its run finished."""
    first, second = Tracker(tmp_path / "a"), Tracker(tmp_path / "b")
    go_on, reached, logged = threading.Event(), threading.Event(), {}
    real = mlflow.MlflowClient.set_terminated

    def stop(client, run_id, **more):
        if threading.current_thread().name == "first" and "bench.id" in client.get_run(run_id).data.tags:
            reached.set()
            go_on.wait(60)
        real(client, run_id, **more)

    monkeypatch.setattr(mlflow.MlflowClient, "set_terminated", stop)
    one = threading.Thread(target=lambda: logged.update(first=first.log(record, [])), name="first")
    other = threading.Thread(target=lambda: logged.update(second=second.log(record, [])))
    one.start()
    assert reached.wait(60)
    other.start()
    other.join(1.0)
    assert other.is_alive(), "it waits"
    assert statuses(first) == ["RUNNING"], "and leaves the other one's run alone"
    go_on.set()
    one.join(60)
    other.join(60)
    assert logged["first"] == logged["second"]
    assert statuses(first) == ["FINISHED"]


def test_what_a_dead_store_left_is_passed_over_after_a_while(record, shared, tmp_path, monkeypatch):
    dead, alive = Tracker(tmp_path / "a"), Tracker(tmp_path / "b")
    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "log_batch", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            dead.log(record, [])
    assert statuses(alive, "") == ["RUNNING"]
    monkeypatch.setattr(tracker, "DEAD_SECONDS", 0.2)
    alive.log(record, [])
    assert statuses(alive, "") == ["FINISHED"] * 2


def test_a_store_removes_only_what_it_logged(record, store, shared, tmp_path, capfd):
    other = Tracker(tmp_path / "a")
    other.log(record, [])
    remove(store, Removal(runs=(record.id,)))
    assert not store.finished()
    assert statuses(other, "") == ["FINISHED"] * 2, "an evaluation and its training"
    assert "keeps 1 of the runs: other stores logged or use them" in capfd.readouterr().err
    mine = Tracker(store.root).log(record.model_copy(update={"id": "0" * 16}), [])
    assert len(other.remove("bench.training_id", record.training_id)) == 2
    assert len(statuses(other, "")) == 2, "the training's run stays for the sake of the other store's evaluation"
    assert [found.id for found in other.records().records] == [mine.id]


def test_what_a_store_logged_under_its_older_name_is_its_own(record, store, shared, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "name", f"{platform.node()}:{store.root}")
        Tracker(store.root).log(record, [])
    assert not Tracker(store.root).remove("bench.training_id", record.training_id)
    assert not Tracker(store.root).records().records


def test_a_database_that_is_given_gets_the_artifacts_of_the_first_store(record, shared, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Tracker(tmp_path / "a").log(record, [])
    other = Tracker(tmp_path / "b")
    assert [found.id for found in other.records().records] == [record.id]
    assert list((tmp_path / "a" / "artifacts").glob("*/artifacts/record.json"))
    assert not (tmp_path / "mlruns").exists()
    (tmp_path / "a").rename(tmp_path / "away")
    with pytest.raises(InputError, match=f"its artifacts lie in {tmp_path}/a/artifacts, which this machine"):
        Tracker(tmp_path / "b")
