"""How a training goes, with nothing left open."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from bench.config.experiment import Precision, RecipeName, TrainingLabels, TrainingSpec
from models.errors import InputError
from models.lifter import Lifter, Recipe

NOT_ASKED = ("gradient", "rate_per", "batches", "norm_momentum", "mirrored")
"""Fields of a recipe that an experiment asks for by the name of the recipe only."""

LATER = (*NOT_ASKED, "compute", "batch_windows", "labels", "compile")
"""Fields that came after the first stored trainings."""

INSTEAD = {"batch_frames": "batch_windows", "batch_windows": "batch_frames"}
"""What an experiment asks for → the field of the preset that it takes the place of."""

ASKED = tuple(field.name for field in fields(Recipe) if field.name not in NOT_ASKED)
"""Fields of a recipe that an experiment can ask for one by one."""


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe(Recipe):
    """A method's recipe with what an experiment adds: all that weights follow from, apart from method and data.

    Attributes:
        flip, precision, seed, holdout, labels, compile: see ``bench.config.experiment.TrainingSpec``.
    """

    flip: bool
    precision: Precision
    seed: int
    holdout: int
    labels: TrainingLabels = "given"
    compile: bool = False

    @property
    def flips(self) -> bool:
        """Whether there are mirrored windows."""
        return self.flip and self.mirrored != "none"

    def as_requested(self, spec: TrainingSpec) -> TrainingSpec:
        """``spec`` with the fields filled in that it leaves open."""
        return spec.model_copy(update={name: getattr(self, name) for name in ASKED})

    def described(self) -> dict[str, Any]:
        """What identities are made of: without fields that came later and are as everything was before them."""
        usual = {field.name: field.default for field in fields(self) if field.name in LATER}
        return {key: value for key, value in vars(self).items() if key not in usual or value != usual[key]}


def departures(recipe: TrainingRecipe, named: Recipe) -> str:
    """Where a training departs from the recipe whose name it bears: "epochs = 1, flip = false"; "" for nowhere.

    Seed, labels, held-out takes and compilation are conditions of their own.
    """
    usual = vars(fill_in(TrainingSpec(), named))
    told = ("seed", "labels", "holdout", "compile", *(() if named.mirrored != "none" else ("flip",)))
    changed = {name: value for name, value in vars(recipe).items() if value != usual[name] and name not in told}
    if named.compute is not None and recipe.compute is None:
        changed = {"epochs": recipe.epochs} | changed  # they count in its place, even if they are the preset's
    shown = {name: value for name, value in changed.items() if value is not None}  # another stands in for None
    return ", ".join(f"{name} = {str(value).lower()}" for name, value in shown.items())


def usual_recipe(lifter: type[Lifter], preset: str) -> RecipeName:
    """The name of the recipe of a training that asks for none."""
    return "published" if preset == "paper" and lifter.published is not None else "plain"


def named_recipe(recipe: Recipe, lifter: type[Lifter], name: RecipeName) -> Recipe:
    """A preset's recipe, with what the released script does otherwise where ``name`` is "published".

    A learning rate that the preset warms up keeps its schedule: if it changed by whole epochs, a training of two
    would have a rate of 0 in the first.
    """
    if name != "published":
        return recipe
    kept = {"schedule", "rate_per"} if recipe.schedule == "warmup" else set()
    return replace(recipe, **{key: value for key, value in (lifter.published or {}).items() if key not in kept})


def fill_in(spec: TrainingSpec, recipe: Recipe) -> TrainingRecipe:
    """A training as requested; what ``spec`` leaves open comes from ``recipe``.

    The number of ``epochs`` is exact where they are requested without ``least_steps``; either takes the place of a
    preset's ``compute``.

    Raises:
        InputError: ``batch_frames`` and ``batch_windows`` are both requested, or a selection by validation takes,
            of which there are none.
    """
    if not spec.holdout and spec.selection == "validation":
        raise InputError(
            "training.holdout is 0, so there are no takes to choose a checkpoint by: set training.selection to "
            "last or test"
        )
    given = {name: value for name in ASKED if (value := getattr(spec, name)) is not None}
    replaced: dict[str, None] = {other: None for name, other in INSTEAD.items() if name in given}
    if "epochs" in given:
        given.setdefault("least_steps", 0)
    if "epochs" in given or "least_steps" in given:
        replaced["compute"] = None
    return _with_settings(spec, replace(recipe, **replaced | given))


def fill_in_first_stage(spec: TrainingSpec, recipe: Recipe) -> TrainingRecipe:
    """The first stage of a training: by its own ``recipe``, which ``spec`` can only make shorter."""
    changes: dict[str, Any] = {}
    if spec.epochs is not None:
        changes = {"epochs": min(spec.epochs, recipe.epochs), "least_steps": 0, "compute": None}
    if spec.least_steps is not None:
        changes |= {"least_steps": min(spec.least_steps, recipe.least_steps), "compute": None}
    if spec.compute is not None and recipe.compute is not None:
        changes["compute"] = min(spec.compute, recipe.compute)
    return _with_settings(spec, replace(recipe, **changes))


def _with_settings(spec: TrainingSpec, recipe: Recipe) -> TrainingRecipe:
    return TrainingRecipe(
        **vars(recipe),
        flip=spec.flip,
        precision=spec.precision,
        seed=spec.seed,
        holdout=spec.holdout,
        labels=spec.labels,
        compile=spec.compile,
    )
