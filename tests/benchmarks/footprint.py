"""Print how far one prediction of D3DP raises the resident memory of a process of its own, in megabytes.

``python -m tests.benchmarks.footprint H K DEPTH``: the peak during the prediction over what is resident after the
weights are loaded and a window-pass has warmed up. One pair of blocks (DEPTH 1) peaks as eight do, because blocks
run one after the other.
"""

from __future__ import annotations

import sys

from bench.measure import MEGABYTE, _reset_peak, _status_kilobytes
from models.denoiser import DenoiserConfig
from models.lifter import Sampling
from tests.reference.pairs import d3dp_pair, windows


def main(hypotheses: int, steps: int, depth: int) -> None:
    product, _ = d3dp_pair(DenoiserConfig(depth=depth))
    batch = windows(1, product.frames)
    _reset_peak()
    before = _status_kilobytes("VmRSS")
    product.predict(batch, Sampling(hypotheses, steps, flip=True))
    print((_status_kilobytes("VmHWM") - before) * 1024 / MEGABYTE)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
