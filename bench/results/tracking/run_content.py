"""What a run of MLflow says of a record or of its training: its name, tags, parameters and metrics."""

from __future__ import annotations

import json
from typing import Any

from bench.results.record import Record

CURVES = ("P-Agg", "J-Best")
"""Aggregations whose MPJPE is logged at every step. MLflow is slow with many metrics; record.json has all."""


def evaluation_tags(record: Record) -> dict[str, str]:
    return {
        "bench.kind": "evaluation",
        "bench.id": record.id,
        "bench.training_id": record.training_id,
        "git.commit": record.git_commit,
        "data.hash": record.data.fingerprint,
        "data.label": record.data.label,
        "device": record.environment.device,
        "conditions": record.conditions.model_dump_json(),
    }


def training_tags(record: Record) -> dict[str, str]:
    return {"bench.kind": "training", "bench.training_id": record.training_id, "git.commit": record.git_commit}


def training_metrics(record: Record) -> list[tuple[str, int, float]]:
    """Metrics of a record's training: name, step and value."""
    training = record.training
    curve = [("train.loss", epoch, loss) for epoch, loss in enumerate(training.loss, 1)]
    curve += [
        ("validation.mpjpe", round(epoch * training.steps / training.epochs), value)
        for epoch, value in training.validation_mpjpe
    ]
    return [*curve, ("train.seconds", 0, training.total_seconds)]


def run_name(record: Record) -> str:
    variant = f" {record.variant}" if record.variant else ""
    return f"{record.title}{variant} {record.preset} {record.data.name}/{record.data.test_detections}"


def evaluation_metrics(record: Record) -> list[tuple[str, int, float]]:
    """Metrics of a record: name, step and value."""
    metrics = []
    for value in record.values:
        key, last = f"{value.metric}/{value.aggregation or 'deterministic'}", value.step == record.conditions.steps
        if last or (value.metric == "mpjpe" and value.aggregation in CURVES):
            metrics.append((key, value.step, value.action_mean))
        if last and value.metric == "mpjpe":
            metrics += [(f"{key}/low", value.step, value.low), (f"{key}/high", value.step, value.high)]
    cost = record.cost
    costs = {
        "parameters": cost.parameters,
        "frozen_parameters": cost.frozen_parameters,
        "flops_per_window": cost.flops_per_window,
        "latency_median_ms": cost.latency.median_ms,
        "latency_p95_ms": cost.latency.p95_ms,
        "latency_ms_per_frame": cost.latency.ms_per_frame,
        "throughput_windows_per_s": cost.latency.throughput_windows_per_s,
        "peak_memory_mb": cost.peak_memory_mb,
        "added_memory_mb": cost.added_memory_mb,
        "energy_j": cost.energy_j,
        "percent_of_peak": cost.percent_of_peak,
    }
    return metrics + [(f"cost/{name}", 0, float(value)) for name, value in costs.items() if value is not None]


def parameters(description: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """A description as MLflow's parameters: one per value, keys joined by dots; what is not set is left out."""
    flat: dict[str, str] = {}
    for key, value in description.items():
        if isinstance(value, dict):
            flat |= parameters(value, f"{prefix}{key}.")
        elif value is not None:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat
