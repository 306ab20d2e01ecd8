"""The runs of a table in declared order, those without a record among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.results.grouping import grouped
from bench.results.record import Missing, Record
from bench.results.run_set import RunSet
from bench.results.statistics.seeds import pool
from reports.rules.comparability import SEEDS, same_but
from reports.rules.entries import Entry, MissingRun


def table_entries(
    spec: RunSet.Table, records: Mapping[str, Record], missing: Mapping[str, Missing], pooled: bool = True
) -> list[Entry]:
    """The entries of a table in declared order; a table of which no run has a record is empty.

    Args:
        pooled: whether runs that differ in their seeds only are one entry; then a seed without a record is left
            out where another seed has one.
    """
    present = [records[name] for name in spec.ids if name in records]
    if not present:
        return []
    found: list[Entry] = []
    for name in dict.fromkeys(spec.ids):
        if name in records:
            found.append(records[name])
        elif name in missing:
            found.append(MissingRun(**dict(missing[name]), neighbour=_most_similar(missing[name], present)))
    if not pooled:
        return found
    together: list[Entry] = []
    for members in grouped(found, _but_for_seeds).values():
        together += pool(entry for entry in members if isinstance(entry, Record)) or members[:1]
    return together


def _but_for_seeds(entry: Entry) -> tuple[object, ...]:
    return same_but(entry, *SEEDS), entry.data.fingerprint


def _most_similar(missing: Missing, present: Sequence[Record]) -> Record:
    """The run beside which a missing one stands: of the same detections and, if there is one, the same method."""
    detections = missing.experiment["data"]["detections"], missing.experiment["evaluation"]["detections"]

    def likeness(record: Record) -> tuple[bool, bool]:
        own = record.data.train_detections, record.data.test_detections
        return own == detections, record.method == missing.method

    return max(present, key=likeness)
