"""MLflow holds every record once, also when it is away for a while or when logging is interrupted."""

import json

import mlflow
import pytest

from bench.results import connection
from bench.results.store import Store
from bench.results.tracking import Tracker
from bench.sweep.run import run
from models.errors import InputError
from tests.bench.mlflow_runs import logged_runs
from tests.bench.toy_jobs import job


@pytest.fixture
def store(toy_store):
    return toy_store


def test_an_mlflow_store_that_is_away_for_a_moment(store, monkeypatch):
    monkeypatch.setattr(connection, "WAITS_SECONDS", (0.0,))
    calls, real = [], mlflow.MlflowClient.log_batch

    def flaky(self, run_id, **logged):
        calls.append(run_id)
        if len(calls) <= 2:
            raise OSError("database is locked")
        return real(self, run_id, **logged)

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", flaky)
    wanted = job()
    record = run([wanted], store, "cpu").records[wanted.id]
    assert len(calls) == 4, "twice in vain, then the training and the evaluation"
    assert logged_runs(store, f"tags.`bench.id` = '{wanted.id}'") == [(record.mlflow_run_id, "FINISHED")]


def test_an_mlflow_store_that_stays_away_loses_nothing(store, monkeypatch):
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 0.0)
    wanted = job()
    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "create_run", lambda *_, **more: (_ for _ in ()).throw(OSError("gone")))
        with pytest.raises(InputError, match="what is finished is kept and logged then"):
            run([wanted], store, "cpu")
    outcome = run([wanted], store, "cpu")
    assert (outcome.trained, outcome.evaluated) == (0, 1)


def test_an_interrupted_log_leaves_one_run(store, monkeypatch):
    wanted = job()
    with monkeypatch.context() as patch:
        patch.setattr("mlflow.MlflowClient.set_terminated", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run([wanted], store, "cpu")
    with monkeypatch.context() as patch:
        patch.setattr(Store, "add", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run([wanted], store, "cpu")
    record = run([wanted], store, "cpu").records[wanted.id]
    assert logged_runs(store, f"tags.`bench.id` = '{wanted.id}'") == [(record.mlflow_run_id, "FINISHED")]


def test_a_lost_index_is_found_again_in_mlflow(store):
    wanted = job()
    before = run([wanted], store, "cpu").records
    store.index.unlink()
    outcome = run([wanted], store, "cpu")
    assert (outcome.trained, outcome.evaluated) == (0, 0)
    assert outcome.records == before


def test_mlflow_holds_parameters_metrics_tags_and_artifacts(store):
    wanted = job(evaluation={"steps": 2})
    record = run([wanted], store, "cpu").records[wanted.id]
    client = mlflow.MlflowClient(Tracker(store.root).uri)
    found = client.get_run(record.mlflow_run_id)
    value = record.value("mpjpe", "P-Agg")
    assert found.info.status == "FINISHED"
    assert found.data.metrics["mpjpe/P-Agg"] == value.action_mean
    assert found.data.params["method.name"] == "toy"
    assert found.data.tags["data.hash"] == "0000000000000cpn"
    assert found.data.tags["git.commit"] == record.git_commit
    assert json.loads(found.data.tags["conditions"])["steps"] == 2
    names = {artifact.path for artifact in client.list_artifacts(record.mlflow_run_id)}
    assert names == {"experiment.yaml", "record.json", f"{record.id}.npz", f"{record.id}-examples.npz"}
    training = client.get_run(found.data.tags["mlflow.parentRunId"])
    assert training.data.tags["bench.training_id"] == record.training_id


def test_an_unreachable_mlflow_store(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "OPENING_SECONDS", 0.0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/nowhere/x.db")
    with pytest.raises(InputError, match="MLflow store sqlite:////proc.*check the disk and MLFLOW_TRACKING_URI"):
        Tracker(tmp_path)
