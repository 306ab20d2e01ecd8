"""MLflow holds every record once, also when it is away for a while or when logging is interrupted."""

import mlflow
import pytest

from bench.results import tracking
from bench.results.store import Store
from bench.sweep.run import run
from models.errors import InputError
from tests.bench.mlflow_runs import logged_runs
from tests.bench.toy_jobs import job


@pytest.fixture
def store(toy_store):
    return toy_store


def test_an_mlflow_store_that_is_away_for_a_moment(store, monkeypatch):
    monkeypatch.setattr(tracking, "WAITS_SECONDS", (0.0, 0.0))
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
    monkeypatch.setattr(tracking, "WAITS_SECONDS", ())
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
