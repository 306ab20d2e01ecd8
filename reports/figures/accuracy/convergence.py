"""The figure of denoising: error after every step of a diffusion method."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.results.record import Record, Value
from reports.figures import style
from reports.figures.looks import looks_of
from reports.figures.style import Drawing
from reports.rules.comparability import grouped, headline
from reports.rules.names import headlines, method_name


def convergence(records: Sequence[Record]) -> Iterator[Drawing]:
    """MPJPE of the headline after each step, at the largest H; a line per method and K."""
    for name, place, group in style.settings(records):
        widest = [
            record
            for members in grouped(group, lambda record: (method_name(record), record.conditions.steps)).values()
            for record in [max(members, key=lambda record: record.conditions.hypotheses)]
            if len(_steps(record)) > 1
        ]
        if widest:
            shown = headlines(widest)
            widths = sorted({record.conditions.hypotheses for record in widest})
            caption = (
                f"Convergence{place}: MPJPE ({shown}, H = {', '.join(map(str, widths))}) after every denoising "
                "step; one line for each number of steps K, ending in a marker. Bands: 95 % intervals."
            )
            yield Drawing(f"convergence{name}", _figure(widest), caption, style.stated(widest))


def _steps(record: Record) -> list[Value]:
    chosen = headline(record)
    found = [value for value in record.values if (value.metric, value.aggregation) == ("mpjpe", chosen)]
    return sorted((value for value in found if math.isfinite(value.action_mean)), key=lambda value: value.step)


def _figure(records: list[Record]) -> Figure:
    figure = style.new_figure(2.1)
    axes = figure.add_subplot()
    looks = looks_of(records)
    drawn: set[str] = set()
    for record in records:
        name = method_name(record)
        look, values = looks[name], _steps(record)
        steps, errors = zip(*((value.step, value.action_mean) for value in values), strict=True)
        low, high = zip(*((value.low, value.high) for value in values), strict=True)
        axes.fill_between(steps, low, high, color=look.colour, alpha=0.12, linewidth=0)
        axes.plot(steps, errors, color=look.colour)
        axes.plot(
            steps[-1], errors[-1], label=None if name in drawn else name, linestyle="none", **look.marks(3.5)
        )
        drawn.add(name)
    axes.set(xlabel="Denoising step", ylabel="MPJPE (mm)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    style.light_grid(axes)
    style.legend_above(figure)
    return figure
