"""The layout of costs: parameters, operations, time, memory."""

from __future__ import annotations

from collections.abc import Sequence

from bench.records import Record
from reports.cells import rank_columns, shape, significant, with_runs
from reports.comparison import DETECTIONS, SEEDS, TRIVIAL, grouped, row_names, same_but, sections
from reports.conditions import paragraphs
from reports.tables import Block, Cell, Column, Table

RANKED = ("GFLOPs frame", "ms/frame median", "Memory (MB)")


def cost(records: Sequence[Record], title: str) -> Table:
    """What a prediction costs; never across devices. Trivial predictors are shown, but not ranked."""
    with_nvml = any(record.cost.nvml_memory_mb is not None for record in records)
    columns = _columns(with_nvml)
    blocks = []
    for heading, members in sections(records):
        alike = grouped(members, lambda record: same_but(record, *DETECTIONS, *SEEDS))
        first = [group[0] for group in alike.values()]
        rows = [
            [Cell(name), *_costs(record, with_nvml)] for name, record in zip(row_names(first), first, strict=True)
        ]
        groups = [None if record.method in TRIVIAL else record.cost.memory_source for record in first]
        rows = rank_columns(rows, groups, [i for i, column in enumerate(columns) if column.full_name in RANKED])
        blocks.append(Block(with_runs(rows, [record.runs for record in first]), "", heading))
    return Table(title, columns, tuple(blocks), paragraphs(records, "headline"), _notes(records))


def _columns(with_nvml: bool) -> tuple[Column, ...]:
    return (
        Column("Method", align="l"),
        *(Column(header) for header in ("F", "H", "K")),
        *(Column(header, "Params (M)") for header in ("trained", "frozen")),
        *(Column(header, "GFLOPs") for header in ("window", "frame")),
        *(Column(header, "ms/window") for header in ("median", "p95")),
        *(Column(header, "ms/frame") for header in ("median", "p95")),
        Column("Windows/s"),
        Column("Memory (MB)"),
        *[Column("NVML (MB)")] * with_nvml,
    )


def _costs(record: Record, with_nvml: bool) -> list[Cell]:
    price, latency = record.cost, record.cost.latency
    numbers = [
        price.parameters / 1e6,
        price.frozen_parameters / 1e6,
        price.flops_per_window / 1e9,
        price.flops_per_frame / 1e9,
        latency.median_ms,
        latency.p95_ms,
        latency.ms_per_frame,
        latency.p95_ms / latency.frames,
        latency.throughput_windows_per_s,
        price.peak_memory_mb,
    ]
    cells = [*shape(record), *map(significant, numbers)]
    if with_nvml:
        nvml = price.nvml_memory_mb
        cells.append(Cell(reason="not measured on this device") if nvml is None else significant(nvml))
    return cells


def _notes(records: Sequence[Record]) -> tuple[str, ...]:
    batches = sorted({record.cost.latency.throughput_batch for record in records})
    counted = "; ".join(dict.fromkeys(record.cost.memory_source for record in records))
    return (
        "F: output frames of a window. GFLOPs: 2 × multiply-accumulates, with every hypothesis, step and flip.",
        f"Time at batch 1; windows/s at batch {', '.join(map(str, batches))}. Memory counts: {counted}.",
        "Runs that differ in detections or seeds only share a row: the first of them.",
        "Trivial predictors are not ranked.",
    )
