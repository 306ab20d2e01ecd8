"""Trains the toy method in this process; started by torchrun, once per process."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch

from bench.data.windows import Windows
from bench.training.accelerator import accelerator_for
from bench.training.selection import CheckpointSelector
from bench.training.trainer import train
from tests.bench.toy import RECIPE, Toy, ToyConfig, dataset

torch.manual_seed(0)
data = dataset("toy", None, "gt")
lifter = Toy(ToyConfig())
windows = Windows(data.train, data.skeleton, 9, mode="train")
recipe = replace(RECIPE, epochs=2)
accelerator = accelerator_for("cpu", "fp32")
assert accelerator.num_processes == int(os.environ["WORLD_SIZE"])
folder = Path(sys.argv[1])
selectors = [CheckpointSelector("last", windows, folder / "training")]
train(lifter, windows, selectors, recipe, folder / "training", accelerator, "toy")
torch.save(lifter.state_dict(), folder / f"rank{accelerator.process_index}.pt")
