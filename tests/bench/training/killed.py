"""Trains the toy method for many steps, saving after each; a test kills this process in the middle."""

import sys
from pathlib import Path

import torch

from bench.data.windows import Windows
from bench.training import trainer as training
from bench.training.selection import Choice
from tests.bench.toy import SPEC, Toy, ToyConfig, dataset

training.SAVE_EVERY_SECONDS = 0.0
torch.manual_seed(0)
data = dataset("toy", None, "gt")
windows = Windows(data.train, data.skeleton, 9, mode="train")
spec = SPEC.model_copy(update={"epochs": 40, "learning_rate": 0.01, "decay": 0.9})
accelerator = training.accelerator_for("cpu", "fp32")
folder = Path(sys.argv[1])
choices = [Choice("validation", windows, folder)]
training.train(Toy(ToyConfig()), windows, choices, spec, folder, accelerator, "toy")
