"""The method that an experiment asks for: its class, and its configurations in training and in evaluation."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, fields, replace
from typing import Any, get_type_hints

from bench.config.experiment import Experiment, RecipeName
from bench.config.parsing import checked_options
from bench.config.registry import CHECKPOINTS, METHODS
from bench.data.sequence import Dataset
from bench.training.recipe import named_recipe, usual_recipe
from models.checkpoints.importer import ImportedCheckpoint, read_imported
from models.errors import InputError, UnfitError
from models.lifter import Lifter, Recipe
from models.skeleton import Skeleton


@dataclass(frozen=True)
class ConfiguredMethod:
    """What an experiment says of its method.

    Attributes:
        lifter: its class.
        published: a checkpoint that is evaluated instead of training, or None.
        recipe: of the preset, or of the release.
        recipe_name: its name; None for published weights.
        base: configuration before options: of the preset, or of the published checkpoint.
        config: with the options of the method.
        evaluated_config: with those of the evaluation too.
        options, evaluation_options: as requested, but with values in place of what is left to the machine.
    """

    lifter: type[Lifter]
    published: ImportedCheckpoint | None
    recipe: Recipe
    recipe_name: RecipeName | None
    base: Any
    config: Any
    evaluated_config: Any
    options: dict[str, Any]
    evaluation_options: dict[str, Any]


def find_method(experiment: Experiment) -> ConfiguredMethod:
    """The method of an experiment with its configurations.

    Raises:
        UnfitError: the method has no such preset.
        InputError: unknown method, an option that the method does not have or does not accept, or
            published weights that cannot be read or are of another method, or a recipe that is not known.
    """
    spec, evaluation = experiment.method, experiment.evaluation
    lifter = METHODS.load(spec.name)
    preset = lifter.presets.get(spec.preset)
    if preset is None:
        known = ", ".join(lifter.presets)
        raise UnfitError(f"method {spec.name!r} has no preset {spec.preset!r}; it has {known}")
    published = _published(experiment)
    name = _recipe_name(experiment, lifter)
    base = preset.config_on(experiment.data.detections) if published is None else published.config
    config, settled = _configure(lifter, base, spec.options, "method.options", spec.name)
    evaluated_config, settled_later = _configure(
        lifter, config, evaluation.options, "evaluation.options", spec.name
    )
    return ConfiguredMethod(
        lifter=lifter,
        published=published,
        recipe=named_recipe(preset.recipe_on(experiment.data.detections), lifter, name or "plain"),
        recipe_name=name,
        base=lifter.resolve_config(base),
        config=config,
        evaluated_config=evaluated_config,
        options=spec.options | settled,
        evaluation_options=evaluation.options | settled_later,
    )


def build_lifter(lifter: type[Lifter], config: Any, skeleton: Skeleton) -> Lifter:
    """A method with freshly drawn weights.

    Raises:
        UnfitError: its ``__init__`` does not take these two, or does not say how many frames it predicts.
    """
    name = lifter.__name__
    try:
        inspect.signature(lifter).bind(config, skeleton)
    except TypeError as error:
        raise UnfitError(
            f"a method is built as {name}(config, skeleton), which {name}.__init__ does not take ({error}): "
            "let it take these two, the rest with defaults"
        ) from None
    built = lifter(config, skeleton)
    if getattr(built, "frames", None) is None:
        raise UnfitError(
            f"{name}.__init__ does not set self.frames, the output frames of a window: set it, for example to "
            "config.frames"
        )
    return built


def settle_confidence(
    method: ConfiguredMethod, experiment: Experiment, train: Dataset, test: Dataset
) -> ConfiguredMethod:
    """The method with confidence 1 for every joint where the data have none, which the conditions then say.

    Raises:
        UnfitError: the experiment itself requires a confidence (its options say so), and the data have none.
    """
    if not method.lifter.needs_confidence:
        return method
    trained_on = () if method.published is not None else train.train
    untrusted = [
        data
        for data, sequences in ((train, trained_on), (test, test.test))
        if any(sequence.confidence is None for sequence in sequences)
    ]
    asked = experiment.method.options | experiment.evaluation.options
    if untrusted and asked.get("confidence") == "required":
        raise UnfitError(
            f"data {untrusted[0].name!r}: its {untrusted[0].detections!r} poses have no confidence, which "
            f"{method.lifter.title} is asked to require; take other detections, or leave the option confidence out"
        )
    changed = ["evaluated_config"] if untrusted else []
    if train in untrusted or (untrusted and method.published is not None):
        changed += ["base", "config"]  # also in the base: it is no variant of the method
    return replace(method, **{name: replace(getattr(method, name), confidence="one") for name in changed})


def _configure(
    lifter: type[Lifter], config: Any, options: dict[str, Any], prefix: str, method: str
) -> tuple[Any, dict[str, Any]]:
    """A configuration with options set, and those of its fields that were settled on this machine."""
    open_config = replace(config, **checked_options(options, get_type_hints(lifter.Config), prefix, method))
    settled = lifter.resolve_config(open_config)
    values = {field.name: getattr(settled, field.name) for field in fields(settled)}
    return settled, {name: value for name, value in values.items() if value != getattr(open_config, name)}


def _recipe_name(experiment: Experiment, lifter: type[Lifter]) -> RecipeName | None:
    """See ``ConfiguredMethod.recipe_name``."""
    asked, spec = experiment.training.recipe, experiment.method
    if experiment.training.weights is not None:
        if asked is not None:
            raise InputError("training.weights are not trained, so training.recipe means nothing: leave it out")
        return None
    if asked == "published" and lifter.published is None:
        raise InputError(
            f"training.recipe is published, but how {spec.name} was trained is not known here: leave it out"
        )
    return asked or usual_recipe(lifter, spec.preset)


def _published(experiment: Experiment) -> ImportedCheckpoint | None:
    """The published checkpoint that an experiment evaluates, or None."""
    path = experiment.training.weights
    if path is None:
        return None
    published = read_imported(path, CHECKPOINTS.load)
    named = experiment.method.name
    if published.method != named:
        raise InputError(f"{path}: holds weights of {published.method}, but method.name is {named}")
    if experiment.method.options:
        raise InputError(f"{path}: has its own configuration; leave method.options out")
    return published
