"""``python -m tests.figures``: write the tables and pictures of README and docs anew, from runs in docs/results.

``python -m tests.figures NAME STORE RESULTS TABLE …`` first puts the records behind these tables of RESULTS there,
as docs/results/NAME/runs.zip: of all tables, if none is named.

A page says what stands where, and between the two comments everything is replaced::

    <!-- from: NAME TABLE {OPTIONS} -->          a table, as `report --paper` chooses from it; {} for all of it
    <!-- from: NAME verdicts -->                 how many claims hold
    <!-- from: NAME origin -->                   command, commit and machine
    <!-- from: NAME FIGURE.png -->               the picture that the page shows there is replaced; page.png is the
                                                 top of RESULTS/index.html, taken when runs are put there
    <!-- from: base hour -->                     what an hour of training at `base` showed (tests/base_hour.py)
    <!-- from: FOLDER/FILE -->                   a file of the repository
    <!-- /from -->
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from bench.config.parsing import suggestion, validated
from bench.results.record import Record
from bench.results.run_set import declared
from bench.results.runs.archive import export, opened, restricted
from bench.results.store import Store
from models.errors import InputError, shown
from reports.build import build
from reports.pdf import compile_pdf
from reports.rules.claims import in_words, judge
from reports.rules.entries import Entry
from reports.rules.missing import table_entries
from reports.tables.evidence.claims import claims_table
from reports.tables.layout import Layout, layout_of
from reports.tables.short_note import short_note
from reports.writers.escaping import markdown
from reports.writers.markdown import to_markdown
from reports.writers.paper import PaperTable, chosen
from reports.writers.table import Table
from tests import ROOT
from tests.base_hour import BaseHour

SHIPPED = ROOT / "docs" / "results"
WITH_REPORT = ("study",)
"""Runs whose page and report.pdf lie beside their archive."""
ARCHIVE, TOP_OF_PAGE = "runs.zip", "page.png"
BASE = "base"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
BLOCK = re.compile(r"<!-- from: (?P<asked>.*?) -->\n(?P<content>.*?)<!-- /from -->", re.DOTALL)
PICTURE = re.compile(r"!\[[^]]*\]\(([^)]+)\)")


class Shipped:
    """Runs of docs/results: what can be printed of them, by name."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / ARCHIVE
        with opened(self.path) as archive:
            assert archive.runset is not None, f"{self.path} has no tables"
            self.manifest, self.records = archive.manifest, archive.records
            command = _without_folders(archive.runset.command)
            self.runset = archive.runset.model_copy(update={"command": command})
        self._made: dict[str, Table] = {}

    @cached_property
    def _makers(self) -> dict[str, Callable[[], Table]]:
        """Name → what makes the table, as in a report."""
        found: dict[str, Callable[[], Table]] = {}
        for name, spec in self.runset.tables.items():
            layout = layout_of(spec.layout)
            entries = table_entries(spec, self.records, self.runset.missing, layout.pooled)
            found[name] = partial(_filled, layout, entries, spec.title)
            if spec.claims:
                found[name] = partial(claims_table, judge(spec.claims, self.records), spec.title)
            for other in layout.companions:
                found[f"{name}-{other.name}"] = partial(_filled, other, entries, f"{spec.title}: {other.subtitle}")
        return found

    def table(self, name: str, choice: PaperTable) -> str:
        """A table in Markdown, without its title; below it why numbers are missing, and conditions as asked for.

        Raises:
            InputError: there is no such table, row or column.
        """
        if name not in self._makers:
            raise InputError(f"{self.path} has no table {name!r}: {suggestion(name, list(self._makers))}")
        if name not in self._made:
            self._made[name] = self._makers[name]()
        table = chosen(self._made[name], choice, name)
        _, text = to_markdown(table).split("\n\n", 1)
        if choice.conditions == "full":
            return text.rstrip()
        rows = [line for line in text.splitlines() if line.startswith("|")]
        told = [f"({letter}) {reason}." for reason, letter in table.reasons().items()]
        told += [table.terms, table.short(table)] * (choice.conditions == "short")
        return "\n".join([*rows, "", markdown(" ".join(filter(None, told)))]).rstrip()

    def verdicts(self) -> str:
        """How many claims have which verdict."""
        return "\n".join(
            in_words(judge(spec.claims, self.records))[0] for spec in self.runset.tables.values() if spec.claims
        )

    def origin(self) -> str:
        """What made the runs, where and when."""
        records = self.records.values()
        commits = ", ".join(f"`{commit[:9]}`" for commit in self.manifest.commits)
        machines = {f"{record.environment.device}, {record.environment.threads} threads" for record in records}
        times = sorted(record.finished_at[:16].replace("T", " ") for record in records)
        seeds = sorted({seed for record in records for seed in record.conditions.training_seeds})
        return (
            f"{len(records)} runs, training seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}, made by "
            f"`{self.runset.command}` at commit {commits} on {' and '.join(sorted(machines))}; "
            f"finished from {times[0]} to {times[-1]} (UTC)."
        )

    def draw(self, out: Path) -> None:
        """A report, with all figures that need records alone, below out/figures."""
        build(self.runset, self.records, out)


def _without_folders(command: str) -> str:
    """Without those of the machine that it ran on."""
    command = re.sub(r" --(store|out)[ =]\S+", "", command)
    return re.sub(r"(--data-root)[ =]\S*/", r"\1 /data/", command)


def _filled(layout: Layout, entries: Sequence[Entry], title: str) -> Table:
    table = layout.table(entries, title)
    return replace(table, short=partial(short_note, entries))


def blocks(text: str) -> list[tuple[str, str, str]]:
    """(name of the runs, what is asked for, its options) of each block of a page.

    Raises:
        InputError: a block has no end.
    """
    asked = [match["asked"] for match in BLOCK.finditer(text)]
    if len(asked) != text.count("<!-- from: ") or any("<!-- from: " in m["content"] for m in BLOCK.finditer(text)):
        raise InputError("a block <!-- from: … --> has no <!-- /from --> behind it")
    parts = (one.split(" ", 2) for one in asked)
    return [(part[0], part[1] if len(part) > 1 else "", part[2] if len(part) > 2 else "{}") for part in parts]


def written_anew(text: str, shipped: Callable[[str], Shipped]) -> str:
    """A page with every block but pictures as the runs say it now.

    Args:
        shipped: name → the runs.

    Raises:
        InputError: a block asks for what there is not.
    """
    asked = iter(blocks(text))

    def content(match: re.Match[str]) -> str:
        name, what, options = next(asked)
        if what.endswith(".png"):
            return match.group()
        if "/" in name:
            new = f"```{name.rpartition('.')[2].replace('py', 'python')}\n{(ROOT / name).read_text()}```"
        elif name == BASE:
            new = base_hour(shipped).table()
        elif what in ("verdicts", "origin"):
            new = shipped(name).verdicts() if what == "verdicts" else shipped(name).origin()
        else:
            choice = validated(PaperTable, yaml.safe_load(options), f"{name} {what}")
            new = shipped(name).table(what, choice)
        return f"<!-- from: {match['asked']} -->\n\n{new}\n\n<!-- /from -->"

    return BLOCK.sub(content, text)


def base_hour(shipped: Callable[[str], Shipped]) -> BaseHour:
    """Beside the trainings of the study's main table."""
    study = shipped("study")
    return BaseHour([study.records[name] for name in study.runset.tables["methods"].ids if name in study.records])


def draw_pictures(page: Path, shipped: Callable[[str], Shipped], folder: Callable[[str], Path]) -> None:
    """Replace the pictures that the blocks of a page name.

    Args:
        folder: name of runs → where their figures lie.

    Raises:
        InputError: there is no such figure, or the block shows no picture.
    """
    for match, (name, what, _) in zip(BLOCK.finditer(text := page.read_text()), blocks(text), strict=True):
        if not what.endswith(".png"):
            continue
        places = PICTURE.findall(match["content"])
        figure = folder(name) / what
        if what == TOP_OF_PAGE and not figure.exists():
            continue
        if len(places) != 1 or not figure.exists():
            raise InputError(f"{name} {what}: its block shows {len(places)} pictures, or there is no such figure")
        shutil.copy(figure, page.parent / places[0])


def keep_report(made: Path, folder: Path) -> None:
    """Put a report's page into a folder, and its PDF where a LaTeX is installed, unless that page is there."""
    page, kept = made / "index.html", folder / "index.html"
    if kept.exists() and kept.read_bytes() == page.read_bytes():
        return
    shutil.copy(page, kept)
    if pdf := compile_pdf(made / "report.tex"):
        shutil.copy(pdf, folder)


def photograph(page: Path, target: Path) -> None:
    """The top of a report's page as Chromium shows it; nothing where one of them is missing."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None or not page.exists():
        return
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", "--virtual-time-budget=8000"]
    shot = ["--window-size=1280,1600", f"--screenshot={target}", page.absolute().as_uri()]
    subprocess.run([browser, *options, *shot], check=True, capture_output=True)


def ship(name: str, store: Path, results: Path, tables: Sequence[str]) -> Path:
    """Put the records of a folder of results into docs/results: rounded, without arrays and weights.

    Raises:
        InputError: there are no such runs or tables.
    """
    runset = declared(results)
    for table in tables:
        if table not in runset.tables:
            raise InputError(f"{results} has no table {table!r}: {suggestion(table, list(runset.tables))}")
    chosen_tables = {table: runset.tables[table] for table in tables or runset.tables}
    runset = runset.model_copy(update={"tables": chosen_tables})
    records = {
        identity: Record.model_validate(_rounded(record.model_dump() | {"files": {}, "errors_file": None}))
        for identity, record in Store(store).records(runset.ids).items()
    }
    if not records:
        raise InputError(f"{store} has no run of {results}; name the store that they were made in")
    target = SHIPPED / name / ARCHIVE
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as empty:
        export(records, Store(Path(empty)), target, restricted(runset, records), weights=False)
    return target


def _rounded(content: Any, digits: int = 6) -> Any:
    """With six significant digits, five where errors are: half the bytes, and no table prints more than four."""
    if isinstance(content, Mapping):
        return {key: _rounded(value, 5 if key == "values" else digits) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_rounded(value, digits) for value in content]
    return float(f"{content:.{digits}g}") if isinstance(content, float) else content


def main(words: list[str]) -> int:
    """The exit code: 2 for bad input, with one sentence."""
    known: dict[str, Shipped] = {}
    try:
        if len(words) in (1, 2):
            raise InputError("give nothing, or a name, a store, a folder of results, and names of its tables")
        if words:
            place = ship(words[0], Path(words[1]), Path(words[2]), words[3:])
            print(f"wrote {place}: {place.stat().st_size / 1e6:.2f} MB")
        with TemporaryDirectory() as drawn:

            def shipped(name: str) -> Shipped:
                if name not in known:
                    known[name] = Shipped(SHIPPED / name)
                return known[name]

            def folder(name: str) -> Path:
                figures = Path(drawn, name, "figures")
                if name == BASE:
                    figures.mkdir(parents=True, exist_ok=True)
                    base_hour(shipped).draw(figures / "hour.png")
                elif not figures.exists():
                    shipped(name).draw(figures.parent)
                    if name in words[:1]:
                        photograph(Path(words[2], "index.html"), figures / TOP_OF_PAGE)
                return figures

            for page in PAGES:
                text = page.read_text(encoding="utf-8")
                new = written_anew(text, shipped)
                draw_pictures(page, shipped, folder)
                if new != text:
                    page.write_text(new, encoding="utf-8")
                    print(f"wrote {page.relative_to(ROOT)}")
            for name in WITH_REPORT:
                if (SHIPPED / name / ARCHIVE).exists():
                    keep_report(folder(name).parent, SHIPPED / name)
    except InputError as error:
        print(f"error: {shown(str(error))}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
