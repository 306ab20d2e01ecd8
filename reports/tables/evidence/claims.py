"""Claims of a paper, each with what was reported, what was measured here, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from reports.rules.claims import ERROR_RATE, Judged, error_rate
from reports.rules.conditions import paragraphs
from reports.rules.entries import Entry
from reports.tables.layout import Layout
from reports.tables.short_note import short_note
from reports.writers.table import Block, Cell, Column, Row, Table

COLUMNS = (
    Column("No."),
    Column("Claim", align="l"),
    Column("reported", "Δ"),
    Column("measured", "Δ"),
    Column("p"),
    Column("Verdict", align="l"),
    Column("Resolvable"),
    Column("Seeds"),
)
SMALLEST_P = 0.0005
"""Below it a p value is printed as <0.001."""

TERMS = (
    "Δ: the first minus the second, mean over actions, before rounding; reported: by the papers, of other data "
    "and sizes; p, verdict: whether Δ differs from 0 (Holm, 5 % for all claims together); resolvable: found with "
    "80 % power after this correction."
)
"""What papers print of ``NOTES``."""

NOTES = (
    "Δ: what is said to be better minus the other, in the unit of the metric, mean over actions, before rounding. "
    "Reported differences are of other data and sizes, below by number: their sign is what is tested here.",
    f"Verdict: supported or refuted, by its sign, where the Δ is beyond chance ({ERROR_RATE:.0%} for any wrong "
    "verdict of this table, Holm's correction; p is corrected); open otherwise. For this size on this data.",
    "Resolvable: smallest difference that a comparison with this spread finds with 80 % power at the level that "
    "the correction leaves beside the other open claims.",
)


def claims_table(judged: Sequence[Judged], title: str) -> Table:
    """A row per claim, in declared order."""
    rows = [_row(number, found) for number, found in enumerate(judged, start=1)]
    compared = {record.id: record for found in judged for record in found.runs}
    return Table(
        title,
        COLUMNS,
        (Block(tuple(rows)),),
        paragraphs([*compared.values()]) if compared else (),
        (*NOTES, *_between(judged), *_looks(judged), _sources(judged)),
        partial(short_note, [*compared.values()]),
        TERMS,
    )


def _row(number: int, found: Judged) -> Row:
    claim, untested = found.claim, Cell(reason=found.why_open)
    reported = Cell(reason="not reported")
    if claim.reported is not None:
        reported = Cell(signed(claim.reported), claim.reported)
    measured = p_value = resolvable = untested
    if found.difference is not None and found.adjusted is not None and found.resolvable is not None:
        gap = found.difference
        spread = max(gap.high - gap.difference, gap.difference - gap.low)
        measured = Cell(signed(gap.difference), gap.difference, gap.low, gap.high, f"{spread:.1f}")
        p_value = Cell(f"{found.adjusted:.3f}" if found.adjusted >= SMALLEST_P else "<0.001", found.adjusted)
        resolvable = Cell(f"{found.resolvable:.1f}", found.resolvable)
    seeds = Cell(str(len(found.seeds))) if found.seeds else untested
    name, verdict = Cell(claim.text), Cell(found.verdict)
    cells = (Cell(str(number)), name, reported, measured, p_value, verdict, resolvable, seeds)
    return Row(cells, tuple(run for record in found.runs for run in record.runs))


def signed(number: float) -> str:
    """``−3.2``."""
    return f"{number:+.1f}".replace("-", "−")


def _between(judged: Sequence[Judged]) -> list[str]:
    """What the differences of claims between two data sets are, for those that were tested."""
    return [
        f"({number}) Δ on {found.claim.between[0]} minus Δ on {found.claim.between[1]}."
        for number, found in enumerate(judged, start=1)
        if found.claim.between is not None and found.difference is not None
    ]


def _looks(judged: Sequence[Judged]) -> list[str]:
    """How repeated looks are paid for, where seeds were added until verdicts fell."""
    looks = sorted({found.claim.look for found in judged} - {0})
    spent = ", ".join(f"{error_rate(look):.2%} at look {look}" for look in looks)
    return [f"Seeds were added to open claims; each look spends a part of the 5 %: {spent}."] if looks else []


def _sources(judged: Sequence[Judged]) -> str:
    """Conditions and source of every reported number."""
    stated = [
        f"({number}) {'; '.join(filter(None, (found.claim.conditions, found.claim.source)))}"
        for number, found in enumerate(judged, start=1)
        if found.claim.reported is not None
    ]
    return f"Reported: {'. '.join(stated)}." if stated else "Nothing is reported of these claims."


def _runs_without_claims(entries: Sequence[Entry], title: str) -> Table:
    """What a file of this layout shows that declares no claims."""
    return Table(title, COLUMNS, (), paragraphs(entries), ("No claims are declared.",))


LAYOUT = Layout("claims", _runs_without_claims, in_overall=False)
