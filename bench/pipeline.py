"""One experiment from data to record, and many of them with nothing computed twice.

Jobs that share a training train once; jobs that share all but H and K sample once: fewer hypotheses are a prefix
of more, and one step is the first of several.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm import tqdm

from bench.data.windows import Windows, evaluation_windows
from bench.experiment import EvaluationSpec
from bench.measure import environment, measure
from bench.plan import Job
from bench.protocol.errors import FrameErrors, save_errors, takes
from bench.protocol.evaluate import Plan, evaluate
from bench.protocol.values import METRIC_VERSIONS, summarise
from bench.records import Conditions, Cost, DataInfo, GroundTruth, Record, Take, TrainingInfo
from bench.stages import NOT_TRAINED, trained
from bench.store import Store
from bench.tracking import Tracker
from bench.training import accelerator_for
from models.lifter import Batch, Lifter, Sampling

if TYPE_CHECKING:
    pass

LATENCY_INPUTS = 4
"""Different windows in rotation while latency is measured."""


@dataclass(frozen=True)
class Outcome:
    """What a call of ``run`` did: the records asked for, and how many of them were new."""

    records: dict[str, Record]
    trained: int
    evaluated: int


def run(jobs: Sequence[Job], store: Store, device: str) -> Outcome:
    """Bring every job to a finished record; what is finished already is not repeated.

    Args:
        jobs: in any order, repeats allowed.
        store: where trainings and records are kept.
        device: "auto", "cpu", "cuda" or "cuda:i".

    Raises:
        InputError: the device does not exist, data does not fit the method, or a training diverged.
    """
    known = store.records()
    wanted = {job.id: job for job in jobs}
    missing = [job for job in wanted.values() if job.id not in known]
    trained = evaluated = 0
    if missing:
        tracker = Tracker(store.root)
        found = [record for job in missing if (record := tracker.find(job.id))]
        store.add(found)
        known |= {record.id: record for record in found}
        missing = [job for job in missing if job.id not in known]
        for group in _grouped(missing, key=lambda job: job.training_id):
            fresh, records = _run_training_group(group, store, tracker, device)
            trained += fresh
            evaluated += len(records)
            known |= {record.id: record for record in records}
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    return Outcome({job_id: known[job_id] for job_id in wanted if job_id in known}, trained, evaluated)


def _run_training_group(jobs: list[Job], store: Store, tracker: Tracker, device: str) -> tuple[bool, list[Record]]:
    """Train once and evaluate every job of the group, on the main process; the others only train."""
    first = jobs[0]
    accelerator = accelerator_for(device, first.experiment.training.precision)
    lifter = first.build()
    info, fresh = NOT_TRAINED, False
    if first.published is None:
        info, fresh = trained(first.training, lifter, first.train, first.test, store, device)
    records: list[Record] = []
    if accelerator.is_main_process:
        lifter.to(accelerator.device).eval()
        for group in _grouped(jobs, key=_sampling_key):
            evaluated = group[0].altered(lifter)
            records += _evaluate_group(group, evaluated, info, store, tracker, accelerator.device)
    accelerator.wait_for_everyone()
    return fresh, records


def _evaluate_group(
    jobs: list[Job], lifter: Lifter, info: TrainingInfo, store: Store, tracker: Tracker, device: torch.device
) -> list[Record]:
    first = jobs[0]
    spec = first.experiment.evaluation
    windows = evaluation_windows(first.test.test, lifter)
    indices, subset = _test_part(windows, spec)
    plans = [_plan(job) for job in jobs]
    sampling = Sampling(flip=spec.flip, seed=spec.seed)
    with tqdm(total=len(indices), desc=f"evaluate {first.name}", unit="window", disable=None) as bar:
        errors = evaluate(
            lifter, windows, indices, sampling, plans, device, labels=spec.actions, progress=bar.update
        )
    records = []
    costs: dict[Sampling, Cost] = {}
    for job, plan in zip(jobs, plans, strict=True):
        asked = replace(sampling, hypotheses=plan.hypotheses, steps=plan.steps)
        if asked not in costs:
            costs[asked] = measure(lifter, _latency_inputs(windows, indices), asked, device)
        record = _record(job, lifter, info, errors[plan], subset, len(indices), costs[asked], device)
        errors_file = store.root / "errors" / f"{job.id}.npz"
        save_errors(errors_file, errors[plan])
        record = tracker.log(record, errors_file)
        store.add([record])
        records.append(record)
        tqdm.write(f"evaluated {job.title}: {_headline(record)}")
    return records


def _record(
    job: Job,
    lifter: Lifter,
    info: TrainingInfo,
    errors: FrameErrors,
    subset: str,
    windows: int,
    cost: Cost,
    device: torch.device,
) -> Record:
    experiment = job.experiment
    spec = experiment.evaluation
    label_given = lifter.uses_action and spec.actions == "given"
    given = GroundTruth(action_label=label_given, pose_2d=job.test.detections == "gt")
    values = tuple(
        value
        for value in summarise(errors, given)
        if value.aggregation is None or value.aggregation in spec.aggregations
    )
    tested = takes(errors)
    names = zip(tested.names, tested.actions, tested.frames.astype(int).tolist(), strict=True)
    data = DataInfo(
        name=job.test.name,
        label=job.test.label,
        fingerprint=job.test.fingerprint,
        train_detections=job.train.detections,
        test_detections=job.test.detections,
        subset=subset,
        windows=windows,
        frames=int(errors.counts.sum()),
        sequences=len(errors.keys),
        takes=tuple(Take(name=name, action=action, frames=frames) for name, action, frames in names),
        train_subjects=_subjects(sequence.subject for sequence in job.train.train),
        test_subjects=_subjects(name.split("/")[0] for name in tested.names),
        joints=job.test.skeleton.joints,
        notes=job.test.notes,
    )
    training = experiment.training
    conditions = Conditions(
        flip=spec.flip,
        hypotheses=spec.hypotheses,
        steps=spec.steps,
        action_label_given=label_given,
        selection=_selection(job, info),
        validation="unknown" if job.published else f"every {training.holdout}th take of the training subjects",
        training_seeds=(training.seed,),
        noise_seeds=(spec.seed,),
        tail="each frame once" if spec.tail == "dedup" else "overlap of the last two windows counted twice",
        best_over="window" if spec.call is None else f"calls of {spec.call} windows",
        notes=_notes(job, lifter, info),
    )
    return Record(
        id=job.id,
        training_id=job.training_id,
        experiment=experiment.model_dump(mode="json"),
        method=experiment.method.name,
        title=job.lifter.title,
        preset=experiment.method.preset,
        variant=job.variant,
        data=data,
        conditions=conditions,
        values=values,
        metric_versions=METRIC_VERSIONS,
        cost=cost,
        training=info,
        environment=environment(device),
        git_commit=git_commit(),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _notes(job: Job, lifter: Lifter, info: TrainingInfo) -> dict[str, str]:
    notes = lifter.notes
    labels = job.experiment.evaluation.actions
    if labels != "given":
        notes = notes | {"action labels": labels}
    sequences = (*job.train.train, *job.test.test)
    if job.training.first is not None and info.first_stage is not None:
        notes = notes | {"first stage": f"{job.training.first.lifter.title}, {info.first_stage.steps} steps"}
    if lifter.needs_confidence and any(sequence.confidence is None for sequence in sequences):
        notes = notes | {"confidence": "1 for every joint (the data has none)"}
    return notes


def _selection(job: Job, info: TrainingInfo) -> str:
    if job.published is not None:
        return f"published checkpoint (SHA-256 {job.published.source_sha256[:16]})"
    return job.experiment.training.selection if info.validation_mpjpe else "last"


def git_commit() -> str:
    """Commit of the code that runs, "+changes" when the working tree differs; "unknown" outside a checkout."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+changes", "--exclude=*"],
            cwd=here, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return commit.stdout.strip()


def _test_part(windows: Windows, spec: EvaluationSpec) -> tuple[np.ndarray, str]:
    """Rows of the windows to evaluate, and what tables call them."""
    if spec.windows is not None and spec.windows < len(windows):
        return windows.subset(spec.windows), f"{spec.windows} of {len(windows)} windows, evenly spread"
    total = len(windows.sequences)
    if spec.sequences is not None and spec.sequences < total:
        return windows.whole_sequences(spec.sequences), f"{spec.sequences} of {total} sequences, evenly spread"
    return np.arange(len(windows)), "all"


def _plan(job: Job) -> Plan:
    spec = job.experiment.evaluation
    return Plan(spec.hypotheses, spec.steps, spec.tail == "overlap", spec.call)


def _sampling_key(job: Job) -> str:
    """Equal for jobs that read their numbers off the same predictions."""
    evaluation = job.experiment.evaluation
    read_off = {"hypotheses", "steps", "tail", "call", "aggregations"}
    return evaluation.model_dump_json(exclude=read_off)


def _grouped(jobs: Iterable[Job], key: Callable[[Job], str]) -> Iterator[list[Job]]:
    ordered: dict[str, list[Job]] = {}
    for job in jobs:
        ordered.setdefault(key(job), []).append(job)
    yield from ordered.values()


def _latency_inputs(windows: Windows, indices: np.ndarray) -> list[Batch]:
    chosen = indices[np.linspace(0, len(indices) - 1, min(LATENCY_INPUTS, len(indices))).astype(int)]
    return [windows.batch(np.array([index])) for index in chosen]


def _subjects(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sorted(names, key=lambda name: (len(name), name))))


def _headline(record: Record) -> str:
    values = [
        value for value in record.values if value.metric == "mpjpe" and value.step == record.conditions.steps
    ]
    shown = "  ".join(f"{value.aggregation or ''} {value.action_mean:.1f}".strip() for value in values)
    return f"MPJPE {shown} mm, {record.cost.latency.median_ms:.0f} ms/window"
