"""The command doctor opens the databases that experiments would use, and makes nothing."""

import shutil
import sqlite3

import pytest

from bench.cli.doctor import examine
from bench.results.tracking.addresses import sqlite_address
from bench.sweep.run import run
from reports.pdf import NO_LATEX
from tests.bench.toy_jobs import job


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("LIFTING_BENCH_STUDIES", raising=False)


def lines(store, words):
    """What doctor says of these words: whether it is fine, and the sentence."""
    return [(fine, line) for fine, line in examine("cpu", store) if words in line]


def test_it_makes_nothing(tmp_path):
    store = tmp_path / "mistyped"
    assert [fine for fine, line in lines(store, "none yet")] == [True, True]
    assert list(tmp_path.iterdir()) == []


def test_it_names_what_a_pdf_needs(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    ((fine, line),) = lines(tmp_path, "report.pdf")
    assert fine
    assert line == NO_LATEX


def test_it_says_what_mlflow_holds(toy_store):
    run([job()], toy_store, "cpu")
    before = (toy_store.root / "mlflow.db").read_bytes()
    ((fine, line),) = lines(toy_store.root, "MLflow store")
    assert fine
    assert "1 finished evaluations, artifacts in file://" in line
    assert (toy_store.root / "mlflow.db").read_bytes() == before
    assert not (toy_store.root / "studies.db").exists()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("postgres://user:secret@localhost/mlflow", "unsupported URI"),
        ("file:///tmp/mlruns", "maintenance mode"),
        ("http://user:secret@127.0.0.1:9", "refused"),
        ("sqlite:///{folder}", "is a folder"),
        ("sqlite:///{folder}/old.db", "out-of-date database schema"),
    ],
)
def test_what_cannot_be_used_is_a_problem(address, words, tmp_path, empty_database, monkeypatch):
    shutil.copy(empty_database, tmp_path / "old.db")
    with sqlite3.connect(tmp_path / "old.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'acf3f17fdcc7'")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address.format(folder=tmp_path))
    ((fine, line),) = lines(tmp_path / "store", "MLflow store")
    assert not fine
    assert words in line
    assert "secret" not in line
    assert "\n" not in line


def test_an_empty_database_is_left_empty(tmp_path, monkeypatch):
    sqlite3.connect(tmp_path / "new.db").close()
    (tmp_path / "new.db").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", sqlite_address(tmp_path / "new.db"))
    monkeypatch.setenv("LIFTING_BENCH_STUDIES", sqlite_address(tmp_path / "new.db"))
    assert [fine for fine, line in lines(tmp_path / "store", "empty, ")] == [True, True]
    assert (tmp_path / "new.db").stat().st_size == 0


def test_a_mistyped_place_of_clips_weights_is_a_problem(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "nothing-cached"))
    monkeypatch.delenv("LIFTING_BENCH_CLIP", raising=False)
    assert [fine for fine, _ in lines(tmp_path, "CLIP's weights are absent")] == [True]
    monkeypatch.setenv("LIFTING_BENCH_CLIP", str(tmp_path / "mistyped.pt"))
    assert [fine for fine, _ in lines(tmp_path, "mistyped.pt has none")] == [False]
    (tmp_path / "mistyped.pt").touch()
    assert [fine for fine, line in lines(tmp_path, "text encoder clip: weights") if "mistyped.pt" in line] == [
        True
    ]
