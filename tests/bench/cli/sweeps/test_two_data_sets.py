"""A claim about two data sets, from files in both layouts: two sweeps into one store, and the reports of both."""

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.config.registry import METHODS
from bench.data import load
from bench.data.human36m.cameras import cameras
from bench.data.human36m.files import JOINTS
from bench.job import pipeline
from bench.results.run_set import declared
from bench.results.store import Store
from bench.sweep import tasks
from reports.rules.claims import judge
from tests.bench.data.human36m.test_reader import Folder
from tests.bench.data.mpi_inf_3dhp.mpi_files import write

FILE = """
title: Mine
layout: claims
base:
  method: {name: toy, options: {frames: 3}}
  training: {epochs: 1}
  evaluation: {hypotheses: 1, steps: 1}
claims:
  - claim: A larger step gains more on the first data set
    better: {training.learning_rate: 0.02}
    other: {training.learning_rate: 0.01}
    between: [human36m, mpi_inf_3dhp]
"""
FIRST, SECOND = "human36m", "mpi_inf_3dhp"
FRAMES = 18


def write_human36m(root):
    """Files in Human3.6M's layout, with the synthetic data's motion as the rig's cameras would see it."""
    folder = Folder(root)
    motions = iter(load("synthetic", None, "gt").train[::4])
    for subject, takes in folder.poses.items():
        for name in takes:
            right, down, away = np.moveaxis(next(motions).pose_3d[:FRAMES], -1, 0)
            world = np.stack([right, away, 1 - down], -1)
            takes[name] = np.zeros((FRAMES, 32, 3), np.float32)
            takes[name][:, JOINTS] = world
            views = [camera.pixels(camera.from_world(world)) for camera in cameras(subject)]
            folder.keypoints[subject][name] = views
    folder.read()


@pytest.fixture
def bench(tmp_path, monkeypatch, quick_start):
    """Run a command on the file, with the toy method and small files of both data sets."""
    monkeypatch.setitem(METHODS.own, "toy", "tests.bench.toy:Toy")
    monkeypatch.setattr(pipeline, "LATENCY_INPUTS", 1)
    monkeypatch.setattr(tasks, "PATIENCE_SECONDS", 0.02)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in (FIRST, SECOND):
        (tmp_path / name).mkdir()
    write_human36m(tmp_path / FIRST)
    write(tmp_path / SECOND, "univ_annot3", frames=FRAMES, views=1)
    (tmp_path / "mine.yaml").write_text(FILE)

    def run(command, name, *more):
        options = ["--out", tmp_path / f"out-{name}", "--store", tmp_path / "store", *more]
        if command == "ablate":
            options = [tmp_path / "mine.yaml", "--data", name, "--executor", "local", "--rounds", "2", *options]
        result = CliRunner().invoke(app, [command, *map(str, options)])
        assert result.exit_code == 0, result.output + result.stderr
        return (tmp_path / f"out-{name}" / "tables" / "mine.md").read_text()

    return run


@pytest.fixture
def judged(tmp_path):
    """What the runs of a folder of results say of its claim, beside the whole store."""

    def of(name):
        runset = declared(tmp_path / f"out-{name}")
        return judge(runset.tables["mine"].claims, Store(tmp_path / "store").records())[0]

    return of


def test_two_sweeps_into_one_store_test_it_in_both_reports(bench, judged, tmp_path):
    alone = bench("ablate", FIRST, "--data-root", tmp_path / FIRST)
    assert "not tested: needs such runs on mpi_inf_3dhp too" in alone.replace("\\", "")
    later = bench("ablate", SECOND, "--data-root", tmp_path / SECOND, "--set", "data.detections=gt")
    again = bench("report", FIRST, "--no-pdf")
    assert judged(FIRST).difference == judged(SECOND).difference
    found = judged(FIRST).difference
    gaps = [
        better.difference(better.value("mpjpe", "P-Agg"), other, other.value("mpjpe", "P-Agg"))
        for better, other in pairs(judged(FIRST))
    ]
    assert found.difference == pytest.approx(gaps[0].difference - gaps[1].difference)
    assert found.high - found.low > max(gap.high - gap.low for gap in gaps) / 2
    row = f"| {found.difference:+.1f} ±".replace("-", "−")
    for table in (later, again):
        assert row in table
        assert "(1) Δ on human36m minus Δ on mpi_inf_3dhp." in table.replace("\\", "")


def pairs(found):
    assert [run.experiment["data"]["name"] for run in found.runs] == [FIRST, FIRST, SECOND, SECOND]
    return [found.runs[:2], found.runs[2:]]
