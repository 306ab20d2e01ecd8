"""A finished evaluation in words and numbers (values, data, conditions, commit), and a training that begins."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic_core import to_jsonable_python

from bench.config.choices import conditions_of
from bench.data.differences import differences
from bench.data.sequence import UNLABELLED
from bench.data.splits import validation_rule
from bench.job.jobs import Job, Training
from bench.protocol.frame_errors import FrameErrors, takes
from bench.protocol.plugins import kept_aggregations
from bench.protocol.summary import metric_infos, summarise
from bench.results.record import Conditions, DataInfo, Evaluation, GroundTruth, TrainingInfo
from bench.results.tracking.journal import DataUse, RunHead
from bench.results.tracking.run_content import parameters
from bench.training.recipe import departures, named_recipe
from models.lifter import Lifter
from models.skeleton import HUMAN36M


class Subset(NamedTuple):
    """Rows of the test windows that are evaluated, and what tables call them."""

    rows: np.ndarray
    name: str


def describe_evaluation(
    job: Job, lifter: Lifter, info: TrainingInfo, errors: FrameErrors, subset: Subset, drawn: tuple[int, int]
) -> Evaluation:
    """The numbers of a job with everything that they depend on.

    ``drawn``: H and K of the samples that the errors were read off.
    """
    given = GroundTruth(action_label=_knows_action(job, lifter), pose_2d=job.test.detections == "gt")
    kept = (None, *kept_aggregations(job.experiment.evaluation.aggregations))
    values = tuple(value for value in summarise(errors, given) if value.aggregation in kept)
    return Evaluation(
        **job.described(),
        data=_data(job, errors, subset),
        conditions=_conditions(job, lifter, info, errors, drawn),
        values=values,
        metrics=metric_infos(values),
        training=info,
        git_commit=git_commit(),
        input_frames=lifter.input_frames,
        options=to_jsonable_python(asdict(job.evaluated_config)),
    )


def describe_training(training: Training) -> RunHead:
    """What the run of a training says in MLflow from its first step on."""
    data = training.data
    described = {
        "method": {"name": training.method, "preset": training.preset, "options": asdict(training.config)},
        "data": {"name": data.name, "detections": data.detections},
        "training": {**training.recipe.described(), "selection": training.selection},
    }
    source = f"{data.label}, {data.detections}"
    seed, selected = training.recipe.seed, training.selection
    name = f"train {training.title} {data.name}{'' if seed else ' seed 0'}"
    return RunHead(
        id=training.id,
        name=name if selected == "validation" else f"{name}, selection: {selected}",
        params=parameters(described),
        tags={"git.commit": git_commit()},
        data=(DataUse(name=data.name, digest=data.fingerprint, context="training", source=source),),
    )


def _data(job: Job, errors: FrameErrors, subset: Subset) -> DataInfo:
    """What was trained on, and what was evaluated."""
    tested, _ = takes(errors)
    other = job.trained_on_other_data
    return DataInfo(
        name=job.test.name,
        label=f"{job.test.label}, trained on {job.train.label}" if other else job.test.label,
        fingerprint=job.test.fingerprint,
        train_detections=job.train.detections,
        test_detections=job.test.detections,
        subset=subset.name,
        windows=len(subset.rows),
        frames=int(errors.counts.sum()),
        sequences=len(errors.keys),
        takes=tested,
        train_subjects=_subjects(sequence.subject for sequence in job.train.train),
        test_subjects=_subjects(take.name.split("/")[0] for take in tested),
        joints=job.test.skeleton.joints,
        notes=tuple(dict.fromkeys((*job.test.notes, *(job.train.notes if other else ())))),
    )


def _conditions(
    job: Job, lifter: Lifter, info: TrainingInfo, errors: FrameErrors, drawn: tuple[int, int]
) -> Conditions:
    """The conditions that tables print under the numbers."""
    spec, training, data = job.experiment.evaluation, job.experiment.training, job.train
    return Conditions(
        hypotheses=spec.hypotheses,
        steps=spec.steps,
        action_label_given=_knows_action(job, lifter),
        selection=_selection(job, info),
        validation="unknown" if job.published else validation_rule(data.train, training.holdout, data.validation),
        training_seeds=(training.seed,),
        noise_seeds=(spec.seed,),
        samples="" if drawn == (spec.hypotheses, spec.steps) else f"drawn with H = {drawn[0]}, K = {drawn[1]}",
        notes=_notes(job, lifter, info, errors),
        **conditions_of(job.experiment.described()),
    )


def _knows_action(job: Job, lifter: Lifter) -> bool:
    """Whether the method reads the true action label at test time, where the data have labels."""
    labelled = any(sequence.action_class != UNLABELLED for sequence in job.test.test)
    return lifter.uses_action and labelled and job.experiment.evaluation.actions == "given"


def _notes(job: Job, lifter: Lifter, info: TrainingInfo, errors: FrameErrors) -> dict[str, str]:
    """Further conditions: of the method itself, and what is unusual about this evaluation."""
    notes = lifter.notes
    labels = job.experiment.evaluation.actions
    if labels != "given":
        notes = notes | {"action labels": labels}
    if job.trained_on_other_data:
        differing = differences(job.train.train, job.test.test)
        notes = notes | {"trained on other data": f"{job.train.label}; {differing or 'recorded alike'}"}
    if info.micro_batches > 1:
        notes = notes | {"training batches": f"in {info.micro_batches} parts, because memory ran out"}
    if info.processes > 1:
        notes = notes | {"training processes": f"{info.processes}, each with its share of a step"}
    if job.published is not None and job.published.joints_were_declared:
        notes = notes | {"joints of the checkpoint": f"declared at its import as {job.published.skeleton.name}'s"}
    if recipe := _recipe(job):
        notes = notes | {"training recipe": recipe}
    if info.tflop is not None:  # else an older training, whose compute is unknown
        windows = job.training.recipe.windows_of_a_step(lifter.train_frames)
        frames = f"{lifter.train_frames} frame{'s' if lifter.train_frames > 1 else ''}"
        made_of = f"{windows:.4g} windows of {frames} each, {info.total_tflop:.2g} TFLOP in all"
        notes = notes | {"training steps": made_of}
    if job.training.first is not None and info.first_stage is not None:
        notes = notes | {"first stage": f"{job.training.first.lifter.title}, {info.first_stage.steps} steps"}
    sequences = (*job.train.train, *job.test.test)
    if lifter.needs_confidence and any(sequence.confidence is None for sequence in sequences):
        notes = notes | {"confidence": "1 for every joint (the data has none)"}
    if errors.not_computed:
        notes = notes | {"not computed": "; ".join(errors.not_computed.values())}
    return notes


def _recipe(job: Job) -> str:
    """The recipe of a training, and where it departs from what bears this name; "" for the usual plain one."""
    training, lifter = job.training, job.lifter
    if training.recipe_name is None:
        return ""
    preset = lifter.presets[training.preset].recipe_on(job.experiment.data.detections)
    altered = departures(training.recipe, named_recipe(preset, lifter, training.recipe_name))
    published = training.recipe_name == "published"
    if not published and not altered and job.experiment.training.recipe is None:
        return ""
    of_others = published and training.data.skeleton != HUMAN36M  # for which scripts train otherwise
    name = "published for Human3.6M" if of_others else training.recipe_name
    return f"{name}, but {altered}" if altered else name


def _selection(job: Job, info: TrainingInfo) -> str:
    """How the checkpoint was selected."""
    if job.published is not None:
        return f"published checkpoint (SHA-256 {job.published.source_sha256[:16]})"
    return job.experiment.training.selection if info.validation_mpjpe else "last"


@functools.cache
def git_commit() -> str:
    """Commit of the code that runs, "+changes" when the working tree differs; "unknown" outside a checkout.

    An environment that the code is installed in may lie within the repository of another project: its commit
    is not told.
    """
    home = Path(__file__).parents[2]
    try:
        if Path(_git(home, "rev-parse", "--show-toplevel")).resolve() != home.resolve():
            return "unknown"
        return _git(home, "describe", "--always", "--abbrev=12", "--dirty=+changes", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


def _subjects(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, S1 before S10."""
    return tuple(dict.fromkeys(sorted(names, key=lambda name: (len(name), name))))
