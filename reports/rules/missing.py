"""Experiments without numbers in tables: a record that says why, in the place where the numbers would be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bench.results.cost import Cost
from bench.results.record import Missing, Record, RunSet

NOT_MEASURED: dict[str, Any] = {"parameters": math.nan, "flops_per_window": math.nan, "peak_memory_mb": math.nan}
NO_TIME: dict[str, Any] = dict.fromkeys(
    ("median_ms", "p20_ms", "p80_ms", "p95_ms", "throughput_windows_per_s"), math.nan
) | {"host_ms": None, "stages_ms": {}}


def with_missing(spec: RunSet.Table, records: dict[str, Record], absent: dict[str, Missing]) -> list[Record]:
    """The records of a table in declared order, those in the place of absent ones among them.

    A table of which no experiment has a record stays empty.
    """
    present = [records[name] for name in spec.ids if name in records]
    if not present:
        return []
    members = []
    for name in dict.fromkeys(spec.ids):
        if name in records:
            members.append(records[name])
        elif name in absent:
            members.append(_stand_in(absent[name], present))
    return members


def _stand_in(absent: Missing, present: Sequence[Record]) -> Record:
    """A record without values that shares everything else with the most similar record there is."""
    evaluation, training = absent.experiment["evaluation"], absent.experiment["training"]
    trained, tested = absent.experiment["data"]["detections"], evaluation["detections"]

    def likeness(record: Record) -> tuple[bool, bool]:
        same_data = (record.data.train_detections, record.data.test_detections) == (trained, tested)
        return same_data, record.method == absent.method

    like = max(present, key=likeness)
    conditions = {
        "hypotheses": evaluation["hypotheses"],
        "steps": evaluation["steps"],
        "flip": evaluation["flip"],
        "training_seeds": (training["seed"],),
        "noise_seeds": (evaluation["seed"],),
        "action_label_given": like.conditions.action_label_given and like.method == absent.method,
        "notes": _notes(absent, like),
    }
    own = {name: getattr(absent, name) for name in Missing.model_fields.keys() - {"reason", "measurement"}}
    return like.model_copy(
        update={
            **own,
            "data": like.data.model_copy(update={"train_detections": trained, "test_detections": tested}),
            "conditions": like.conditions.model_copy(update=conditions),
            "values": (),
            "cost": absent.measurement.cost if absent.measurement else _unknown(like.cost),
            "mlflow_run_id": None,
            "absent": absent.reason,
        }
    )


def _unknown(cost: Cost) -> Cost:
    latency = cost.latency.model_copy(update=NO_TIME)
    unknown = {name: field.default for name, field in Cost.model_fields.items() if not field.is_required()}
    return cost.model_copy(update={**NOT_MEASURED, **unknown, "latency": latency, "setup": cost.setup})


def _notes(absent: Missing, like: Record) -> dict[str, str]:
    """The notes of a record of the same method; what they say of an option is that option's value here."""
    options = absent.experiment["method"]["options"]
    notes = like.conditions.notes if like.method == absent.method else {}
    return {key: str(options.get(key, text)) for key, text in notes.items()}
