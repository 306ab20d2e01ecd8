"""Cells made from records: values with intervals, costs, and the marks of best, second and tie."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.records import Record, Value
from reports.comparison import METRICS, aggregation_title, grouped
from reports.tables import Cell, Row

if TYPE_CHECKING:
    from bench.records import Difference

Matrix = list[list[Cell]]
DIFFERENCES = (
    "Differences are paired by take; those whose 95 % interval holds 0 are in parentheses. ± of a difference: "
    "larger distance from it to an end of its interval."
)


def measured(record: Record | None, metric: str, aggregation: str | None, absent: str) -> Cell:
    """The answer of a record as a cell with its interval; a dash with a reason where there is none."""
    if record is None:
        return Cell(reason=absent)
    value = record.value(metric, aggregation)
    if value is None or not math.isfinite(value.action_mean):
        what = f"{METRICS.get(metric, metric)} under {aggregation_title(aggregation, '')}"
        return Cell(reason=f"{what} was not obtained in run {record.id}")
    return replace(value_cell(value), origin=(record, value))


def value_cell(value: Value) -> Cell:
    """``45.2 ± 1.3``: the spread is the larger distance to an end of the interval, so that it claims no less."""
    if not (math.isfinite(value.low) and math.isfinite(value.high)):
        return Cell(f"{value.action_mean:.1f}", value.action_mean)
    spread = max(value.action_mean - value.low, value.high - value.action_mean, 0.0)
    return Cell(f"{value.action_mean:.1f}", value.action_mean, value.low, value.high, f"{spread:.1f}")


def difference_cell(difference: Difference | None) -> Cell:
    """``−1.23 ± 0.45``, in parentheses where the interval holds 0 (``DIFFERENCES`` explains it)."""
    if difference is None:
        return Cell(reason="the two numbers were not obtained on the same takes")
    text = f"{difference.difference:+.2f}".replace("-", "−")
    if difference.indistinguishable:
        text = f"({text})"
    spread = max(difference.high - difference.difference, difference.difference - difference.low)
    return Cell(text, difference.difference, difference.low, difference.high, f"{spread:.2f}")


def ranked(cells: Sequence[Cell], groups: Sequence[Hashable]) -> list[Cell]:
    """The same cells with best, second and ties with the best marked in each group, lower being better.

    Cells that print the same number share a rank. A group that prints one number has no best. Group None is not
    ranked.
    """
    result = list(cells)
    for group, members in grouped(range(len(cells)), lambda index: groups[index]).items():
        indices = [index for index in members if cells[index].number is not None]
        printed = sorted({_printed(cells[index]) for index in indices})
        if group is None or len(printed) < 2:
            continue
        best = min((cells[index] for index in indices), key=lambda cell: cell.number or 0.0)
        for index in indices:
            rank = printed.index(_printed(cells[index])) + 1
            tie = rank > 1 and _tied(cells[index], best)
            result[index] = replace(cells[index], rank=rank if rank <= 2 else 0, tie=tie)
    return result


def rank_columns(rows: Matrix, groups: Sequence[Hashable], columns: Iterable[int]) -> Matrix:
    """Rows with ``ranked`` applied to the given columns; ``groups`` has one entry per row."""
    rows = [list(row) for row in rows]
    for column in columns:
        for row, cell in zip(rows, ranked([row[column] for row in rows], groups), strict=True):
            row[column] = cell
    return rows


def with_runs(rows: Matrix, runs: Iterable[tuple[str, ...]]) -> tuple[Row, ...]:
    """Rows with the ids of the runs that they come from."""
    return tuple(Row(tuple(row), ids) for row, ids in zip(rows, runs, strict=True))


def significant(number: float, digits: int = 3) -> Cell:
    """A cost as a cell: ``digits`` significant digits, no exponent."""
    if not math.isfinite(number):
        return Cell(reason="not a finite number")
    if number == 0:
        return Cell("0", number)
    rounded = float(f"{number:.{digits - 1}e}")
    decimals = digits - 1 - math.floor(math.log10(abs(rounded)))
    return Cell(f"{rounded:,.{max(0, decimals)}f}", number)


def shape(record: Record) -> list[Cell]:
    """F, H, K."""
    conditions = record.conditions
    return [Cell(str(size)) for size in (record.cost.latency.frames, conditions.hypotheses, conditions.steps)]


def ms_per_frame(record: Record) -> Cell:
    return significant(record.cost.latency.ms_per_frame)


def _printed(cell: Cell) -> float:
    return float(cell.text.replace(",", ""))


def _tied(cell: Cell, best: Cell) -> bool:
    """By the interval of the paired difference; by overlap where the takes are not the same or not known."""
    if cell.origin and best.origin:
        (record, value), (other, its) = cell.origin, best.origin
        same = record.training_id == other.training_id
        difference = record.difference(value, other, its, same_trainings=same)
        if difference is not None:
            return difference.indistinguishable
    return _overlap(cell, best)


def _overlap(first: Cell, second: Cell) -> bool:
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return False
    return max(first.low, second.low) <= min(first.high, second.high)
