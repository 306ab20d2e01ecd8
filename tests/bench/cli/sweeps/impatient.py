"""The command line, with curves whose points come quickly, for tests that start it and look on.

While the file that HELD_BY names exists, a training with seed 1 takes its steps slowly: it cannot end before the
test has looked. Workers import this module too, as the main one of the process that started them.
"""

import os
import time
from pathlib import Path

from bench.cli import main
from bench.job import weights
from bench.results.tracking import following
from bench.training import curves
from tests.bench.toy import Toy

curves.POINT_SECONDS, following.PASS_SECONDS = 0.02, 0.1

held_by = Path(os.environ["HELD_BY"])
train_or_load, training_loss = weights.train_or_load, Toy.training_loss


def train_slowly(training, *rest):
    def slow_loss(self, batch):
        if training.recipe.seed == 1 and held_by.exists():
            time.sleep(0.1)
        return training_loss(self, batch)

    Toy.training_loss = slow_loss
    return train_or_load(training, *rest)


weights.train_or_load = train_slowly

if __name__ == "__main__":
    main()
