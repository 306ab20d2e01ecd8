"""The table of costs: parameters, operations, time, memory, energy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bench.results.cost import ENOUGH_SAMPLES, PASSES, Cost, Latency
from bench.results.grouping import grouped
from bench.results.record import Record
from reports.rules.comparability import DETECTIONS, SEEDS, TRIVIAL, same_but, sections
from reports.rules.conditions import paragraphs
from reports.rules.entries import Entry, MissingRun
from reports.rules.names import method_name, row_names, size_in_words
from reports.tables.cells import (
    ABOUT_FRAMES,
    NOT_MEASURED,
    RESIDENT,
    SHAPE,
    Draft,
    block,
    shape,
    significant,
    timed,
)
from reports.tables.layout import Layout
from reports.writers.table import Cell, Column, Table

RANKED = ("GFLOPs frame", "Time (ms) frame", "Memory (MB) peak")

Quantity = Callable[[Cost], float | None]

QUANTITIES: dict[Column, Quantity] = {
    Column("own", "Parameters (M)"): lambda cost: cost.parameters / 1e6,
    Column("frozen", "Parameters (M)"): lambda cost: cost.frozen_parameters / 1e6,
    Column("window", "GFLOPs"): lambda cost: cost.flops_per_window / 1e9,
    Column("frame", "GFLOPs"): lambda cost: cost.flops_per_frame / 1e9,
    Column("window", "Time (ms)"): lambda cost: cost.latency.median_ms,
    Column("p95", "Time (ms)"): lambda cost: _p95(cost.latency),
    Column("frame", "Time (ms)"): lambda cost: cost.latency.ms_per_frame,
    Column("samples", "Time (ms)"): lambda cost: len(cost.latency.samples_ms),
    Column("% peak"): lambda cost: cost.percent_of_peak,
    Column("Windows/s"): lambda cost: cost.latency.throughput_windows_per_s,
    Column("at batch"): lambda cost: cost.latency.throughput_batch,
    Column("peak", "Memory (MB)"): lambda cost: cost.memory_mb,
    Column("added", "Memory (MB)"): lambda cost: cost.memory_mb and cost.added_memory_mb,
}
TRAINING = (Column("TFLOP", "Training"), Column("s", "Training"))
GPU_QUANTITIES: dict[Column, Quantity] = {
    Column("weights", "Memory (MB)"): lambda cost: cost.weights_mb,
    Column("reserved", "Memory (MB)"): lambda cost: cost.reserved_memory_mb,
    Column("NVML", "Memory (MB)"): lambda cost: cost.nvml_memory_mb,
    Column("Host ms"): lambda cost: cost.latency.host_ms,
    Column("J/window"): lambda cost: cost.energy_j,
}
"""Columns of tables with a GPU in them."""

TIMED = (
    "Time (ms) window", "Time (ms) p95", "Time (ms) frame", "% peak", "Windows/s", "Host ms", "J/window",
)  # fmt: skip
"""Columns of times, which are marked where they were disturbed."""


def cost(entries: Sequence[Entry], title: str) -> Table:
    """What a prediction costs; never across devices. Trivial predictors are shown, but not ranked."""
    costs = [entry.cost for entry in entries if entry.cost is not None]
    on_gpu = any(cost.device_state or cost.reserved_memory_mb for cost in costs)
    quantities = QUANTITIES | (GPU_QUANTITIES if on_gpu else {})
    columns = (Column("Method", align="l"), *SHAPE, *quantities, *TRAINING)
    ranked = [index for index, column in enumerate(columns) if column.full_name in RANKED]
    blocks = []
    for heading, members in sections(entries, by_device=True):
        alike = grouped(members, lambda entry: same_but(entry, *DETECTIONS, *SEEDS))
        first = [next((run for run in group if run.cost is not None), group[0]) for group in alike.values()]
        rows = [
            Draft([Cell(name), *shape(r), *_cells(r, quantities), *_training(r)], r.runs, _ranked_with(r))
            for name, r in zip(row_names(first), first, strict=True)
        ]
        blocks.append(block(rows, "", heading, ranked))
    conditions = paragraphs(entries, "headline", by_device=True)
    return Table(title, columns, tuple(blocks), conditions, _notes(entries, costs))


def _ranked_with(entry: Entry) -> str | None:
    """Costs are ranked where memory was counted alike."""
    return entry.cost.memory_source if entry.cost and entry.method not in TRIVIAL else None


def _training(entry: Entry) -> list[Cell]:
    """Compute and duration of the training, with those that it began from."""
    if isinstance(entry, MissingRun):
        return [Cell(reason=entry.reason)] * len(TRAINING)
    training = entry.training
    if not training.steps:
        return [Cell(reason="not trained here")] * len(TRAINING)
    compute = training.total_tflop
    not_counted = Cell(reason="not counted: its recipe gives epochs, not compute")
    return [not_counted if compute is None else significant(compute), significant(training.total_seconds)]


def _cells(entry: Entry, quantities: dict[Column, Quantity]) -> list[Cell]:
    cost = entry.cost
    if cost is None:
        return [Cell(reason=NOT_MEASURED)] * len(quantities)
    cells = []
    for column, quantity in quantities.items():
        number = quantity(cost)
        cell = Cell(reason=_why_not(cost, column)) if number is None else significant(number)
        if isinstance(number, int):
            cell = Cell(f"{number:,}", number)
        if column.full_name == "Time (ms) window":
            cell = _with_interval(cell, cost.latency)
        cells.append(timed(entry, cell) if column.full_name in TIMED else cell)
    return cells


def _p95(latency: Latency) -> float | None:
    return latency.p95_ms if len(latency.samples_ms) >= ENOUGH_SAMPLES else None


def _with_interval(cell: Cell, latency: Latency) -> Cell:
    """The median with its 95 % interval, which is printed too where few samples are behind it."""
    if latency.interval is None:
        return cell
    low, high = latency.interval
    spread = significant(max(latency.median_ms - low, high - latency.median_ms), 2).text
    few = len(latency.samples_ms) < ENOUGH_SAMPLES
    return replace(cell, low=low, high=high, spread=spread if few else "")


def _why_not(cost: Cost, column: Column) -> str:
    if column.header == "p95":
        return f"a 95th percentile takes at least {ENOUGH_SAMPLES} samples"
    if column.full_name in ("Memory (MB) peak", "Memory (MB) added") and cost.memory_mb is None:
        return RESIDENT
    if column.header == "J/window" and cost.energy_source:
        return f"not measured: {cost.energy_source}"
    return "measured by an older version" if cost.setup is None else "not known on this device"


def _notes(entries: Sequence[Entry], costs: Sequence[Cost]) -> tuple[str, ...]:
    counted = "; ".join(dict.fromkeys(cost.memory_source for cost in costs))
    notes = [
        f"{ABOUT_FRAMES} GFLOPs: 2 × multiply-accumulates, with every hypothesis, step and flip.",
        "Time: median and p95 of a window at batch 1, median by output frame; windows/s at the batch that is best "
        f"for it. Samples are of {PASSES} passes with other work between them; ±: of the median, where there are "
        f"fewer than {ENOUGH_SAMPLES}. Memory counts: {counted}; added: of the peak, what was not there before "
        "the prediction.",
        "Training: operations of all steps, forward and backward, and seconds, both with the trainings that it "
        "began from.",
        *_peaks(costs),
        *_stated("Arithmetic", [_arithmetic(cost) for cost in costs]),
        *_stages(entries),
        *_devices(costs),
        "Runs that differ in detections or seeds only share a row: the first of them.",
        "Trivial predictors are not ranked.",
    ]
    return tuple(notes)


def _peaks(costs: Sequence[Cost]) -> list[str]:
    peaks = sorted({cost.peak_gflops for cost in costs if cost.peak_gflops is not None})
    if not peaks:
        return []
    low, high = (significant(peak).text for peak in (peaks[0], peaks[-1]))
    shown = low if low == high else f"{low} to {high}"
    return [f"% peak: of the device's measured {shown} GFLOP/s in plain matrix products, at batch 1."]


def _arithmetic(cost: Cost) -> str:
    setup = cost.setup
    if setup is None:
        return ""
    compiled = ", compiled" if setup.compiled else ""
    return f"{setup.precision}, TF32 allowed for {setup.tf32}{compiled}, {setup.threads} threads"


def _stages(entries: Sequence[Entry]) -> list[str]:
    """Where the time of methods with stages goes, in percent, for the first record of each."""
    records = [entry for entry in entries if isinstance(entry, Record)]
    first = {
        method_name(record): record for record in reversed(records) if any(record.cost.latency.stages_ms.values())
    }
    shares = []
    for name, record in reversed(first.items()):
        stages = record.cost.latency.stages_ms
        whole = sum(stages.values())
        parts = ", ".join(f"{stage} {100 * spent / whole:.1f}" for stage, spent in stages.items())
        shares.append(f"{name} ({size_in_words(record)}) {parts}")
    return _stated("Where the time goes (percent)", shares)


def _devices(costs: Sequence[Cost]) -> list[str]:
    """Clocks, power and temperature, from the lowest to the highest of all records that have them."""
    states = [cost.device_state for cost in costs if cost.device_state is not None]
    stated = []
    for name, unit in (("clock_mhz", "MHz"), ("power_w", "W"), ("temperature_c", "°C")):
        known = [value for state in states if (value := getattr(state, name)) is not None]
        stated += [f"{min(known):.0f} to {max(known):.0f} {unit}"] if known else []
    return _stated("The GPU while it was timed", [", ".join(stated)])


def _stated(what: str, texts: Sequence[str]) -> list[str]:
    known = "; ".join(text for text in dict.fromkeys(texts) if text)
    return [f"{what}: {known}."] if known else []


COSTS = Layout("cost", cost, "computational cost")
