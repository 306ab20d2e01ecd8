"""MLflow holds every record once, also when it is away for a while or when logging is interrupted."""

import json
import shutil
from unittest.mock import Mock

import mlflow
import pytest
import torch

from bench.results.store import Store
from bench.results.tracking import connection
from bench.results.tracking.addresses import folder_of
from bench.results.tracking.mlflow_files import EXPERIMENT_NAME
from bench.results.tracking.tracker import Tracker
from bench.sweep.run import run
from models.errors import InputError
from tests.bench.mlflow_runs import logged_runs, search_runs
from tests.bench.toy import Toy
from tests.bench.toy_jobs import job


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
    assert len(calls) > 4, "twice in vain, then the training and the evaluation"
    assert logged_runs(store, "tags.`bench.kind` = 'training'")[0][1:] == ("FINISHED",)
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
        patch.setattr("mlflow.MlflowClient.set_terminated", Mock(side_effect=KeyboardInterrupt))
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


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("logged", [False, True])
def test_lost_arrays_fit_their_record_again(store, shares, logged, monkeypatch, request):
    """On another machine they come out otherwise: those of then are taken, or a new record with them."""
    if shares:
        request.getfixturevalue("shared")
    wanted = job()
    before = run([wanted], store, "cpu").records[wanted.id]
    path = store.files.errors_path(wanted.id)
    path.unlink()
    if not logged:
        (store.root / "artifacts" / before.mlflow_run_id / "artifacts" / path.name).unlink()
    real = Toy.predict
    with monkeypatch.context() as patch:
        patch.setattr(Toy, "predict", lambda *inputs: real(*inputs) + torch.arange(17)[:, None])
        after = run([wanted], store, "cpu").records[wanted.id]
    assert (after == before) == logged
    assert store.files.whole(after.files)
    assert store.records() == {wanted.id: after}
    assert store.finished() == {wanted.id}
    store.index.unlink()
    assert run([wanted], store, "cpu").records == {wanted.id: after}


def test_mlflow_holds_parameters_metrics_tags_and_artifacts(store):
    wanted = job(evaluation={"steps": 2})
    record = run([wanted], store, "cpu").records[wanted.id]
    client = mlflow.MlflowClient(Tracker(store.root).uri)
    found = client.get_run(record.mlflow_run_id)
    value = record.value("mpjpe", "P-Agg")
    assert found.info.status == "FINISHED"
    assert found.data.metrics["mpjpe/P-Agg"] == found.data.metrics["mpjpe"] == value.action_mean
    assert {"p_mpjpe", "latency_ms", "memory_mb", "params"} <= found.data.metrics.keys()
    assert found.data.params["method.name"] == "toy"
    assert found.data.params["method.options.frames"] == "9", "also an option that nobody has set"
    assert found.info.run_name == "Toy tiny H=5 K=2 toy/cpn seed 0"
    assert found.data.tags["data.hash"] == "0000000000000cpn"
    assert found.data.tags["git.commit"] == found.data.tags["mlflow.source.git.commit"] == record.git_commit
    (given,) = found.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("toy", "0000000000000cpn")
    assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "test")]
    assert json.loads(found.data.tags["conditions"])["steps"] == 2
    names = {artifact.path for artifact in client.list_artifacts(record.mlflow_run_id)}
    assert names == {"experiment.yaml", "record.json", f"{record.id}.npz", f"{record.id}-examples.npz"}
    training = client.get_run(found.data.tags["mlflow.parentRunId"])
    assert training.data.tags["bench.training_id"] == record.training_id
    assert training.info.end_time <= found.info.start_time <= found.info.end_time
    (experiment,) = (each for each in client.search_experiments() if each.name == EXPERIMENT_NAME)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development", "else it opens on empty traces"


def test_an_unreachable_mlflow_store(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "OPENING_SECONDS", 0.0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/nowhere/x.db")
    with pytest.raises(InputError, match="MLflow store sqlite:////proc.*check the disk and MLFLOW_TRACKING_URI"):
        Tracker(tmp_path)


def test_a_moved_store_goes_on_with_its_artifacts(store, tmp_path):
    """Nothing goes to the old place, and MLflow itself finds everything at the new one."""
    first, second = job(training={"seed": 0}), job(training={"seed": 1})
    run([first], store, "cpu")
    moved = Store(tmp_path / "new place" / "100%20?")
    moved.root.parent.mkdir()
    store.root.rename(moved.root)
    run([second], moved, "cpu")
    assert not store.root.exists()
    assert moved.records().keys() == {first.id, second.id}
    tracker = Tracker(moved.root)
    logged = tracker.records()
    assert {record.id for record in logged.records} == {first.id, second.id}
    assert not logged.unreadable
    client = mlflow.MlflowClient(tracker.uri)
    assert len(search_runs(moved, "")) == 4
    for found in search_runs(moved, "tags.`bench.kind` = 'evaluation'"):
        assert folder_of(found.info.artifact_uri) == moved.root / "artifacts" / found.info.run_id / "artifacts"
    (experiment,) = (each for each in client.search_experiments() if each.name == EXPERIMENT_NAME)
    assert folder_of(experiment.artifact_location) == moved.root / "artifacts"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "plugin") == ["new place"]


def test_a_copied_store_leaves_the_first_one_alone(store, tmp_path):
    run([job(training={"seed": 0})], store, "cpu")
    before = {path: path.read_bytes() for path in (store.root / "artifacts").rglob("*") if path.is_file()}
    copy = Store(tmp_path / "copy")
    shutil.copytree(store.root, copy.root, dirs_exist_ok=True)
    run([job(training={"seed": 1})], copy, "cpu")
    assert len(Tracker(copy.root).records().records) == 2
    assert {path: path.read_bytes() for path in (store.root / "artifacts").rglob("*") if path.is_file()} == before
    assert len(Tracker(store.root).records().records) == 1


def test_artifacts_that_an_older_version_wrote_to_the_old_place_are_taken_along(store, tmp_path):
    wanted = job()
    record = run([wanted], store, "cpu").records[wanted.id]
    old = store.root / "artifacts"
    moved = tmp_path / "moved"
    store.root.rename(moved)
    old.mkdir(parents=True)
    (moved / "artifacts" / record.mlflow_run_id).rename(old / record.mlflow_run_id)
    assert Tracker(moved).records().records == [record]


def test_a_link_to_a_store_is_the_same_store(store, tmp_path):
    run([job()], store, "cpu")
    before = (store.root / "mlflow.db").read_bytes()
    (tmp_path / "link").symlink_to(store.root)
    assert len(Tracker(tmp_path / "link").records().records) == 1
    assert (store.root / "mlflow.db").read_bytes() == before


@pytest.mark.parametrize("shares", [False, True])
def test_what_cannot_be_read_is_told_and_logged_again(record, store, tmp_path, request, shares):
    if shares:
        request.getfixturevalue("shared")
    (tmp_path / "a").mkdir()
    tracker = Tracker(tmp_path / "a")
    run_id = tracker.log(record, []).mlflow_run_id
    path = tmp_path / "a" / "artifacts" / run_id / "artifacts" / "record.json"
    text = path.read_text()
    damages = {
        "the checksum differs": text.replace('"id"', '"di"', 1),
        "record.json is missing": None,
    }
    for words, damage in damages.items():
        path.unlink()
        if damage is not None:
            path.write_text(damage)
        logged = tracker.records()
        assert logged.records == []
        assert list(logged.unreadable) == [record.id]
        assert words in logged.unreadable[record.id]
        assert run_id in logged.unreadable[record.id]
    again = tracker.log(record, [])
    assert again.mlflow_run_id != run_id
    assert tracker.records().records == [again]
    assert not tracker.records().unreadable


def test_a_record_of_another_version_is_told(record, tmp_path):
    (tmp_path / "a").mkdir()
    tracker = Tracker(tmp_path / "a")
    logged = tracker.log(record, [])
    changed = json.dumps({**json.loads(logged.model_dump_json()), "new_field": 1})
    (tmp_path / "a" / "artifacts" / logged.mlflow_run_id / "artifacts" / "record.json").write_text(changed)
    mlflow.MlflowClient(tracker.uri).delete_tag(logged.mlflow_run_id, "bench.record_sha256")
    assert "new_field: Extra inputs" in tracker.records().unreadable[record.id]


def without_mlflow(store):
    """The store at another place, without its MLflow; this process still has the lost database open."""
    lost = Store(store.root.with_name("lost"))
    store.root.rename(lost.root)
    (lost.root / "mlflow.db").unlink()
    shutil.rmtree(lost.root / "artifacts")
    return lost


def test_a_lost_mlflow_gets_the_records_of_the_index_again(store, capfd):
    first, second = job(training={"seed": 0}), job(training={"seed": 1})
    before = run([first], store, "cpu").records[first.id]
    store = without_mlflow(store)
    run([second], store, "cpu")
    assert "lacks 1 of the 1 records of" in capfd.readouterr().err
    after = store.records()
    assert {record.id: record for record in Tracker(store.root).records().records} == after
    assert after[first.id].values == before.values
    assert len(logged_runs(store, f"tags.`bench.id` = '{first.id}'")) == 1


def test_logging_again_goes_on_where_it_was_interrupted(store, monkeypatch):
    first, second = job(training={"seed": 0}), job(training={"seed": 1})
    run([first], store, "cpu")
    store = without_mlflow(store)
    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "log_batch", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run([second], store, "cpu")
    run([second], store, "cpu")
    assert {record.id for record in Tracker(store.root).records().records} == {first.id, second.id}
