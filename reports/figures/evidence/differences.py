"""A matrix of the paired differences between methods, with their intervals."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure

from bench.results.record import Record
from bench.results.statistics.intervals import LEVEL, Difference, holm
from reports.figures import style
from reports.figures.style import Drawing
from reports.rules.comparability import TRIVIAL
from reports.rules.names import marked_name
from reports.rules.ranks import Ranked, ranked

MOST_METHODS = 12
BETTER, WORSE = "#cfe3f7", "#fbe0c8"
"""Grounds of cells whose row is shown better, or worse, than their column; both leave black text readable."""

Gaps = dict[tuple[int, int], Difference]


def paired_differences(records: Sequence[Record]) -> Iterator[Drawing]:
    """MPJPE of the row minus that of the column, by ``reports.rules.ranks.ranked``, best method first."""
    for name, place, group in style.settings(records):
        methods = ranked([record for record in group if record.method not in TRIVIAL])
        gaps = _gaps(methods[:MOST_METHODS])
        if gaps:
            caption = (
                f"Paired differences of MPJPE{place}: row minus column (mm), paired by take or subject, ± half of "
                "the 95 % interval of each alone. Blue: the row is better, orange: worse, where the difference is "
                "told from zero when all pairs are judged together (Holm, 5 %); white: not told apart."
                + f" Only the first {MOST_METHODS} of {len(methods)} methods."
                * (len(methods) > MOST_METHODS)
            )
            drawing = _figure(methods[:MOST_METHODS], gaps)
            yield Drawing(f"differences{name}", drawing, caption, style.stated(group))


def _gaps(methods: Sequence[Ranked]) -> Gaps:
    """(row, column) above the diagonal → difference, where it has an interval."""
    found: Gaps = {}
    for (row, one), (column, other) in itertools.combinations(enumerate(methods), 2):
        gap = one.minus(other)
        if gap is not None and not gap.unknown:
            found[row, column] = gap
    return found


def _figure(methods: Sequence[Ranked], gaps: Gaps) -> Figure:
    number = len(methods)
    width = style.COLUMN_INCHES if number < 5 else style.PAGE_INCHES
    figure = style.new_figure(0.5 + 0.26 * number, width)
    axes = figure.add_subplot()
    p_values = holm(gap.p_value for gap in gaps.values())
    apart = {pair for pair, p_value in zip(gaps, p_values, strict=True) if p_value <= 1 - LEVEL}
    for (row, column), gap in gaps.items():
        half = (gap.high - gap.low) / 2
        for at, value in (((row, column), gap.difference), ((column, row), -gap.difference)):
            ground = "white" if (row, column) not in apart else BETTER if value < 0 else WORSE
            axes.fill_between((at[1] - 0.5, at[1] + 0.5), at[0] - 0.5, at[0] + 0.5, color=ground, linewidth=0)
            text = f"{value:+.1f} ± {half:.1f}".replace("-", "−")
            axes.text(at[1], at[0], text, ha="center", va="center", fontsize=min(6.5, 48 / number))
    names = [marked_name(method.record) for method in methods]
    axes.set_yticks(range(number), names)
    axes.set_xticks(range(number), names, rotation=30 if number > 4 else 0, ha="left" if number > 4 else "center")
    axes.xaxis.tick_top()
    axes.set(xlim=(-0.5, number - 0.5), ylim=(number - 0.5, -0.5))
    axes.set_xticks(np.arange(number + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(number + 1) - 0.5, minor=True)
    axes.grid(True, which="minor", color="0.8", linewidth=0.4)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure
