"""Trains the toy method for many steps, saving after each; a test kills this process in the middle."""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bench.data.windows import Windows
from bench.training import trainer
from bench.training.accelerator import accelerator_for
from bench.training.selection import CheckpointSelector
from tests.bench.toy import RECIPE, Toy, ToyConfig, dataset


def train(folder: Path) -> None:
    """The training, begun or gone on with."""
    torch.manual_seed(0)
    data = dataset("toy", None, "gt")
    windows = Windows(data.train, data.skeleton, 9, mode="train")
    recipe = replace(RECIPE, epochs=40, learning_rate=0.01, decay=0.9)
    accelerator = accelerator_for("cpu", "fp32")
    selectors = [CheckpointSelector("validation", windows, folder)]
    trainer.train(Toy(ToyConfig()), windows, selectors, recipe, folder, accelerator, "toy")


if __name__ == "__main__":
    trainer.SAVE_EVERY_SECONDS = 0.0
    training_loss = Toy.training_loss

    def slow_loss(*given: Any) -> torch.Tensor:
        time.sleep(0.05)  # the training shall not be over before it is killed, however busy the machine
        return training_loss(*given)

    Toy.training_loss = slow_loss
    train(Path(sys.argv[1]))
