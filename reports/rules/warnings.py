"""What a reader of the numbers has to know before trusting them."""

from __future__ import annotations

from collections.abc import Container, Sequence

from bench.results.record import Record
from bench.results.run_set import RunSet


def warnings(runset: RunSet, records: Sequence[Record], remarks: Sequence[str] = ()) -> list[str]:
    """What a reader of the numbers has to know: missing runs, warnings of the machine, uncommitted code.

    ``remarks``: on what could not be made of the records.
    """
    known = {record.id for record in records}
    found = []
    for name, spec in runset.tables.items():
        lost = unexplained(runset, spec, known)
        found += [f"{name}: {missing_sentence(lost, len(set(spec.ids)))}"] * bool(lost)
    found += [f"{missing.named} has no numbers: {missing.reason}" for missing in runset.missing.values()]
    failed = any(missing.failed for missing in runset.missing.values())
    found += ["What failed is tried again by the same command with --retry-failed"] * failed
    found += remarks
    found += dict.fromkeys(text for record in records for text in record.environment.warnings)
    changed = sorted({record.git_commit for record in records if record.git_commit.endswith("+changes")})
    found += [f"Made from a working tree with uncommitted changes: {', '.join(changed)}"] * bool(changed)
    unknown = sum(record.git_commit == "unknown" for record in records)
    found += [f"{unknown} runs do not know the commit of their code"] * bool(unknown)
    wide = sum(not value.low <= value.action_mean <= value.high for record in records for value in record.values)
    found += [f"{wide} values lie outside of their own 95 % interval, or have none"] * bool(wide)
    return found


def unexplained(runset: RunSet, spec: RunSet.Table, known: Container[str]) -> list[str]:
    """Runs of a table, each once, that have neither a record nor a reason for having none."""
    return [run for run in dict.fromkeys(spec.ids) if run not in known and run not in runset.missing]


def missing_sentence(missing: Sequence[str], declared: int) -> str:
    """Says which of the declared runs have neither a record nor a reason, and the way out."""
    named = ", ".join(missing[:8]) + (", …" if len(missing) > 8 else "")
    return (
        f"{len(missing)} of {declared} declared runs have no record and no reason, and are not shown: {named}; "
        "run the command again."
    )
