"""Which methods cannot be told apart: a critical-difference diagram, and a matrix of the paired differences."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure

from bench.results.record import Record
from bench.results.statistics.intervals import Difference
from reports.figures import style
from reports.figures.looks import looks_of
from reports.figures.style import Drawing
from reports.rules.comparability import TRIVIAL
from reports.rules.names import marked_name, method_name
from reports.rules.ranks import Ranked, alike, ranked, told_apart

MOST_METHODS = 24
MOST_IN_MATRIX = 10
BETTER, WORSE = "#cfe3f7", "#fbe0c8"
"""Grounds of cells whose row is shown better, or worse, than their column; both leave black text readable."""

Gaps = dict[tuple[int, int], Difference]


def critical_differences(records: Sequence[Record]) -> Iterator[Drawing]:
    """Methods in order of their error, with bars over those that follow one another and are not told apart."""
    for name, place, group in style.settings(records):
        methods = ranked([record for record in group if record.method not in TRIVIAL])[:MOST_METHODS]
        if len(methods) > 1:
            caption = (
                f"MPJPE of methods{place}. A bar joins methods that follow one another and of which no two are "
                "told apart, by paired differences that are judged together (Holm, 5 %); thin lines: 95 % "
                "interval of each mean. After the critical-difference diagrams of Demšar (JMLR 7, 2006), with "
                "errors in place of ranks. Trivial predictors, which are far off, are left out."
            )
            yield Drawing(f"critical{name}", _diagram(methods), caption, style.stated(group))


def _diagram(methods: Sequence[Ranked]) -> Figure:
    groups = alike(methods)
    figure = style.new_figure(0.5 + 0.16 * (len(methods) + len(groups)))
    axes = figure.add_subplot()
    looks = looks_of(method.record for method in methods)
    for place, method in enumerate(methods):
        look = looks[method_name(method.record)]
        value = method.value
        axes.plot((value.low, value.high), (place, place), color=look.colour, linewidth=0.8)
        axes.plot(value.action_mean, place, **look.marks(4))
    for number, (first, last) in enumerate(groups):
        ends = [methods[place].value.action_mean for place in (first, last)]
        axes.plot(ends, [-1 - 0.7 * number] * 2, color="0.2", linewidth=2.5, solid_capstyle="butt")
    axes.set_yticks(range(len(methods)), [marked_name(method.record) for method in methods])
    axes.set(xlabel="MPJPE (mm)", ylim=(len(methods) - 0.4, -1.4 - 0.7 * len(groups)))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure


def paired_differences(records: Sequence[Record]) -> Iterator[Drawing]:
    """MPJPE of the row minus that of the column, by ``reports.rules.ranks.ranked``, best method first."""
    for name, place, group in style.settings(records):
        methods = ranked([record for record in group if record.method not in TRIVIAL])
        gaps = _gaps(methods[:MOST_IN_MATRIX])
        if gaps:
            caption = (
                f"Paired differences of MPJPE{place}: row minus column (mm), paired by take or subject, ± half of "
                "the 95 % interval of each alone. Blue: the row is better, orange: worse, where the difference is "
                "told from zero when all pairs are judged together (Holm, 5 %); white: not told apart."
                + f" Only the first {MOST_IN_MATRIX} of {len(methods)} methods."
                * (len(methods) > MOST_IN_MATRIX)
            )
            drawing = _matrix(methods[:MOST_IN_MATRIX], gaps)
            yield Drawing(f"differences{name}", drawing, caption, style.stated(group))


def _gaps(methods: Sequence[Ranked]) -> Gaps:
    """(row, column) above the diagonal → difference, where it has an interval."""
    found: Gaps = {}
    for (row, one), (column, other) in itertools.combinations(enumerate(methods), 2):
        gap = one.minus(other)
        if gap is not None and not gap.unknown:
            found[row, column] = gap
    return found


def _matrix(methods: Sequence[Ranked], gaps: Gaps) -> Figure:
    number = len(methods)
    width = style.COLUMN_INCHES if number < 5 else style.PAGE_INCHES
    figure = style.new_figure(0.5 + 0.26 * number, width)
    axes = figure.add_subplot()
    points = style.SMALL_POINTS if number < MOST_IN_MATRIX else style.LEAST_POINTS
    apart = set(itertools.compress(gaps, told_apart(list(gaps.values()))))
    for (row, column), gap in gaps.items():
        half = (gap.high - gap.low) / 2
        for at, value in (((row, column), gap.difference), ((column, row), -gap.difference)):
            ground = "white" if (row, column) not in apart else BETTER if value < 0 else WORSE
            axes.fill_between((at[1] - 0.5, at[1] + 0.5), at[0] - 0.5, at[0] + 0.5, color=ground, linewidth=0)
            text = f"{value:+.1f} ± {half:.1f}".replace("-", "−")
            axes.text(at[1], at[0], text, ha="center", va="center", fontsize=points)
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
