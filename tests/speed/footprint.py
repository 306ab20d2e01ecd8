"""Memory of a process of its own, in megabytes, printed.

``python -m tests.speed.footprint sampling H K C``: how far one prediction of D3DP with C channels (``paper``:
512), 243 frames, one window, flip, raises the peak over what is resident once the weights are there. It has one
pair of blocks: eight peak as one does, because they run one after the other.

``python -m tests.speed.footprint data FRAMES``: peak of a process that holds a data set of so many frames and
assembles its first batch, in parts of the size of the arrays, and the seconds until that batch is there; both
beyond what the process had before the arrays.

``python -m tests.speed.footprint training SIZE KEPT``: training steps of D3DP of one of the sizes of
``tests.speed.test_training`` (0: tiny), where freed memory is kept (1) or not (0).
"""

from __future__ import annotations

import resource
import sys
import time
from statistics import median

import torch

from bench.data.windows import Windows
from bench.devices import keep_freed_memory
from bench.measure.memory import MEGABYTE, reset_peak, status_mb
from models.diffusion.denoiser import DenoiserConfig
from models.lifter import Sampling
from models.skeleton import HUMAN36M
from tests.speed.reference.pairs import d3dp_pair, windows
from tests.speed.sequences import made_up_sequences
from tests.speed.test_training import SIZES, step_of


def sampling(hypotheses: int, steps: int, channels: int) -> None:
    product, _ = d3dp_pair(DenoiserConfig(depth=1, channels=channels))
    batch = windows(1, product.frames)
    reset_peak()
    before = status_mb("VmRSS")
    product.predict(batch, Sampling(hypotheses, steps, flip=True))
    print(status_mb("VmHWM") - before)


def data(frames: int) -> None:
    before = status_mb("VmRSS")
    sequences = made_up_sequences(frames)
    arrays = sum(part.nbytes for s in sequences for part in (s.pose_2d, s.pose_3d, s.trajectory))
    reset_peak()
    start = time.perf_counter()
    table = Windows(sequences, HUMAN36M, frames=27, flip=True)
    table.batch(table.subset(1024))
    took = time.perf_counter() - start
    print((status_mb("VmHWM") - before) * MEGABYTE / arrays, took)


def training(size: int, kept: int) -> None:
    options, count, threads, steps = list(SIZES.values())[size]
    torch.set_num_threads(threads)
    if kept:
        keep_freed_memory()
    product, _ = d3dp_pair(DenoiserConfig(**options))
    step, seconds = step_of(product, windows(count, product.frames)), []
    step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / steps
    print(f"{median(seconds):.4f} s, {faults:.0f} page faults a step, resident", end=" ")
    print(f"at most {status_mb('VmHWM'):.0f} MB, after a step {status_mb('VmRSS'):.0f} MB")


if __name__ == "__main__":
    {"sampling": sampling, "data": data, "training": training}[sys.argv[1]](*map(int, sys.argv[2:]))
