"""Trains the toy method for many steps, saving after each; a test kills this process in the middle."""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from bench.data.windows import Windows
from bench.training import trainer
from bench.training.selection import CheckpointSelector
from tests.bench.toy import RECIPE, Toy, ToyConfig, dataset

trainer.SAVE_EVERY_SECONDS = 0.0
torch.manual_seed(0)
data = dataset("toy", None, "gt")
windows = Windows(data.train, data.skeleton, 9, mode="train")
recipe = replace(RECIPE, epochs=40, learning_rate=0.01, decay=0.9)
accelerator = trainer.accelerator_for("cpu", "fp32")
folder = Path(sys.argv[1])
selectors = [CheckpointSelector("validation", windows, folder)]
trainer.train(Toy(ToyConfig()), windows, selectors, recipe, folder, accelerator, "toy")
