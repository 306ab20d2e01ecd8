"""Numbers that papers report: rows of their own under measured ones, never ranked or compared with them."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Sequence
from pathlib import Path

from bench.config.parsing import Frozen
from bench.results.record import SYMBOLS
from reports.rules.comparability import Source
from reports.writers.table import Block, Cell, Row

SECTION = "Reported by the papers on Human3.6M: not measured here, not comparable with the rows above"
REPORTED_USES = {"": "Reported, one pose", "J-Best": "Reported, oracle†: used the ground-truth pose at test time"}
NOT_TAKEN = "reported rows: only errors were taken from the papers"
UNKNOWN = "reported rows: not reported, or not known with certainty"


class Reported(Frozen):
    """What a paper says about its method; the attributes are those of ``published_numbers.toml``."""

    title: str
    citation: str
    table: str = ""
    frames: int
    detector: str
    hypotheses: int = 1
    steps: int = 1
    aggregation: str = ""
    det: dict[str, float] = {}
    gt: dict[str, float] = {}
    conditions: str = ""
    checked: str = ""


@functools.cache
def published() -> tuple[Reported, ...]:
    """All rows of ``published_numbers.toml``, in its order."""
    text = Path(__file__).with_name("published_numbers.toml").read_text(encoding="utf-8")
    return tuple(Reported.model_validate(entry) for entry in tomllib.loads(text)["method"])


def reported_blocks(titles: dict[Source, str], metrics: Sequence[str]) -> tuple[Block, ...]:
    """Rows for the table of methods, in the columns of the first detected and the first exact source."""
    places = _places(titles)
    blocks = []
    for aggregation, text in REPORTED_USES.items():
        chosen = [entry for entry in published() if entry.aggregation == aggregation]
        rows = [Row(tuple(_cells(entry, places, titles, metrics))) for entry in chosen]
        blocks.append(Block(tuple(rows), text, SECTION))
    return tuple(blocks)


def sources_of_reported() -> str:
    """A paragraph: the paper of each number, its conditions, and what was checked in a source."""
    return " ".join(
        [
            "Reported numbers (citations in full: reports/tables/published_numbers.toml).",
            *(_source(entry) for entry in published()),
        ]
    )


def _places(titles: dict[Source, str]) -> dict[Source, str]:
    """Source → which of a method's numbers stands in its columns."""
    trained_alike = [key for key in titles if key.train == key.test]
    detected = [key for key in trained_alike if key.test != "gt"][:1]
    exact = [key for key in trained_alike if key.test == "gt"][:1]
    return dict.fromkeys(detected, "det") | dict.fromkeys(exact, "gt")


def _cells(
    entry: Reported, places: dict[Source, str], titles: dict[Source, str], metrics: Sequence[str]
) -> list[Cell]:
    mark = SYMBOLS["oracle"] if entry.aggregation else ""
    cells = [Cell(f"{entry.title} ({entry.detector})"), Cell((entry.aggregation or "single") + mark)]
    cells += [_known(size) for size in (entry.frames, entry.hypotheses, entry.steps)]
    cells += [Cell(reason=NOT_TAKEN)] * 2
    for key in titles:
        numbers = getattr(entry, places[key]) if key in places else {}
        cells += [_error(numbers.get(metric)) for metric in metrics]
    return cells


def _known(size: int) -> Cell:
    return Cell(str(size)) if size else Cell(reason=UNKNOWN)


def _error(number: float | None) -> Cell:
    return Cell(reason=UNKNOWN) if number is None else Cell(f"{number:.1f}", number)


def _source(entry: Reported) -> str:
    authors, *_, place = entry.citation.split(", ")
    parts = [f"{entry.title}: {authors} et al., {place}", entry.table or "table not known", entry.conditions]
    parts.append(f"checked: {entry.checked}" if entry.checked else "not checked against a source")
    return "; ".join(filter(None, parts)) + "."
