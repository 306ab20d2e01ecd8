"""All that is known of a layout: its table, the figures that go with it, and further tables of the same runs.

A layout is one ``Layout`` in the file of its table, and one line of ``LAYOUTS`` in ``bench.config.registry`` or an
entry point of another package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.config.registry import LAYOUTS
from bench.results.arrays import RunFiles
from bench.results.record import Record
from models.errors import InputError
from reports.figures.style import Drawing
from reports.rules.entries import Entry
from reports.writers.table import Table


@dataclass(frozen=True)
class Layout:
    """How the runs of a declared ablation are shown.

    Figures get runs that differ in their seeds only as one record, unless it says otherwise.

    Attributes:
        name: in declared ablations, and the end of the file name where it accompanies another table.
        table: (entries, title) → the table; runs without a record are among the entries.
        subtitle: follows the title of the table that this one accompanies.
        figures: records → figures.
        figures_of_runs: the same, for every single run.
        figures_with_missing: the same, for runs without a record too.
        pictures: (records, arrays beside them) → figures.
        companions: layouts of further tables of the same runs; one without rows is left out.
        pooled: whether runs that differ in their seeds only are one entry.
        in_overall: whether the runs stand in the figures of all tables together. No for a layout whose runs differ
            in the rules of measuring.
    """

    name: str
    table: Callable[[Sequence[Entry], str], Table]
    subtitle: str = ""
    figures: tuple[Callable[[Sequence[Record]], Iterable[Drawing]], ...] = ()
    figures_of_runs: tuple[Callable[[Sequence[Record]], Iterable[Drawing]], ...] = ()
    figures_with_missing: tuple[Callable[[Sequence[Entry]], Iterable[Drawing]], ...] = ()
    pictures: tuple[Callable[[Sequence[Record], RunFiles], Iterable[Drawing]], ...] = ()
    companions: tuple[Layout, ...] = ()
    pooled: bool = True
    in_overall: bool = True


def layout_of(name: str) -> Layout:
    """The layout of a name.

    Raises:
        InputError: nothing has this name, it does not import, or it is no ``Layout``.
    """
    found = LAYOUTS.load(name)
    if not isinstance(found, Layout):
        raise InputError(f"layout {name!r}: {found!r} is no reports.tables.layout.Layout")
    return found
