"""Cells made from records: values with intervals, costs, and the marks of best, second and tie."""

from __future__ import annotations

import math
from collections.abc import Container, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.results.record import Mean, Record, Value
from reports.rules.comparability import METRICS, aggregation_title, grouped
from reports.writers.table import Cell, Row

if TYPE_CHECKING:
    from bench.results.record import Difference

Matrix = list[list[Cell]]
DIFFERENCES = (
    "Differences are paired by take; those whose 95 % interval holds 0 are in parentheses. ± of a difference: "
    "larger distance from it to an end of its interval."
)


def measured(
    record: Record | None, metric: str, aggregation: str | None, absent: str, over: Mean = "actions"
) -> Cell:
    """The answer of a record as a cell with its interval; a dash with a reason where there is none.

    ``over``: what the number is the mean of.
    """
    if record is None:
        return Cell(reason=absent)
    if record.absent:
        return Cell(reason=record.absent)
    value = record.value(metric, aggregation)
    if value is None or not math.isfinite(value.action_mean):
        what = f"{METRICS.get(metric, metric)} under {aggregation_title(aggregation, '')}"
        return Cell(reason=f"{what} was not obtained in run {record.id}")
    if over == "frames":
        low, high = record.frame_interval(value) or (math.nan, math.nan)
        value = value.model_copy(update={"action_mean": value.frame_mean, "low": low, "high": high})
    return replace(value_cell(value), origin=(record, value, over))


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


def ranked(cells: Sequence[Cell], groups: Sequence[Hashable], higher: bool = False) -> list[Cell]:
    """The same cells with best, second and ties with the best marked in each group.

    Cells that print the same number share a rank. A group that prints one number has no best. Group None is not
    ranked. Lower is better unless ``higher``.
    """
    result = list(cells)
    for group, members in grouped(range(len(cells)), lambda index: groups[index]).items():
        indices = [index for index in members if cells[index].number is not None]
        printed = sorted({_printed(cells[index]) for index in indices}, reverse=higher)
        if group is None or len(printed) < 2:
            continue
        choose = max if higher else min
        best = choose((cells[index] for index in indices), key=lambda cell: cell.number or 0.0)
        for index in indices:
            rank = printed.index(_printed(cells[index])) + 1
            tie = rank > 1 and _tied(cells[index], best)
            result[index] = replace(cells[index], rank=rank if rank <= 2 else 0, tie=tie)
    return result


def rank_columns(
    rows: Matrix, groups: Sequence[Hashable], columns: Iterable[int], higher: Container[int] = ()
) -> Matrix:
    """Rows with ``ranked`` applied to the given columns; ``groups`` has one entry per row.

    ``higher``: the columns in which higher is better.
    """
    rows = [list(row) for row in rows]
    for column in columns:
        for row, cell in zip(rows, ranked([row[column] for row in rows], groups, column in higher), strict=True):
            row[column] = cell
    return rows


def with_brackets(
    rows: Matrix,
    groups: Sequence[Hashable],
    proposed: Sequence[bool],
    columns: Iterable[int],
    higher: Container[int] = (),
) -> Matrix:
    """Rows of proposed methods with their difference to the best of the other rows of their group."""
    rows = [list(row) for row in rows]
    for column in columns:
        best = max if column in higher else min
        for index in (index for index, is_proposed in enumerate(proposed) if is_proposed):
            others = [
                other[column].number or 0.0
                for other, group, own in zip(rows, groups, proposed, strict=True)
                if group == groups[index] and not own and other[column].number is not None
            ]
            number = rows[index][column].number
            if number is not None and others:
                rows[index][column] = replace(rows[index][column], ahead=number - best(others))
    return rows


def with_runs(rows: Matrix, runs: Iterable[tuple[str, ...]]) -> tuple[Row, ...]:
    """Rows with the ids of the runs that they come from."""
    return tuple(Row(tuple(row), ids) for row, ids in zip(rows, runs, strict=True))


def significant(number: float, digits: int = 3) -> Cell:
    """A cost as a cell: ``digits`` significant digits, no exponent."""
    if not math.isfinite(number):
        return Cell(reason="not measured")
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
        (record, value, over), (other, its, _) = cell.origin, best.origin
        same = record.training_id == other.training_id
        difference = record.difference(value, other, its, same_trainings=same, over=over)
        if difference is not None:
            return difference.indistinguishable
    return _overlap(cell, best)


def _overlap(first: Cell, second: Cell) -> bool:
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return False
    return max(first.low, second.low) <= min(first.high, second.high)
