"""Speed of the reports; ``nox -s speed`` prints it."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from typer.testing import CliRunner

from bench.cli import app
from bench.results.files import write_text
from bench.results.record import Record, Take
from bench.results.store import Store
from tests.reports import made_up

RUNS = 2_000
SECONDS = 30
ACTIONS = tuple(f"Action {number}" for number in range(15))
TAKES = tuple(Take(name=f"S{s}/{a} {n}", action=a, frames=900) for s in (9, 11) for a in ACTIONS for n in (0, 1))
GRID = tuple(itertools.product((1, 3, 5, 10, 20), (1, 3, 5, 10)))
"""H and K."""


def finished(method: str, source: str, width: int, steps: int, seed: int) -> Record:
    """A record as large as a real one: 60 takes, 15 actions, 17 joints."""
    sampled = method in made_up.PROBABILISTIC
    made = made_up.record(
        method, train=source, test=source, hypotheses=width if sampled else 1, steps=steps if sampled else 1,
        seed=seed, mean=made_up.BASE_ERROR[method] - 10 * (source == "gt") + 3 / width + 2 / steps + seed / 9,
        options={} if sampled else {"width": 1000 * width + steps}, actions=ACTIONS, median=4.0 * width * steps,
    )  # fmt: skip
    rng = np.random.default_rng([width, steps, seed])
    values = tuple(
        value.model_copy(
            update={
                "per_take": (tuple((value.action_mean + rng.normal(0, 5, len(TAKES))).round(4).tolist()),),
                "per_joint": tuple(rng.normal(value.action_mean, 5, 17).round(4).tolist()),
            }
            if value.step == made.conditions.steps
            else {"per_action": {}}
        )
        for value in made.values
    )
    data = made.data.model_copy(update={"takes": TAKES, "joints": tuple(f"joint {n}" for n in range(17))})
    return made.model_copy(update={"values": values, "data": data})


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A store of 2,000 finished runs, and the folder whose tables they fill."""
    if not request.config.getoption("benchmark_enable"):
        pytest.skip("makes 2,000 runs: with --benchmark-enable only; tests/reports builds small reports")
    folder = tmp_path_factory.mktemp("reports")
    sampled = [
        finished(method, source, *size, seed)
        for method in made_up.PROBABILISTIC
        for source in ("cpn", "gt")
        for size in GRID
        for seed in range(20)
    ]
    others = [
        finished(method, source, *size, seed)
        for method in ("tcn", "mixste")
        for source in ("cpn", "gt")
        for size in GRID[:10]
        for seed in range(10)
    ]
    records = [*sampled, *others]
    assert len({record.id for record in records}) == RUNS
    store = Store(folder / "store")
    for record in records:
        store.add(record)
    store.fold()
    full = [record for record in sampled if (record.conditions.hypotheses, record.conditions.steps) == (20, 10)]
    declared = made_up.runset(
        methods=("main", [*full, *others]), sampling=("sampling", sampled), pareto=("pareto", records)
    )
    write_text(folder / "out" / "runset.json", declared.model_dump_json())
    return folder


@pytest.mark.benchmark(group="all reports of 2,000 finished runs")
def test_report(benchmark: BenchmarkFixture, results: Path, outcome: Callable[..., None]) -> None:
    compiled = shutil.which("pdflatex") is not None

    def report() -> None:
        arguments = ["report", "--store", str(results / "store"), "--out", str(results / "out")]
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output

    before = os.times()
    benchmark.pedantic(report, rounds=1)
    busy = sum(os.times()[:4]) - sum(before[:4])
    assert (results / "out" / "summary.md").exists()
    assert (results / "out" / "report.pdf").exists() == compiled
    target = f"below {SECONDS} s" + " with report.pdf" * compiled
    form = f"{{:.1f}} s, {busy:.1f} s of CPU time"
    outcome("report", target, benchmark.stats.stats.min, SECONDS, form, at_most=True)
