"""What a reader of the numbers has to know before trusting them."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from bench.results.arrays import RunFiles
from bench.results.record import Record
from bench.results.run_set import NOT_YET, RunSet
from bench.results.statistics.intervals import ONE_TRAINING
from bench.results.statistics.seeds import pool
from reports.rules.comparability import comparable, drawn_anew
from reports.rules.entries import Entry
from reports.rules.names import method_name, untrained

MOST_NAMED = 8
"""Runs that are named in a sentence."""

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)")


def warnings(runset: RunSet, records: Sequence[Record], remarks: Sequence[str] = ()) -> list[str]:
    """What a reader of the numbers has to know: missing runs, warnings of the machine, uncommitted code.

    ``remarks``: on what could not be made of the records.
    """
    known = {record.id for record in records}
    found = []
    for name, spec in runset.tables.items():
        lost = unexplained(runset, spec, known)
        found += [f"{name}: {missing_sentence(lost, len(set(spec.ids)))}"] * bool(lost)
    later = sum(missing.reason == NOT_YET for missing in runset.missing.values())
    found += [f"{later} declared runs are {NOT_YET}: the sweep goes on, or was interrupted"] * bool(later)
    found += [
        f"{missing.named} has no numbers: {missing.reason}"
        for missing in runset.missing.values()
        if missing.reason != NOT_YET
    ]
    failed = any(missing.failed for missing in runset.missing.values())
    found += ["What failed is tried again by the same command with --retry-failed"] * failed
    found += remarks
    found += trained_once(records)
    disturbed = {text: list(map(method_name, runs)) for text, runs in disturbances(records).items()}
    for record in records:
        if record.cost.latency.disagree:
            disturbed.setdefault("passes of timing disagree by more than 20 %", []).append(method_name(record))
    found += [f"{_first(list(dict.fromkeys(names)))}: {text}" for text, names in disturbed.items()]
    changed = sorted({record.git_commit for record in records if record.git_commit.endswith("+changes")})
    found += [f"Made from a working tree with uncommitted changes: {', '.join(changed)}"] * bool(changed)
    unknown = sum(record.git_commit == "unknown" for record in records)
    found += [f"{unknown} runs do not know the commit of their code"] * bool(unknown)
    wide = sum(not value.low <= value.action_mean <= value.high for record in records for value in record.values)
    found += [f"{wide} values lie outside of their own 95 % interval, or have none"] * bool(wide)
    return found


def trained_once(records: Sequence[Record]) -> list[str]:
    """Which methods may not be compared with others, as they were trained with one seed."""
    pooled = pool(record for record in records if not drawn_anew(record))
    once = [
        method_name(record)
        for record, may in zip(pooled, comparable(pooled), strict=True)
        if record.trained and not untrained(record) and len(record.conditions.training_seeds) == 1 and not may
    ]
    names = _first(list(dict.fromkeys(once)))
    apart = f"Numbers of {names} are shown and not compared with those of other trainings: {ONE_TRAINING}"
    return [apart] * bool(once)


def lost_files(records: Sequence[Record], files: RunFiles | None) -> list[str]:
    """Which runs lack arrays that they had, and the way out.

    Damage is found by what reads the arrays: ask after that. Runs of older versions do not say which files they
    had: of these, only errors of frames are missed.
    """
    found: dict[bool, list[str]] = {}
    for record in records:
        lost = files.missing(record) if files and (record.files or record.errors_file) else []
        if lost:
            found.setdefault(bool(record.files), []).append(f"{method_name(record)} ({', '.join(lost)})")
    ways = {
        True: "run the same command again: they are evaluated again",
        False: "older versions made these runs, which are not evaluated again",
    }
    return [
        f"Files of {len(runs)} runs are missing or damaged, and figures lack what was in them: {_first(runs)}; "
        f"{ways[new]}"
        for new, runs in found.items()
    ]


def unexplained(runset: RunSet, spec: RunSet.Table, known: Container[str]) -> list[str]:
    """Runs of a table, each once, that have neither a record nor a reason for having none."""
    return [run for run in dict.fromkeys(spec.ids) if run not in known and run not in runset.missing]


def missing_sentence(missing: Sequence[str], declared: int) -> str:
    """Says which of the declared runs have neither a record nor a reason, and the way out."""
    return (
        f"{len(missing)} of {declared} declared runs have no record and no reason, and are not shown: "
        f"{_first(missing)}; run the command again."
    )


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")


def disturbances(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """A sentence without its full stop → the runs that had such a warning, in order of first appearance.

    Warnings that differ in their numbers only are one sentence, with the range of each number.
    """
    alike: dict[tuple[str, ...], list[tuple[list[str], Entry]]] = {}
    for entry in entries:
        for text in entry.environment.warnings:
            parts = _NUMBER.split(text.rstrip("."))
            alike.setdefault(tuple(parts[::2]), []).append((parts[1::2], entry))
    found = {}
    for words, told in alike.items():
        ranges = [_range(numbers) for numbers in zip(*(numbers for numbers, _ in told), strict=True)]
        sentence = "".join(map("".join, zip(words, [*ranges, ""], strict=True)))
        found[sentence] = [entry for _, entry in told]
    return found


def _range(numbers: Sequence[str]) -> str:
    low, high = min(numbers, key=float), max(numbers, key=float)
    return low if float(low) == float(high) else f"{low} to {high}"
