"""A real MLflow server that several stores log to, that is killed, and that loses files."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import zlib

import pytest

from bench.results.tracking import tracker
from bench.results.tracking.tracker import Tracker
from bench.sweep.run import run
from tests.bench.toy_jobs import job

pytestmark = pytest.mark.chaos

START_SECONDS = 180


class Server:
    """An MLflow server on this machine; its database and artifacts outlive it."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder, self.address = folder, f"http://127.0.0.1:{self.port}"

    def start(self):
        settings = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        places = ["--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        places += ["--artifacts-destination", str(self.folder / "files")]
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [*command, "--workers", "1", *places],
                env={**os.environ, **settings},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        ends = time.monotonic() + START_SECONDS
        while time.monotonic() < ends:
            try:
                urllib.request.urlopen(f"{self.address}/health", timeout=2).close()
                return
            except OSError:
                time.sleep(0.2)
        raise AssertionError((self.folder / "log").read_text())

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def record(toy_store, server, monkeypatch, request):
    """A record that the server does not have yet."""
    wanted = job(training={"seed": zlib.crc32(request.node.name.encode()) % 10_000})
    record = run([wanted], toy_store, "cpu").records[wanted.id]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    monkeypatch.setattr(tracker, "POLL_SECONDS", 0.1)
    return record


def finished(tracker, record):
    return [found.id for found in tracker.records({record.id}).records]


def test_two_stores_log_the_same_at_once(record, tmp_path):
    trackers, logged = [Tracker(tmp_path / name) for name in "ab"], []
    threads = [threading.Thread(target=lambda t=t: logged.append(t.log(record, []))) for t in trackers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert logged[0] == logged[1]
    assert finished(trackers[0], record) == [record.id]


def test_a_server_that_is_killed_in_the_middle_and_comes_back(record, server, tmp_path, monkeypatch, capfd):
    tracker, real = Tracker(tmp_path / "a"), Tracker._log_files
    killed = threading.Event()

    def kill_before(self, run, texts, files):
        if not killed.is_set():
            server.kill()
            killed.set()
            threading.Timer(3.0, server.start).start()
        real(self, run, texts, files)

    monkeypatch.setattr(Tracker, "_log_files", kill_before)
    logged = tracker.log(record, [])
    assert killed.is_set()
    assert f"waiting for MLflow store {server.address}" in capfd.readouterr().err
    assert tracker.records({record.id}).records == [logged]


def test_artifacts_that_the_server_has_lost_are_told(record, server, tmp_path):
    tracker = Tracker(tmp_path / "a")
    run_id = tracker.log(record, []).mlflow_run_id
    (path,) = server.folder.rglob(f"{run_id}/artifacts/record.json")
    path.unlink()
    assert "record.json is missing" in tracker.records({record.id}).unreadable[record.id]
    again = tracker.log(record, [])
    assert tracker.records({record.id}).records == [again]
