"""Where the time of a default run goes, by part.

``python -m tests.speed.default_run`` runs the first round of ``nox -s ablate`` in this process, without workers,
into a folder that it deletes, prints CPU seconds of each part, which other programs disturb little, and keeps them
for docs/performance.md. Arguments are those of ``bench ablate``: names of ablations and options make it shorter.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import process_time, thread_time
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.cli import app

PARTS = {
    "planning": ("bench.cli.sweeps.rounds:Plan.planned", "bench.sweep.run:PendingWork"),
    "training": ("bench.job.weights:train",),
    "validation": ("bench.training.selection:CheckpointSelector.update",),
    "evaluation": ("bench.job.pipeline:evaluate", "bench.job.pipeline:predict_examples"),
    "cost": ("bench.job.pipeline:measure",),
    "MLflow": ("bench.results.tracking.tracker:Tracker.__init__", "bench.results.tracking.tracker:Tracker.log"),
    "last report": ("bench.cli.sweeps.sweep:_report",),
}
"""Part → the functions whose time it is, less that of parts that are called from there."""

IMPORTS, THREADS, INTERIM, OTHER = "imports", "other threads", "other processes", "other"
WORDS = {
    "planning": "planning, with the reading of data",
    "cost": "measurement of costs",
    "MLflow": "logging of finished runs to MLflow",
    THREADS: "other threads: curves to MLflow while models train, figures of the system",
    INTERIM: "other processes: reports while the run goes on, LaTeX",
}


class Parts:
    """CPU seconds of this thread by part; each second belongs to the part that was entered last.

    Attributes:
        seconds: by part.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._entered, self._since = [OTHER], thread_time()

    def _count(self) -> None:
        now = thread_time()
        self.seconds[self._entered[-1]] += now - self._since
        self._since = now

    @contextmanager
    def inside(self, part: str) -> Iterator[None]:
        self._count()
        self._entered.append(part)
        try:
            yield
        finally:
            self._count()
            self._entered.pop()

    def counted(self, part: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if self._entered[-1] == part:
                return real(*arguments, **options)
            with self.inside(part):
                return real(*arguments, **options)

        return call


def measured(call: Callable[[], object], parts: Mapping[str, tuple[str, ...]] = PARTS) -> dict[str, float]:
    """CPU seconds of a call by part, with those of its imports, other threads and other processes."""
    before, threads = os.times(), process_time() - thread_time()
    found = Parts()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builtins, "__import__", found.counted(IMPORTS, builtins.__import__))
        for part, places in parts.items():
            for place in places:
                module, _, path = place.partition(":")
                *owners, name = path.split(".")
                with found.inside(IMPORTS):
                    owner = functools.reduce(getattr, owners, importlib.import_module(module))
                patch.setattr(owner, name, found.counted(part, getattr(owner, name)))
        call()
    with found.inside(OTHER):  # what was not counted yet
        pass
    after = os.times()
    found.seconds[THREADS] = process_time() - thread_time() - threads
    found.seconds[INTERIM] = sum(after[2:4]) - sum(before[2:4])
    return dict(found.seconds)


def table(seconds: Mapping[str, float]) -> str:
    """Markdown: parts, the longest first, with their share."""
    whole = sum(seconds.values())
    lines = ["| part | CPU seconds | % |", "|---|---|---|"]
    for part, its in sorted(seconds.items(), key=lambda item: -item[1]):
        lines.append(f"| {WORDS.get(part, part)} | {float(f'{its:.3g}'):,g} | {100 * its / whole:.1f} |")
    return "\n".join([*lines, f"| all | {whole:,.0f} | 100 |"])


def main(arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        places = ["--store", str(Path(folder) / "store"), "--out", str(Path(folder) / "out")]

        def run() -> None:
            command = ["ablate", *arguments, "--rounds", "1", "--workers", "1", *places]
            done = CliRunner().invoke(app, command, catch_exceptions=False)
            if done.exit_code:
                sys.exit(done.output)

        made = table(measured(run))
    print(made)
    if not arguments:
        from tests.speed.page import keep_tables  # loads torch, which the run shall do

        keep_tables("default run", made)


if __name__ == "__main__":
    main(sys.argv[1:])
