"""A sweep is watched, reported while it runs, ended by SIGTERM, and goes on in the same runs to equal numbers."""

import shutil
import signal
import subprocess
import sys
import time

import mlflow
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.config.registry import DATASETS, METHODS
from bench.results.store import Store
from bench.results.tracking.tracker import Tracker
from tests import ROOT
from tests.bench.experiments import numbers
from tests.bench.mlflow_runs import search_runs

DECLARED = """\
title: Two trainings
layout: runs
base:
  method: {name: toy}
  data: {name: toy}
  training: {epochs: 80, batch_frames: 90}
  evaluation: {windows: 4, hypotheses: 2, steps: 2}
axes:
  training.seed: [0, 1]
"""
TRAINING = "tags.`bench.kind` = 'training'"


@pytest.fixture
def command(tmp_path, toy_everywhere):
    """Words of a command on a store of this name."""
    (tmp_path / "two.yaml").write_text(DECLARED)

    def words(store, executor):
        places = ["--store", str(tmp_path / store), "--out", str(tmp_path / f"{store}-out")]
        how = ["--executor", executor, "--workers", "1", "--rounds", "1", "--device", "cpu"]
        return ["ablate", str(tmp_path / "two.yaml"), *places, *how]

    return words


def points(store):
    """Id of each training's run that is RUNNING → number of its points."""
    client = mlflow.MlflowClient(Tracker(store.root).uri)
    running = [found.info.run_id for found in search_runs(store, TRAINING) if found.info.status == "RUNNING"]
    return {run_id: len(client.get_metric_history(run_id, "train.loss")) for run_id in running}


def wait_for(condition, process):
    ends = time.monotonic() + 120
    while not (found := condition()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends, "nothing was seen"
        time.sleep(0.02)
    return found


def steps(store, run_id):
    history = mlflow.MlflowClient(Tracker(store.root).uri).get_metric_history(run_id, "train.loss")
    return [point.step for point in history]


def test_a_sweep_that_is_watched_reported_ended_and_gone_on_with(
    command, tmp_path, quick_start, empty_database, monkeypatch
):
    store, held = Store(tmp_path / "live"), tmp_path / "held"
    store.make()
    held.touch()
    monkeypatch.setenv("HELD_BY", str(held))
    shutil.copy(empty_database, store.root / "mlflow.db")
    start = [sys.executable, "-m", "tests.bench.cli.sweeps.impatient", *command("live", "processes")]
    process = subprocess.Popen(start, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for(store.records, process)
    seen = wait_for(lambda: points(store), process)
    (run_id,) = seen
    wait_for(lambda: points(store).get(run_id, 0) > seen[run_id], process)
    places = ["--store", str(store.root), "--out", str(tmp_path / "live-out")]
    told = CliRunner().invoke(app, ["report", "--no-pdf", *places])
    assert told.exit_code == 0, told.output + told.stderr
    assert "two: 1 of 2 runs; missing: 1 not yet run" in told.output
    assert "1 declared runs are not yet run" in (tmp_path / "live-out" / "summary.md").read_text()
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert "the same command goes on from here" in said
    ended = {found.info.run_id: found.info.status for found in search_runs(store, TRAINING)}
    assert ended.pop(run_id) == "KILLED"
    assert list(ended.values()) == ["FINISHED"]
    assert list(store.root.glob("trainings/*/state.pt")), "the worker saved before it ended"
    last = steps(store, run_id)[-1]

    held.unlink()
    again = subprocess.run(start, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stdout + again.stderr
    finished = {found.info.run_id: found.info.status for found in search_runs(store, TRAINING)}
    assert len(finished) == 2
    assert finished[run_id] == "FINISHED"
    assert set(finished.values()) == {"FINISHED"}
    assert steps(store, run_id) == sorted(set(steps(store, run_id)))
    assert steps(store, run_id)[-1] > last
    (sweep,) = search_runs(store, "tags.`bench.kind` = 'sweep'")
    assert sweep.info.status == "FINISHED"

    monkeypatch.setitem(METHODS.own, "toy", "tests.bench.toy:Toy")
    monkeypatch.setitem(DATASETS.own, "toy", "tests.bench.toy:ToyData")
    assert CliRunner().invoke(app, command("whole", "local")).exit_code == 0
    assert numbers(store.records()) == numbers(Store(tmp_path / "whole").records())
