"""Benchmarks against targets, and the table of them that ends a run.

A test hands what it found, and what it should be, to the fixture ``outcome``. Those that need a GPU carry
``@pytest.mark.gpu(what, target)``, so that their rows appear without one. Where tests run without
``--benchmark-enable``, every benchmark does its work once, at a small size.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import NamedTuple

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.stats import binom

from bench.measure.environment import device_name
from tests.speed.table import read_saved, rows_of, saved_path, text_table

NO_GPU, NOT_ASKED = "no GPU here", "run with --device cuda"
STARTED = time.monotonic()
UNDISTURBED = 0.93

Call = Callable[[], object]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("targets")
    group.addoption("--device", default="cpu", help="cpu, or cuda for the benchmarks of a GPU alone")
    group.addoption("--compare", action="store_true", help="show the change against the saved results")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "gpu(what, target): measured on a GPU")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the benchmarks of one device; rows of a GPU that is not there stay in the table, without a figure."""
    on_gpu = config.getoption("--device", "cpu") != "cpu"
    absent = NO_GPU if not torch.cuda.is_available() else NOT_ASKED
    for item in items:
        if item.get_closest_marker("gpu"):  # keywords have the names of folders too
            if not on_gpu or absent == NO_GPU:
                item.add_marker(pytest.mark.skip(reason=absent))
        elif on_gpu:
            item.add_marker(pytest.mark.skip(reason="measured on the CPU: run without --device"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what | target | measured | verdict, with ``--compare`` the saved figures too."""
    session = getattr(config, "_benchmarksession", None)
    if session is None or session.disabled:
        return
    rows = rows_of(entry.extra_info for entry in session.benchmarks)
    for report in terminalreporter.getreports("skipped"):
        reason = str(report.longrepr)
        measured = next((text for text in (NO_GPU, NOT_ASKED) if text in reason), "")
        rows += [
            {"what": what, "target": target, "measured": measured}
            for name, (what, target) in report.user_properties
            if name == "gpu"
        ]
    device = device_name(torch.device(config.getoption("--device") if torch.cuda.is_available() else "cpu"))
    path, compare = saved_path(device), config.getoption("--compare")
    saved = read_saved(path)["rows"] if compare and path.exists() else None
    terminalreporter.section("targets")
    terminalreporter.write_line(text_table(rows, saved))
    if compare and saved is None:
        terminalreporter.write_line(f"nothing to compare with: no results of {device} are kept in docs/results")
    terminalreporter.write_line(f"{time.monotonic() - STARTED:.0f} s on {os.cpu_count()} threads")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.skipped:
        report.user_properties += [("gpu", marker.args) for marker in item.iter_markers("gpu")]
    return report


@pytest.fixture(autouse=True, scope="package")
def every_core() -> Iterator[None]:
    """Benchmarks use every core, where the other tests keep to one."""
    before = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def full_size(benchmark: BenchmarkFixture) -> bool:
    """Whether this run is for figures, not only to see that everything works."""
    return not benchmark.disabled


@pytest.fixture
def outcome(benchmark: BenchmarkFixture) -> Callable[..., None]:
    """Record one row of the table: ``outcome(what, target, value, limit, form)``.

    ``value`` should reach ``limit``, or with ``at_most`` not pass it; ``form`` prints it ("{:.2f}×").
    """
    benchmark.extra_info["threads"] = torch.get_num_threads()
    rows = benchmark.extra_info.setdefault("outcomes", [])

    def record(what: str, target: str, value: float, limit: float, form: str, at_most: bool = False) -> None:
        measured = form.format(value) + (value.note(form) if isinstance(value, Ratio) else "")
        row = {"what": what, "target": target, "value": round(value, 4), "measured": measured}
        rows.append(row | {"passed": bool(value <= limit if at_most else value >= limit)})

    return record


class Ratio(float):
    """The median of reference / product over pairs that nothing disturbed.

    A pair is disturbed where the process got less than ``UNDISTURBED`` of the CPU time per second that it got in
    the best pair: something else computed meanwhile. ``low`` and ``high``: the 95 % interval of the median by
    order statistics, of fewer than six pairs their whole range.
    """

    low: float
    high: float
    disturbed: int
    pairs: int

    @classmethod
    def of(cls, references: list[Timed], products: list[Timed]) -> Ratio:
        best = [max(timed.share for timed in side) for side in (references, products)]
        pairs = list(zip(references, products, strict=True))
        quiet = [
            pair
            for pair in pairs
            if all(timed.share >= UNDISTURBED * most for timed, most in zip(pair, best, strict=True))
        ]
        ratios = sorted(slow.wall / fast.wall for slow, fast in quiet or pairs)
        outside = max(0, int(binom.ppf(0.025, len(ratios), 0.5)) - 1)
        ratio = cls(median(ratios))
        ratio.low, ratio.high = ratios[outside], ratios[-1 - outside]
        ratio.disturbed, ratio.pairs = len(pairs) - len(quiet), len(pairs)
        return ratio

    def note(self, form: str) -> str:
        """What stands behind the median in a table."""
        note = f" ({form.format(self.low)} to {form.format(self.high)})"
        if self.disturbed:
            left_out = "none left out" if self.disturbed == self.pairs else "left out"
            note += f", {self.disturbed} of {self.pairs} pairs disturbed, {left_out}"
        return note


class Timed(NamedTuple):
    """Seconds of one call: of the clock, and of all its threads on the CPU."""

    wall: float
    cpu: float

    @property
    def share(self) -> float:
        return self.cpu / self.wall


def timed(call: Call) -> Timed:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return Timed(time.perf_counter() - wall, time.process_time() - cpu)


@pytest.fixture
def interleaved(benchmark: BenchmarkFixture) -> Callable[..., float]:
    """Time a reference and the product in turns, A B A B, and give the ``Ratio`` of reference and product.

    What is called ``first`` in every turn is not timed.
    """

    def compare(product: Call, reference: Call, rounds: int, first: Call = lambda: None) -> float:
        theirs: list[Timed] = []
        ours: list[Timed] = []

        def before() -> None:
            first()
            theirs.append(timed(reference))

        benchmark.pedantic(lambda: ours.append(timed(product)), setup=before, rounds=rounds)
        if benchmark.disabled:
            return 1.0
        benchmark.extra_info |= {"reference_s": [t.wall for t in theirs], "product_s": [t.wall for t in ours]}
        return Ratio.of(theirs, ours)

    return compare
