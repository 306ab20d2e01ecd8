"""Numbers that papers report: rows of their own under measured ones, never ranked or compared with them."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from bench.config.parsing import Frozen
from bench.results.grouping import grouped
from bench.results.record import SYMBOLS
from reports.rules.comparability import Source
from reports.writers.table import Block, Cell, Column, Row, Table

FILE = Path(__file__).with_name("published_numbers.toml")

Data = Literal["human36m", "mpi_inf_3dhp", "prompts"]

APART = "not measured here, not comparable with the rows above"
SECTIONS = {
    "human36m": f"Reported by the papers on Human3.6M: {APART}",
    "mpi_inf_3dhp": f"Reported by the papers on MPI-INF-3DHP, for two targets: {APART}",
}
REPORTED_USES = {
    "none": "Reported, no ground-truth pose or trajectory at test time",
    "assisted": "Reported, assisted‡: used the ground-truth root trajectory at test time",
    "oracle": "Reported, oracle†: used the ground-truth pose at test time",
}
NOT_TAKEN = "reported rows: only errors and input frames were taken from the papers"
PROMPT_METRICS = {"mpjpe": "MPJPE", "p_mpjpe": "P-MPJPE"}
UNKNOWN = "reported rows: not reported, or not known with certainty"


class Reported(Frozen):
    """A row that a source prints; the attributes are those of ``published_numbers.toml``."""

    data: Data
    source: str
    conditions: str
    hypotheses: int = 1
    steps: int = 1
    aggregation: str = ""
    use: Literal["none", "assisted", "oracle"] = "none"
    paper: str
    row: str = ""
    printed: str = ""
    label: bool = False
    detector: str = ""
    target: str = ""
    frames: int
    det: dict[str, float] = {}
    gt: dict[str, float] = {}

    @property
    def name(self) -> str:
        """Name of its row, with § where the action label was given."""
        target = f"target {self.target}" if self.target == "not known" else self.target
        return f"{self.paper}{'§' * self.label} ({', '.join(filter(None, (self.detector, target, self.row)))})"

    @property
    def full_name(self) -> str:
        """With the aggregation, which its row has in a column of its own."""
        return f"{self.name} {self.aggregation}".rstrip()


@functools.cache
def _file() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


@functools.cache
def papers() -> dict[str, str]:
    """Name of a method → its citation: authors, title, place and year."""
    return dict(_file()["papers"])


@functools.cache
def published(data: Data) -> tuple[Reported, ...]:
    """All rows on a data set, those of a paper together, in the order of the file."""
    rows: list[Reported] = []
    for group in _groups(data):
        shared = {key: value for key, value in group.items() if key not in ("rows", "others")}
        rows += [Reported.model_validate(shared | row) for row in group["rows"]]
    return tuple(sorted(rows, key=lambda row: list(papers()).index(row.paper)))


def others(data: Data) -> list[str]:
    """What further sources print, and how a row is to be read."""
    return [text for group in _groups(data) for text in group.get("others", ())]


def reported_blocks(data: Data, titles: dict[Source, str], metrics: Sequence[str]) -> tuple[Block, ...]:
    """Rows for the table of methods, in the columns of the first detected and the first exact source."""
    places = _places(titles)
    blocks = []
    for use, text in REPORTED_USES.items():
        rows = [Row(tuple(_cells(row, places, titles, metrics))) for row in published(data) if row.use == use]
        blocks += [Block(tuple(rows), text, SECTIONS[data], reported=True)] * bool(rows)
    return tuple(blocks)


def beside_reported_prompts(table: Table, runs: Container[str]) -> Table:
    """The table of prompts with columns of what FinePOSE's poster prints, in rows of the same prompt.

    Args:
        runs: ids of FinePOSE's runs; rows of other methods have none of these numbers.
    """
    reported = {row.row: row for row in published("prompts")}
    if not any(run in runs for row in table.rows() for run in row.runs):
        return table

    def beside(row: Row) -> Row:
        found = reported.get(row.cells[0].text) if any(run in runs for run in row.runs) else None
        numbers = [reported_cell(found.det.get(metric) if found else None) for metric in PROMPT_METRICS]
        return replace(row, cells=(*row.cells, *numbers))

    first = next(iter(reported.values()))
    spanner = f"Reported: {first.detector}, {first.aggregation}{SYMBOLS[first.use]}"
    columns = (*table.columns, *(Column(header, spanner, reported=True) for header in PROMPT_METRICS.values()))
    wider = table.with_rows(lambda block: map(beside, block.rows), columns)
    return replace(wider, conditions=(*table.conditions, _about_prompts()))


def _about_prompts() -> list[str]:
    """All that is reported of prompts, in the words of the poster, with source and conditions."""
    rows = published("prompts")
    numbers = [f"{row.printed} ({row.row}) {' / '.join(map(str, row.det.values()))}" for row in rows]
    stated = [f"source: {rows[0].source}", f"conditions: {rows[0].conditions}"]
    stated += [f"further: {text}" for text in others("prompts")]
    first = f"Reported for FinePOSE on Human3.6M, not comparable: {', '.join(numbers)}"
    return [f"{text}." for text in [first, *(f"Reported, {text}" for text in stated)]]


def sources_of_reported(data: Data) -> list[str]:
    """In sentences: the paper of each row, its source and its conditions, and what further sources print."""
    rows = published(data)
    parts = {
        "papers": [f"{name}: {_cited(name)}" for name in dict.fromkeys(row.paper for row in rows)],
        "sources": _by(rows, "source"),
        "conditions": _by(rows, "conditions"),
        "further": others(data),
    }
    stated = [f"Reported, {what}: {'; '.join(texts)}." for what, texts in parts.items() if texts]
    return ["Reported numbers (reports/tables/accuracy/published_numbers.toml).", *stated]


def _groups(data: Data) -> list[dict[str, Any]]:
    return [group for group in _file()["numbers"] if group["data"] == data]


def _by(rows: Iterable[Reported], field: Literal["source", "conditions"]) -> list[str]:
    """Each text of a field with the rows that it is of; the text of most rows comes last, without their names."""
    groups = grouped(rows, lambda row: getattr(row, field))
    *fewer, (most, _) = sorted(groups.items(), key=lambda group: len(group[1]))
    named = [f"{text} [{', '.join(dict.fromkeys(row.full_name for row in its))}]" for text, its in fewer]
    return [*named, f"{most} [all others]"]


def _cited(paper: str) -> str:
    first, *_, place = papers()[paper].split(", ")
    return f"{first} et al., {place}"


def _places(titles: dict[Source, str]) -> dict[Source, str]:
    """Source → which of a method's numbers stands in its columns."""
    trained_alike = [key for key in titles if key.train == key.test]
    detected = [key for key in trained_alike if key.test != "gt"][:1]
    exact = [key for key in trained_alike if key.test == "gt"][:1]
    return dict.fromkeys(detected, "det") | dict.fromkeys(exact, "gt")


def _cells(
    row: Reported, places: dict[Source, str], titles: dict[Source, str], metrics: Sequence[str]
) -> list[Cell]:
    how = Cell((row.aggregation or "single") + SYMBOLS.get(row.use, ""))
    if not row.aggregation and not row.hypotheses:  # the mean of an unknown number, or made of them unknown how
        how = Cell(reason=UNKNOWN)
    cells = [Cell(row.name), how]
    cells += [_known(row.frames), Cell(reason=NOT_TAKEN), _known(row.hypotheses), _known(row.steps)]
    cells += [Cell(reason=NOT_TAKEN)] * 2
    for key in titles:
        numbers = getattr(row, places[key]) if key in places else {}
        cells += [reported_cell(numbers.get(metric)) for metric in metrics]
    return cells


def _known(size: int) -> Cell:
    return Cell(str(size)) if size else Cell(reason=UNKNOWN)


def reported_cell(number: float | None) -> Cell:
    """A number of a source, to one decimal as measured ones."""
    return Cell(reason=UNKNOWN) if number is None else Cell(f"{number:.1f}", number)
