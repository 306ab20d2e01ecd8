"""A population of 36 modelled people, of whom 20 are for testing, with manners of their own.

Each does about half of the fifteen actions once. So a test set has many people rather than much of each, and its
intervals can speak of people who were not in it: see docs/synthetic-data.md.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from bench.data.human36m.reader import Human36M
from bench.data.sequence import Dataset
from bench.data.synthetic.actions import ACTIONS
from bench.data.synthetic.bodies import Body, stranger
from bench.data.synthetic.gestures import SPOTS
from bench.data.synthetic.people import ModelledPeople, Name, Person

LENGTHS = (100, 171)  # frames of a take, least and greatest
TRAINING, VALIDATION, TESTING = 12, 4, 20
SEED = 5  # the first from 2 on with which no elbow turns over in a few frames, as where a wrist passes a shoulder

MANNER, TASTE = 1.5, 0.8
"""Standard deviations: of a person's places, in spreads of a place between visits; of the logarithm of a taste."""

Draw = Annotated[int, Field(ge=0, le=100_000)]

RIGS = Human36M.train_subjects, Human36M.test_subjects
"""Whose calibration the cameras of training and of test subjects have, in turn."""


def _named(first: int, count: int) -> tuple[str, ...]:
    return tuple(f"P{number}" for number in range(first, first + count))


class Population(ModelledPeople):
    """Modelled motion of many people, each with a body and manners of his or her own."""

    name = "population"
    label = "synthetic population"
    version = 1
    drawn = 0
    train_subjects = _named(1, TRAINING + VALIDATION)
    validation_subjects = _named(TRAINING + 1, VALIDATION)
    test_subjects = _named(TRAINING + VALIDATION + 1, TESTING)

    def read(self, root: Path, detections: str, *, draw: Draw = 0) -> Dataset:
        """The data set, generated if it is not in the cache; see ``ModelledPeople.read``.

        ``draw``: number of a fresh draw of test people, who are in no other; of a draw there are no training
        subjects. 0 for those of the data set.
        """
        if draw:
            return _fresh(draw)().read(root, detections)
        return super().read(root, detections)

    def cache_file(self) -> Path:
        """Cache file of the data set, or of a fresh draw."""
        path = super().cache_file()
        return path.with_stem(f"{path.stem}-draw{self.drawn}") if self.drawn else path

    def schedule(self) -> dict[Name, int]:
        frames = {}
        for subject in (*self.train_subjects, *self.test_subjects):
            who = self.person(subject)
            rng = np.random.default_rng([who.population, 4, who.number])
            for place, action in enumerate(ACTIONS):
                if (who.number + place) % 2 == 0:
                    frames[subject, action, (who.number // 2 + place // 2) % 2] = int(rng.integers(*LENGTHS))
        return frames

    def person(self, subject: str) -> Person:
        number, tested = int(subject[1:]), subject in self.test_subjects
        rigs = RIGS[tested]
        return Person(_individual(number), SEED, number, rigs[number % len(rigs)])


def _fresh(draw: int) -> type[Population]:
    """Class of the data set with other test people, and without training subjects."""

    class Fresh(Population):
        train_subjects = ()
        test_subjects = _named(TRAINING + VALIDATION + 1 + draw * TESTING, TESTING)
        drawn = draw

    return Fresh


@functools.cache
def _individual(number: int) -> Body:
    """A body with manners: where this person's hands go, beside the usual places, and which places they prefer."""
    rng = np.random.default_rng([SEED, 1, number])
    body, places = stranger(rng), sorted(SPOTS)
    shifts = MANNER * rng.standard_normal((len(places), 3)) * [[SPOTS[name].spread] for name in places]
    tastes = np.exp(TASTE * rng.standard_normal(len(places)))
    return replace(
        body,
        manners={name: tuple(shift.round(5).tolist()) for name, shift in zip(places, shifts, strict=True)},
        tastes={name: round(float(taste), 5) for name, taste in zip(places, tastes, strict=True)},
    )
