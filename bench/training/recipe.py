"""How a training goes, with nothing left open."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace

from bench.config.experiment import Precision, TrainingSpec
from models.lifter import Recipe


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe(Recipe):
    """A method's recipe with what an experiment adds: all that weights follow from, apart from method and data.

    Attributes:
        flip, precision, seed, holdout: see ``bench.config.experiment.TrainingSpec``.
    """

    flip: bool
    precision: Precision
    seed: int
    holdout: int

    def as_requested(self, spec: TrainingSpec) -> TrainingSpec:
        """``spec`` with the fields filled in that it leaves open."""
        return spec.model_copy(update={field.name: getattr(self, field.name) for field in fields(Recipe)})


def fill_in(spec: TrainingSpec, recipe: Recipe) -> TrainingRecipe:
    """A training as requested; what ``spec`` leaves open comes from ``recipe``.

    The number of ``epochs`` is exact where they are requested without ``least_steps``.
    """
    requested = {field.name: getattr(spec, field.name) for field in fields(Recipe)}
    given = {name: value for name, value in requested.items() if value is not None}
    if "epochs" in given:
        given.setdefault("least_steps", 0)
    return _with_settings(spec, replace(recipe, **given))


def fill_in_first_stage(spec: TrainingSpec, recipe: Recipe) -> TrainingRecipe:
    """The first stage of a training: by its own ``recipe``, which ``spec`` can only make shorter."""
    epochs, least_steps = recipe.epochs, recipe.least_steps
    if spec.epochs is not None:
        epochs, least_steps = min(spec.epochs, recipe.epochs), 0
    if spec.least_steps is not None:
        least_steps = min(spec.least_steps, recipe.least_steps)
    return _with_settings(spec, replace(recipe, epochs=epochs, least_steps=least_steps))


def _with_settings(spec: TrainingSpec, recipe: Recipe) -> TrainingRecipe:
    return TrainingRecipe(
        **asdict(recipe), flip=spec.flip, precision=spec.precision, seed=spec.seed, holdout=spec.holdout
    )
