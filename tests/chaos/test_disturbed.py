"""Whatever is killed, full or away in the meantime: every result once, and equal to the undisturbed one."""

import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter

import psutil
import pytest

from bench.results.store import Store
from bench.sweep.run import run
from tests import ROOT
from tests.bench.experiments import numbers
from tests.bench.mlflow_runs import search_runs
from tests.chaos.disturbed import OF_A_TRAINING, jobs


@pytest.fixture
def undisturbed(toy_suite, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def calculate(number):
        """Numbers of all experiments up to 500; beyond, of all experiments of every n-th training."""
        every = max(1, number // 500)
        some = [job for n, job in enumerate(jobs(number)) if n // OF_A_TRAINING % every == 0]
        return numbers(run(some, Store(tmp_path / "undisturbed"), "cpu").records)

    return calculate


LONG = os.environ.get("CHAOS_LONG", "")
"""Experiments and kills of the long mode: "10000,100" where `nox -s chaos -- --long` is asked for."""


@pytest.mark.parametrize(
    ("number", "kills"),
    [
        pytest.param(16, 2, marks=pytest.mark.chaos),
        pytest.param(200, 24, marks=pytest.mark.chaos),
        pytest.param(
            *(map(int, LONG.split(",")) if LONG else (10_000, 100)),
            marks=[pytest.mark.chaos, pytest.mark.skipif(not LONG, reason="takes hours: nox -s chaos -- --long")],
        ),
    ],
)
def test_every_result_once(undisturbed, tmp_path, monkeypatch, number, kills):
    expected = undisturbed(number)
    store = Store(tmp_path / "disturbed")
    monkeypatch.setenv("CHAOS_FULL", str(tmp_path / "full"))
    disturbance = _Disturbance(store.root, tmp_path / "full", number, kills)
    starts, began = 0, time.monotonic()
    while True:
        starts += 1
        assert starts < 30 + 2 * kills
        log = (tmp_path / f"program-{starts}.txt").open("w")
        program = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.disturbed", str(store.root), str(number)],
            cwd=ROOT, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        disturbance.of(program)
        if program.wait(timeout=600 + 5 * number) == 0:
            break
    print(
        f"{number} experiments, {starts} starts in {time.monotonic() - began:.0f} s; {Counter(disturbance.done)}"
    )
    assert set(disturbance.done) == {"worker", "program", "full disk", "MLflow"}
    found = numbers(store.records())
    assert len(found) == number
    assert {id: found[id] for id in expected} == expected
    logged = search_runs(store, "tags.`bench.kind` = 'evaluation'")
    assert sorted(each.data.tags["bench.id"] for each in logged) == sorted(found)
    assert {each.info.status for each in logged} == {"FINISHED"}


class _Disturbance:
    """Kills workers and the program at random, fills the disk once, and locks MLflow's database once.

    Kills are spread over the evaluations, so that a slow machine gets on between them.
    """

    def __init__(self, store, full, number, kills):
        self.store, self.full = store, full
        self.random = random.Random(0)
        self.after = sorted(self.random.uniform(0, number - 15) for _ in range(kills))  # the last go too fast
        self.done = []

    def of(self, program):
        threading.Thread(target=self._disturb, args=(program,), daemon=True).start()

    def _disturb(self, program):
        while program.poll() is None:
            if "full disk" not in self.done and list(self.store.glob("trainings/*/training.json")):
                self.done.append("full disk")
                self.full.touch()
                program.wait()
                self.full.unlink()
            elif "MLflow" not in self.done and list(self.store.glob("prices/*.json")):
                self.done.append("MLflow")
                self._lock_database(7)
            elif self.after and "full disk" in self.done and self._evaluated() >= self.after[0]:
                time.sleep(self.random.uniform(0, 0.5))
                self._kill(program)
            time.sleep(0.05)

    def _evaluated(self):
        folder = self.store / "errors"
        return len(os.listdir(folder)) if folder.is_dir() else 0

    def _lock_database(self, seconds):
        with sqlite3.connect(self.store / "mlflow.db", timeout=30) as database:
            database.execute("BEGIN EXCLUSIVE")
            time.sleep(seconds)
            database.rollback()

    def _kill(self, program):
        kind, killed = "program", [program]
        if len(self.after) % 2:
            kind, killed = "worker", _workers(program)
        if killed:  # else the workers are not there yet
            self.random.choice(killed).kill()
            self.done.append(kind)
            del self.after[0]


def _workers(program):
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(program.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    return []
