"""From a description to a job: everything left open filled in, validated against the method, and named."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

import bench.data
from bench import registry
from bench.data.sequence import Dataset, Sequence
from bench.experiment import Experiment, identity, suggestion
from models.errors import InputError
from models.lifter import Lifter

PROTOCOL_VERSION = 2
"""Raise it when a metric, an aggregation, the windows or the noise changes: old numbers then no longer count."""


@dataclass(frozen=True)
class Job:
    """An experiment ready to run.

    Attributes:
        experiment: with no field left open.
        lifter: class of the method.
        published: weights that are evaluated instead of training; None for a training.
        config: its complete configuration in training.
        evaluated_config: the same with the options that the evaluation changes.
        variant: the options that differ from the preset, "" for none.
        train, test: the data, with the 2D poses of training and of the test.
        training_id, id: identities of the training and of the evaluation.
    """

    experiment: Experiment
    lifter: type[Lifter]
    published: Any
    config: Any
    evaluated_config: Any
    variant: str
    train: Dataset
    test: Dataset
    training_id: str
    id: str

    @property
    def name(self) -> str:
        """What progress lines call it, whatever its H and K."""
        spec = self.experiment
        variant = f" [{self.variant}]" if self.variant else ""
        seed = f" seed {spec.training.seed}" if spec.training.seed else ""
        return f"{self.lifter.title}{variant} {spec.method.preset} {spec.evaluation.detections}{seed}"

    @property
    def title(self) -> str:
        """The same with H and K, where they mean something."""
        spec = self.experiment.evaluation
        return f"{self.name} H={spec.hypotheses} K={spec.steps}" if self.lifter.probabilistic else self.name

    def build(self) -> Lifter:
        """The method with freshly drawn weights, or with published ones."""
        import torch

        if self.published is not None:
            return self.published.build()
        torch.manual_seed(self.experiment.training.seed)
        return self.lifter(self.config, self.train.skeleton)

    def altered(self, trained: Lifter) -> Lifter:
        """The trained method with the options that the evaluation changes."""
        if self.evaluated_config == self.config:
            return trained
        lifter = self.lifter(self.evaluated_config, self.train.skeleton).to(next(trained.parameters()).device)
        lifter.load_state_dict(trained.state_dict())
        return lifter.eval()


def resolve(experiment: Experiment) -> Job:
    """Fill in what the description leaves open and name the result.

    Raises:
        InputError: unknown method, data set or detections, an option that the method does not have or does not
            accept, or data that cannot be read.
    """
    method = experiment.method
    lifter = registry.load(method.name)
    preset = lifter.presets.get(method.preset)
    if preset is None:
        known = ", ".join(lifter.presets)
        raise InputError(f"method {method.name!r} has no preset {method.preset!r}; it has {known}")
    published = _published(experiment)
    base = preset.config if published is None else published.config
    config = _configure(lifter, base, method.options, method.name)
    evaluated_config = _configure(lifter, config, experiment.evaluation.options, method.name)
    recipe = {
        field.name: getattr(preset.recipe, field.name)
        for field in fields(preset.recipe)
        if getattr(experiment.training, field.name) is None
    }
    if experiment.training.epochs is not None and "least_steps" in recipe:
        recipe["least_steps"] = 0
    evaluation = experiment.evaluation
    complete = experiment.model_copy(
        update={
            "training": experiment.training.model_copy(update=recipe),
            "evaluation": evaluation.model_copy(
                update={"detections": evaluation.detections or experiment.data.detections}
                | ({} if lifter.probabilistic else {"hypotheses": 1, "steps": 1, "call": None})
            ),
        }
    )
    data = complete.data
    assert complete.evaluation.detections is not None
    _check(complete)
    options = tuple(sorted(data.options.items()))
    train = _load(data.name, data.root, data.detections, options)
    test = _load(data.name, data.root, complete.evaluation.detections, options)
    if lifter.needs_confidence:
        _check_confidence(lifter, config, train, train.train if published is None else ())
        _check_confidence(lifter, evaluated_config, test, test.test)
    training_id = identity(
        {
            "method": method.name,
            "version": lifter.version,
            "config": asdict(config),
            "training": complete.training.model_dump(mode="json", exclude={"weights"}),
            "data": [train.name, train.fingerprint],
        }
        | ({"chosen on": test.fingerprint} if complete.training.selection == "test" else {})
        | ({} if published is None else {"weights": published.source_sha256})
    )
    evaluation_id = identity(
        {
            "training": training_id,
            "evaluation": complete.evaluation.model_dump(mode="json", exclude={"foreign_detections"}),
            "data": [test.name, test.fingerprint],
            "protocol": PROTOCOL_VERSION,
        }
    )
    changed = asdict(evaluated_config).items()
    variant = [f"{key}={value}" for key, value in changed if value != getattr(base, key)]
    if evaluation.actions != "given":
        variant.append(f"action label {evaluation.actions}")
    return Job(
        experiment=complete,
        lifter=lifter,
        published=published,
        config=config,
        evaluated_config=evaluated_config,
        variant=", ".join(variant),
        train=train,
        test=test,
        training_id=training_id,
        id=evaluation_id,
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
    changed = {}
    for key, value in options.items():
        if key not in hints:
            raise InputError(f"unknown key 'method.options.{key}' for {method}: {suggestion(key, list(hints))}")
        try:
            changed[key] = TypeAdapter(hints[key]).validate_python(value)
        except ValidationError as error:
            allowed = error.errors()[0]["msg"]
            raise InputError(
                f"key 'method.options.{key}' is {value!r}, but {allowed[0].lower()}{allowed[1:]}"
            ) from None
    return replace(config, **changed)


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


@functools.lru_cache(maxsize=4)
def _load(name: str, root: Path | None, detections: str, options: tuple[tuple[str, Any], ...]) -> Dataset:
    return bench.data.load(name, root, detections, dict(options))
