"""Numbers of runs: ranked among those that they may be compared with, then printed as cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from bench.results.cost import Cost
from bench.results.record import Record, Value
from bench.results.statistics import Difference, Mean
from reports.rules.comparability import grouped
from reports.rules.entries import Entry, MissingRun, input_frames, output_frames
from reports.rules.names import aggregation_title
from reports.writers.table import Cell, Column, Row

NOT_MEASURED = "not measured"
NOT_KEPT = "input frames: not kept by the older version that made this run"
NOT_RUN = "input frames: known of finished runs only"
FRAMES = (Column("in", "Frames"), Column("out", "Frames"))
SHAPE = (*FRAMES, Column("H"), Column("K"))
"""The columns of ``frames`` and of ``shape``."""

ABOUT_FRAMES = "Frames: in, input frames that a pose is computed from; out, output frames of a window."
DIFFERENCES = (
    "Differences are paired by take; those whose 95 % interval holds 0 are in parentheses. ± of a difference: "
    "larger distance from it to an end of its interval."
)


@dataclass(frozen=True)
class Number:
    """A value of a record on its way into a table: ranking compares the errors behind it.

    Attributes:
        cell: what is printed.
        over: what the number is the mean of.
    """

    cell: Cell
    record: Record
    value: Value
    over: Mean

    @property
    def reason(self) -> str:
        return self.cell.reason


Matrix = list[list[Cell | Number]]


def value_number(
    entry: Entry | None, metric: str, aggregation: str | None, why_not: str, over: Mean = "actions"
) -> Cell | Number:
    """The value of a run with its interval; a dash with a reason where there is none.

    Args:
        why_not: the reason where there is no run at all.
        over: what the number is the mean of.
    """
    if entry is None:
        return Cell(reason=why_not)
    if isinstance(entry, MissingRun):
        return Cell(reason=entry.reason)
    value = entry.value(metric, aggregation)
    if value is None or not math.isfinite(value.action_mean):
        what = f"{entry.metric(metric).title} under {aggregation_title(aggregation)}"
        how = "was not obtained" if value is None else f"is {value.action_mean}"
        return Cell(reason=f"{what} {how} in run {entry.id}")
    if over == "frames":
        low, high = entry.frame_interval(value) or (math.nan, math.nan)
        value = value.model_copy(update={"action_mean": value.frame_mean, "low": low, "high": high})
    return Number(replace(value_cell(value), runs=entry.runs), entry, value, over)


def cell_of(number: Cell | Number) -> Cell:
    """What is printed."""
    return number.cell if isinstance(number, Number) else number


def value_cell(value: Value) -> Cell:
    """``45.2 ± 1.3``: the spread is the larger distance to an end of the interval, so never less than that."""
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


def rank(
    numbers: Sequence[Cell | Number], groups: Sequence[Hashable], higher: bool = False
) -> list[Cell | Number]:
    """The same numbers with best, second and ties with the best marked in each group.

    Numbers that print the same share a rank. A group that prints one number has no best. Group None is not ranked.
    Numbers that are not finite have no rank. Lower is better unless ``higher``.
    """
    result = list(numbers)
    for group, members in grouped(range(len(numbers)), lambda index: groups[index]).items():
        cells = {index: cell_of(numbers[index]) for index in members}
        known = {index: cell for index, cell in cells.items() if math.isfinite(_number(cell))}
        printed = sorted({_printed(cell) for cell in known.values()}, reverse=higher)
        if group is None or len(printed) < 2:
            continue
        choose = max if higher else min
        best = choose(known, key=lambda index: _number(known[index]))
        for index, cell in known.items():
            place = printed.index(_printed(cell)) + 1
            tie = place > 1 and _tied(numbers[index], numbers[best])
            result[index] = _marked(numbers[index], replace(cell, rank=place if place <= 2 else 0, tie=tie))
    return result


def rank_columns(
    rows: Sequence[Sequence[Cell | Number]],
    groups: Sequence[Hashable],
    columns: Iterable[int],
    higher: Container[int] = (),
) -> Matrix:
    """Rows with ``rank`` applied to the given columns; ``groups`` has one entry per row.

    ``higher``: the columns in which higher is better.
    """
    ranked: Matrix = [list(row) for row in rows]
    for column in columns:
        numbers = rank([row[column] for row in ranked], groups, column in higher)
        for row, number in zip(ranked, numbers, strict=True):
            row[column] = number
    return ranked


def with_brackets(
    rows: Sequence[Sequence[Cell | Number]],
    groups: Sequence[Hashable],
    proposed: Sequence[bool],
    columns: Iterable[int],
    higher: Container[int] = (),
) -> Matrix:
    """Rows of proposed methods with their difference to the best of the other rows of their group."""
    bracketed: Matrix = [list(row) for row in rows]
    for column in columns:
        best = max if column in higher else min
        numbers = [_number(cell_of(row[column])) for row in rows]
        for index in (index for index, is_proposed in enumerate(proposed) if is_proposed):
            others = [
                number
                for number, group, own in zip(numbers, groups, proposed, strict=True)
                if group == groups[index] and not own and math.isfinite(number)
            ]
            number = numbers[index]
            if math.isfinite(number) and others:
                cell = replace(cell_of(rows[index][column]), ahead=number - best(others))
                bracketed[index][column] = _marked(rows[index][column], cell)
    return bracketed


def with_runs(rows: Sequence[Sequence[Cell | Number]], runs: Iterable[tuple[str, ...]]) -> tuple[Row, ...]:
    """Rows as they are printed, with the ids of the runs that they come from."""
    return tuple(Row(tuple(map(cell_of, row)), ids) for row, ids in zip(rows, runs, strict=True))


def significant(number: float, digits: int = 3) -> Cell:
    """A cost as a cell: ``digits`` significant digits, no exponent."""
    if not math.isfinite(number):
        return Cell(reason=NOT_MEASURED)
    if number == 0:
        return Cell("0", number)
    rounded = float(f"{number:.{digits - 1}e}")
    decimals = digits - 1 - math.floor(math.log10(abs(rounded)))
    return Cell(f"{rounded:,.{max(0, decimals)}f}", number)


def cost_cell(entry: Entry, quantity: Callable[[Cost], float]) -> Cell:
    """A quantity of what a run costs; a dash where the cost of a missing run was not measured."""
    return Cell(reason=NOT_MEASURED) if entry.cost is None else significant(quantity(entry.cost))


def time_cell(entry: Entry, quantity: Callable[[Cost], float]) -> Cell:
    """``cost_cell`` of a time, marked where something disturbed the measurement."""
    return timed(entry, cost_cell(entry, quantity))


def timed(entry: Entry, cell: Cell) -> Cell:
    """A time of a run, marked where something else used the machine while it was measured."""
    measured = entry.measurement if isinstance(entry, MissingRun) else entry
    disturbed = measured is not None and bool(measured.environment.warnings)
    return replace(cell, disturbed=disturbed and not cell.reason)


def frames(entry: Entry) -> list[Cell]:
    """Input frames of a pose and output frames of a window."""
    seen = input_frames(entry)
    why_not = NOT_RUN if isinstance(entry, MissingRun) else NOT_KEPT
    return [Cell(reason=why_not) if seen is None else Cell(str(seen)), Cell(str(output_frames(entry)))]


def shape(entry: Entry) -> list[Cell]:
    """``frames``, H and K."""
    conditions = entry.conditions
    return [*frames(entry), Cell(str(conditions.hypotheses)), Cell(str(conditions.steps))]


def ms_per_frame(entry: Entry) -> Cell:
    """Of the prediction, whatever the aggregation."""
    return time_cell(entry, lambda cost: cost.ms_per_frame())


def millions_of_parameters(entry: Entry) -> Cell:
    return cost_cell(entry, lambda cost: cost.parameters / 1e6)


def _marked(number: Cell | Number, cell: Cell) -> Cell | Number:
    return replace(number, cell=cell) if isinstance(number, Number) else cell


def _number(cell: Cell) -> float:
    return math.nan if cell.number is None else cell.number


def _printed(cell: Cell) -> float:
    return float(cell.text.replace(",", ""))


def _tied(number: Cell | Number, best: Cell | Number) -> bool:
    """By the interval of the paired difference; by overlap where the takes are not the same or not known."""
    if isinstance(number, Number) and isinstance(best, Number):
        same = number.record.training_id == best.record.training_id
        difference = number.record.difference(
            number.value, best.record, best.value, same_trainings=same, over=number.over
        )
        if difference is not None:
            return difference.indistinguishable
    return _overlap(cell_of(number), cell_of(best))


def _overlap(first: Cell, second: Cell) -> bool:
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return False
    return max(first.low, second.low) <= min(first.high, second.high)
