"""What a reader of the numbers has to know before trusting them."""

from __future__ import annotations

from collections.abc import Sequence

from bench.results.record import Record
from bench.results.run_set import RunSet


def warnings(runset: RunSet, records: Sequence[Record]) -> list[str]:
    """What a reader of the numbers has to know: missing runs, warnings of the machine, uncommitted code."""
    known = {record.id for record in records}
    found = []
    for name, spec in runset.tables.items():
        missing = [run for run in spec.ids if run not in known and run not in runset.missing]
        if missing:
            found.append(f"{name}: {missing_sentence(missing, len(spec.ids))}")
    found += [f"{missing.named} has no numbers: {missing.reason}" for missing in runset.missing.values()]
    found += dict.fromkeys(text for record in records for text in record.environment.warnings)
    changed = sorted({record.git_commit for record in records if record.git_commit.endswith("+changes")})
    found += [f"Made from a working tree with uncommitted changes: {', '.join(changed)}"] * bool(changed)
    unknown = sum(record.git_commit == "unknown" for record in records)
    found += [f"{unknown} runs do not know the commit of their code"] * bool(unknown)
    wide = sum(not value.low <= value.action_mean <= value.high for record in records for value in record.values)
    found += [f"{wide} values lie outside of their own 95 % interval, or have none"] * bool(wide)
    return found


def missing_sentence(missing: Sequence[str], declared: int) -> str:
    """Says which of the declared runs have no record."""
    named = ", ".join(missing[:8]) + (", …" if len(missing) > 8 else "")
    return f"{len(missing)} of {declared} declared runs have no record and are not shown: {named}."
