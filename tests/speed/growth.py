"""How time and memory grow with the number of experiments, and with frames, H, K and batch.

``python -m tests.speed.growth experiments`` and ``… sizes`` measure, print tables in Markdown, and keep them for
docs/performance.md: seconds of CPU time (milliseconds for sizes), which other programs disturb little, and
megabytes.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import NamedTuple

import numpy as np
import pytest
import torch

from bench.config.registry import METHODS
from bench.job.blueprint import Blueprints
from bench.job.data_cache import DataCache
from bench.job.pending import PendingWork
from bench.job.resolve import resolve
from bench.measure.counts import live_bytes, made_up_batch
from bench.results.store import Store
from bench.results.tracking.tracker import Tracker
from bench.sweep.device_speed import TYPICAL
from bench.sweep.dry_run import dry_run_lines
from bench.sweep.estimates import Estimates
from models.lifter import Lifter, Sampling
from reports.build import build
from tests.bench import toy
from tests.reports.made_up import record, runset
from tests.speed import page
from tests.speed.test_engine import experiments

NUMBERS = (10, 100, 1_000, 10_000)
MOST_LOGGED = 100
"""Experiments that are logged to MLflow, which takes longest."""

SAMPLED_SECONDS = 0.4
MEGABYTE = 1e6
CPU = torch.device("cpu")


class Row(NamedTuple):
    """``seconds`` and ``megabytes`` at each of the ``sizes`` of something."""

    what: str
    sizes: Sequence[int]
    seconds: Sequence[float]
    megabytes: Sequence[float]


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """p of value ∝ size^p, by least squares of logarithms over the upper half of the sizes.

    At small sizes what is done once would hide the growth.
    """
    upper = slice(-max(2, len(sizes) // 2), None)
    return float(np.polyfit(np.log(sizes[upper]), np.log(values[upper]), 1)[0])


def table(rows: Sequence[Row], unit: float = 1.0) -> Iterator[str]:
    """Lines of a table of rows with the same sizes; times are divided by ``unit``."""
    sizes = max((row.sizes for row in rows), key=len)
    yield f"| | {' | '.join(f'{size:,}' for size in sizes)} | exponent of time | of memory |"
    yield "|---" * (len(sizes) + 3) + "|"
    for row in rows:
        cells = [f"{s / unit:.3g} / {m:.3g}" for s, m in zip(row.seconds, row.megabytes, strict=True)]
        cells += ["–"] * (len(sizes) - len(cells))
        memory = f"{exponent(row.sizes, row.megabytes):.2f}" if min(row.megabytes) > 0 else "–"
        yield f"| {row.what} | {' | '.join(cells)} | {exponent(row.sizes, row.seconds):.2f} | {memory} |"


def of_experiments(numbers: Sequence[int], most_logged: int = MOST_LOGGED) -> list[Row]:
    """Planning, storing, logging, reading and reporting so many cheap experiments, without computing any."""
    steps: dict[str, list[tuple[float, float]]] = {}
    for number in (numbers[0], *numbers):  # once more for what is imported and made once
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setitem(METHODS.own, "toy", "tests.bench.toy:Toy")
            patch.setattr("bench.data.load", toy.dataset)
            patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
            for what, call in _steps(number, Path(folder), number <= most_logged):
                print(f"{what}: {number}", file=sys.stderr)
                steps.setdefault(what, []).append(_watched(call))
    return [Row(what, numbers[: len(found) - 1], *zip(*found[1:], strict=True)) for what, found in steps.items()]


def _steps(number: int, folder: Path, logged: bool) -> Iterator[tuple[str, Callable[[], object]]]:
    store, made = Store(folder), [record("tcn", variant=f"variant={n % 50}", seed=n // 50) for n in range(number)]
    described = experiments(number)

    def plan() -> list[str]:
        cache = DataCache()
        pending = PendingWork([resolve(one, cache) for one in described], store, "cpu", "here")
        return list(dry_run_lines([pending], Estimates(pending, store, Blueprints(CPU), TYPICAL), 2))

    def keep() -> None:
        for one in made:
            store.add(one)
        store.fold()

    def report() -> object:
        with open(os.devnull, "w") as quiet, pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stderr", quiet)
            return build(runset(runs=("runs", made)), {one.id: one for one in made}, folder / "out", drawn=False)

    store.make()
    yield "planning", plan
    yield "storing", keep
    yield "reading", lambda: Store(folder).records()
    yield "reporting, without figures", report
    if logged:
        tracker = Tracker(store.root)
        yield "logging to MLflow", lambda: [tracker.log(one, []) for one in made]


def _watched(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds of a call, and megabytes of resident memory that its peak is above what there was before."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins again
    before, start = _status("VmRSS"), process_time()
    kept = call()
    taken = process_time() - start, max(_status("VmHWM") - before, 0.1)
    del kept
    return taken


def _median(call: Callable[[], object]) -> float:
    """Seconds of a call, after a first one."""
    call()
    taken: list[float] = []
    while sum(taken) < SAMPLED_SECONDS:
        start = process_time()
        call()
        taken.append(process_time() - start)
    return statistics.median(taken)


def _status(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / MEGABYTE for line in lines if line.startswith(field))


def of_sizes(method: str, preset: str) -> list[list[Row]]:
    """A prediction with more frames, hypotheses, steps and windows, and a training step of more windows."""
    cls = METHODS.load(method)
    config = cls.resolve_config(cls.presets[preset].config)
    usual = cls(config).eval()

    def prediction(lifter: Lifter, windows: int = 1, hypotheses: int = 1, steps: int = 1) -> Callable[[], object]:
        batch = made_up_batch(lifter, windows, lifter.frames, False, CPU)
        sampling = Sampling(hypotheses, steps, flip=False)
        return torch.inference_mode()(lambda: lifter.predict(batch, sampling))

    def step(windows: int) -> Callable[[], object]:
        lifter = cls(config).train()
        batch = made_up_batch(lifter, windows, lifter.train_frames, True, CPU)
        return lambda: lifter.training_loss(batch).backward()

    def row(what: str, sizes: Sequence[int], call_of: Callable[[int], Callable[[], object]]) -> Row:
        calls = [call_of(size) for size in sizes]
        return Row(what, sizes, list(map(_median, calls)), [live_bytes(call).peak / MEGABYTE for call in calls])

    return [
        [row("frames", (9, 27, 81, 243), lambda n: prediction(cls(replace(config, frames=n)).eval()))],
        [
            row("H", (1, 4, 16, 64), lambda n: prediction(usual, hypotheses=n)),
            row("K", (1, 4, 16, 64), lambda n: prediction(usual, steps=n)),
            row("batch", (1, 4, 16, 64), lambda n: prediction(usual, windows=n)),
            row("batch of a training step", (1, 4, 16, 64), step),
        ],
    ]


def main() -> None:
    """Measure what is asked for, print it, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["experiments", "sizes"])
    what = parser.parse_args().what
    if what == "experiments":
        tables = "\n".join(table(of_experiments(NUMBERS)))
    else:
        tables = "\n\n".join("\n".join(table(rows, unit=1e-3)) for rows in of_sizes("d3dp", "tiny"))
    print(tables)
    page.keep_tables(what, tables)


if __name__ == "__main__":
    main()
