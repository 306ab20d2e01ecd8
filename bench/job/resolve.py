"""From a description to a job: everything left open filled in, validated against the method, and named."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bench.config.experiment import Experiment, identity
from bench.config.registry import AGGREGATIONS, METHODS
from bench.data.sequence import Dataset
from bench.job.data_cache import DataCache
from bench.job.identities import evaluation_identity
from bench.job.jobs import Job, Training, described_fields
from bench.job.method import ConfiguredMethod, find_method, settle_confidence
from bench.results.record import Missing
from bench.training.recipe import fill_in, fill_in_first_stage, named_recipe, usual_recipe
from models.errors import InputError, UnfitError
from models.lifter import Lifter

DETERMINISTIC = {"hypotheses": 1, "steps": 1, "p_best_calls": None, "aggregations": AGGREGATIONS.usual}
"""What an evaluation says that means nothing to a deterministic method, brought to one value."""

LEFT_OUT = "left out: "
"""How the reason begins where an experiment is left out."""


def resolve(experiment: Experiment, cache: DataCache | None = None) -> Job:
    """Fill in what the description leaves open and name the result.

    ``cache``: of loaded data, shared by the experiments of a command or a worker; None for one of its own.

    Raises:
        UnfitError: as ``find_method``; or the data lack the detections, or a confidence that is required.
        InputError: unknown method or data set, an option that the method does not have or does not accept, or data
            that cannot be read.
    """
    cache = cache or DataCache()
    method = find_method(experiment)
    complete = _complete(experiment, method)
    _check_evaluation(complete)
    spec, tested = complete.data, complete.evaluation.detections or complete.data.detections
    other = complete.evaluation.data or spec
    train = cache.load(spec.name, spec.root, spec.detections, spec.reader_options)
    test = cache.load(other.name, other.root, tested, other.reader_options)
    _check_skeletons(experiment, method, train, test)
    method = settle_confidence(method, experiment, train, test)
    variant = _variant(experiment, method)
    training = _training(experiment, method, variant, train, test, cache)
    return Job(
        portable=_portable(experiment, method),
        experiment=complete,
        training=training,
        evaluated_config=method.evaluated_config,
        variant=variant,
        test=test,
        id=evaluation_identity(training.id, method.lifter, method.evaluated_config, complete, test),
    )


def _complete(experiment: Experiment, method: ConfiguredMethod) -> Experiment:
    """The experiment with no field left open, and without options that change nothing."""
    spec, training, evaluation = experiment.method, experiment.training, experiment.evaluation
    changes = _tested(experiment, method.lifter)
    changes["options"] = _changed(method.evaluation_options, method.evaluated_config, method.config)
    options = _changed(method.options, method.config, method.base)
    is_usual = not method.lifter.published or method.recipe_name == usual_recipe(method.lifter, spec.preset)
    return experiment.model_copy(
        update={
            "method": spec.model_copy(update={"options": options}),
            "training": fill_in(training, method.recipe)
            .as_requested(training)
            .model_copy(update={"recipe": None if is_usual else method.recipe_name}),
            "evaluation": evaluation.model_copy(update=changes),
        }
    )


def _tested(experiment: Experiment, lifter: type[Lifter]) -> dict[str, Any]:
    """What an experiment leaves open of its evaluation, and has no meaning for a method with one answer."""
    detections = {"detections": experiment.evaluation.detections or experiment.data.detections}
    return detections if lifter.probabilistic else detections | DETERMINISTIC


def _portable(experiment: Experiment, method: ConfiguredMethod) -> Experiment:
    """See ``Job.portable``."""
    spec, evaluation = experiment.method, experiment.evaluation
    data, training = experiment.data, experiment.training
    return experiment.model_copy(
        update={
            "method": spec.model_copy(update={"options": method.options}),
            "data": data.absolute(),
            "training": training.model_copy(update={"weights": training.weights and training.weights.absolute()}),
            "evaluation": evaluation.model_copy(
                update={
                    "options": method.evaluation_options,
                    "data": evaluation.data and evaluation.data.absolute(),
                }
            ),
        }
    )


def _changed(options: dict[str, Any], config: Any, base: Any) -> dict[str, Any]:
    """Options that change ``base``: one spelled out at its default is no other experiment."""
    return {key: value for key, value in options.items() if getattr(config, key) != getattr(base, key)}


def _variant(experiment: Experiment, method: ConfiguredMethod) -> str:
    """How an experiment differs from the usual one with its preset, in words."""
    changed = [f"{k}={v}" for k, v in asdict(method.evaluated_config).items() if v != getattr(method.base, k)]
    measured = experiment.measurement.title and f"measured with {experiment.measurement.title}"
    titles = (experiment.training.title, experiment.evaluation.title, measured)
    return ", ".join([*changed, *filter(None, titles)])


def _training(
    experiment: Experiment, method: ConfiguredMethod, variant: str, train: Dataset, test: Dataset, cache: DataCache
) -> Training:
    """The training of an experiment, with those that it begins from."""
    lifter, preset = method.lifter, experiment.method.preset
    recipe = fill_in(experiment.training, method.recipe)
    title = f"{lifter.title} [{variant}]" if variant else lifter.title
    seed = f" seed {recipe.seed}" if recipe.seed else ""
    return Training(
        method=experiment.method.name,
        preset=preset,
        lifter=lifter,
        config=method.config,
        data=train,
        held_out=cache.held_out(train, recipe.holdout),
        selection_data=test,
        recipe=recipe,
        recipe_name=method.recipe_name,
        selection=experiment.training.selection,
        published=method.published,
        title=f"{title} {preset} {test.detections}{seed}",
        first=None if method.published else _first_training(lifter, method.config, experiment, train, cache),
    )


def _first_training(
    after: type[Lifter], config: Any, experiment: Experiment, data: Dataset, cache: DataCache
) -> Training | None:
    """The training that one of ``after`` begins from, if there is one.

    By its own recipe, cut short where the experiment asks for a short training.
    """
    stage = after.first_stage(config)
    if stage is None:
        return None
    lifter, preset = stage.lifter, experiment.method.preset
    usual = stage.recipe or lifter.presets[preset].recipe_on(experiment.data.detections)
    name = experiment.training.recipe or usual_recipe(lifter, preset)
    recipe = fill_in_first_stage(experiment.training, named_recipe(usual, lifter, name))
    return Training(
        method=f"{lifter.__module__}:{lifter.__qualname__}",
        preset=preset,
        lifter=lifter,
        config=stage.config,
        data=data,
        held_out=cache.held_out(data, recipe.holdout),
        selection_data=data,
        recipe=recipe,
        recipe_name=name,
        selection=stage.selection if recipe.holdout else "last",
        published=None,
        title=f"{lifter.title} {preset} {data.detections}",
        first=_first_training(lifter, stage.config, experiment, data, cache),
    )


def _check_evaluation(experiment: Experiment) -> None:
    """Refuse parts of an evaluation that contradict each other."""
    if experiment.evaluation.windows is not None and experiment.evaluation.sequences is not None:
        raise InputError(
            "evaluation.windows and evaluation.sequences both name a part of the test set: set one of them to all"
        )
    if experiment.training.labels == "none" and experiment.evaluation.actions != "empty":
        raise InputError(
            "training.labels is 'none', so the method has seen no label but the empty one: set evaluation.actions "
            "to 'empty'"
        )
    trained, tested = experiment.data.detections, experiment.evaluation.detections
    if tested != trained and not experiment.evaluation.allow_other_detections:
        raise InputError(
            f"evaluation.detections is {tested!r}, but the method is trained on {trained!r}: set data.detections "
            f"to {tested!r} too, or evaluation.allow_other_detections to true if that is what you want to measure"
        )


def _check_skeletons(experiment: Experiment, method: ConfiguredMethod, train: Dataset, test: Dataset) -> None:
    """Refuse data of other joints than those of the training, or than those that published weights lift."""
    published = method.published
    if train.skeleton != test.skeleton:
        raise InputError(
            f"data {train.name!r} has joints of {train.skeleton.name}, evaluation.data {test.name!r} those of "
            f"{test.skeleton.name}: a method that was trained on the one cannot lift the other; take data sets "
            "with the same joints"
        )
    if published is not None and published.skeleton != test.skeleton:
        raise InputError(
            f"{experiment.training.weights}: lifts joints of {published.skeleton.name}, but the data have those "
            f"of {test.skeleton.name}: evaluate it on data of {published.skeleton.name}; only if it was trained "
            f"on the joints of {test.skeleton.name}, import it again with --set skeleton={test.skeleton.name}"
        )


def left_out(experiment: Experiment, reason: str) -> Missing:
    """What reports are told of an experiment that cannot be run on the data at hand, or of a preset that is not.

    Raises:
        InputError: as ``find_method``.
    """
    try:
        method = find_method(experiment)
        lifter, complete, variant = method.lifter, _complete(experiment, method), _variant(experiment, method)
    except UnfitError:  # without its preset no more than the evaluation can be filled in
        lifter, variant = METHODS.load(experiment.method.name), ""
        tested = experiment.evaluation.model_copy(update=_tested(experiment, lifter))
        complete = experiment.model_copy(update={"evaluation": tested})
    name = identity(["left out", complete.described()])
    return Missing(**described_fields(name, name, complete, lifter, variant), reason=LEFT_OUT + reason)
