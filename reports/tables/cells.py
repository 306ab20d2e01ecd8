"""Numbers of runs: ranked among those that they may be compared with, then printed as cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from bench.results.cost import Cost
from bench.results.grouping import grouped
from bench.results.record import Record, Value
from bench.results.statistics.intervals import LEVEL, Difference, against_best, holm, pooled_interval
from bench.results.statistics.variance import Mean
from reports.rules.comparability import comparable, device, on_each_device
from reports.rules.entries import Entry, MissingRun, input_frames, is_disturbed, output_frames
from reports.rules.names import aggregation_title
from reports.writers.table import Block, Cell, Column, Row

NOT_MEASURED = "not measured"
RESIDENT = "only the resident memory of the process was measured, by an older version: no property of the method"
NOT_KEPT = "input frames: not kept by the older version that made this run"
NOT_RUN = "input frames: known of finished runs only"
METHOD_AND_AGGREGATION = (Column("Method", align="l"), Column("Aggregation", align="l"))
FRAMES = (Column("in", "Frames"), Column("out", "Frames"))
SHAPE = (*FRAMES, Column("H"), Column("K"))
"""The columns of ``frames`` and of ``shape``."""

ABOUT_FRAMES = "Frames: in, input frames that a pose is computed from; out, output frames of a window."
DIFFERENCES = (
    "Differences are paired by take or subject, of numbers before rounding; ±: 95 % interval of each alone; in "
    "parentheses: not distinguishable from 0 when those of a column and block are judged together (Holm, 5 %); ≈ "
    "is corrected for more pairs than these, so that both verdicts can stand in a row."
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


Entered = Cell | Number | Difference
"""What is printed, or will be; numbers are ranked, and differences judged, with the others of their column."""


@dataclass(frozen=True)
class Draft:
    """A row whose numbers are still to be compared with those of other rows.

    Attributes:
        runs: ids of the runs that it comes from.
        group: rows of one group are ranked together; None: it is not ranked.
        proposed: its difference to the best other row of its group is printed in brackets.
    """

    cells: Sequence[Entered]
    runs: tuple[str, ...]
    group: Hashable = 0
    proposed: bool = False


def value_number(
    entry: Entry | None, metric: str, aggregation: str | None, why_not: str = "", over: Mean = "actions"
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
    cell = replace(value_cell(value), runs=entry.runs, higher=entry.metric(metric).higher_is_better)
    return Number(cell, entry, value, over)


def cell_of(number: Entered) -> Cell:
    """What is printed; of a difference, as it is judged alone."""
    if isinstance(number, Difference):
        return _gap_cell(number, number.indistinguishable)
    return number if isinstance(number, Cell) else number.cell


def value_cell(value: Value) -> Cell:
    """``45.2 ± 1.3``: the spread is the larger distance to an end of the interval, so never less than that."""
    if not (math.isfinite(value.low) and math.isfinite(value.high)):
        return Cell(f"{value.action_mean:.1f}", value.action_mean, decimals=1)
    spread = max(value.action_mean - value.low, value.high - value.action_mean, 0.0)
    return Cell(f"{value.action_mean:.1f}", value.action_mean, value.low, value.high, f"{spread:.1f}", decimals=1)


def difference_cell(difference: Difference | None) -> Cell | Difference:
    """``−1.23 ± 0.45``; a dash where no interval can be given (``DIFFERENCES`` explains it)."""
    if difference is None:
        return Cell(reason="the two numbers were not obtained on the same takes")
    if difference.unknown:
        return Cell(reason=f"not compared: {difference.unknown}")
    return difference


def _gap_cell(difference: Difference, indistinguishable: bool) -> Cell:
    text = f"{difference.difference:+.2f}".replace("-", "−")
    shown = f"({text})" if indistinguishable else text
    return Cell(
        shown, difference.difference, difference.low, difference.high, f"{_spread(difference):.2f}", decimals=2
    )


def _spread(difference: Difference) -> float:
    """The larger distance to an end of the interval."""
    return max(difference.high - difference.difference, difference.difference - difference.low)


def block(rows: Sequence[Draft], heading: str = "", section: str = "", ranked: Iterable[int] = ()) -> Block:
    """Rows as they are printed: the columns ``ranked`` by group, differences judged by column."""
    columns = [list(column) for column in zip(*(row.cells for row in rows), strict=True)]
    for index in ranked:
        columns[index] = _with_brackets(rank(columns[index], [row.group for row in rows]), rows)
    printed = zip(*map(_judged, columns), strict=True)
    return Block(tuple(Row(cells, row.runs) for cells, row in zip(printed, rows, strict=True)), heading, section)


def rank(numbers: Sequence[Entered], groups: Sequence[Hashable]) -> list[Entered]:
    """The same numbers with best, second and ties with the best marked in each group.

    Numbers that print the same share a rank. A group that prints one number has no best. Group None is not ranked,
    nor are numbers of trainings that may not be compared (``comparable``), nor those that are not finite.
    """
    result = list(numbers)
    for group, members in grouped(range(len(numbers)), lambda index: groups[index]).items():
        known = _ranked(numbers, members)
        printed = sorted({_printed(cell) for cell in known.values()}, reverse=_higher(known))
        if group is None or len(printed) < 2:
            continue
        best = _best(known, known)
        ties = _tied(numbers, [index for index in known if index != best], best)
        for index, cell in known.items():
            place = printed.index(_printed(cell)) + 1
            tie = place > 1 and index in ties
            result[index] = _marked(numbers[index], replace(cell, rank=place if place <= 2 else 0, tie=tie))
    return result


def _with_brackets(numbers: Sequence[Entered], rows: Sequence[Draft]) -> list[Entered]:
    """A column with the differences of proposed methods to the best others that they may be compared with."""
    result = list(numbers)
    for members in grouped(range(len(rows)), lambda index: rows[index].group).values():
        known = _ranked(numbers, members)
        others = [index for index in known if not rows[index].proposed]
        for index in (index for index in known if rows[index].proposed and others):
            nearest = _best(known, others)
            ahead = _number(known[index]) - _number(known[nearest])
            gap = _difference(numbers[index], numbers[nearest])
            cell = replace(known[index], ahead=ahead)
            if gap is not None and not gap.unknown:
                first = _best(known, known)
                if first in (index, nearest):  # one verdict on a pair, that of the mark ≈
                    after = nearest if index == first else index
                    differs = after not in _tied(numbers, [one for one in known if one != first], first)
                else:
                    differs = gap.p_value * len(others) <= 1 - LEVEL  # the best of these was found by looking
                cell = replace(cell, ahead_spread=f"{_spread(gap):.1f}", ahead_differs=differs)
            result[index] = _marked(numbers[index], cell)
    return result


def _judged(column: Sequence[Entered]) -> list[Cell]:
    """Cells of a column, its differences in parentheses where they are not distinguishable from 0 together."""
    corrected = iter(holm(entry.p_value for entry in column if isinstance(entry, Difference)))
    return [
        _gap_cell(entry, next(corrected) > 1 - LEVEL) if isinstance(entry, Difference) else cell_of(entry)
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


def time_cell(entry: Entry, quantity: Callable[[Cost], float], where: str = "") -> Cell:
    """``cost_cell`` of a time, as ``timed`` prints it.

    Args:
        where: the device that times of the column are of, where rows may have several; without one on it, a dash.
    """
    its = on_each_device(entry).get(where, entry)
    if where and its.cost is not None and device(its) != where:
        return Cell(reason=f"measured on {device(its)}; times here are of {where}")
    return timed(its, cost_cell(its, quantity))


def timed(entry: Entry, cell: Cell) -> Cell:
    """A time of a run, marked where something else used the machine, or where passes of timing disagree."""
    return replace(cell, disturbed=is_disturbed(entry) and not cell.reason)


def frames(entry: Entry) -> list[Cell]:
    """Input frames of a pose and output frames of a window."""
    seen = input_frames(entry)
    why_not = NOT_RUN if isinstance(entry, MissingRun) else NOT_KEPT
    return [Cell(reason=why_not) if seen is None else Cell(str(seen)), Cell(str(output_frames(entry)))]


def shape(entry: Entry) -> list[Cell]:
    """``frames``, H and K."""
    conditions = entry.conditions
    return [*frames(entry), Cell(str(conditions.hypotheses)), Cell(str(conditions.steps))]


def ms_per_frame(entry: Entry, where: str = "") -> Cell:
    """Milliseconds per frame of the prediction, without aggregation."""
    return time_cell(entry, lambda cost: cost.ms_per_frame(), where)


def millions_of_parameters(entry: Entry) -> Cell:
    return cost_cell(entry, lambda cost: cost.parameters / 1e6)


def _marked(number: Entered, cell: Cell) -> Entered:
    return replace(number, cell=cell) if isinstance(number, Number) else cell


def _number(cell: Cell) -> float:
    return math.nan if cell.number is None else cell.number


def _printed(cell: Cell) -> float:
    return float(cell.text.replace(",", ""))


def _ranked(numbers: Sequence[Entered], members: Sequence[int]) -> dict[int, Cell]:
    """Index → cell of the members of a group that may be ranked."""
    finite = [index for index in members if math.isfinite(_number(cell_of(numbers[index])))]
    records = [number.record if isinstance(number := numbers[index], Number) else None for index in finite]
    if not any(records):  # costs: no training is behind them
        return {index: cell_of(numbers[index]) for index in finite}
    return {i: cell_of(numbers[i]) for i, may in zip(finite, comparable(records), strict=True) if may}


def _higher(known: dict[int, Cell]) -> bool:
    """Whether higher is better."""
    return any(cell.higher for cell in known.values())


def _best(known: dict[int, Cell], among: Iterable[int]) -> int:
    return (max if _higher(known) else min)(among, key=lambda index: _number(known[index]))


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
