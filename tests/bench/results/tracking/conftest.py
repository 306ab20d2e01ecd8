"""A toy's record, and a database that several stores log it to."""

import shutil

import pytest

from bench.results.tracking import connection, tracker
from bench.results.tracking.addresses import sqlite_address
from bench.sweep.run import run
from tests.bench.toy_jobs import job


@pytest.fixture
def store(toy_store, monkeypatch):
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 5.0)
    monkeypatch.setattr(connection, "OPENING_SECONDS", 5.0)
    return toy_store


@pytest.fixture
def shared(tmp_path, empty_database, monkeypatch):
    """A database that several stores log to."""
    shutil.copy(empty_database, tmp_path / "shared.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", sqlite_address(tmp_path / "shared.db"))
    monkeypatch.setattr(tracker, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 120.0)  # they wait for each other


@pytest.fixture
def record(store):
    wanted = job()
    return run([wanted], store, "cpu").records[wanted.id]
