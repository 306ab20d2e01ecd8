"""The figure of errors by action."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure

from bench.results.grouping import grouped
from bench.results.record import Record
from reports.figures import style
from reports.figures.numbers import draw_numbers
from reports.figures.style import Drawing
from reports.rules.comparability import TRIVIAL, headline
from reports.rules.names import headlines, row_names

MOST_ROWS = 30


def errors_by_action(records: Sequence[Record]) -> Iterator[Drawing]:
    """MPJPE of the headline by action, a row per method; trivial predictors are left out."""
    for name, place, group in style.settings(records):
        learned = [record for record in group if record.method not in TRIVIAL and _by_action(record)]
        if learned:
            shown = headlines(learned)
            caption = (
                f"MPJPE (mm, {shown}) by action{place}, mean over an action's frames; a scale of colours for "
                "each action, from its best method (light) to its worst (dark). Without intervals: the "
                "order is untested."
            )
            caption += f" Only the first {MOST_ROWS} of {len(learned)} rows." if len(learned) > MOST_ROWS else ""
            chosen = learned[:MOST_ROWS]
            yield Drawing(f"by-action{name}", _of_actions(chosen), caption, style.stated(chosen))


def _by_action(record: Record) -> dict[str, float]:
    value = record.value("mpjpe", headline(record))
    return value.per_action if value else {}


def _of_actions(records: list[Record]) -> Figure:
    names = list(dict.fromkeys(action for record in records for action in _by_action(record)))
    table = np.array([[_by_action(record).get(name, np.nan) for name in names] for record in records])
    low, high = np.nanmin(table, axis=0), np.nanmax(table, axis=0)
    shade = (table - low) / np.where(high > low, high - low, 1)
    wide = len(names) > 5
    figure = style.new_figure(0.75 + 0.17 * len(records), style.PAGE_INCHES if wide else style.COLUMN_INCHES)
    axes = figure.add_subplot()
    draw_numbers(axes, shade, table)
    axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=35, ha="right", rotation_mode="anchor")
    titles = [name.replace("§", "") for name in _titles(records)]
    axes.set_yticks(np.arange(len(records)) + 0.5, titles)
    return figure


def _titles(records: list[Record]) -> list[str]:
    """Names of rows, with H and K where several rows have the same name."""
    names = row_names(records)
    repeated = {name for name, members in grouped(names, lambda name: name).items() if len(members) > 1}
    return [
        f"{name} ({record.conditions.hypotheses}, {record.conditions.steps})" if name in repeated else name
        for name, record in zip(names, records, strict=True)
    ]
