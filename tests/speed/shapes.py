"""Linear layers of the transformer methods at several sizes, as convolutions and as products.

``python -m tests.speed.shapes`` prints a table, and keeps it for docs/performance.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional

from models.layers import linear as linears
from tests.speed.conftest import Ratio, timed
from tests.speed.page import keep_tables

SHAPES = (
    (900, 512, 1024), (2048, 512, 512), (4131, 512, 512), (4131, 512, 1536), (4131, 512, 1024), (4131, 1024, 512),
    (8262, 512, 1024), (7344, 256, 256), (7344, 256, 768), (7344, 256, 512), (7344, 512, 256), (16000, 256, 256),
    (41310, 256, 512),
)  # fmt: skip
"""Points, input and output channels: 4,131 points are a window of 243 frames, 7,344 sixteen of 27."""
PAIRS = 7

Layer = Callable[..., Tensor]


def speedup(convolution: Callable[[], object], product: Callable[[], object]) -> Ratio:
    """How many times as fast the first call is, by pairs in turns after one of each."""
    turns = [(timed(product), timed(convolution)) for _ in range(1 + PAIRS)][1:]
    products, convolutions = map(list, zip(*turns, strict=True))
    return Ratio.of(products, convolutions)


def compare(shape: Sequence[int]) -> tuple[Ratio, Ratio]:
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
        return speedup(*map(forward, ways)), speedup(*map(step, ways))


def table(threads: Sequence[int]) -> str:
    """Markdown: a row for each shape."""
    heads = [f"{what}, {number} thread{'s' * (number > 1)}" for number in threads for what in ("forward", "step")]
    lines = [f"| points × input × output channels | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for shape in SHAPES:
        cells = []
        for number in threads:
            torch.set_num_threads(number)
            cells += [f"{ratio:.2f}{ratio.note('{:.2f}')}" for ratio in compare(shape)]
        lines.append(f"| {' × '.join(f'{size:,}' for size in shape)} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    made = table(sorted({1, torch.get_num_threads()}))
    print(made)
    keep_tables("shapes", made)
