"""A training and a job: an experiment with everything settled that its weights and its numbers follow from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from bench.config.experiment import Experiment, RecipeName, Selection
from bench.data.sequence import Dataset
from bench.job.identities import cost_identity, sampling_identity, training_identity, trajectory_identity
from bench.job.method import build_lifter
from bench.results.record import Measurement, Missing
from bench.training.recipe import TrainingRecipe
from models.checkpoints.importer import ImportedCheckpoint
from models.lifter import Lifter


@dataclass(frozen=True)
class Training:
    """What weights follow from.

    Attributes:
        method, preset: names of the method and of its size; where it is only a first stage, the method's class.
        lifter, config: class and complete configuration.
        data: its training part is trained on.
        held_out: takes of it that are kept for validation.
        selection_data: its test part selects the weights where ``selection`` is "test".
        recipe: how it goes.
        recipe_name: "published" or "plain"; None for published weights.
        selection: which of the weights that it goes through are kept.
        published: weights that are evaluated instead of training; None for a training.
        title: what progress lines call it.
        first: the training that it begins from, if there is one.
    """

    method: str
    preset: str
    lifter: type[Lifter]
    config: Any
    data: Dataset
    held_out: list[str]
    selection_data: Dataset
    recipe: TrainingRecipe
    recipe_name: RecipeName | None
    selection: Selection
    published: ImportedCheckpoint | None
    title: str
    first: Training | None

    @cached_property
    def trajectory_id(self) -> str:
        """Identity of the sequence of weights that it goes through."""
        first = self.first.id if self.first else None
        published = self.published.source_sha256 if self.published else None
        what = (self.method, self.lifter, self.config, self.recipe, self.data, self.held_out)
        return trajectory_identity(*what, first=first, published=published)

    @cached_property
    def id(self) -> str:
        """Identity of the weights that are kept."""
        return training_identity(self.trajectory_id, self.lifter, self.config, self.selection, self.selection_data)

    @property
    def chain(self) -> tuple[Training, ...]:
        """The trainings that lead to these weights, in order; the last one is this."""
        return (*(self.first.chain if self.first else ()), self)

    def build(self) -> Lifter:
        """The method with freshly drawn weights, or with published ones."""
        if self.published is not None:
            return self.published.build()
        torch.manual_seed(self.recipe.seed)
        return build_lifter(self.lifter, self.config, self.data.skeleton)


@dataclass(frozen=True)
class Job:
    """An experiment ready to run.

    Attributes:
        portable: the experiment as described, but it resolves to the same identities on every machine and in every
            folder: paths are absolute, and what a configuration leaves to the machine is settled.
        experiment: with no field left open.
        training: of the method.
        evaluated_config: the configuration in training with the options that the evaluation changes.
        variant: the options that differ from the preset, "" for none.
        test: the data, with the 2D poses of the test.
        id: identity of the evaluation.
    """

    portable: Experiment
    experiment: Experiment
    training: Training
    evaluated_config: Any
    variant: str
    test: Dataset
    id: str

    @property
    def lifter(self) -> type[Lifter]:
        """Class of the method."""
        return self.training.lifter

    @property
    def published(self) -> ImportedCheckpoint | None:
        """Weights that are evaluated instead of training."""
        return self.training.published

    @property
    def train(self) -> Dataset:
        """The data, with the 2D poses of the training."""
        return self.training.data

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
        return sampling_identity(self.training_id, self.lifter, self.evaluated_config, self.experiment, self.test)

    @property
    def cost_id(self) -> str:
        """Identity of what time and memory depend on."""
        training = self.training_id if self.keeps_data else None
        return cost_identity(self.lifter, self.evaluated_config, self.experiment, self.test, training)

    @property
    def keeps_data(self) -> bool:
        """Whether the method's size follows from its training data."""
        return self.lifter.fit_statistics is not Lifter.fit_statistics

    @property
    def trained_on_other_data(self) -> bool:
        """Whether the test set is that of another data set than the training's."""
        return self.experiment.evaluation.data is not None and self.published is None

    def build(self) -> Lifter:
        """The method with freshly drawn weights, or with published ones."""
        return self.training.build()

    def described(self) -> dict[str, Any]:
        """The fields of ``bench.results.record.Described``."""
        return described_fields(self.id, self.training_id, self.experiment, self.lifter, self.variant)

    def missing(self, reason: str, measurement: Measurement | None = None) -> Missing:
        """What reports are told where this has no record."""
        firsts = tuple(training.id for training in self.training.chain[:-1])
        return Missing(**self.described(), reason=reason, measurement=measurement, first_stages=firsts)

    def altered(self, trained: Lifter) -> Lifter:
        """The trained method with the options that the evaluation changes."""
        if self.evaluated_config == self.training.config:
            return trained
        lifter = self.lifter(self.evaluated_config, self.train.skeleton).to(next(trained.parameters()).device)
        lifter.load_state_dict(trained.state_dict())
        return lifter.eval()


def described_fields(
    name: str, training_id: str, complete: Experiment, lifter: type[Lifter], variant: str
) -> dict[str, Any]:
    """The fields of ``bench.results.record.Described``; ``name``: the id of the evaluation."""
    return {
        "id": name,
        "training_id": training_id,
        "experiment": complete.described(),
        "method": complete.method.name,
        "title": lifter.title,
        "preset": complete.method.preset,
        "variant": variant,
    }
