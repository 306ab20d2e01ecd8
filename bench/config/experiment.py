"""The description of one experiment: typed, validated, YAML in and out, hashable.

Two identities follow from it. The *training* identity is made of what the weights depend on; the *evaluation*
identity adds what only the numbers depend on (H, K, flip, detections of the test set, the subset of windows). So
experiments that differ only in evaluation share one training.
"""

from __future__ import annotations

import hashlib
import json
import operator
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BeforeValidator, Field

from bench.config.parsing import Frozen, validated
from bench.config.registry import AGGREGATIONS
from models.optim import OptimizerName, Schedule

PresetName = Literal["tiny", "base", "paper"]
AggregationName = Annotated[str, AfterValidator(AGGREGATIONS.checked)]
Tail = Literal["dedup", "overlap"]
Precision = Literal["fp32", "bf16", "fp16"]
Selection = Literal["last", "validation", "test"]
ActionLabels = Literal["given", "wrong", "empty", "random"]
Plain = bool | int | float | str | None | tuple[int, ...]


class MethodSpec(Frozen):
    """Which method, at which size; ``options`` override fields of the preset's configuration."""

    name: str = "finepose"
    preset: PresetName = "tiny"
    options: dict[str, Plain] = {}


class DataSpec(Frozen):
    """Which data, and the source of the 2D poses that the method is trained on.

    ``root`` is where the files lie on this machine; it is no part of an identity, their content is; nor are the
    ``options`` of the reader, because what they change is content.
    """

    name: str = "synthetic"
    root: Path | None = None
    detections: str = "cpn"
    options: dict[str, Plain] = {}


class TrainingSpec(Frozen):
    """How weights are made. Fields left out (None) take the value of the preset's recipe.

    Attributes:
        epochs, least_steps, batch_frames, learning_rate, decay, weight_decay, optimizer, schedule, clip: see
            ``models.lifter.Recipe``; ``epochs`` given without ``least_steps`` is meant exactly.
        flip: every window also mirrored.
        precision: of the forward pass; fp16 and bf16 are autocast.
        seed: of initial weights, order of windows, and all randomness of training.
        selection: weights of the end, or from where in the training the MPJPE on the validation takes was lowest;
            "test" chooses on the test takes, as the field does, for those who want to know what that is worth.
        weights: a file of ``import-checkpoint``, evaluated instead of training; its configuration replaces the
            preset's.
        holdout: every n-th take of the training subjects is kept for validation.
    """

    epochs: int | None = Field(default=None, ge=0, le=10_000)
    least_steps: int | None = Field(default=None, ge=0, le=100_000_000)
    batch_frames: int | None = Field(default=None, ge=1, le=10_000_000)
    learning_rate: float | None = Field(default=None, gt=0, le=1)
    decay: float | None = Field(default=None, gt=0, le=1)
    weight_decay: float | None = Field(default=None, ge=0, le=1)
    optimizer: OptimizerName | None = None
    schedule: Schedule | None = None
    clip: float | None = Field(default=None, gt=0)
    flip: bool = True
    precision: Precision = "fp32"
    seed: int = Field(default=0, ge=0, lt=2**31)
    selection: Selection = "validation"
    holdout: int = Field(default=10, ge=2, le=1000)
    weights: Path | None = None


def _all_is_none(value: Any) -> Any:
    return None if value == "all" else value


class EvaluationSpec(Frozen):
    """How numbers are made from weights.

    Attributes:
        detections: 2D source of the test set; None for the one that was trained on.
        foreign_detections: allow another 2D source than the one that was trained on.
        hypotheses, steps: H and K; a deterministic method has 1 and 1.
        flip: average with the prediction of the mirrored input.
        aggregations: of the hypotheses, whose values are kept; by default all, those of installed packages too
            (``bench.protocol.plugins``).
        actions: the action labels a method is given: the true ones, or a counterfactual (see
            ``bench.protocol.counterfactual``).
        options: configuration fields changed after training; the weights must still fit.
        tail: whether the frames that the last two windows of a sequence share count once ("dedup"), or twice as in
            the published evaluation ("overlap").
        call: P-Best chooses one hypothesis for so many successive windows of a sequence at once, as the published
            code does for each call (its batch size); None for every window.
        windows: size of the named, evenly spread subset of test windows; None or "all" for every window.
        sequences: the same in whole sequences, for what depends on the windows of a sequence together.
        precision: of the predictions; fp16 and bf16 are autocast.
        compile: what computes most in a prediction goes through ``torch.compile``; described only where asked for.
        seed: of the sampling noise.
    """

    detections: str | None = None
    foreign_detections: bool = False
    hypotheses: int = Field(default=5, ge=1, le=1000)
    steps: int = Field(default=5, ge=1, le=1000)
    flip: bool = True
    actions: ActionLabels = "given"
    options: dict[str, Plain] = {}
    aggregations: tuple[AggregationName, ...] = tuple(AGGREGATIONS.own)
    tail: Tail = "dedup"
    call: int | None = Field(default=None, ge=1, le=1_000_000)
    windows: Annotated[int | None, BeforeValidator(_all_is_none)] = Field(default=None, ge=1)
    sequences: Annotated[int | None, BeforeValidator(_all_is_none)] = Field(default=None, ge=1)
    precision: Precision = "fp32"
    compile: bool = Field(default=False, exclude_if=operator.not_)
    seed: int = Field(default=0, ge=0, lt=2**31)

    @property
    def title(self) -> str:
        """What differs from the usual prediction, beside its options; "" for nothing."""
        parts = [f"action label {self.actions}"] * (self.actions != "given")
        parts += [f"predicted in {self.precision}"] * (self.precision != "fp32") + ["compiled"] * self.compile
        return ", ".join(parts)

    @property
    def arithmetic(self) -> str:
        """Of predictions: "fp32", "bf16 compiled"."""
        return f"{self.precision}{' compiled' * self.compile}"


class MeasurementSpec(Frozen):
    """How the price of a prediction is measured, where it is not that of one window on an idle machine.

    Attributes:
        batch: windows in every call.
        workers: processes that predict the same at the same time.
    """

    batch: int = Field(default=1, ge=1, le=100_000)
    workers: int = Field(default=1, ge=1, le=1000)

    @property
    def title(self) -> str:
        """What differs from the usual, "" for nothing."""
        parts = [f"batches of {self.batch}"] * (self.batch > 1) + [f"{self.workers} workers"] * (self.workers > 1)
        return ", ".join(parts)


class Experiment(Frozen):
    """One experiment from data to numbers and their price."""

    method: MethodSpec = MethodSpec()
    data: DataSpec = DataSpec()
    training: TrainingSpec = TrainingSpec()
    evaluation: EvaluationSpec = EvaluationSpec()
    measurement: MeasurementSpec = MeasurementSpec()

    def described(self) -> dict[str, Any]:
        """What records keep; without a ``measurement`` that is the usual one."""
        usual = self.measurement == MeasurementSpec()
        return self.model_dump(mode="json", exclude={"measurement"} if usual else None)

    def to_yaml(self) -> str:
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # five times as fast, where PyYAML has it
        return yaml.dump(self.model_dump(mode="json"), Dumper=dumper, sort_keys=False)


def parse(description: Any, source: str = "experiment") -> Experiment:
    """Validate a nested mapping.

    Raises:
        InputError: one sentence per wrong key: its path, what was found, what is allowed.
    """
    return validated(Experiment, description, source)


def identity(description: Any) -> str:
    """16 hexadecimal digits that name a description: equal for equal content, whatever the order of keys."""
    text = json.dumps(description, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
