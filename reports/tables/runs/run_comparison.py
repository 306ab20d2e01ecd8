"""Two sets of runs compared: what changed, by how much, and whether that is more than noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bench.results.grouping import grouped
from bench.results.record import MetricInfo, Record
from bench.results.statistics.intervals import Difference
from bench.results.statistics.seeds import pool
from bench.results.statistics.variance import Mean
from models.errors import InputError
from reports.rules.comparability import device, headline, on_each_device
from reports.rules.conditions import paragraphs
from reports.rules.metrics import ERRORS, SCORES, printed_metrics, usual_mean
from reports.rules.names import aggregation_title
from reports.rules.pairing import Matching, Pair, arrow, match, named
from reports.tables.cells import Draft, block, cell_of, difference_cell, significant, timed, value_number
from reports.writers.table import Cell, Column, Table

FALSE_ALARMS = 0.05
"""Share of the changes called so that may be none."""

NOT_TESTED = "–"
MOST_NAMES = 8

TEST = (
    "B − A of errors is paired by take or subject, with its 95 % interval; differences whose interval holds 0 are "
    "in parentheses. ms/frame: more than noise if the middle 60 % of the repetitions of both runs do not overlap."
)
SEEDS = (
    "Where one seed was run, nobody can tell a change of the method from the luck of its training: run both sets "
    "with --seeds 0,1,2."
)


@dataclass(frozen=True)
class _Line:
    """A row without its verdict; ``difference``: of errors, if it is tested; ``higher`` is better."""

    cells: tuple[Cell, ...]
    difference: Difference | None = None
    higher: bool = False
    verdict: str = NOT_TESTED


def changes(names: tuple[str, str], before: Sequence[Record], after: Sequence[Record]) -> Table:
    """A row per pair of runs and quantity, grouped by the settings that differ; the findings are its first notes.

    Errors are those of the headline aggregation. Runs that differ in their seeds only are averaged first.

    Args:
        names: what the user called the two sets, A and B.

    Raises:
        InputError: no run of A has a counterpart in B that it may be compared with.
    """
    matching = match(pool(before), pool(after))
    if not matching.pairs and not matching.same:
        raise InputError(f"{names[0]} and {names[1]} have no runs that may be compared{_first_reason(matching)}")
    lines = _judged([_lines(pair) for pair in matching.pairs])
    columns = (
        *(Column(header, align="l") for header in ("Method", "Aggregation", "Quantity")),
        *(Column(header) for header in ("A", "B", "B − A")),
        Column("More than noise", align="l"),
    )
    blocks = []
    together = zip(matching.pairs, lines, strict=True)
    for heading, members in grouped(together, lambda member: member[0].heading).items():
        rows = [
            Draft([*line.cells, Cell(line.verdict)], pair.before.runs + pair.after.runs)
            for pair, found in members
            for line in found
        ]
        blocks.append(block(rows, heading))
    records = [record for pair in matching.pairs for record in pair[:2]]
    notes = (*_findings(names, lines, matching), *_reading(lines, matching.pairs))
    title = f"From {names[0]} (A) to {names[1]} (B)"
    return Table(title, columns, tuple(blocks), paragraphs(records, "headline") if records else (), notes)


def _lines(pair: Pair) -> list[_Line]:
    over = usual_mean(pair.after)
    metrics = printed_metrics(pair[:2], SCORES if over == "frames" else ERRORS)
    lines = [_error_line(pair, metric, info, over) for metric, info in metrics.items()]
    return [*lines, _time_line(pair), *_size_lines(pair)]


def _error_line(pair: Pair, metric: str, info: MetricInfo, over: Mean) -> _Line:
    chosen = [headline(record) for record in pair[:2]]
    sides = list(zip(pair[:2], chosen, strict=True))
    cells = [cell_of(value_number(record, metric, name, over=over)) for record, name in sides]
    aggregation = " → ".join(dict.fromkeys(aggregation_title(name) for name in chosen))
    values = [record.value(metric, name) for record, name in sides]
    difference = None
    if values[0] is not None and values[1] is not None and not any(cell.reason for cell in cells):
        difference = pair.after.difference(
            values[1], pair.before, values[0], over=over, same_method=pair.same_method
        )
    row = (*_label(pair, aggregation, info.title), *cells, cell_of(difference_cell(difference)))
    tested = None if difference is None or difference.unknown else difference
    return _Line(row, tested, info.higher_is_better)


def _time_line(pair: Pair) -> _Line:
    sides = on_each_device(pair.before), on_each_device(pair.after)
    common = next((name for name in sides[0] if name in sides[1]), None)
    its = [next(iter(side.values())) if common is None else side[common] for side in sides]
    before, after = (record.cost.latency for record in its)
    cells = [timed(record, significant(record.cost.latency.ms_per_frame)) for record in its]
    label = _label(pair, "", "ms/frame")
    if common is None:
        reason = f"times of different devices are not compared: {arrow(*map(device, its))}"
        return _Line((*label, *cells, Cell(reason=reason)))
    if any(cell.reason for cell in cells):
        return _Line((*label, *cells, Cell(reason="not measured")))
    slower = before.p80_ms / before.frames < after.p20_ms / after.frames
    faster = after.p80_ms / after.frames < before.p20_ms / before.frames
    verdict = "slower" if slower else "faster" if faster else "no"
    return _Line((*label, *cells, _percent(before.ms_per_frame, after.ms_per_frame)), verdict=verdict)


def _size_lines(pair: Pair) -> list[_Line]:
    """Parameters and operations, where they changed: they are counted, not measured."""
    lines = []
    for title, scale, before, after in (
        ("parameters (M)", 1e6, pair.before.cost.parameters, pair.after.cost.parameters),
        ("GFLOPs/frame", 1e9, pair.before.cost.flops_per_frame, pair.after.cost.flops_per_frame),
    ):
        if before == after or before != before or after != after:
            continue
        cells = [significant(number / scale) for number in (before, after)]
        row = (*_label(pair, "", title), *cells, _percent(before, after))
        lines.append(_Line(row, verdict="more" if after > before else "fewer"))
    return lines


def _label(pair: Pair, aggregation: str, quantity: str) -> list[Cell]:
    return [Cell(named(pair.after)), Cell(aggregation), Cell(quantity)]


def _percent(before: float, after: float) -> Cell:
    if not before:
        return Cell(reason="A is zero")
    share = 100 * (after / before - 1)
    return Cell(f"{share:+.1f} %".replace("-", "−"), share)


def _judged(lines: list[list[_Line]]) -> list[list[_Line]]:
    """The same lines with the verdicts of the tested differences, which depend on how many are tested."""
    tested = [line.difference for found in lines for line in found if line.difference]
    limit = largest_p([difference.p_value for difference in tested])
    return [[replace(line, verdict=_verdict(line, limit)) for line in found] for found in lines]


def _verdict(line: _Line, limit: float) -> str:
    difference = line.difference
    if difference is None:
        return line.verdict
    if difference.difference == difference.low == difference.high == 0:
        return "unchanged"
    if difference.p_value <= limit:
        return "better" if (difference.difference > 0) == line.higher else "worse"
    return "no" if difference.indistinguishable else "not among so many"


def largest_p(values: Iterable[float]) -> float:
    """The largest p-value that counts as a change (Benjamini and Hochberg, JRSS B 57, 1995); −1 if none does."""
    ordered = sorted(values)
    fine = [p for rank, p in enumerate(ordered, start=1) if p <= FALSE_ALARMS * rank / len(ordered)]
    return max(fine, default=-1.0)


def _findings(names: tuple[str, str], lines: list[list[_Line]], matching: Matching) -> list[str]:
    count = len(matching.pairs)
    found = [f"{count} {'pair' if count == 1 else 'pairs'} of runs compared."] if count else []
    verdicts = [(line.cells[2].text, line.verdict) for found in lines for line in found]
    for quantity in dict.fromkeys(quantity for quantity, _ in verdicts):
        its = grouped((verdict for name, verdict in verdicts if name == quantity), lambda verdict: verdict)
        words = {"no": "no more than noise", NOT_TESTED: "not tested"}
        counts = ", ".join(f"{words.get(verdict, verdict)} in {len(members)}" for verdict, members in its.items())
        found.append(f"{quantity}: {counts}.")
    if matching.same:
        runs = "run is" if len(matching.same) == 1 else "runs are"
        found.append(f"{len(matching.same)} {runs} in both sets with the same numbers: nothing changed there.")
    for reason, kept_apart in matching.incomparable:
        found.append(f"Not compared, because data or protocol differ ({reason}): {_listed(kept_apart)}.")
    if matching.ambiguous:
        found.append(
            f"Not compared, because several runs of {names[1]} come as close: {_listed(matching.ambiguous)}."
        )
    found += [f"Only in {name}: {_listed(only)}." for name, only in zip(names, matching.only, strict=True) if only]
    return found


def _reading(lines: list[list[_Line]], pairs: Sequence[Pair]) -> list[str]:
    """How the columns are to be read."""
    if not lines:
        return []
    tested = sum(line.difference is not None for found in lines for line in found)
    several = (
        f"{tested} differences were tested together: of those called better or worse, {100 * FALSE_ALARMS:.0f} % "
        "may be false alarms (Benjamini-Hochberg); “not among so many” would have counted if it were the only one."
    )
    lucky = any(
        not pair.before.same_trainings(pair.after) and (max if pair.same_method else min)(_seeds(pair)) == 1
        for pair in pairs
    )
    return [TEST, *[several] * (tested > 1), *[SEEDS] * lucky]


def _seeds(pair: Pair) -> list[int]:
    """Trainings of each side."""
    return [len(record.conditions.training_seeds) for record in pair[:2]]


def _first_reason(matching: Matching) -> str:
    if matching.incomparable:
        reason, names = matching.incomparable[0]
        return f" ({names[0]} differs in {reason})"
    if matching.ambiguous:
        return f" (several runs of the second come as close to {matching.ambiguous[0]})"
    methods = [f"{', '.join(names[:3])}{', …' if len(names) > 3 else ''}" or "nothing" for names in matching.only]
    return f" (one has {methods[0]}, the other {methods[1]})"


def _listed(names: Sequence[str]) -> str:
    unique = list(dict.fromkeys(names))
    more = len(unique) - MOST_NAMES
    return ", ".join(unique[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
