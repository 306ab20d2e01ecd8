"""Everything the page shows. Tables are HTML, escaped by its writer; all else is plain text and numbers."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from bench.results.arrays import RunFiles
from bench.results.record import Record, Value
from bench.results.run_set import RunSet
from bench.results.tracking.addresses import without_password
from reports.page.all_results import CHOICES, results
from reports.page.answer import answers
from reports.page.plots import plots
from reports.page.tables import table_view
from reports.page.viewer import poses
from reports.rules.comparability import aggregations, drawn_anew
from reports.rules.conditions import sentences
from reports.rules.metrics import defined, in_order, title_with_unit
from reports.rules.names import aggregation_title, detections_of, marked_name, seeds_of, size_in_words
from reports.rules.warnings import lost_files, warnings
from reports.tables.runs.register import environments
from reports.writers.table import LEGEND, Table

VALUES = "Values: mean over actions [95 % interval]; mean over frames († oracle, ‡ assisted)"
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
    usual.sort(key=lambda record: record.id not in main)
    logged = {record.id: record.mlflow_run_id or "not logged" for record in records}
    said = answers([record for record in usual if record.id in main] or usual, verdicts)
    terms = _terms(usual, [text for answer in said for text in (answer["title"], *chain(*answer["lines"]))])
    labels = [_label(record) for record in records]
    count = Counter(labels)
    server = without_password(os.environ.get("MLFLOW_TRACKING_URI", ""))
    return {
        "command": runset.command,
        "created": runset.created_at,
        "answers": said,
        "verdicts": list(verdicts),
        "terms": terms,
        "terms_of_claims": [term for term in _terms(usual, verdicts) if term not in terms],
        "warnings": warnings(runset, records, [*remarks, *lost_files(records, files)]),
        "trainings": len({record.training_id for record in records}),
        "mlflow": server.rstrip("/") if server.startswith(("http://", "https://")) else MLFLOW_SERVER,
        "results": table_view(results(usual, ablations), logged, CHOICES),
        "tables": [
            {"name": name, "title": table.title, "html": table_view(table, logged)}
            for name, table in tables.items()
        ],
        "plots": plots(usual),
        "poses": poses(usual, files),
        "runs": {
            record.id: run_content(record, ablations.get(record.id, []))
            | {"label": label + f", run {record.id}" * (count[label] > 1)}
            for record, label in zip(records, labels, strict=True)
        },
    }


def _terms(records: Sequence[Record], texts: Sequence[str]) -> list[str]:
    """What the marks and terms in some texts mean."""
    marks = [meaning for mark, meaning in LEGEND.items() if any(mark in text for text in texts)]
    terms = [sentence.removesuffix(".").split("; ") for sentence in defined(records, texts)]
    return [*marks, *chain(*terms)]


def _label(record: Record) -> str:
    """What most often tells a run from the others."""
    seeds = f"seeds {seeds_of(record)}"
    return ", ".join((marked_name(record), size_in_words(record), seeds, detections_of(record)))


def run_content(record: Record, ablations: Sequence[str]) -> dict[str, Any]:
    """The record of a run: ``facts`` are (name, text) below headings."""
    training = record.training
    identities = [
        ("MLflow run", record.mlflow_run_id or "not logged"),
        ("Run", record.id),
        ("Training", record.training_id),
        ("Commit", record.git_commit),
        ("Seeds (training/noise)", seeds_of(record)),
        ("Finished", record.finished_at),
        ("Ablations", ", ".join(ablations)),
    ]
    trained = [
        ("Epochs", f"{training.epochs:,} ({training.steps:,} steps)"),
        ("Weights from epoch", f"{training.selected_epoch:g}"),
        ("Time", f"{training.total_seconds:,.0f} s"),
    ]
    facts = {
        "Identities": identities,
        VALUES: _values(record),
        "Conditions": _parted(sentences([record])),
        "Cost": _cost(record),
        "Training": trained,
        "Environment": _parted(line for _, lines in environments([record]) for line in lines),
    }
    return {
        "name": marked_name(record),
        "mlflow": record.mlflow_run_id,
        "facts": {title: [fact for fact in its if fact[1]] for title, its in facts.items()},
        "description": json.dumps(record.experiment, indent=1, default=str),
    }


def _parted(sentences: Iterable[str]) -> list[tuple[str, str]]:
    """What stands before and behind the first colon."""
    return [(name, text) for name, _, text in (sentence.rstrip(".").partition(": ") for sentence in sentences)]


def _values(record: Record) -> list[tuple[str, str]]:
    """Every metric of the last step that there is under each aggregation."""
    last = [value for value in record.values if value.step == record.conditions.steps]
    found = {(value.metric, value.aggregation): value for value in last}
    return [
        (
            f"{title_with_unit(record.metric(metric))}, {aggregation_title(name, kind)}",
            _in_words(found[metric, name]),
        )
        for metric in in_order(value.metric for value in last)
        for name, kind in aggregations(record)
        if (metric, name) in found
    ]


def _in_words(value: Value) -> str:
    numbers = (value.action_mean, value.low, value.high, value.frame_mean)
    mean, low, high, over_frames = (f"{number:.2f}" if math.isfinite(number) else "–" for number in numbers)
    return f"{mean} [{low}, {high}]; {over_frames}"


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
