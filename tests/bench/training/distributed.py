"""Trains the toy method in this process; started by torchrun, once per process."""

import os
import sys
from pathlib import Path

import torch

from bench.data.windows import Windows
from bench.training.selection import Choice
from bench.training.trainer import accelerator_for, train
from tests.bench.toy import SPEC, Toy, ToyConfig, dataset

torch.manual_seed(0)
data = dataset("toy", None, "gt")
lifter = Toy(ToyConfig())
windows = Windows(data.train, data.skeleton, 9, mode="train")
spec = SPEC.model_copy(update={"epochs": 2, "selection": "last"})
accelerator = accelerator_for("cpu", "fp32")
assert accelerator.num_processes == int(os.environ["WORLD_SIZE"])
folder = Path(sys.argv[1])
choices = [Choice("last", windows, folder / "training")]
train(lifter, windows, choices, spec, folder / "training", accelerator, "toy")
torch.save(lifter.state_dict(), folder / f"rank{accelerator.process_index}.pt")
