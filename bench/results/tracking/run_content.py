"""What a run of MLflow says of a record or of its training: name, tags, parameters, metrics and data."""

from __future__ import annotations

import json
from typing import Any

from bench.results.cost import Cost
from bench.results.record import Record, TrainingInfo
from bench.results.tracking.journal import DataUse

CURVES = ("P-Agg", "J-Best")
"""Aggregations whose MPJPE is logged at every step. MLflow is slow with many metrics; record.json has all."""

HEADLINE = (None, "P-Agg")
"""Aggregations whose values all methods share under the metric's own name: of a method without hypotheses, and
the mean of the hypotheses, which looks at no ground truth."""

Metrics = list[tuple[str, int, float]]
"""Name, step and value."""


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


def training_metrics(info: TrainingInfo) -> Metrics:
    """Metrics of a finished training, over the steps of its optimiser."""

    def step(epoch: float) -> int:  # the last epoch may be a part of one
        return min(info.steps, round(epoch * info.steps / (info.epochs or 1)))

    curve = [("train.epoch_loss", step(epoch), loss) for epoch, loss in enumerate(info.loss, 1)]
    checks = [("validation.mpjpe", step(epoch), value) for epoch, value in info.validation_mpjpe]
    return [*curve, *checks, ("train.seconds", info.steps, info.total_seconds)]


def run_name(record: Record) -> str:
    """Method, size, data, and all that tells runs of one method apart: options, H and K, seeds."""
    conditions, data = record.conditions, record.data
    sampled = any(value.aggregation for value in record.values)
    parts = [record.title, f"[{record.variant}]" * bool(record.variant), record.preset]
    parts += [f"H={conditions.hypotheses} K={conditions.steps}"] * sampled
    parts += [f"{data.name}/{data.test_detections}", _seeds("seed", conditions.training_seeds)]
    parts += [_seeds("noise seed", conditions.noise_seeds)] * any(conditions.noise_seeds)
    return " ".join(filter(None, parts))


def training_run_name(record: Record) -> str:
    """The same of the training of a record."""
    variant, data = f" [{record.variant}]" * bool(record.variant), record.data
    seeds = _seeds("seed", record.conditions.training_seeds)
    return f"train {record.title}{variant} {record.preset} {data.train_detections} {data.name} {seeds}"


def _seeds(name: str, seeds: tuple[int, ...]) -> str:
    return f"{name} {', '.join(map(str, seeds))}"


def evaluation_metrics(record: Record) -> Metrics:
    """Metrics of a record: first those that all methods share, then each with its aggregation."""
    shared, metrics = [], []
    for value in record.values:
        key, last = f"{value.metric}/{value.aggregation or 'deterministic'}", value.step == record.conditions.steps
        if last and value.aggregation in HEADLINE:
            shared.append((value.metric, value.step, value.action_mean))
        if last or (value.metric == "mpjpe" and value.aggregation in CURVES):
            metrics.append((key, value.step, value.action_mean))
        if last and value.metric == "mpjpe":
            metrics += [(f"{key}/low", value.step, value.low), (f"{key}/high", value.step, value.high)]
    return [*shared, *_shared_costs(record.cost), *metrics, *_costs(record.cost)]


def _shared_costs(cost: Cost) -> Metrics:
    on_gpu = cost.nvml_memory_mb is not None or cost.reserved_memory_mb is not None
    memory = "gpu_memory_mb" if on_gpu else "memory_mb"
    return [
        ("latency_ms", 0, cost.latency.median_ms),
        (memory, 0, cost.peak_memory_mb),
        ("params", 0, float(cost.parameters)),
    ]


def _costs(cost: Cost) -> Metrics:
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
    return [(f"cost/{name}", 0, float(value)) for name, value in costs.items() if value is not None]


def tested_data(record: Record) -> DataUse:
    """What a record was evaluated on."""
    data = record.data
    source = f"{data.label}, {data.test_detections}, {data.subset} ({data.windows} windows)"
    return DataUse(name=data.name, digest=data.fingerprint, context="test", source=source)


def evaluation_parameters(record: Record) -> dict[str, str]:
    """The description of a record, with all options of its method as far as they are known."""
    return parameters(_with_options(record.experiment, record.options))


def training_parameters(record: Record) -> dict[str, str]:
    """The part of it that the training depends on: without the options that only the evaluation has set."""
    described = {key: record.experiment[key] for key in ("method", "data", "training")}
    changed = record.experiment["evaluation"].get("options", {})
    return parameters(_with_options(described, {k: v for k, v in record.options.items() if k not in changed}))


def _with_options(described: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    method = described["method"]
    return {**described, "method": {**method, "options": {**known, **method["options"]}}}


def parameters(description: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """A description as MLflow's parameters: one per value, keys joined by dots; what is not set is left out."""
    flat: dict[str, str] = {}
    for key, value in description.items():
        if isinstance(value, dict):
            flat |= parameters(value, f"{prefix}{key}.")
        elif value is not None:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat
