"""The same work in this process, in worker processes, and in jobs gives the same numbers, whatever is lost."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil

from bench.results.store import Store
from bench.sweep.executors.processes import Processes
from bench.sweep.run import run
from tests import ROOT
from tests.bench.experiments import numbers, some


def test_two_workers_in_any_order(toy_everywhere, expected, tmp_path):
    store = Store(tmp_path / "store")
    with Processes(store.root, workers=2) as executor:
        outcome = run(some()[::-1], store, "cpu", executor)
    assert numbers(outcome.records) == expected


def test_killed_workers(toy_everywhere, expected, tmp_path):
    store = Store(tmp_path / "store")
    with Processes(store.root, workers=2) as executor:
        killed = []

        def kill_each_once():
            while len(killed) < 2:
                for child in psutil.Process().children():
                    if child.pid not in killed and "spawn_main" in " ".join(child.cmdline()):
                        killed.append(child.pid)
                        time.sleep(2)
                        os.kill(child.pid, signal.SIGKILL)
                time.sleep(0.05)

        threading.Thread(target=kill_each_once, daemon=True).start()
        outcome = run(some(), store, "cpu", executor)
    assert len(killed) == 2
    assert not outcome.failures
    assert numbers(outcome.records) == expected


UNGUARDED = """
import sys
from pathlib import Path
from bench.job.task import Task
from bench.sweep.executors.processes import Processes
with Processes(Path(sys.argv[1]), workers=2) as executor:
    executor.submit(Task("train", "0", ("0",), (), frozenset(), "nothing", 0, "", "cpu"), 0)
    while True:
        executor.collect(10)
"""


def test_a_script_without_a_main_guard_is_one_sentence(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, script, tmp_path], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"models.errors.InputError: {script}: workers import it again")
    assert 'put what it runs under `if __name__ == "__main__":`' in last
    assert done.stderr.count("Traceback") == 1


def test_workers_share_the_gpus(tmp_path):
    executor = Processes(tmp_path, workers=3, threads=2, gpus=["4", "7"])
    shares = [executor.environment_of(number) for number in range(3)]
    assert [share["CUDA_VISIBLE_DEVICES"] for share in shares] == ["4", "7", "4"]
    assert {share["OMP_NUM_THREADS"] for share in shares} == {"2"}
