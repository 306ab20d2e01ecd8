"""The description of one experiment: typed, validated, YAML in and out, hashable.

Two identities follow from it (``bench.job.identities``). The *training* identity is made of what the weights
depend on; the *evaluation* identity adds what only the numbers depend on (H, K, flip, detections of the test set,
the subset of windows). So experiments that differ only in evaluation share one training.
"""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, WrapValidator, model_validator
from pydantic_core import PydanticCustomError

from bench.config.parsing import Description, FilePath, Name, note_old_key, override, printable, validated
from bench.config.registry import AGGREGATIONS
from models.errors import InputError, quoted
from models.optim import OptimizerName, Schedule

PresetName = Literal["tiny", "small", "base", "paper"]
AggregationName = Annotated[str, AfterValidator(AGGREGATIONS.checked)]
Precision = Literal["fp32", "bf16", "fp16"]
RecipeName = Literal["published", "plain"]
Selection = Literal["last", "validation", "test"]
ActionLabels = Literal["given", "wrong", "empty", "random"]
TrainingLabels = Literal["given", "permuted", "none"]


def _option(value: Any, validate: Callable[[Any], Any]) -> Any:
    """One sentence for what pydantic says of each type that an option may have."""
    try:
        return validate(value)
    except ValidationError:
        told = "must be a finite number, a text, true, false, null or a list of whole numbers"
        raise PydanticCustomError("option_value", "{told}", {"told": told}) from None


OptionText = Annotated[str, AfterValidator(printable)]
OptionValue = Annotated[bool | int | float | OptionText | tuple[int, ...] | None, WrapValidator(_option)]
Options = dict[Name, OptionValue]

FIRST_NAMES = {
    "allow_other_detections": "foreign_detections",
    "count_overlap": "tail",
    "p_best_calls": "call",
}
"""Fields of ``EvaluationSpec`` → the names that they had first."""

OVERLAP_WORDS = ("dedup", "overlap")
"""Values of ``count_overlap``, false and true, under its first name."""


class MethodSpec(Description):
    """Which method, at which size; ``options`` override fields of the preset's configuration."""

    name: Name = "finepose"
    preset: PresetName = "tiny"
    options: Options = {}


class DataSource(Description):
    """Which data.

    Attributes:
        name: of the data set.
        root: folder of its files on this machine. Identities are made of the content of the files instead.
        options: of the reader. They are no part of an identity either, because they change the content.
        leave_out: takes that are left out, "S9/Greeting".
    """

    name: Name = "population"
    root: FilePath | None = None
    options: Options = {}
    leave_out: tuple[Name, ...] = Field(default=(), exclude_if=operator.not_)

    @model_validator(mode="before")
    @classmethod
    def _with_leave_out(cls, written: Any) -> Any:
        """Takes to leave out were an option of Human3.6M's reader first: a text with commas."""
        options = written.get("options") if isinstance(written, Mapping) else None
        if not isinstance(options, Mapping) or "skip_takes" not in options:
            return written
        takes = [take.strip().replace(" ", "/", "/" not in take) for take in str(options["skip_takes"]).split(",")]
        others = {key: value for key, value in options.items() if key != "skip_takes"}
        return {**written, "options": others, "leave_out": list(filter(None, takes))}

    @property
    def reader_options(self) -> dict[str, Any]:
        """All that the reader is told."""
        return self.options | ({"leave_out": self.leave_out} if self.leave_out else {})

    def absolute(self) -> Self:
        """The same, found from every folder."""
        return self.model_copy(update={"root": self.root and self.root.absolute()})


class DataSpec(DataSource):
    """Which data, and the source of the 2D poses (``detections``) that the method is trained on."""

    detections: Name = "cpn"


def _not_all(holdout: int) -> int:
    if holdout == 1:
        raise PydanticCustomError("holdout", "that holds out every take; give 0 for none, or 2 and more")
    return holdout


class TrainingSpec(Description):
    """How weights are to be made. A field left open (None) takes the value of the preset's recipe.

    Attributes:
        epochs, least_steps, batch_frames, learning_rate, decay, weight_decay, optimizer, schedule, clip, compute,
            batch_windows: see ``models.lifter.Recipe``. ``epochs`` without ``least_steps`` is the exact number of
            epochs. The last two are written down only where they are given.
        recipe: "published": as the released script of the method trains (``models.lifter.Lifter.published``);
            "plain": as all methods do. None: published at the preset ``paper`` where the script is known, else
            plain; only another choice is written down.
        flip: train on every window also mirrored.
        precision: of the forward pass; fp16 and bf16 are autocast.
        seed: of initial weights, order of windows, and all randomness of training.
        selection: which weights are kept: the last ones ("last"), or those with the lowest MPJPE on the validation
            takes ("validation") or on the test takes ("test", as the field often does; to measure its effect).
        weights: a file of ``import-checkpoint``, evaluated instead of training; its configuration replaces the
            preset's.
        holdout: every n-th take of the training subjects is kept for validation; 0: none, also where the data set
            names validation subjects, so that all are trained on. Then nothing can be selected by validation.
        labels: the action labels that a method which reads them is trained with: the true ones ("given"), those of
            other takes ("permuted"), or an empty one for every take ("none"). Written down only where they are not
            the true ones.
        compile: train the part that computes most through ``torch.compile``; weights differ by rounding.
            Written down only where it is true.
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
    compute: float | None = Field(default=None, gt=0, le=1e9, exclude_if=operator.not_)
    batch_windows: int | None = Field(default=None, ge=1, le=10_000_000, exclude_if=operator.not_)
    recipe: RecipeName | None = Field(default=None, exclude_if=operator.not_)
    flip: bool = True
    precision: Precision = "fp32"
    seed: int = Field(default=0, ge=0, lt=2**31)
    selection: Selection = "validation"
    holdout: Annotated[int, Field(ge=0, le=1000), AfterValidator(_not_all)] = 10
    labels: TrainingLabels = Field(default="given", exclude_if=lambda labels: labels == "given")
    compile: bool = Field(default=False, exclude_if=operator.not_)
    weights: FilePath | None = None

    @property
    def title(self) -> str:
        """How the training differs from the usual one, apart from its recipe; "" where it does not."""
        labels = {"given": "", "permuted": "labels permuted in training", "none": "trained without labels"}
        return ", ".join(filter(None, (labels[self.labels], "compiled in training" * self.compile)))


Part = Annotated[
    Annotated[int, Field(ge=1)] | None, BeforeValidator(lambda value: None if value == "all" else value)
]
"""How much of the test set; None for all of it."""


class EvaluationSpec(Description):
    """How numbers are made from weights.

    Attributes:
        data: whose test set is taken instead of that of the training data; None for the same data set.
        detections: source of the 2D poses of the test set; None for the one of the training.
        allow_other_detections: accept another source than the one of the training.
        hypotheses, steps: H and K; a deterministic method has 1 and 1.
        flip: average with the prediction of the mirrored input.
        aggregations: of the hypotheses, whose values are kept; by default the usual ones and those of packages
            (``bench.protocol.plugins``).
        actions: the action labels a method is given: the true ones, or a counterfactual (see
            ``bench.protocol.counterfactual``).
        options: configuration fields changed after training; the weights must still fit.
        count_overlap: count the frames that the last two windows of a sequence share twice, as the published
            evaluation does; otherwise every frame counts once.
        p_best_calls: number of successive windows of a sequence for which P-Best chooses one hypothesis together,
            as the published code does for each call (its batch size); None: it chooses for every window alone.
        windows: number of test windows, evenly spread; None or "all" for every window.
        sequences: number of whole test sequences, evenly spread; for what depends on all windows of a sequence.
        precision: of the predictions; fp16 and bf16 are autocast.
        compile: run the part that computes most through ``torch.compile``. Written down only where it is true, so
            that identities from before this field stay as they are.
        seed: of the sampling noise.
    """

    data: DataSource | None = Field(default=None, exclude_if=operator.not_)
    detections: Name | None = None
    allow_other_detections: bool = False
    hypotheses: int = Field(default=5, ge=1, le=1000)
    steps: int = Field(default=5, ge=1, le=1000)
    flip: bool = True
    actions: ActionLabels = "given"
    options: Options = {}
    aggregations: tuple[AggregationName, ...] = Field(default=AGGREGATIONS.usual, min_length=1)
    count_overlap: bool = False
    p_best_calls: int | None = Field(default=None, ge=1, le=1_000_000)
    windows: Part = None
    sequences: Part = None
    precision: Precision = "fp32"
    compile: bool = Field(default=False, exclude_if=operator.not_)
    seed: int = Field(default=0, ge=0, lt=2**31)

    @property
    def title(self) -> str:
        """How the prediction differs from the usual one, apart from its options; "" where it does not."""
        parts = [f"action label {self.actions}"] * (self.actions != "given")
        parts += [f"predicted in {self.precision}"] * (self.precision != "fp32") + ["compiled"] * self.compile
        return ", ".join(parts)

    @property
    def arithmetic(self) -> str:
        """Arithmetic of predictions: "fp32", "bf16 compiled"."""
        return f"{self.precision}{' compiled' * self.compile}"

    def stored(self) -> dict[str, Any]:
        """What records and identities keep: keys have their first names, so that earlier results are found."""
        written = self.model_dump(mode="json") | {"count_overlap": OVERLAP_WORDS[self.count_overlap]}
        return {FIRST_NAMES.get(key, key): value for key, value in written.items()}


class MeasurementSpec(Description):
    """How the cost of a prediction is measured; by default that of one window on an otherwise idle machine.

    Attributes:
        batch: windows in every call.
        workers: processes that make the same predictions at the same time.
    """

    batch: int = Field(default=1, ge=1, le=100_000)
    workers: int = Field(default=1, ge=1, le=1000)

    @property
    def title(self) -> str:
        """How it differs from the usual measurement; "" where it does not."""
        parts = [f"batches of {self.batch}"] * (self.batch > 1) + [f"{self.workers} workers"] * (self.workers > 1)
        return ", ".join(parts)


class Experiment(Description):
    """One experiment, from data to numbers and their cost."""

    method: MethodSpec = MethodSpec()
    data: DataSpec = DataSpec()
    training: TrainingSpec = TrainingSpec()
    evaluation: EvaluationSpec = EvaluationSpec()
    measurement: MeasurementSpec = MeasurementSpec()

    def described(self) -> dict[str, Any]:
        """What records keep; a measurement is written down only where it is not the usual one."""
        usual = self.measurement == MeasurementSpec()
        written = self.model_dump(mode="json", exclude={"measurement"} if usual else None)
        return written | {"evaluation": self.evaluation.stored()}

    @classmethod
    def from_record(cls, described: Mapping[str, Any]) -> Experiment:
        """The experiment that a record keeps as ``described``."""
        return cls.model_validate(_with_current_keys(described))

    def to_yaml(self) -> str:
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # five times as fast, where PyYAML has it
        return yaml.dump(self.model_dump(mode="json"), Dumper=dumper, sort_keys=False)


def parse(description: Any, source: str = "experiment") -> Experiment:
    """Validate a nested mapping. Keys of an evaluation may have their first names; a note on stderr says so.

    Raises:
        InputError: one sentence per wrong key: its path, what was found, what is allowed.
    """
    try:
        current = _with_current_keys(description, note_old_key)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    return validated(Experiment, current, source)


def with_changes(description: Any, changes: Iterable[tuple[str, Any]]) -> Any:
    """A description that is not validated yet with (key, value) pairs set, both under today's names of the keys.

    Raises:
        InputError: the description has an old and a new name of one key, or an old key has a wrong value.
    """
    if not isinstance(description, Mapping):
        return description  # ``parse`` says what is wrong with it
    changed = _with_current_keys(description, note_old_key)
    for key, value in changes:
        changed = override(changed, *_under_current_key(key, value))
    return changed


def _under_current_key(key: str, value: Any) -> tuple[str, Any]:
    for new, old in FIRST_NAMES.items():
        if key == f"evaluation.{old}":
            note_old_key(key, f"evaluation.{new}")
            return f"evaluation.{new}", _current_value(old, value)
    return key, value


def _with_current_keys(description: Any, note: Callable[[str, str], object] = lambda old, new: None) -> Any:
    """A description that is not validated yet, with today's names of the keys of its evaluation.

    ``note`` is called with every old key that was found and its new name.
    """
    evaluation = description.get("evaluation") if isinstance(description, Mapping) else None
    if not isinstance(evaluation, Mapping):
        return description
    current = dict(evaluation)
    for new, old in FIRST_NAMES.items():
        if old not in evaluation:
            continue
        if new in evaluation:
            raise InputError(f"evaluation.{old} is the former name of evaluation.{new}: write only the latter")
        note(f"evaluation.{old}", f"evaluation.{new}")
        current[new] = _current_value(old, current.pop(old))
    return {**description, "evaluation": current}


def _current_value(old_key: str, value: Any) -> Any:
    if old_key != "tail":
        return value
    if value not in OVERLAP_WORDS:
        raise InputError(f"key 'evaluation.tail' is {quoted(value)}, but must be 'dedup' or 'overlap'")
    return value == "overlap"


def identity(description: Any) -> str:
    """16 hexadecimal digits that name a description: equal for equal content, whatever the order of keys."""
    text = json.dumps(description, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
