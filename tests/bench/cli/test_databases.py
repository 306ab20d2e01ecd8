"""What is wrong with MLflow's or Optuna's database is one sentence before anything is computed."""

import pytest
from typer.testing import CliRunner

from bench.cli import app

SEARCH = """
title: A search
layout: pareto
base: {method: {name: toy}, training: {epochs: 1}, evaluation: {windows: 4}}
axes: {evaluation.hypotheses: [1, 2]}
search: {trials: 2}
"""


@pytest.fixture
def ablate(toy_suite, tmp_path, monkeypatch):
    """Call ``ablate`` with a search; what it prints and its exit code."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("LIFTING_BENCH_STUDIES", raising=False)
    (tmp_path / "search.yaml").write_text(SEARCH)

    def call(*more):
        arguments = ["ablate", tmp_path / "search.yaml", "--store", tmp_path / "store", "--out", tmp_path / "out"]
        return CliRunner().invoke(app, [str(argument) for argument in [*arguments, *more]])

    return call


def refused(result, words):
    assert result.exit_code == 2, result.output + result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_damaged_database_of_studies(ablate, tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "studies.db").write_bytes(b"garbage " * 1000)
    refused(ablate("--workers", "1"), "file is not a database; check it and LIFTING_BENCH_STUDIES")
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["studies.db"], "nothing was trained"


def test_an_address_of_mlflow_that_cannot_be_used(ablate, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgres://user:secret@localhost/mlflow")
    result = ablate("--workers", "1")
    refused(result, "unsupported URI")
    assert "secret" not in result.output + result.stderr


def test_a_dry_run_makes_no_database_and_no_store(ablate, tmp_path):
    result = ablate("--dry-run")
    assert result.exit_code == 0, result.output + result.stderr
    assert "would try 2 of 2 combinations" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["search.yaml"]


def test_an_index_of_a_store_that_is_not_there(tmp_path):
    result = CliRunner().invoke(app, ["report", "--rebuild-index", "--store", str(tmp_path / "mistyped")])
    refused(result, "there is no such store")
    assert list(tmp_path.iterdir()) == []
