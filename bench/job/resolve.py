"""From a description to a job: everything left open filled in, validated against the method, and named."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, get_args, get_type_hints

from bench.config.experiment import AggregationName, Experiment, TrainingSpec, identity
from bench.config.parsing import checked_options
from bench.config.registry import METHODS
from bench.data.sequence import Dataset, Sequence
from bench.job.data_cache import DataCache
from bench.results.record import Measurement, Missing
from bench.training.selection import RULE
from models.errors import InputError
from models.lifter import Lifter, Recipe, Stage
from models.skeleton import Skeleton

PROTOCOL_VERSION = 2
"""Raise it when a metric, an aggregation, the windows or the noise changes: old numbers then no longer count."""

DETERMINISTIC = {"hypotheses": 1, "steps": 1, "call": None, "aggregations": get_args(AggregationName)}
"""What an evaluation says that means nothing to a deterministic method, brought to one value."""


@dataclass(frozen=True)
class Training:
    """What weights follow from, beside the data.

    Attributes:
        lifter, config: class and complete configuration.
        skeleton: of the data.
        spec: with no field left open.
        title: what progress lines call it.
        first: the training that it begins from, if there is one.
        way: identity of the sequence of weights that it goes through, of which the selection takes one.
        id: identity.
    """

    lifter: type[Lifter]
    config: Any
    skeleton: Skeleton
    spec: TrainingSpec
    title: str
    first: Training | None
    way: str
    id: str

    @property
    def chain(self) -> tuple[Training, ...]:
        """All that it takes, the first one first."""
        return (*(self.first.chain if self.first else ()), self)

    def build(self) -> Lifter:
        """The method with freshly drawn weights."""
        import torch

        torch.manual_seed(self.spec.seed)
        return self.lifter(self.config, self.skeleton)


@dataclass(frozen=True)
class Job:
    """An experiment ready to run.

    Attributes:
        requested: the experiment as it was described.
        portable: an experiment that resolves to the same identities on every machine and in every folder: its paths
            are absolute, and what a configuration leaves to the machine is settled.
        experiment: with no field left open.
        training: of the method.
        published: weights that are evaluated instead of training; None for a training.
        evaluated_config: the configuration in training with the options that the evaluation changes.
        variant: the options that differ from the preset, "" for none.
        train, test: the data, with the 2D poses of training and of the test.
        id: identity of the evaluation.
    """

    requested: Experiment
    portable: Experiment
    experiment: Experiment
    training: Training
    published: Any
    evaluated_config: Any
    variant: str
    train: Dataset
    test: Dataset
    id: str

    @property
    def lifter(self) -> type[Lifter]:
        """Class of the method."""
        return self.training.lifter

    @property
    def config(self) -> Any:
        """Its configuration in training."""
        return self.training.config

    @property
    def training_id(self) -> str:
        """Identity of the training."""
        return self.training.id

    @property
    def name(self) -> str:
        """What progress lines call it, whatever its H and K."""
        return self.training.title

    @property
    def title(self) -> str:
        """The same with H and K, where they mean something."""
        spec = self.experiment.evaluation
        return f"{self.name} H={spec.hypotheses} K={spec.steps}" if self.lifter.probabilistic else self.name

    @property
    def sampling_id(self) -> str:
        """Identity of what is predicted: equal for jobs that read their numbers off the same samples."""
        read_off = {"hypotheses", "steps", "tail", "call", "aggregations", "foreign_detections"}
        predicted = self.experiment.evaluation.model_dump(mode="json", exclude=read_off)
        return identity([self.training_id, predicted, self.test.fingerprint])

    @property
    def cost_id(self) -> str:
        """Identity of what time and memory depend on: not on the values of weights, nor on the 2D poses.

        A method that keeps something of its training data costs what its training makes of it.
        """
        spec = self.experiment.evaluation
        described: dict[str, Any] = {
            "method": self.experiment.method.name,
            "version": self.lifter.version,
            "config": asdict(self.evaluated_config),
            "predicted": [spec.hypotheses, spec.steps, spec.flip, spec.arithmetic],
            "data": [self.test.name, len(self.test.skeleton.joints)],
        }
        kept = {"training": self.training_id} if self.keeps_data else {}
        return identity(described | kept | _unusual(self.experiment))

    @property
    def keeps_data(self) -> bool:
        """Whether the method's size follows from its training data."""
        return self.lifter.fit_statistics is not Lifter.fit_statistics

    def build(self) -> Lifter:
        """The method with freshly drawn weights, or with published ones."""
        return self.training.build() if self.published is None else self.published.build()

    def missing(self, reason: str, measurement: Measurement | None = None) -> Missing:
        """What reports are told where this has no record."""
        return Missing(
            id=self.id,
            training_id=self.training_id,
            experiment=self.experiment.described(),
            method=self.experiment.method.name,
            title=self.lifter.title,
            preset=self.experiment.method.preset,
            variant=self.variant,
            reason=reason,
            measurement=measurement,
        )

    def altered(self, trained: Lifter) -> Lifter:
        """The trained method with the options that the evaluation changes."""
        if self.evaluated_config == self.config:
            return trained
        lifter = self.lifter(self.evaluated_config, self.train.skeleton).to(next(trained.parameters()).device)
        lifter.load_state_dict(trained.state_dict())
        return lifter.eval()


def resolve(experiment: Experiment, cache: DataCache | None = None) -> Job:
    """Fill in what the description leaves open and name the result.

    Args:
        experiment: as it was described.
        cache: of loaded data, shared by the experiments of a command or a worker; None for one of its own.

    Raises:
        InputError: unknown method, data set or detections, an option that the method does not have or does not
            accept, or data that cannot be read.
    """
    method = experiment.method
    lifter = METHODS.load(method.name)
    preset = lifter.presets.get(method.preset)
    if preset is None:
        known = ", ".join(lifter.presets)
        raise InputError(f"method {method.name!r} has no preset {method.preset!r}; it has {known}")
    cache = cache or DataCache()
    published = _published(experiment)
    given = preset.config if published is None else published.config
    base = lifter.resolve_config(given)
    open_config = _configure(lifter, given, method.options, method.name)
    config = lifter.resolve_config(open_config)
    open_evaluated = _configure(lifter, config, experiment.evaluation.options, method.name)
    evaluated_config = lifter.resolve_config(open_evaluated)
    evaluation = experiment.evaluation
    settled, settled_evaluated = _settled(open_config, config), _settled(open_evaluated, evaluated_config)
    portable = _portable(experiment, settled, settled_evaluated)
    complete = experiment.model_copy(
        update={
            "method": method.model_copy(update={"options": _changed(portable.method.options, config, base)}),
            "training": _filled(experiment.training, preset.recipe),
            "evaluation": evaluation.model_copy(
                update={
                    "detections": evaluation.detections or experiment.data.detections,
                    "options": _changed(portable.evaluation.options, evaluated_config, config),
                }
                | ({} if lifter.probabilistic else DETERMINISTIC)
            ),
        }
    )
    data = complete.data
    assert complete.evaluation.detections is not None
    _check(complete)
    train = cache.load(data.name, data.root, data.detections, data.options)
    test = cache.load(data.name, data.root, complete.evaluation.detections, data.options)
    if published is not None and published.skeleton != test.skeleton:
        raise InputError(
            f"{experiment.training.weights}: lifts joints of {published.skeleton.name}, but the data have those "
            f"of {test.skeleton.name}; import the checkpoint with --set skeleton={test.skeleton.name}"
        )
    if lifter.needs_confidence:
        _check_confidence(lifter, config, train, train.train if published is None else ())
        _check_confidence(lifter, evaluated_config, test, test.test)
    changed = [f"{k}={v}" for k, v in asdict(evaluated_config).items() if v != getattr(base, k)]
    if evaluation.title:
        changed.append(evaluation.title)
    if experiment.measurement.title:
        changed.append(f"measured with {experiment.measurement.title}")
    variant = ", ".join(changed)
    named = f"{lifter.title} [{variant}]" if variant else lifter.title
    seed = f" seed {complete.training.seed}" if complete.training.seed else ""
    stage = None if published is not None else lifter.first_stage(config)
    training = _training(
        method.name,
        lifter,
        config,
        complete.training,
        train,
        cache.held_out(train, complete.training.holdout),
        f"{named} {method.preset} {complete.evaluation.detections}{seed}",
        first=None if stage is None else _first_training(stage, experiment, train, cache),
        judges=test,
        weights={} if published is None else {"weights": published.source_sha256},
    )
    evaluation_id = identity(
        {
            "training": training.id,
            "evaluation": complete.evaluation.model_dump(mode="json", exclude={"foreign_detections"}),
            "data": [test.name, test.fingerprint],
            "protocol": PROTOCOL_VERSION,
        }
        | _unusual(complete)
    )
    return Job(
        requested=experiment,
        portable=portable,
        experiment=complete,
        training=training,
        published=published,
        evaluated_config=evaluated_config,
        variant=variant,
        train=train,
        test=test,
        id=evaluation_id,
    )


def _unusual(experiment: Experiment) -> dict[str, Any]:
    """A measurement that is not the usual one, for identities."""
    spec = experiment.measurement
    shared = {"threads": "shared"} if spec.workers > 1 else {}
    return {"measurement": spec.model_dump() | shared} if spec.title else {}


def _filled(asked: TrainingSpec, recipe: Recipe) -> TrainingSpec:
    """A training with what it leaves open taken from a recipe."""
    left = {key: value for key, value in asdict(recipe).items() if getattr(asked, key) is None}
    if asked.epochs is not None and "least_steps" in left:
        left["least_steps"] = 0
    return asked.model_copy(update=left)


def _training(
    name: str,
    lifter: type[Lifter],
    config: Any,
    spec: TrainingSpec,
    data: Dataset,
    held_out: list[str],
    title: str,
    first: Training | None,
    judges: Dataset,
    weights: dict[str, str],
) -> Training:
    way = identity(
        {
            "method": name,
            "version": lifter.version,
            "config": asdict(config),
            "training": spec.model_dump(mode="json", exclude={"weights", "selection"}),
            "data": [data.name, data.fingerprint],
            "held out": held_out,
        }
        | ({} if first is None else {"first stage": first.id})
        | weights
    )
    looks = {} if spec.selection == "last" else RULE
    on = {"chosen on": judges.fingerprint} if spec.selection == "test" else {}
    whole = identity({"way": way, "selection": spec.selection, **looks, **on})
    return Training(lifter, config, data.skeleton, spec, title, first, way, whole)


def _first_training(stage: Stage, experiment: Experiment, data: Dataset, cache: DataCache) -> Training:
    """The training of a first stage: its own recipe, cut short where the experiment asks for a short training."""
    asked = experiment.training
    recipe = stage.recipe or stage.lifter.presets[experiment.method.preset].recipe
    own: dict[str, Any] = asdict(recipe) | {"selection": stage.selection, "weights": None}
    if asked.epochs is not None:
        own |= {"epochs": min(asked.epochs, recipe.epochs), "least_steps": 0}
    if asked.least_steps is not None:
        own["least_steps"] = min(asked.least_steps, recipe.least_steps)
    before = stage.lifter.first_stage(stage.config)
    return _training(
        f"{stage.lifter.__module__}:{stage.lifter.__qualname__}",
        stage.lifter,
        stage.config,
        asked.model_copy(update=own),
        data,
        cache.held_out(data, asked.holdout),
        f"{stage.lifter.title} {experiment.method.preset} {data.detections}",
        first=None if before is None else _first_training(before, experiment, data, cache),
        judges=data,
        weights={},
    )


def _check(experiment: Experiment) -> None:
    if experiment.evaluation.windows is not None and experiment.evaluation.sequences is not None:
        raise InputError(
            "evaluation.windows and evaluation.sequences both name a part of the test set: set one of them to all"
        )
    trained, tested = experiment.data.detections, experiment.evaluation.detections
    if tested != trained and not experiment.evaluation.foreign_detections:
        raise InputError(
            f"evaluation.detections is {tested!r}, but the method is trained on {trained!r}: set data.detections "
            f"to {tested!r} too, or evaluation.foreign_detections to true if that is what you want to measure"
        )


def _check_confidence(lifter: type[Lifter], config: Any, data: Dataset, sequences: Iterable[Sequence]) -> None:
    if config.confidence == "required" and any(sequence.confidence is None for sequence in sequences):
        raise InputError(
            f"data {data.name!r}: its {data.detections!r} poses have no confidence, which {lifter.title} reads; "
            "take other detections, or set method.options.confidence to one (with published "
            "weights: evaluation.options.confidence)"
        )


def _configure(lifter: type[Lifter], config: Any, options: dict[str, Any], method: str) -> Any:
    hints = get_type_hints(lifter.Config)
    changed = checked_options(options, hints, "method.options", method)
    return replace(config, **changed)


def _changed(options: dict[str, Any], config: Any, base: Any) -> dict[str, Any]:
    """Those that change ``base``: an option spelled out at its default is no other experiment."""
    return {key: value for key, value in options.items() if getattr(config, key) != getattr(base, key)}


def _published(experiment: Experiment) -> Any:
    """The published checkpoint that an experiment evaluates, or None."""
    path = experiment.training.weights
    if path is None:
        return None
    published = importlib.import_module("baselines.published.checkpoint").read_imported(path)
    named = experiment.method.name
    if published.method != named:
        raise InputError(f"{path}: holds weights of {published.method}, but method.name is {named}")
    if experiment.method.options:
        raise InputError(f"{path}: has its own configuration; leave method.options out")
    return published


def _settled(open_config: Any, config: Any) -> dict[str, Any]:
    """The options that ``Lifter.resolve_config`` has settled on this machine."""
    values = {field.name: getattr(config, field.name) for field in fields(config)}
    return {name: value for name, value in values.items() if value != getattr(open_config, name)}


def _portable(experiment: Experiment, options: dict[str, Any], evaluation_options: dict[str, Any]) -> Experiment:
    """The same experiment with absolute paths and with these options settled."""
    method, data, training, evaluation = (
        experiment.method, experiment.data, experiment.training, experiment.evaluation
    )  # fmt: skip
    return experiment.model_copy(
        update={
            "method": method.model_copy(update={"options": method.options | options}),
            "data": data.model_copy(update={"root": data.root and data.root.absolute()}),
            "training": training.model_copy(update={"weights": training.weights and training.weights.absolute()}),
            "evaluation": evaluation.model_copy(update={"options": evaluation.options | evaluation_options}),
        }
    )
