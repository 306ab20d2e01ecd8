"""Numbers of runs: ranked among those that they may be compared with, then printed as cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from bench.results.cost import Cost
from bench.results.record import Record, Value
from bench.results.statistics.intervals import LEVEL, Difference, Mean, against_best, holm, pooled_interval
from reports.rules.comparability import comparable, grouped
from reports.rules.entries import Entry, MissingRun, input_frames, output_frames
from reports.rules.names import aggregation_title
from reports.writers.table import Cell, Column, Row

NOT_MEASURED = "not measured"
RESIDENT = "only the resident memory of the process was measured, by an older version: no property of the method"
NOT_KEPT = "input frames: not kept by the older version that made this run"
NOT_RUN = "input frames: known of finished runs only"
FRAMES = (Column("in", "Frames"), Column("out", "Frames"))
SHAPE = (*FRAMES, Column("H"), Column("K"))
"""The columns of ``frames`` and of ``shape``."""

ABOUT_FRAMES = "Frames: in, input frames that a pose is computed from; out, output frames of a window."
DIFFERENCES = (
    "Differences are paired by take or subject; ±: 95 % interval of each alone; in parentheses: not "
    "distinguishable from 0 when those of a column and block are judged together (Holm, 5 %)."
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


@dataclass(frozen=True)
class Gap:
    """A difference on its way into a table: it is judged together with the others of its column.

    Attributes:
        cell: what is printed where it is judged alone.
    """

    cell: Cell
    difference: Difference

    @property
    def reason(self) -> str:
        return self.cell.reason


Entered = Cell | Number | Gap
Matrix = list[list[Entered]]


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
        sample = entry.sample(value)
        low, high = map(float, pooled_interval(sample, "frames")) if sample else (math.nan, math.nan)
        value = value.model_copy(update={"action_mean": value.frame_mean, "low": low, "high": high})
    return Number(replace(value_cell(value), runs=entry.runs), entry, value, over)


def cell_of(number: Entered) -> Cell:
    """What is printed."""
    return number if isinstance(number, Cell) else number.cell


def value_cell(value: Value) -> Cell:
    """``45.2 ± 1.3``: the spread is the larger distance to an end of the interval, so never less than that."""
    if not (math.isfinite(value.low) and math.isfinite(value.high)):
        return Cell(f"{value.action_mean:.1f}", value.action_mean, decimals=1)
    spread = max(value.action_mean - value.low, value.high - value.action_mean, 0.0)
    return Cell(f"{value.action_mean:.1f}", value.action_mean, value.low, value.high, f"{spread:.1f}", decimals=1)


def difference_cell(difference: Difference | None) -> Cell | Gap:
    """``−1.23 ± 0.45``; a dash where no interval can be given (``DIFFERENCES`` explains it)."""
    if difference is None:
        return Cell(reason="the two numbers were not obtained on the same takes")
    if difference.unknown:
        return Cell(reason=f"not compared: {difference.unknown}")
    return Gap(_gap_cell(difference, difference.indistinguishable), difference)


def _gap_cell(difference: Difference, indistinguishable: bool) -> Cell:
    text = f"{difference.difference:+.2f}".replace("-", "−")
    shown = f"({text})" if indistinguishable else text
    return Cell(
        shown, difference.difference, difference.low, difference.high, f"{_spread(difference):.2f}", decimals=2
    )


def _spread(difference: Difference) -> float:
    """The larger distance to an end of the interval."""
    return max(difference.high - difference.difference, difference.difference - difference.low)


def rank(numbers: Sequence[Entered], groups: Sequence[Hashable], higher: bool = False) -> list[Entered]:
    """The same numbers with best, second and ties with the best marked in each group.

    Numbers that print the same share a rank. A group that prints one number has no best. Group None is not ranked,
    nor are numbers of trainings that may not be compared (``comparable``), nor those that are not finite. Lower is
    better unless ``higher``.
    """
    result = list(numbers)
    for group, members in grouped(range(len(numbers)), lambda index: groups[index]).items():
        known = _ranked(numbers, members)
        printed = sorted({_printed(cell) for cell in known.values()}, reverse=higher)
        if group is None or len(printed) < 2:
            continue
        choose = max if higher else min
        best = choose(known, key=lambda index: _number(known[index]))
        ties = _tied(numbers, [index for index in known if index != best], best)
        for index, cell in known.items():
            place = printed.index(_printed(cell)) + 1
            tie = place > 1 and index in ties
            result[index] = _marked(numbers[index], replace(cell, rank=place if place <= 2 else 0, tie=tie))
    return result


def rank_columns(
    rows: Sequence[Sequence[Entered]],
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
    rows: Sequence[Sequence[Entered]],
    groups: Sequence[Hashable],
    proposed: Sequence[bool],
    columns: Iterable[int],
    higher: Container[int] = (),
) -> Matrix:
    """Rows of proposed methods with their difference to the best of the other rows of their group.

    Only among numbers that may be compared.
    """
    bracketed: Matrix = [list(row) for row in rows]
    for column in columns:
        best = max if column in higher else min
        known: dict[int, Cell] = {}
        for members in grouped(range(len(rows)), lambda index: groups[index]).values():
            known |= _ranked([row[column] for row in rows], members)
        for index in (index for index, is_proposed in enumerate(proposed) if is_proposed and index in known):
            others = [n for n in known if groups[n] == groups[index] and not proposed[n]]
            if others:
                nearest = best(others, key=lambda n: _number(known[n]))
                ahead = _number(known[index]) - _number(known[nearest])
                gap = _difference(rows[index][column], rows[nearest][column])
                spread = "" if gap is None or gap.unknown else f"{_spread(gap):.1f}"
                cell = replace(cell_of(rows[index][column]), ahead=ahead, ahead_spread=spread)
                bracketed[index][column] = _marked(rows[index][column], cell)
    return bracketed


def with_runs(rows: Sequence[Sequence[Entered]], runs: Iterable[tuple[str, ...]]) -> tuple[Row, ...]:
    """Rows as they are printed, with the ids of the runs that they come from; differences are judged by column."""
    columns = [_judged(column) for column in zip(*rows, strict=True)]
    return tuple(Row(cells, ids) for cells, ids in zip(zip(*columns, strict=True), runs, strict=True))


def _judged(column: Sequence[Entered]) -> list[Cell]:
    """Cells of a column, its differences in parentheses where they are not distinguishable from 0 together."""
    gaps = [entry.difference for entry in column if isinstance(entry, Gap)]
    corrected = iter(holm(gap.p_value for gap in gaps))
    return [
        _gap_cell(entry.difference, next(corrected) > 1 - LEVEL) if isinstance(entry, Gap) else cell_of(entry)
        for entry in column
    ]


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


def memory_cell(cost: Cost | None) -> Cell:
    """Peak memory of a prediction; a dash for the resident memory of a process."""
    if cost is None:
        return Cell(reason=NOT_MEASURED)
    return Cell(reason=RESIDENT) if cost.memory_mb is None else significant(cost.memory_mb)


def time_cell(entry: Entry, quantity: Callable[[Cost], float]) -> Cell:
    """``cost_cell`` of a time, marked where something disturbed the measurement."""
    return timed(entry, cost_cell(entry, quantity))


def timed(entry: Entry, cell: Cell) -> Cell:
    """A time of a run, marked where something else used the machine, or where passes of timing disagree."""
    measured = entry.measurement if isinstance(entry, MissingRun) else entry
    disturbed = measured is not None and bool(measured.environment.warnings or measured.cost.latency.disagree)
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


def _marked(number: Entered, cell: Cell) -> Entered:
    return replace(number, cell=cell) if isinstance(number, Number) else cell


def _number(cell: Cell) -> float:
    return math.nan if cell.number is None else cell.number


def _printed(cell: Cell) -> float:
    return float(cell.text.replace(",", ""))


def _ranked(numbers: Sequence[Entered], members: Sequence[int]) -> dict[int, Cell]:
    """Those of the members of a group that may be ranked."""
    finite = [index for index in members if math.isfinite(_number(cell_of(numbers[index])))]
    records = [number.record if isinstance(number := numbers[index], Number) else None for index in finite]
    if not any(records):  # costs: no training is behind them
        return {index: cell_of(numbers[index]) for index in finite}
    return {i: cell_of(numbers[i]) for i, may in zip(finite, comparable(records), strict=True) if may}


def _tied(numbers: Sequence[Entered], others: Sequence[int], best: int) -> set[int]:
    """Others that are not distinguishable from the best by paired differences, corrected for their number."""
    found = {index: _difference(numbers[index], numbers[best]) for index in others}
    gaps = {index: gap for index, gap in found.items() if gap is not None and not gap.unknown}
    corrected = zip(gaps, against_best(gap.p_value for gap in gaps.values()), strict=True)
    different = {index for index, p_value in corrected if p_value <= 1 - LEVEL}
    return {index for index in others if isinstance(numbers[index], Number)} - different


def _difference(number: Entered, best: Entered) -> Difference | None:
    if not (isinstance(number, Number) and isinstance(best, Number)):
        return None
    return number.record.difference(number.value, best.record, best.value, over=number.over)
