"""The identities of a job: under them its results are kept and found again.

Each one is a hash of a description. Its words, also those that were later renamed in the code, and its values must
stay as they are: with any change, no earlier result would be found any more.
"""

from __future__ import annotations

from typing import Any

from bench.config.experiment import Experiment, Precision, Selection, identity
from bench.data.sequence import Dataset
from bench.protocol.plugins import cost_plugin_identity, plugin_identity
from bench.training.recipe import TrainingRecipe
from bench.training.selection import RULE
from models.config import identifying
from models.lifter import Lifter

PROTOCOL_VERSION = 2
"""Raise it when a metric, an aggregation, the windows or the noise changes: old numbers then no longer count."""

AUTOCAST_VERSION = 2
"""Raise it when numbers change in fp16 and bf16 alone."""

READ_OFF = {"hypotheses", "steps", "tail", "call", "aggregations", "foreign_detections", "data"}
"""What an evaluation says of the numbers that are read off its samples, and not of the samples; and where the data
are, whose content is in the identity."""


def trajectory_identity(
    method: str,
    lifter: type[Lifter],
    config: Any,
    recipe: TrainingRecipe,
    data: Dataset,
    held_out: list[str],
    first: str | None,
    published: str | None,
) -> str:
    """Identity of the sequence of weights that a training goes through.

    ``held_out``: takes that are kept for validation; ``first``: identity of the training that it begins from;
    ``published``: SHA-256 of the published file that the weights come from.
    """
    described: dict[str, Any] = {
        "method": method,
        "version": lifter.version,
        "config": identifying(config),
        "training": recipe.described(),
        "data": [data.name, data.fingerprint],
        "held out": held_out,
    }
    described |= _autocast(recipe.precision)
    if first is not None:
        described["first stage"] = first
    if published is not None:
        described["weights"] = published
    return identity(described)


def training_identity(
    trajectory: str, lifter: type[Lifter], config: Any, selection: Selection, selection_data: Dataset
) -> str:
    """Identity of the weights that the selection takes from a trajectory of ``lifter`` with ``config``."""
    described: dict[str, Any] = {"way": trajectory, "selection": selection}
    if selection != "last":
        described |= RULE | _prediction(lifter, config)
    if selection == "test":
        described["chosen on"] = selection_data.fingerprint
    return identity(described)


def evaluation_identity(
    training: str, lifter: type[Lifter], config: Any, experiment: Experiment, test: Dataset
) -> str:
    """Identity of the numbers of an experiment with no field left open, after the training of this identity.

    ``lifter`` and ``config``: class and configuration as evaluated.
    """
    evaluation = experiment.evaluation.stored()
    del evaluation["foreign_detections"]
    evaluation.pop("data", None)  # whose content is below
    described = {
        "training": training,
        "evaluation": evaluation,
        "data": [test.name, test.fingerprint],
        "protocol": PROTOCOL_VERSION,
    }
    described |= plugin_identity(experiment.evaluation.aggregations if lifter.probabilistic else ())
    described |= _prediction(lifter, config) | _autocast(experiment.evaluation.precision)
    return identity(described | _unusual_measurement(experiment))


def sampling_identity(
    training: str, lifter: type[Lifter], config: Any, experiment: Experiment, test: Dataset
) -> str:
    """Identity of what is predicted: equal for jobs that read their numbers off the same samples.

    Arguments: see ``evaluation_identity``.
    """
    predicted = {key: value for key, value in experiment.evaluation.stored().items() if key not in READ_OFF}
    predicted |= _prediction(lifter, config) | _autocast(experiment.evaluation.precision)
    return identity([training, predicted, test.fingerprint])


def cost_identity(
    lifter: type[Lifter], config: Any, experiment: Experiment, test: Dataset, training: str | None
) -> str:
    """Identity of what time and memory depend on: not the values of weights, nor the 2D poses.

    ``training``: its identity, for a method whose size follows from its training data. The others are those of
    ``evaluation_identity``.
    """
    spec = experiment.evaluation
    described: dict[str, Any] = {
        "method": experiment.method.name,
        "version": lifter.version,
        "config": identifying(config),
        "predicted": [spec.hypotheses, spec.steps, spec.flip, spec.arithmetic],
        "data": [test.name, len(test.skeleton.joints)],
    }
    if training is not None:
        described["training"] = training
    described |= cost_plugin_identity(spec.aggregations if lifter.probabilistic else ())
    described |= _prediction(lifter, config) | _autocast(spec.precision)
    return identity(described | _unusual_measurement(experiment))


def _prediction(lifter: type[Lifter], config: Any) -> dict[str, int]:
    """The version of predictions, where it was raised."""
    version = lifter.prediction_version(config)
    return {} if version == 1 else {"prediction version": version}


def _autocast(precision: Precision) -> dict[str, int]:
    """The version of arithmetic below fp32, where it was raised."""
    return {} if precision == "fp32" or AUTOCAST_VERSION == 1 else {"autocast version": AUTOCAST_VERSION}


def _unusual_measurement(experiment: Experiment) -> dict[str, Any]:
    """A measurement that is not the usual one; the usual one is in no identity."""
    spec = experiment.measurement
    shared = {"threads": "shared"} if spec.workers > 1 else {}
    return {"measurement": spec.model_dump() | shared} if spec.title else {}
