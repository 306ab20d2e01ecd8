"""Which methods cannot be told apart: a critical-difference diagram on the scale of the error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from bench.results.record import Record
from reports.figures import style
from reports.figures.looks import looks_of
from reports.figures.style import Drawing
from reports.rules.comparability import TRIVIAL
from reports.rules.names import marked_name, method_name
from reports.rules.ranks import Ranked, alike, ranked

MOST_METHODS = 24


def critical_differences(records: Sequence[Record]) -> Iterator[Drawing]:
    """Methods in order of their error, with a bar over every group that paired differences do not tell apart."""
    for name, place, group in style.settings(records):
        methods = ranked([record for record in group if record.method not in TRIVIAL])[:MOST_METHODS]
        if len(methods) > 1:
            caption = (
                f"MPJPE of methods{place}. A bar joins methods of which no two are told apart, by paired "
                "differences that are judged together (Holm, 5 %); thin lines: 95 % interval of each mean. "
                "After the critical-difference diagrams of Demšar (JMLR 7, 2006), with errors in place of ranks. "
                "Trivial predictors, which are far off, are left out."
            )
            yield Drawing(f"critical{name}", _figure(methods), caption, style.stated(group))


def _figure(methods: Sequence[Ranked]) -> Figure:
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
