"""Linear layers of every shape that the methods use, as convolutions and as products.

``python -m tests.speed.shapes`` prints a table, and keeps it for docs/performance.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional

from models.layers import linear as linears
from tests.speed.page import keep_tables

SHAPES = (
    (900, 512, 1024), (2048, 512, 512), (4131, 512, 512), (4131, 512, 1536), (4131, 512, 1024), (4131, 1024, 512),
    (8262, 512, 1024), (7344, 256, 256), (7344, 256, 768), (7344, 256, 512), (7344, 512, 256), (16000, 256, 256),
    (41310, 256, 512),
)  # fmt: skip
"""Points, input and output channels: 4,131 points are a window of 243 frames, 7,344 sixteen of 27."""
PAIRS = 7

Layer = Callable[..., Tensor]


def speedup(first: Callable[[], object], second: Callable[[], object], pairs: int) -> float:
    """How many times as long the second call takes as the first: the median of pairs in turns."""
    ratios = []
    for _ in range(pairs + 1):
        start = time.perf_counter()
        first()
        between = time.perf_counter()
        second()
        ratios.append((time.perf_counter() - between) / (between - start))
    return median(ratios[1:])


def compare(shape: Sequence[int], pairs: int = PAIRS) -> tuple[float, float]:
    """How many times as fast a layer is as a convolution: without gradients, and with them."""
    points, inputs, outputs = shape
    sizes = ((points, inputs), (outputs, inputs), (outputs,))
    given = [torch.randn(size, requires_grad=True) for size in sizes]
    upstream = torch.randn(points, outputs)

    def step(layer: Layer) -> Callable[[], object]:
        return lambda: torch.autograd.grad(layer(*given), given, upstream)

    def forward(layer: Layer) -> Callable[[], object]:
        return torch.no_grad()(lambda: layer(*given))

    ways = linears.linear, functional.linear
    with mock.patch.multiple(linears, convolutions_pay=lambda: True, LARGE_PRODUCT=0):
        return speedup(*map(forward, ways), pairs), speedup(*map(step, ways), pairs)


def table(threads: Sequence[int]) -> str:
    """Markdown: a row for each shape."""
    heads = [f"{what}, {number} thread{'s' * (number > 1)}" for number in threads for what in ("forward", "step")]
    lines = [f"| points × input × output channels | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for shape in SHAPES:
        cells = []
        for number in threads:
            torch.set_num_threads(number)
            cells += [f"{ratio:.2f}" for ratio in compare(shape)]
        lines.append(f"| {' × '.join(f'{size:,}' for size in shape)} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    made = table(sorted({1, torch.get_num_threads()}))
    print(made)
    print(keep_tables("shapes", made))
