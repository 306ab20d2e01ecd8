"""Databases and servers that are away, hang or refuse: said at once, waited for within a bound."""

import os
import shutil
import socket
import sqlite3
import sys
import time

import pytest

from bench.results.tracking import connection
from bench.results.tracking.connection import Service, network_kind, warn_of_network
from bench.results.tracking.tracker import Tracker
from models.errors import InputError


@pytest.fixture
def silent_server():
    """The address of a server that accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def no_waiting(monkeypatch):
    def sleep(seconds):
        raise AssertionError("what refuses is not waited for")

    monkeypatch.setattr(time, "sleep", sleep)


@pytest.mark.parametrize("kind", ["closed", "silent"])
def test_a_server_that_is_away_is_waited_for_within_a_bound(kind, silent_server, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(connection, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(connection, "OPENING_SECONDS", 1.0)
    place = "127.0.0.1:9" if kind == "closed" else silent_server
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:secret@{place}")
    began = time.monotonic()
    words = "refused" if kind == "closed" else "timed out"
    with pytest.raises(
        InputError, match=f"MLflow store http://{place}: .*{words}; given up after .*MLFLOW_TRACKING_URI"
    ):
        Tracker(tmp_path / "store")
    assert time.monotonic() - began < 10
    lines = capfd.readouterr().err.splitlines()
    assert f"waiting for MLflow store http://{place} (0 s, gives up after 1 s): " in lines[0]
    assert "secret" not in "".join(lines)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("file:///tmp/mlruns", "maintenance mode"),
        ("./mlruns", "maintenance mode"),
        ("postgres://user:secret@localhost/mlflow", "unsupported URI"),
        ("unknown://x", "unsupported URI"),
        ("sqlite:", "Could not parse"),
        ("http:///x", "names no host"),
        ("http://host:port", "nonnumeric port"),
        ("sqlite:///{folder}", "is a folder, not a database"),
        ("sqlite:///{folder}/garbage.db", "file is not a database"),
        ("sqlite:///{folder}/old.db", "out-of-date database schema"),
    ],
)
def test_what_refuses_is_one_sentence_at_once(
    address, words, tmp_path, empty_database, monkeypatch, no_waiting, capfd
):
    (tmp_path / "garbage.db").write_bytes(b"no database at all" * 100)
    shutil.copy(empty_database, tmp_path / "old.db")
    with sqlite3.connect(tmp_path / "old.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'acf3f17fdcc7'")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address.format(folder=tmp_path))
    with pytest.raises(InputError) as caught:
        Tracker(tmp_path / "store")
    sentence = str(caught.value)
    assert words in sentence
    assert len(sentence) < 700
    assert "\n" not in sentence
    assert "secret" not in sentence + capfd.readouterr().err
    assert "MLFLOW_TRACKING_URI" in sentence


def test_a_missing_driver_is_named_with_its_package(tmp_path, monkeypatch, no_waiting):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql+psycopg://user:secret@localhost/mlflow")
    with pytest.raises(InputError, match=r"psycopg is not installed.*pip install 'psycopg\[binary\]'") as caught:
        Tracker(tmp_path / "store")
    assert "secret" not in str(caught.value)


def test_what_fails_for_a_moment_is_tried_again(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(connection, "WAITS_SECONDS", (0.0,))
    fails = iter(
        [OSError("locked"), sqlite3.OperationalError("database is locked"), ConnectionResetError("reset")]
    )

    def action():
        for error in fails:
            raise error
        return "done"

    service = Service("MLflow store", f"sqlite:///{tmp_path}/x.db", "MLFLOW_TRACKING_URI")
    assert service.patiently(action) == "done"
    assert capfd.readouterr().err.count("waiting for MLflow store sqlite://") == 3


def test_long_reasons_are_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 0.0)

    def action():
        raise OSError("x" * 100_000)

    with pytest.raises(InputError) as caught:
        Service("MLflow store", f"sqlite:///{tmp_path}/x.db", "MLFLOW_TRACKING_URI").patiently(action)
    assert len(str(caught.value)) < 1000


def test_settings_of_the_user_stay(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    connection.bound_patience()
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"


def test_sqlite_on_a_network_file_system_is_warned_of(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(connection, "network_file_system", lambda path: "nfs4")
    warn_of_network(Service("database of studies", f"sqlite:///{tmp_path}/x.db", "LIFTING_BENCH_STUDIES"))
    line = capfd.readouterr().err
    assert "on a network file system (nfs4)" in line
    assert "LIFTING_BENCH_STUDIES" in line
    assert network_kind("postgresql+psycopg://host/db") is None
