"""A real MLflow server and a real PostgreSQL that stores log to, that are killed, and that lose files.

`nox -s tracking` runs it.
"""

import threading
import time
import zlib

import mlflow
import pytest

from bench.results.tracking import following, tracker
from bench.results.tracking.addresses import folder_of, without_password
from bench.results.tracking.journal import journals
from bench.results.tracking.mlflow_runs import Runs
from bench.results.tracking.tracker import Tracker
from bench.sweep.run import run
from bench.training import curves
from tests.bench.mlflow_runs import search_runs
from tests.bench.results.tracking.servers import MlflowServer, Postgres
from tests.bench.toy import Toy
from tests.bench.toy_jobs import job

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module", params=["http", "postgresql"])
def server(tmp_path_factory, request):
    if request.param == "postgresql" and Postgres.programs() is None:
        pytest.fail("PostgreSQL is not installed: apt-get install postgresql")
    server = MlflowServer(tmp_path_factory.mktemp("server")) if request.param == "http" else Postgres()
    server.start()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def nothing_secret_is_said(capfd):
    yield
    captured = capfd.readouterr()
    assert Postgres.PASSWORD not in captured.out + captured.err


@pytest.fixture
def wanted(request):
    """A job that no other test has logged."""
    return job(training={"seed": zlib.crc32(request.node.name.encode()) % 10_000})


@pytest.fixture
def record(toy_store, server, monkeypatch, wanted):
    """A record that the server does not have yet."""
    record = run([wanted], toy_store, "cpu").records[wanted.id]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    monkeypatch.setattr(tracker, "POLL_SECONDS", 0.1)
    return record


@pytest.fixture
def places(tmp_path):
    """Two stores at once; the artifacts of a database lie in the first one that ever logged to it."""
    return [tmp_path / name for name in "ab"]


def finished(tracker, record):
    return [found.id for found in tracker.records({record.id}).records]


def test_two_stores_log_the_same_at_once(record, places):
    trackers, logged = [Tracker(place) for place in places], []
    threads = [threading.Thread(target=lambda t=t: logged.append(t.log(record, []))) for t in trackers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert logged[0] == logged[1]
    assert finished(trackers[0], record) == [record.id]


def test_a_server_that_is_killed_in_the_middle_and_comes_back(record, server, places, monkeypatch, capfd):
    tracker, real = Tracker(places[0]), Runs.log_files
    killed = threading.Event()

    def kill_before(self, run_id, files):
        if not killed.is_set():
            server.kill()
            killed.set()
            threading.Timer(3.0, server.start).start()
        real(self, run_id, files)

    monkeypatch.setattr(Runs, "log_files", kill_before)
    logged = tracker.log(record, [])
    assert killed.is_set()
    assert f"waiting for MLflow store {without_password(server.address)}" in capfd.readouterr().err
    assert tracker.records({record.id}).records == [logged]


def test_a_training_goes_on_while_the_server_is_away(toy_store, wanted, server, monkeypatch):
    """It is killed in the middle of the curves, and has each point once in the end."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    monkeypatch.setattr(curves, "POINT_SECONDS", 0.0)
    monkeypatch.setattr(following, "PASS_SECONDS", 0.05)
    monkeypatch.setattr(following, "AWAY_SECONDS", 0.2)
    client, training = mlflow.MlflowClient(server.address), f"tags.`bench.training_id` = '{wanted.training_id}'"
    steps, real = [], Toy.training_loss

    def sent():
        found = search_runs(toy_store, training)
        return found and len(client.get_metric_history(found[0].info.run_id, "train.loss"))

    def training_loss(self, batch):
        steps.append(batch)
        if len(steps) == 4:
            while not sent():
                time.sleep(0.1)
            server.kill()
            threading.Timer(3.0, server.start).start()
        return real(self, batch)

    monkeypatch.setattr(Toy, "training_loss", training_loss)
    record = run([wanted], toy_store, "cpu").records[wanted.id]
    (found,) = [each for each in search_runs(toy_store, training) if each.data.tags["bench.kind"] == "training"]
    assert found.info.status == "FINISHED"
    for key in ("train.loss", "train.gradient_norm", "epoch"):
        history = client.get_metric_history(found.info.run_id, key)
        assert [point.step for point in history] == list(range(1, record.training.steps + 1))
    assert not journals(toy_store.root)


def test_artifacts_that_the_server_has_lost_are_told(record, server, places):
    tracker = Tracker(places[0])
    run_id = tracker.log(record, []).mlflow_run_id
    uri = mlflow.MlflowClient(server.address).get_run(run_id).info.artifact_uri
    root = server.folder if uri.startswith("mlflow-artifacts:") else folder_of(uri).parents[1]
    (path,) = root.rglob(f"{run_id}/artifacts/record.json")
    path.unlink()
    assert "record.json is missing" in tracker.records({record.id}).unreadable[record.id]
    again = tracker.log(record, [])
    assert tracker.records({record.id}).records == [again]
