"""The typed result of one evaluated experiment; reports read nothing else but the arrays next to it.

A record is self-contained: every number in it carries its conditions, so that every table can be made again
without a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import AliasChoices, Field, model_validator

from bench.config.choices import CHOICES
from bench.config.parsing import Frozen
from bench.results.cost import Cost, Environment, Measurement
from bench.results.metrics import OLDER_METRICS, MetricInfo
from bench.results.statistics.intervals import FEWEST_SUBJECTS, Difference, paired_difference
from bench.results.statistics.variance import Mean, Sample

SCHEMA_VERSION = 4
"""Version of the schema of evaluations and records; 4 brought ``files``."""

READABLE_VERSIONS = (3, 4)
"""Schemas of records that this version reads; results of others count as absent."""

ValueKind = Literal["deterministic", "deployable", "assisted", "oracle"]
SYMBOLS = {"assisted": "‡", "oracle": "†"}
"""What marks values in tables that ground truth helped to make."""


class GroundTruth(Frozen):
    """Which ground truth was used for a number at test time.

    Attributes:
        pose: the 3D pose itself, to choose among hypotheses.
        root_trajectory: where the root is in camera space.
        action_label: what the person does.
        pose_2d: exact 2D joints instead of a detector's.
    """

    pose: bool = False
    root_trajectory: bool = False
    action_label: bool = False
    pose_2d: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """In words, what was given."""
        words = {"pose_2d": "2D pose"}
        return tuple(words.get(name, name.replace("_", " ")) for name, given in self if given)


class Value(Frozen):
    """One metric under one aggregation at one denoising step.

    Attributes:
        metric: "mpjpe", "p_mpjpe", … in millimetres; "pck" and "auc" in percent.
        aggregation: "P-Agg", "J-Best", …; None for a deterministic method.
        kind: "deterministic": a method without hypotheses; "deployable": the aggregation looks at no ground truth;
            "assisted": it is given the root trajectory; "oracle": it is given the ground-truth pose.
        looks_at: ground truth that the aggregation or the method was given at test time.
        step: 1 … K; step K is the method's answer.
        action_mean: mean over actions of the mean over the action's frames, as papers print it.
        low, high: 95 % interval of ``action_mean``: of a run by ``bootstrap``, of pooled ones by ``statistics``.
        frame_mean: mean over all frames.
        per_action: action → mean over its frames; at the last step.
        per_activity: activity → mean over its frames, where the data label frames; at the last step.
        per_take: mean over the frames of each take, in the order of ``DataInfo.takes``, one row per pooled
            training; at the last step.
        per_joint: mean over all frames, in the joint order of ``DataInfo.joints``; at the last step.
    """

    metric: str
    aggregation: str | None
    kind: ValueKind
    looks_at: GroundTruth = GroundTruth()
    step: int
    action_mean: float
    low: float
    high: float
    frame_mean: float
    per_action: dict[str, float] = {}
    per_activity: dict[str, float] = {}
    per_take: tuple[tuple[float, ...], ...] = ()
    per_joint: tuple[float, ...] = ()

    @property
    def symbol(self) -> str:
        """† for an oracle, ‡ for an assisted value, else ""."""
        return SYMBOLS.get(self.kind, "")


class Take(Frozen):
    """A test take, its cameras together; ``name``: "subject/take"."""

    name: str
    action: str
    frames: int

    @property
    def subject(self) -> str:
        return self.name.partition("/")[0]


class DataInfo(Frozen):
    """What was evaluated on.

    Attributes:
        subset: name of the part of the test windows; "all" for every one of them.
        windows, frames, sequences: their numbers; frames are those that count, over all cameras.
        takes: those with counted frames.
        joints: names, in the order of the data.
        notes: remarks of the reader about the data.
    """

    name: str
    label: str
    fingerprint: str
    train_detections: str
    test_detections: str
    subset: str
    windows: int
    frames: int
    sequences: int
    takes: tuple[Take, ...]
    train_subjects: tuple[str, ...]
    test_subjects: tuple[str, ...]
    joints: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Conditions(Frozen):
    """What all values of a record were obtained under; what an aggregation looks at stands with its value.

    Attributes:
        flip, action_label_given, selection, tail, best_over: choices of the protocol (``bench.config.choices``);
            ``stated`` gives them all.
        choices: heading → words of the choices that have no field of their own.
        validation: which takes of the training subjects are kept for validation.
        samples: the H and K that the samples were drawn with, where those of this record are only a part of them.
        notes: further remarks of the method, by heading.
    """

    flip: bool
    hypotheses: int
    steps: int
    action_label_given: bool
    selection: str
    validation: str
    training_seeds: tuple[int, ...]
    noise_seeds: tuple[int, ...]
    tail: str = "each frame once"
    best_over: str = "window"
    choices: dict[str, str] = {}
    samples: str = ""
    notes: dict[str, str] = {}

    @property
    def stated(self) -> dict[str, str]:
        """Heading → words of every choice of the protocol, in the order of ``CHOICES``, then those it lacks."""
        known = {choice.heading: _in_words(getattr(self, choice.field)) for choice in CHOICES if choice.field}
        return known | self.choices

    def words(self, heading: str) -> str:
        """Words for the choice with this heading; "" where the record does not know it."""
        return self.stated.get(heading, "")


def _in_words(value: str | bool) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else value


class TrainingInfo(Frozen):
    """How the evaluated weights were trained.

    Attributes:
        epochs: passes over the training windows; a fraction where the compute of the training was given.
        tflop: operations of all its steps, counted where the recipe gives its ``compute``; else None.
        selected_epoch: the epoch of the evaluated weights; a fraction where epochs are long.
        loss: mean of every epoch.
        validation_mpjpe: (epoch, error) on the takes that the checkpoint was selected on, whenever measured.
        first_stage: the training that this one began from, if there was one.
        micro_batches: number of parts that the windows of a step were split into, because memory ran out.
        processes: that trained together, each on its share of a step and with random numbers of its own.
        threads, cpu: of the machine that trained last, if known: the last bits of weights depend on both.
    """

    epochs: int | float
    steps: int
    seconds: float
    windows_per_s: float
    selected_epoch: float
    loss: tuple[float, ...]
    validation_mpjpe: tuple[tuple[float, float], ...]
    first_stage: TrainingInfo | None = None
    micro_batches: int = 1
    processes: int = 1
    threads: int | None = None
    cpu: str = ""
    tflop: float | None = None

    @property
    def total_tflop(self) -> float | None:
        """Operations of this training and of those that it began from; None where some were not counted."""
        if self.first_stage is None or self.tflop is None:
            return self.tflop
        before = self.first_stage.total_tflop
        return None if before is None else before + self.tflop

    @property
    def total_seconds(self) -> float:
        """Duration of this training and of those that it began from."""
        return self.seconds + (self.first_stage.total_seconds if self.first_stage else 0)


class Described(Frozen):
    """Which experiment something is of.

    Attributes:
        id: identity of the evaluation (16 hexadecimal digits); names the run.
        training_id: identity of the training that it shares with others.
        experiment: the complete, resolved description.
        method, title, preset: key in the registry, name in tables, size.
        variant: what distinguishes it from the plain method, "" for none ("prompt=none").
    """

    id: str
    training_id: str
    experiment: dict[str, Any]
    method: str
    title: str
    preset: str
    variant: str


class Evaluation(Described):
    """The numbers of one experiment, without their cost.

    Attributes:
        metrics: of every metric of ``values``, what a table needs to print it; ``metric`` also knows those of
            older records, in which this is empty.
        files: of the arrays beside it, path in the store → SHA-256; empty in records of schema 3.
        input_frames: that the method computes a pose from; None in records of older versions.
        options: all of the method in this evaluation, also those that nobody has set; empty in older records.
    """

    SCHEMA: ClassVar[int] = SCHEMA_VERSION

    schema_version: int = SCHEMA_VERSION
    data: DataInfo
    conditions: Conditions
    values: tuple[Value, ...]
    metrics: dict[str, MetricInfo] = {}
    training: TrainingInfo
    git_commit: str
    files: dict[str, str] = {}
    input_frames: int | None = None
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _with_older_versions(cls, content: Any) -> Any:
        """Older records name the versions of their metrics ("metric_versions") and nothing else of them.

        They also have an empty "absent", which no record has now.
        """
        if not isinstance(content, dict) or not {"metric_versions", "absent"} & content.keys():
            return content
        versions, metrics = content.get("metric_versions", {}), content.get("metrics", {})
        if not isinstance(versions, dict) or not isinstance(metrics, dict):
            raise ValueError("metric_versions and metrics must be objects")
        described = {
            name: dict(OLDER_METRICS.get(name, MetricInfo(title=name, unit=""))) | {"version": version}
            for name, version in versions.items()
        }
        rest = {key: value for key, value in content.items() if key not in ("metric_versions", "absent")}
        return rest | {"metrics": described | metrics}

    @property
    def metric_versions(self) -> dict[str, int]:
        """Versions of the metrics, as far as they are known."""
        return {name: info.version for name, info in self.metrics.items() if info.version is not None}

    def metric(self, name: str) -> MetricInfo:
        """Title, unit, direction and version of a metric; one that nobody described goes by its name."""
        return self.metrics.get(name) or OLDER_METRICS.get(name) or MetricInfo(title=name, unit="")


class Record(Evaluation):
    """One evaluated and measured experiment.

    Attributes:
        errors_file: name of the file of frame errors, an artifact of the run.
        pooled: ids of the runs that this record is the average of (``pool``); empty for a single run.
        pooled_on: their costs, one measurement for each device, that of ``cost`` first; empty for a single run.
    """

    cost: Cost
    environment: Environment
    finished_at: str
    mlflow_run_id: str | None = None
    errors_file: str | None = None
    pooled: tuple[str, ...] = ()
    pooled_on: tuple[Measurement, ...] = Field(default=(), exclude=True)

    @property
    def runs(self) -> tuple[str, ...]:
        """Ids of the runs behind the numbers."""
        return self.pooled or (self.id,)

    def value(self, metric: str, aggregation: str | None) -> Value | None:
        """The value of a metric at the last step; None where it was not computed."""
        key = (metric, aggregation, self.conditions.steps)
        found = (value for value in self.values if (value.metric, value.aggregation, value.step) == key)
        return next(found, None)

    @property
    def trained(self) -> bool:
        """Whether another seed of the training would have given other weights."""
        return self.cost.parameters > 0

    @property
    def trainings(self) -> tuple[str, tuple[int, ...]]:
        """Equal for records of one store that the same trainings are behind, in the same order."""
        return self.training_id, self.conditions.training_seeds

    def same_trainings(self, other: Record) -> bool:
        """Whether the same trainings are behind both, also of two stores: made again, one has other losses."""
        return self.trainings == other.trainings and alike(self.training.loss, other.training.loss)

    @property
    def drawn_subjects(self) -> tuple[str, ...]:
        """The subject of each take, where there are enough of them to be what is drawn; else empty."""
        subjects = tuple(take.subject for take in self.data.takes)
        return subjects if len(set(subjects)) >= FEWEST_SUBJECTS else ()

    def sample(self, value: Value) -> Sample | None:
        """The errors behind a value by take; None where they were not kept."""
        if not value.per_take:
            return None
        takes = self.data.takes
        frames, actions = tuple(take.frames for take in takes), tuple(take.action for take in takes)
        return Sample(np.array(value.per_take), frames, actions, self.drawn_subjects, self.trained)

    def difference(
        self,
        value: Value,
        other: Record,
        its: Value,
        same_trainings: bool | None = None,
        over: Mean = "actions",
        same_method: bool = False,
    ) -> Difference | None:
        """``value`` of this record minus ``its`` of the other, paired by take; None if the takes differ.

        Args:
            same_trainings: whether both are of the same trainings; by default, as ``same_trainings`` finds.
            same_method: see ``paired_difference``.
        """
        mine, theirs = self.sample(value), other.sample(its)
        takes = [[(take.name, take.action) for take in record.data.takes] for record in (self, other)]
        if mine is None or theirs is None or takes[0] != takes[1]:
            return None
        same = self.same_trainings(other) if same_trainings is None else same_trainings
        return paired_difference(mine, theirs, same_trainings=same, over=over, same_method=same_method)


def alike(numbers: Sequence[float], others: Sequence[float]) -> bool:
    """Whether numbers are equal but for how shipped records are rounded, to six digits."""
    return len(numbers) == len(others) and np.allclose(numbers, others, rtol=1e-5, atol=0, equal_nan=True)


class Missing(Described):
    """An experiment without a record, and why: it failed, or a search left it out.

    Attributes:
        reason: what a table says in place of its numbers.
        measurement: of its cost, where that was made nevertheless ("price" in files of older versions).
        first_stages: ids of the trainings that its own begins from; empty in files of older versions.
    """

    reason: str
    measurement: Measurement | None = Field(default=None, validation_alias=AliasChoices("measurement", "price"))
    first_stages: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)

    @property
    def failed(self) -> bool:
        """Whether it was tried and failed; else a search left it out."""
        return self.reason.startswith("failed")

    @property
    def named(self) -> str:
        """Title and variant, with the detections, H, K and the seed of the training."""
        evaluation, seed = self.experiment["evaluation"], self.experiment["training"]["seed"]
        size = f"H={evaluation['hypotheses']} K={evaluation['steps']} seed {seed}"
        return f"{' '.join(filter(None, (self.title, self.variant)))} ({evaluation['detections']}, {size})"
