"""Trains the toy method in this process; started by torchrun, once per process."""

import os
import sys
from pathlib import Path

import torch

from bench.data.windows import Windows
from bench.experiment import TrainingSpec
from bench.training import accelerator_for, train
from tests.bench.toy import Toy, ToyConfig, dataset

torch.manual_seed(0)
data = dataset("toy", None, "gt")
lifter = Toy(ToyConfig())
windows = Windows(data.train, data.skeleton, 9, mode="train")
spec = TrainingSpec(
    epochs=2,
    least_steps=0,
    batch_frames=90,
    learning_rate=0.05,
    decay=0.5,
    weight_decay=0.0,
    optimizer="adamw",
    schedule="exponential",
    selection="last",
)
accelerator = accelerator_for("cpu", "fp32")
assert accelerator.num_processes == int(os.environ["WORLD_SIZE"])
folder = Path(sys.argv[1])
train(lifter, windows, windows, spec, folder / "training", accelerator, "toy")
torch.save(lifter.state_dict(), folder / f"rank{accelerator.process_index}.pt")
