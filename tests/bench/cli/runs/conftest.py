"""A store of two seeds of a method and one that begins from another training, for the ``runs`` commands."""

import shutil

import pytest
from typer.testing import CliRunner

import bench.data
from bench.cli import app
from bench.config.registry import METHODS
from bench.job import pipeline
from bench.results.documents import seal
from bench.results.files import write_text
from bench.results.run_set import NOT_YET, RunSet
from bench.results.store import Store
from bench.sweep.run import run
from tests.bench import toy
from tests.bench.toy_jobs import job


def invoke(*arguments, answer=None):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=answer)


def said(*arguments):
    """What a command prints that succeeds."""
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output + result.stderr
    return result.output


def complaint(*arguments):
    """What a command says to bad input: one sentence."""
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    return result.stderr


@pytest.fixture(scope="package")
def made(tmp_path_factory, empty_database):
    """The store, copied for each test, and the ids of its runs."""
    store = Store(tmp_path_factory.mktemp("made") / "store")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(pipeline, "TINY_LATENCY_SECONDS", 0.01)
        patch.setattr(pipeline, "LATENCY_INPUTS", 1)
        patch.setattr(bench.data, "load", toy.dataset)
        for name in ("toy", "second"):
            patch.setitem(METHODS.own, name, f"tests.bench.toy:{name.title()}")
        store.make()
        shutil.copy(empty_database, store.root / "mlflow.db")
        jobs = [job(), job(training={"seed": 1}), job(method={"name": "second"})]
        run(jobs, store, "cpu")
    return store, [wanted.id for wanted in jobs], jobs[2].training, jobs[2].missing(NOT_YET)


@pytest.fixture
def store(made, tmp_path, quick_start, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(made[0].root, tmp_path / "store")
    return Store(tmp_path / "store")


@pytest.fixture
def ids(made):
    return made[1]


@pytest.fixture
def results(tmp_path, ids):
    """Makes a folder of results whose run set has a table of some runs."""

    def make(name, *numbers, tables=None, missing=None):
        table = RunSet.Table(title="Runs", layout="runs", ids=tuple(ids[number] for number in numbers))
        runset = RunSet(
            tables={name: table} | (tables or {}), missing=missing or {},
            command="bench run", created_at="2026-11-29", store=str(tmp_path),
        )  # fmt: skip
        write_text(tmp_path / name / "runset.json", seal(runset))
        return tmp_path / name

    return make


def content(store):
    """Every file of a store but MLflow's and locks, with its bytes."""
    files = (path for path in store.root.rglob("*") if path.is_file())
    names = {path.relative_to(store.root).as_posix(): path for path in files}
    others = ("mlflow", "artifacts", "locks")
    return {name: path.read_bytes() for name, path in names.items() if not name.startswith(others)}
