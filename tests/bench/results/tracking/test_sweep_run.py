"""A sweep in MLflow: a run with its report, and a tag on the runs that its tables show."""

from unittest.mock import Mock

import mlflow
import pytest

from bench.results.run_set import RunSet
from bench.results.store import Store
from bench.results.tracking.sweep_run import log_sweep
from bench.results.tracking.tracker import Tracker
from bench.sweep.run import run
from tests.bench.mlflow_runs import search_runs
from tests.bench.toy_jobs import job

SWEEP = "tags.`bench.kind` = 'sweep'"


@pytest.fixture
def finished(toy_store):
    jobs = [job(training={"seed": seed}) for seed in (0, 1)]
    run(jobs, toy_store, "cpu")
    return [wanted.id for wanted in jobs]


def declared(**tables):
    made = {name: RunSet.Table(title=name, layout="runs", ids=tuple(ids)) for name, ids in tables.items()}
    return RunSet(tables=made, command="python -m bench ablate", created_at="2026-11-29T03:00:00+00:00")


@pytest.fixture
def out(tmp_path):
    """A folder of results, with a file that is no part of the report."""
    for name in ("summary.md", "tables/main.tex", "figures/main-1.pdf", "notes.txt"):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text(name)
    return tmp_path / "out"


def test_a_sweep_is_one_run_with_its_report(toy_store, finished, out):
    log_sweep(toy_store, out, declared(main=finished[:1]), status="KILLED")
    (interrupted,) = search_runs(toy_store, SWEEP)
    assert interrupted.info.status == "KILLED"
    (out / "summary.md").write_text("with everything")
    log_sweep(toy_store, out, declared(main=[*finished, "0" * 16]))
    (found,) = search_runs(toy_store, SWEEP)
    assert (found.info.run_id, found.info.status) == (interrupted.info.run_id, "FINISHED")
    assert found.info.run_name == "sweep main"
    assert found.data.metrics == {"runs": 2.0, "runs_missing": 1.0}
    assert "python -m bench ablate" in found.data.tags["mlflow.note.content"]
    client = mlflow.MlflowClient(Tracker(toy_store.root).uri)
    listed = {file.path for file in client.list_artifacts(found.info.run_id)}
    assert listed == {"summary.md", "tables", "figures"}
    assert client.download_artifacts(found.info.run_id, "tables/main.tex")
    kept = toy_store.root / "artifacts" / found.info.run_id / "artifacts" / "summary.md"
    assert kept.read_text() == "with everything"


def test_a_path_may_have_an_apostrophe(tmp_path, toy_store, monkeypatch):
    """MLflow's search cannot escape one, and the paths of the store and of the report are tags."""
    store, wanted, out = Store(tmp_path / "Ann's" / "store"), job(), tmp_path / "Ann's" / "out"
    with monkeypatch.context() as patch:
        patch.setattr("mlflow.MlflowClient.set_terminated", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run([wanted], store, "cpu")
    run([wanted], store, "cpu")
    for _ in range(2):
        log_sweep(store, out, declared(main=[wanted.id]))
    assert len(search_runs(store, SWEEP)) == 1
    assert len(search_runs(store, "tags.`bench.kind` = 'training'")) == 1


def test_runs_say_which_tables_show_them(toy_store, finished, out):
    log_sweep(toy_store, out, declared(main=finished, **{"my table*": finished[:1]}))
    tagged = {
        found.data.tags.get("bench.id"): {key for key in found.data.tags if key.startswith("ablation.")}
        for found in search_runs(toy_store, "tags.`bench.kind` = 'evaluation'")
    }
    assert tagged == {finished[0]: {"ablation.main", "ablation.my table_"}, finished[1]: {"ablation.main"}}
    assert len(search_runs(toy_store, "tags.`ablation.my table_` = 'yes'")) == 2, "and its training"


def test_mlflow_that_is_away_is_only_told(tmp_path, monkeypatch, out, capfd):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    monkeypatch.setattr("bench.results.tracking.connection.OPENING_SECONDS", 0.0)
    log_sweep(Store(tmp_path / "store"), out, declared(main=[]))
    said = capfd.readouterr().err
    assert "warning: the report is not logged: MLflow store http://127.0.0.1:9" in said
    assert "secret" not in said
