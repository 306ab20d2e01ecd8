"""Everything the page shows, as plain lists and dictionaries of text and numbers.

Nothing here is HTML: the page sets text as text, so that no name can become markup.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.results.arrays import RunFiles
from bench.results.record import Record, Value
from bench.results.run_set import RunSet
from bench.results.tracking.addresses import without_password
from reports.figures.looks import looks_of
from reports.figures.style import ms_per_frame
from reports.page.all_results import CHOICES, results
from reports.page.answer import answers
from reports.page.viewer import poses
from reports.rules.comparability import TRIVIAL, aggregations, drawn_anew, groups_of, headline
from reports.rules.conditions import sentences
from reports.rules.metrics import in_order, title_with_unit
from reports.rules.names import aggregation_title, marked_name, method_name, sampling_size, seeds_of, untrained
from reports.rules.operating_points import headline_point, on_front
from reports.rules.warnings import lost_files, warnings
from reports.tables.runs.register import environments
from reports.writers.table import Cell, Table, notes

_STATED = ("text", "number", "low", "high", "spread", "rank", "tie", "ahead", "ahead_spread", "disturbed")
MLFLOW_SERVER = "http://127.0.0.1:5000"
"""Where `mlflow ui` listens by default."""


def content(
    runset: RunSet,
    records: Sequence[Record],
    tables: Mapping[str, Table],
    files: RunFiles | None = None,
    remarks: Sequence[str] = (),
    verdicts: Sequence[str] = (),
) -> dict[str, Any]:
    """What the page's scripts read.

    Args:
        records: the runs to show, as they were logged.
        tables: the tables of the report by file name, to be shown beneath the table of all results.
        files: where the example poses of the runs lie.
        remarks: on what could not be made, for the warnings.
        verdicts: on claims, in words.
    """
    ablations: dict[str, list[str]] = {}
    for name, spec in runset.tables.items():
        for identity in dict.fromkeys(spec.ids):
            ablations.setdefault(identity, []).append(name)
    main = {run for spec in runset.tables.values() if spec.layout == "main" for run in spec.ids}
    usual = [record for record in records if not drawn_anew(record)]
    shown_poses = poses(usual, files)
    server = without_password(os.environ.get("MLFLOW_TRACKING_URI", ""))
    return {
        "command": runset.command,
        "created": runset.created_at,
        "answers": answers([record for record in usual if record.id in main] or usual, verdicts),
        "verdicts": list(verdicts),
        "warnings": warnings(runset, records, [*remarks, *lost_files(records, files)]),
        "trainings": len({record.training_id for record in records}),
        "mlflow": server.rstrip("/") if server.startswith(("http://", "https://")) else MLFLOW_SERVER,
        "results": {**table_content(results(usual, ablations)), "choices": CHOICES},
        "tables": [{"name": name, **table_content(table)} for name, table in tables.items()],
        "plots": plots(usual),
        "poses": shown_poses,
        "looks": looks_of(records),
        "runs": {record.id: run_content(record, ablations.get(record.id, [])) for record in records},
    }


def table_content(table: Table) -> dict[str, Any]:
    """A table with the runs behind each number."""
    reasons = table.reasons()
    return {
        "title": table.title,
        "columns": [{"name": column.full_name, "align": column.align} for column in table.columns],
        "blocks": [
            {
                "section": block.section,
                "heading": block.heading,
                "rows": [
                    {"runs": row.runs, "cells": [_cell(cell, reasons) for cell in row.cells]} for row in block.rows
                ],
            }
            for block in table.blocks
        ],
        "notes": notes(table),
    }


def _cell(cell: Cell, reasons: Mapping[str, str]) -> str | dict[str, Any]:
    """The text of a cell that has nothing else; otherwise its fields that are not empty."""
    if cell.reason:
        return {"reason": reasons[cell.reason]}
    stated = {name: _finite(value) for name in _STATED if (value := getattr(cell, name)) not in ("", None, False)}
    if stated.keys() <= {"text"}:
        return cell.text
    return stated | {"runs": cell.runs} if cell.runs else stated


def plots(records: Sequence[Record]) -> list[dict[str, Any]]:
    """One plot per set of conditions that numbers may be compared under, the fullest first: error against time."""
    found = []
    for heading, place, group in groups_of(records):
        points = [point for record in group for point in _points(record)]
        if points:
            front = _front(group)
            for point in points:
                point["front"] = point["headline"] and point["run"] in front
            points.sort(key=lambda point: point["x"])
            title = "; ".join(filter(None, (place, heading or group[0].data.label)))
            found.append({"title": title, "points": points, "conditions": sentences(group)})
    return sorted(found, key=lambda plot: -len(plot["points"]))


def _points(record: Record) -> Iterator[dict[str, Any]]:
    """Its errors of the last step; none for untrained weights, and none that are not finite."""
    hypotheses, steps = sampling_size(record)
    for value in () if untrained(record) else record.values:
        milliseconds = record.cost.ms_per_frame(value.aggregation)
        drawn = math.isfinite(value.action_mean) and 0 < milliseconds < math.inf
        if drawn and (value.metric, value.step) == ("mpjpe", steps):
            yield {
                "run": record.id,
                "method": method_name(record),
                "name": marked_name(record),
                "aggregation": aggregation_title(value.aggregation, value.kind),
                "kind": value.kind,
                "headline": value.aggregation == headline(record),
                "trivial": record.method in TRIVIAL,
                "hypotheses": hypotheses,
                "steps": steps,
                "seeds": seeds_of(record),
                "size": record.preset,
                "x": milliseconds,
                "y": value.action_mean,
                "low": _finite(value.low),
                "high": _finite(value.high),
            }


def _front(records: Sequence[Record]) -> set[str]:
    """Ids of the runs of learned methods whose headline is on the front of error and time, as in the figure."""
    learned = [record for record in records if record.method not in TRIVIAL]
    points = [point for record in learned if (point := headline_point(record, ms_per_frame)) is not None]
    return {points[index].record.id for index in on_front(points)}


def run_content(record: Record, ablations: Sequence[str]) -> dict[str, Any]:
    """The record of a run: identities, conditions, every number of its last step, cost, training, environment."""
    training = record.training
    shown = aggregations(record)
    return {
        "name": marked_name(record),
        "mlflow": record.mlflow_run_id,
        "identities": [
            ("Run", record.id),
            ("Training", record.training_id),
            ("Commit", record.git_commit),
            ("Seeds (training/noise)", seeds_of(record)),
            ("Finished", record.finished_at),
            ("Ablations", ", ".join(ablations)),
        ],
        "conditions": [sentence.rstrip(".").partition(": ")[::2] for sentence in sentences([record])],
        "aggregations": [aggregation_title(*pair) for pair in shown],
        "values": _values(record, [aggregation for aggregation, _ in shown]),
        "cost": _cost(record),
        "training": [
            ("Epochs", f"{training.epochs:,} ({training.steps:,} steps)"),
            ("Weights from epoch", f"{training.selected_epoch:g}"),
            ("Time", f"{training.total_seconds:,.0f} s"),
        ],
        "environment": [line for _, lines in environments([record]) for line in lines],
        "description": json.dumps(record.experiment, indent=1, default=str),
    }


def _values(record: Record, shown: Sequence[str | None]) -> list[tuple[str, list[Any]]]:
    """(metric, [mean over actions, low, high, mean over frames] per aggregation) of every metric there is."""
    last = [value for value in record.values if value.step == record.conditions.steps]
    found = {(value.metric, value.aggregation): _numbers(value) for value in last}
    return [
        (title_with_unit(record.metric(metric)), [found.get((metric, name)) for name in shown])
        for metric in in_order(value.metric for value in last)
    ]


def _numbers(value: Value) -> list[float | None]:
    return [_rounded(number) for number in (value.action_mean, value.low, value.high, value.frame_mean)]


def _cost(record: Record) -> list[tuple[str, str]]:
    cost = record.cost
    return [
        ("Time per window", f"{cost.latency.median_ms:.4g} ms (median; 95 % below {cost.latency.p95_ms:.4g} ms)"),
        ("Input frames of a pose", "not kept" if record.input_frames is None else f"{record.input_frames}"),
        ("Output frames of a window", f"{cost.latency.frames}"),
        (
            "Throughput",
            f"{cost.latency.throughput_windows_per_s:.4g} windows/s at batch {cost.latency.throughput_batch}",
        ),
        ("Memory", f"{cost.peak_memory_mb:.4g} MB ({cost.memory_source})"),
        ("Parameters", f"{cost.parameters:,} trained, {cost.frozen_parameters:,} frozen"),
        ("Operations", f"{cost.flops_per_frame / 1e9:.4g} GFLOPs per output frame"),
        *((f"Time of {name}", f"{ms:.4g} ms per window") for name, ms in cost.aggregation_ms.items()),
    ]


def _finite(value: Any) -> Any:
    """None in place of NaN and infinity, which JSON cannot write."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _rounded(number: float) -> float | None:
    return round(number, 2) if math.isfinite(number) else None
