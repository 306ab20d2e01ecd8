"""The typed result of one evaluated experiment: what reports read, and all that they read.

A record is self-contained: every number in it carries its conditions, and together with the stored
per-sequence errors it lets every table be made again without a model.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION = 1

Kind = Literal["deterministic", "deployable", "assisted", "oracle"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Value(_Frozen):
    """One metric under one aggregation at one denoising step.

    Attributes:
        metric: "mpjpe" or "p_mpjpe", millimetres.
        aggregation: "P-Agg", "J-Agg", "P-Best", "J-Best"; None for a deterministic method.
        kind: deterministic; deployable (no ground truth looked at); assisted (the root trajectory was given);
            oracle (the ground-truth pose chose the hypothesis).
        looks_at: ground truth that the aggregation was given, of "pose", "root trajectory".
        step: 1 … K; the last one is the method's answer.
        action_mean: mean over actions of the mean over the action's frames, as papers print it.
        low, high: 95 % interval of ``action_mean`` (bootstrap over test takes, cameras kept together).
        frame_mean: mean over all frames.
        per_action: action → mean over its frames.
    """

    metric: str
    aggregation: str | None
    kind: Kind
    looks_at: tuple[str, ...] = ()
    step: int
    action_mean: float
    low: float
    high: float
    frame_mean: float
    per_action: dict[str, float]


class DataInfo(_Frozen):
    """What was evaluated on. ``subset`` names the part of the test windows, "all" for every one of them."""

    name: str
    label: str
    fingerprint: str
    train_detections: str
    test_detections: str
    subset: str
    windows: int
    frames: int
    sequences: int
    takes: int
    train_subjects: tuple[str, ...]
    test_subjects: tuple[str, ...]


class Conditions(_Frozen):
    """The liberties that every value of a record shares; those of an aggregation stand with its value."""

    flip: bool
    hypotheses: int
    steps: int
    action_label_given: bool
    selection: str
    validation: str
    training_seed: int
    noise_seed: int
    notes: dict[str, str] = {}


class Latency(_Frozen):
    """Milliseconds per window of ``frames`` output frames at batch 1, all repetitions kept."""

    median_ms: float
    p20_ms: float
    p80_ms: float
    p95_ms: float
    samples_ms: tuple[float, ...]
    frames: int
    throughput_windows_per_s: float
    throughput_batch: int

    @property
    def ms_per_frame(self) -> float:
        return self.median_ms / self.frames


class Cost(_Frozen):
    """The price of a prediction.

    Attributes:
        parameters: trainable parameters of the method.
        frozen_parameters: never trained (a text encoder), counted apart.
        flops_per_window: 2 × multiply-accumulates of the executed operations, for all K, H and flips.
        peak_memory_mb: of the process on a CPU; allocated by torch on a GPU.
        memory_source: what ``peak_memory_mb`` counts.
        nvml_memory_mb: the process's memory by NVML; None without a GPU.
    """

    parameters: int
    frozen_parameters: int
    flops_per_window: int
    latency: Latency
    peak_memory_mb: float
    memory_source: str
    nvml_memory_mb: float | None = None

    @property
    def flops_per_frame(self) -> float:
        return self.flops_per_window / self.latency.frames


class TrainingInfo(_Frozen):
    """How the evaluated weights came to be. ``validation_mpjpe`` holds one value per validated epoch."""

    epochs: int
    steps: int
    seconds: float
    windows_per_s: float
    selected_epoch: int
    loss: tuple[float, ...]
    validation_mpjpe: tuple[tuple[int, float], ...]


class Environment(_Frozen):
    """Where the numbers were made. Rows of different ``device`` are never merged."""

    device: str
    cpu: str
    threads: int
    platform: str
    python: str
    driver: str | None
    versions: dict[str, str]
    warnings: tuple[str, ...] = ()


class Record(_Frozen):
    """One evaluated experiment.

    Attributes:
        id: identity of the evaluation (16 hexadecimal digits); names the run.
        training_id: identity of the training that it shares with others.
        experiment: the complete, resolved description.
        method, title, preset: key in the registry, name in tables, size.
        variant: what distinguishes it from the plain method, "" for none ("prompt=none").
        errors_file: per-sequence and per-frame errors, an artifact of the run.
    """

    schema_version: int = SCHEMA_VERSION
    id: str
    training_id: str
    experiment: dict[str, Any]
    method: str
    title: str
    preset: str
    variant: str
    data: DataInfo
    conditions: Conditions
    values: tuple[Value, ...]
    cost: Cost
    training: TrainingInfo
    environment: Environment
    git_commit: str
    finished_at: str
    mlflow_run_id: str | None = None
    errors_file: str | None = None

    def value(self, metric: str, aggregation: str | None, step: int | None = None) -> Value | None:
        """The value of a metric at a step (the last one by default); None where it was not computed."""
        step = self.conditions.steps if step is None else step
        for value in self.values:
            if (value.metric, value.aggregation, value.step) == (metric, aggregation, step):
                return value
        return None


class RunSet(_Frozen):
    """Which runs fill which table: written by a sweep, read by reports.

    Attributes:
        tables: name of a declared ablation → (layout of its table, ids of its runs, in declared order).
        command: what the user typed.
    """

    class Table(_Frozen):
        title: str
        layout: str
        ids: tuple[str, ...]

    tables: dict[str, Table]
    command: str
    created_at: str
