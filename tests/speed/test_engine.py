"""What the engine takes beside the work that it hands out; ``nox -s speed``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from ablations.declared import read, read_all
from bench.config.experiment import Experiment, parse
from bench.config.registry import LAYOUTS
from bench.job import pipeline, weights
from bench.job.blueprint import Blueprints
from bench.job.data_cache import DataCache
from bench.job.pending import PendingWork
from bench.job.resolve import resolve
from bench.results.statistics.seeds import pool
from bench.results.store import Store
from bench.sweep import run as sweep
from bench.sweep.device_speed import TYPICAL
from bench.sweep.dry_run import dry_run_lines
from bench.sweep.estimates import Estimates
from bench.sweep.executors.processes import Processes
from bench.sweep.tasks import run_tasks
from reports.build import build
from reports.writers.latex import to_latex
from tests.bench import conftest as toys
from tests.reports.made_up import methods_records, prompt_records, record, runset, sampling_records

empty_database, quick_start, toy_suite = toys.empty_database, toys.quick_start, toys.toy_suite

MANY, SOME, FEW, TWO = 5000, 40, 8, 2
"""Experiments where figures are wanted, where they come from a full run, and where only the code is tried."""
ROUNDS = 5
DEFAULT_MINUTES = 20
"""What a default run on two cores may take; a shorter one has fewer experiments or cheaper ones."""

Outcome = Callable[..., None]


def experiments(number: int) -> list[Experiment]:
    """Different experiments, ``number`` of them, eight for each training."""
    described = {"method": {"name": "toy"}, "training": {"epochs": 1}}
    return [
        parse(
            described
            | {"training": {"epochs": 1, "seed": n // 8}, "evaluation": {"windows": 4, "hypotheses": 1 + n % 8}}
        )
        for n in range(number)
    ]


class Elsewhere:
    """Seconds spent in the work itself."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            start = time.perf_counter()
            try:
                return real(*arguments, **more)
            finally:
                self.seconds += time.perf_counter() - start

        return call


def overhead(number: int, store: Store, monkeypatch: pytest.MonkeyPatch) -> float:
    """Seconds of some experiments, from description to record, without training, predicting, measuring costs."""
    elsewhere = Elsewhere()
    for module, name in (
        (weights, "train"),
        (pipeline, "evaluate"),
        (pipeline, "predict_examples"),
        (pipeline, "measure_cost"),
        (pipeline, "sample_again"),
        (pipeline, "environment"),  # looks for a while whether others compute: part of measuring a cost
    ):
        monkeypatch.setattr(module, name, elsewhere.timed(getattr(module, name)))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)  # with it, MLflow watches every session
    start = time.perf_counter()
    cache = DataCache()
    outcome = sweep.run([resolve(experiment, cache) for experiment in experiments(number)], store, "cpu")
    assert len(outcome.records) == number
    return time.perf_counter() - start - elsewhere.seconds


def of_each(benchmark: BenchmarkFixture, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[float, float]:
    """Overhead of an experiment more, and of starting: a new store, MLflow's tables, one experiment."""
    number = SOME if benchmark.enabled else TWO
    os.sync()  # what other benchmarks have written shall not wait in front of what is measured here
    one, many = (overhead(n, Store(folder / str(n)), monkeypatch) for n in (1, 1 + number))
    return (many - one) / number, one


@pytest.mark.benchmark(group="engine")
def test_overhead_of_an_experiment(
    benchmark: BenchmarkFixture,
    toy_suite: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    outcome: Outcome,
) -> None:
    found: list[float] = []

    def once() -> None:
        found.append(of_each(benchmark, tmp_path / str(len(found)), monkeypatch)[0])

    benchmark.pedantic(once, rounds=ROUNDS if benchmark.enabled else 1)
    taken = 1000 * median(found)
    outcome("overhead of an experiment", "< 50 ms per experiment", taken, 50, "{:.0f} ms", at_most=True)


@pytest.mark.benchmark(group="engine")
def test_overhead_of_a_default_run(
    benchmark: BenchmarkFixture,
    toy_suite: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    outcome: Outcome,
) -> None:
    """Starting, overhead of an experiment times their number, and reports, of what a default run may take."""
    number = sum(len(ablation.expand()) for ablation in read_all())

    def both() -> float:
        alone, starting = of_each(benchmark, tmp_path / "stores", monkeypatch)
        start = time.perf_counter()
        tables = {
            "methods": ("main", methods_records()),
            "sampling": ("sampling", sampling_records()),
            "prompts": ("prompts", prompt_records()),
        }
        known = {found.id: found for _, of_table in tables.values() for found in of_table}
        build(runset(**tables), known, tmp_path / "out")
        return starting + alone * number + time.perf_counter() - start

    share = benchmark.pedantic(both, rounds=1) / (60 * DEFAULT_MINUTES)
    target = f"< 2 % of {DEFAULT_MINUTES} min ({number} experiments)"
    outcome("overhead of a default run", target, 100 * share, 2, "{:.2f} %", at_most=True)


@pytest.mark.benchmark(group="engine")
def test_planning(benchmark: BenchmarkFixture, toy_suite: None, tmp_path: Path, outcome: Outcome) -> None:
    """From descriptions to the printed plan, where half is trained already."""
    number = MANY if benchmark.enabled else FEW
    described, store = experiments(number), Store(tmp_path)
    for job in map(resolve, described[: number // 2 : 8]):
        folder = store.training(job.training_id)
        folder.mkdir(parents=True)
        (folder / "training.json").touch()

    def plan() -> list[str]:
        cache = DataCache()
        pending = PendingWork([resolve(one, cache) for one in described], store, "cpu", "here")
        estimates = Estimates(pending, store, Blueprints(torch.device("cpu")), TYPICAL)
        return list(dry_run_lines([pending], estimates, 2))

    lines = benchmark.pedantic(plan, rounds=1)
    assert lines[0].startswith(f"{number} experiments share {number // 8} trainings")
    outcome("planning", f"< 5 s for {MANY} experiments", _seconds(benchmark), 5, "{:.1f} s", at_most=True)


@pytest.mark.benchmark(group="engine")
def test_reading_into_a_table(
    benchmark: BenchmarkFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: Outcome
) -> None:
    """Finished runs from the index to a table as LaTeX, seeds pooled; figures are no part of it."""
    number = MANY if benchmark.enabled else FEW
    store = Store(tmp_path / "store")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        for seed in range(number):
            store.add(record("tcn", variant=f"variant={seed % 50}", seed=seed // 50))
        store.fold()

    def read_all() -> int:
        records = list(Store(tmp_path / "store").records().values())
        to_latex(LAYOUTS.load("runs").table(pool(records), "Runs"), "runs")
        return len(records)

    assert benchmark.pedantic(read_all, rounds=1) == number
    outcome("reading into a table", f"< 5 s for {MANY} runs", _seconds(benchmark), 5, "{:.1f} s", at_most=True)


@pytest.mark.benchmark(group="engine")
def test_two_workers(benchmark: BenchmarkFixture, tmp_path: Path, outcome: Outcome) -> None:
    """The evaluations of ``sampling`` with one worker and with two that are there already: the same numbers."""
    if not benchmark.enabled:
        pytest.skip("their speed is for `nox -s speed`; that two workers change no number: sweep/executors")
    changes = [("training.epochs", 0), ("evaluation.windows", 64)]
    cache = DataCache()
    jobs = [resolve(experiment, cache) for experiment in read("sampling").expand(changes)]

    def evaluate(workers: int) -> tuple[float, dict[str, Any]]:
        store = Store(tmp_path / f"with {workers}")
        tasks = PendingWork(jobs, store, "cpu", "here").tasks()
        with Processes(store.root, workers) as executor:
            run_tasks([task for task in tasks if task.kind == "train"], executor, store, workers)
            start = time.perf_counter()
            run_tasks(PendingWork(jobs, store, "cpu", "here").tasks(), executor, store, workers)
            taken = time.perf_counter() - start
        found = {job.id: store.evaluations.get(job.id) for job in jobs}
        return taken, {name: (result.values, result.conditions) for name, result in found.items() if result}

    one, expected = evaluate(1)
    two, values = benchmark.pedantic(evaluate, (2,), rounds=1)
    assert values == expected
    assert len(values) == len(jobs)
    outcome("two workers", "≥ 1.6× one", one / two, 1.6, "{:.2f}×")


def _seconds(benchmark: BenchmarkFixture) -> float:
    return benchmark.stats.stats.max if benchmark.enabled else 0.0
