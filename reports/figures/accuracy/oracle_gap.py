"""The figure of how far oracle numbers flatter: what can be deployed beside what the ground truth picks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from bench.results.grouping import grouped
from bench.results.record import Record, Value
from reports.figures import style
from reports.figures.looks import looks_of
from reports.figures.style import Drawing
from reports.rules.comparability import TRIVIAL, aggregations, headline
from reports.rules.names import aggregation_title, headlines, method_name, samples, sampling_size, untrained

MOST_ROWS = 20

Row = tuple[Record, Value, list[Value]]
"""A record, its headline value, and those of oracles."""


def oracle_beside_deployable(records: Sequence[Record]) -> Iterator[Drawing]:
    """MPJPE of the headline of each method and of its oracles; methods in order of the headline."""
    for name, place, group in style.settings(records):
        rows = sorted(_rows(group), key=lambda row: row[1].action_mean)
        if any(oracles for *_, oracles in rows):
            members = [record for record, *_ in rows[:MOST_ROWS]]
            caption = (
                f"Oracle beside deployable{place}. MPJPE of each method at its most samples (H, K): marker with "
                f"its 95 % interval, what needs no ground truth ({headlines(members)}); rings, what an oracle (†) "
                "picks with the ground-truth pose. The distance is what a printed oracle number flatters by; "
                f"methods with one pose have none.{style.left_out(len(rows), MOST_ROWS)}"
            )
            conditions = style.stated(members, "every aggregation")
            yield Drawing(f"oracle{name}", _figure(rows[:MOST_ROWS]), caption, conditions)


def _rows(records: Sequence[Record]) -> Iterator[Row]:
    learned = [record for record in records if record.method not in TRIVIAL and not untrained(record)]
    for members in grouped(learned, method_name).values():
        record = max(members, key=samples)
        value = record.value("mpjpe", headline(record))
        oracles = [record.value("mpjpe", name) for name, kind in aggregations(record) if kind == "oracle"]
        if value is not None:
            yield record, value, [oracle for oracle in oracles if oracle is not None]


def _figure(rows: Sequence[Row]) -> Figure:
    figure = style.new_figure(0.55 + 0.26 * len(rows))
    axes = figure.add_subplot()
    looks = looks_of(record for record, *_ in rows)
    for place, (record, value, oracles) in enumerate(rows):
        look = looks[method_name(record)]
        axes.plot((value.low, value.high), (place, place), color=look.colour, linewidth=2.2, alpha=0.35)
        errors = [value.action_mean, *(oracle.action_mean for oracle in oracles)]
        axes.plot(errors, [place] * len(errors), color=look.colour, linewidth=0.7)
        axes.plot(value.action_mean, place, **look.marks(4))
        for oracle in oracles:
            axes.plot(oracle.action_mean, place, "o", color=look.colour, markersize=4, markerfacecolor="white")
            axes.annotate(
                aggregation_title(oracle.aggregation, "oracle"), (oracle.action_mean, place), (0, 3),
                textcoords="offset points", ha="center", va="bottom", fontsize=style.LEAST_POINTS,
            )  # fmt: skip
    axes.set_yticks(range(len(rows)), [_named(record) for record, *_ in rows])
    axes.margins(x=0.1)
    axes.set(xlabel="MPJPE (mm)", ylim=(len(rows) - 0.5, -0.7))
    style.light_grid(axes)
    axes.tick_params(axis="y", length=0)
    return figure


def _named(record: Record) -> str:
    several = any(kind != "deterministic" for _, kind in aggregations(record))
    size = " ({}, {})".format(*sampling_size(record)) if several else ""
    return f"{method_name(record)}{size}"
