"""The synthetic data set: seven people with the split of Human3.6M, its fifteen actions, two takes each, 50 Hz.

It has the published calibration of Human3.6M's four cameras. The motion is modelled, not recorded: see
docs/synthetic-data.md.
"""

from __future__ import annotations

import numpy as np

from bench.data.human36m.reader import Human36M
from bench.data.synthetic.actions import ACTIONS
from bench.data.synthetic.bodies import STATURE, body
from bench.data.synthetic.people import ModelledPeople, Name, Person

LENGTHS = ((150, 290), (110, 160))  # frames of the first and the second take, least and greatest


class Synthetic(ModelledPeople):
    """Modelled motion of seven people, with the subjects and cameras of Human3.6M."""

    name = label = "synthetic"
    version = 2
    train_subjects = Human36M.train_subjects
    test_subjects = Human36M.test_subjects

    def schedule(self) -> dict[Name, int]:
        frames = {}
        for subject in STATURE:
            who = self.person(subject)
            rng = np.random.default_rng([who.population, 4, who.number])
            for action in ACTIONS:
                for take, (least, most) in enumerate(LENGTHS):
                    frames[subject, action, take] = int(rng.integers(least, most))
        return frames

    def person(self, subject: str) -> Person:
        """The person called ``subject``.

        Test subjects have been of another population than training subjects since version 2: those of version 1
        were looked at while sizes and learning rates were chosen.
        """
        population = int(subject in self.test_subjects)
        return Person(body(subject, population), population, list(STATURE).index(subject), subject)
