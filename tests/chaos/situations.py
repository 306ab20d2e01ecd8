"""Commands on small stores, each in a process of its own that is forked from this one, which has imported it all.

The methods and the data are the toy ones of the other tests; MLflow, its SQLite database, the store and the
command line are the real ones. Only the drawing of figures is left out, which takes seconds.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

import bench.data
import reports.build
import reports.pdf
from bench.cli import app
from bench.config.registry import METHODS
from bench.job import pipeline
from bench.results.tracking import connection, following, tracker
from bench.sweep import tasks
from bench.training import trainer
from tests import ROOT
from tests.bench import toy
from tests.chaos.faults import Fault, Operation, Watch

OLDER = ROOT / "tests" / "bench" / "results" / "store_of_50aafb7" / "store"

DECLARED = {
    "small": """\
title: Two trainings, two evaluations of one of them, one cost
layout: runs
base:
  method: {name: toy}
  training: {epochs: 2, batch_frames: 2000}
  evaluation: {windows: 4, hypotheses: 2, steps: 2}
axes:
  evaluation.seed: [0, 1]
also:
  - {training.seed: 1, evaluation.seed: 0}
""",
    "one": """\
title: One evaluation of a method that learns nothing by steps
layout: runs
base:
  evaluation: {windows: 4}
axes:
  method.name: [mean_pose]
""",
    "more": """\
title: The small one, and a further evaluation of each of its trainings
layout: runs
base:
  method: {name: toy}
  training: {epochs: 2, batch_frames: 2000}
  evaluation: {windows: 4, hypotheses: 2, steps: 2}
axes:
  training.seed: [0, 1]
  evaluation.seed: [0, 1, 2]
""",
    "failing": """\
title: One that fails, as its windows are longer than the data
layout: runs
base:
  method: {name: toy, options: {frames: 45}}
  evaluation: {windows: 4}
axes:
  method.preset: [tiny]
""",
}
"""Name → a declared ablation."""

STUCK_SECONDS = 300.0
DRAWINGS = reports.build._drawings


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: exit code; minus the signal that killed it; None where it was stuck.
        said: what it wrote to the terminal.
        operations: on files of the store and of the results.
    """

    status: int | None
    said: str
    operations: tuple[Operation, ...]


class Place:
    """A folder in memory where every store has the same path, as MLflow keeps absolute ones."""

    def __init__(self, folder: Path, case: str) -> None:
        self.folder, self.store, self.out = folder, folder / case / "store", folder / case / "results"
        self.declared = {name: folder / f"{name}.yaml" for name in DECLARED}

    def clear(self) -> None:
        """An empty store with MLflow's tables, which take seconds to make."""
        shutil.rmtree(self.store.parent, ignore_errors=True)
        self.store.mkdir(parents=True)
        self.out.mkdir()
        shutil.copy(self.folder / "mlflow.db", self.store)

    def keep(self, name: str) -> None:
        """Keep store and results as they are now under a name."""
        shutil.copytree(self.store.parent, self.folder / name)

    def restore(self, name: str) -> None:
        """Have store and results again as they were kept."""
        shutil.rmtree(self.store.parent, ignore_errors=True)
        shutil.copytree(self.folder / name, self.store.parent)

    def forget(self, name: str) -> None:
        """Remove what was kept under a name."""
        shutil.rmtree(self.folder / name)

    def command(self, *words: str) -> list[str]:
        """The arguments of a command on the store; a name of ``declared`` stands for its file."""
        named = [str(self.declared.get(word, word)) for word in words]
        placed = [*named, "--store", str(self.store), "--out", str(self.out)]
        return (
            [*placed, "--rounds", "1", "--executor", "local", "--device", "cpu"]
            if words[0] == "ablate"
            else placed
        )

    def runs(self, *words: str, out: bool = False) -> list[str]:
        """The arguments of a ``runs`` command; ``out``: of one that has such an option."""
        return ["runs", *words, "--store", str(self.store), *(["--out", str(self.out)] if out else [])]

    def run(
        self, arguments: list[str], fault: Fault | None = None, watched: bool = True, drawn: bool = False
    ) -> Ended:
        """Do a command in a process of its own; ``drawn``: with its figures, which takes seconds."""
        output, log = self.folder / "said.txt", self.folder / "operations.txt"
        log.write_text("")

        def act() -> None:
            if watched:
                Watch([self.store, self.out], fault, log)
            if drawn:
                reports.build._drawings = DRAWINGS
            app(arguments)

        status = in_a_fork(act, output)
        operations = [Operation(*line.split("\t")) for line in log.read_text().splitlines()]
        return Ended(status, output.read_text(), tuple(operations))

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder)


def prepare() -> Place:
    """Teach this process the toys, and import and try all that a command needs, so that its forks need not."""
    METHODS.own["toy"] = "tests.bench.toy:Toy"
    changes = [
        (bench.data, "load", toy.dataset),
        (pipeline, "TINY_LATENCY_SECONDS", 0.001),
        (pipeline, "LATENCY_INPUTS", 1),
        (connection, "WAITS_SECONDS", (0.01,)),
        (connection, "OPENING_SECONDS", 0.05),
        (connection, "PATIENCE_SECONDS", 0.05),
        (following, "PASS_SECONDS", 1e6),  # only at the end, by the thread whose operations are counted
        (tasks, "PATIENCE_SECONDS", 0.02),
        (trainer, "SAVE_EVERY_SECONDS", 0.0),
        (reports.build, "_drawings", lambda *arguments: []),
        (reports.pdf, "compile_pdf", lambda tex: None),
    ]
    for module, name, value in changes:
        assert hasattr(module, name), f"{module.__name__}.{name} has another name by now"
        setattr(module, name, value)
    tqdm.monitor_interval = 0  # its thread could hold a lock while this process is forked
    tqdm.set_lock(threading.RLock())  # its own one is shared by forks: one that is killed would keep it for ever
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir=memory if os.access(memory, os.W_OK) else None))
    tracker.make_database(folder / "mlflow.db")
    warm, place = (
        Place(folder, "warm"),
        Place(folder, "case"),
    )  # MLflow keeps connections to a database by its path
    for name, path in place.declared.items():
        path.write_text(DECLARED[name])
    warm.clear()
    with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        for words in (("ablate", "small"), ("report", "--rebuild-index")):
            app(warm.command(*words), standalone_mode=False)
    gc.collect()
    gc.freeze()  # what is here already need not be looked through by every fork
    return place


def in_a_fork(act: Callable[[], None], output: Path) -> int | None:
    """The exit code of a forked process that acts; minus the signal that killed it; None where it was stuck."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _act_and_exit(act, output)
    until = time.monotonic() + STUCK_SECONDS
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.002)


def _act_and_exit(act: Callable[[], None], output: Path) -> None:
    import traceback

    status = 0
    try:
        terminal = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(terminal, 1)
        os.dup2(terminal, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
        faulthandler.dump_traceback_later(0.9 * STUCK_SECONDS, file=sys.stderr)  # where a stuck one is
        act()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
        status = 70
    finally:
        os._exit(status)
