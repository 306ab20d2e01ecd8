"""The summary of a sweep in Markdown: what was run, the main table, what to be wary of, where the files are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from pathlib import PurePosixPath

from bench.results.grouping import grouped
from bench.results.record import Record, Value
from bench.results.run_set import RunSet
from bench.results.statistics.seeds import pool
from reports.rules.comparability import TRIVIAL, drawn_anew, headline, setting, source, sources
from reports.rules.metrics import ERRORS, usual_mean
from reports.rules.names import method_name, size_in_words
from reports.rules.ranks import told_apart
from reports.rules.warnings import warnings
from reports.writers.escaping import markdown
from reports.writers.markdown import to_markdown
from reports.writers.table import Table

Result = tuple[Record, Value]


def summary(
    runset: RunSet,
    records: Sequence[Record],
    verdicts: Sequence[str],
    controls: Sequence[str],
    tables: Sequence[Table],
    files: Sequence[PurePosixPath],
    remarks: Sequence[str] = (),
) -> str:
    """The text of ``summary.md``.

    Args:
        verdicts: on claims, in words; none where none are declared.
        controls: what came out of them, in words.
        tables: those that it shows.
        files: all of the report, relative to the folder of the summary.
        remarks: on what could not be made, for its warnings.
    """
    trainings = len({record.training_id for record in records})
    claims = ["## Claims", "", *(f"- {markdown(line)}" for line in verdicts), ""] if verdicts else []
    lines = [
        "# Results",
        "",
        f"`{' '.join(runset.command.replace('`', '').split())}`",
        "",
        f"{len(records)} run{'s' * (len(records) != 1)} of {trainings} trained model{'s' * (trainings != 1)}, "
        f"as of {runset.created_at}.",
        "",
        *claims,
        *["## Runs", ""] * bool(claims),
        "| Ablation | Table | Runs | Without a record |",
        "|:---|:---|---:|---:|",
    ]
    known = {record.id for record in records}
    for name, spec in runset.tables.items():
        missing = sum(identity not in known for identity in spec.ids)
        lines.append(f"| {markdown(spec.title)} | {markdown(name)} | {len(spec.ids) - missing} | {missing} |")
    lines += ["", "## Do the methods beat the trivial predictors?", ""]
    lines += [f"- {line}" for line in trivial_check(records)]
    if controls:
        lines += ["", "## Controls", "", *(f"- {markdown(line)}" for line in controls)]
    lines += ["", "## Warnings", ""]
    lines += [f"- {markdown(line)}" for line in warnings(runset, records, remarks) or ["None."]]
    lines += ["", "## Tables", ""]
    lines += map(to_markdown, tables)
    lines += ["## Files", ""]
    lines += [f"- [{path}]({path})" for path in files]
    return "\n".join(lines) + "\n"


def missing_lines(runset: RunSet, records: Container[str]) -> list[str]:
    """For each table that lacks runs, how many it has and why others have no record.

    Args:
        records: ids of the runs that have one.
    """
    lines = []
    for name, spec in runset.tables.items():
        ids = list(dict.fromkeys(spec.ids))
        lost = [identity for identity in ids if identity not in records]
        reasons = Counter(
            runset.missing[one].reason if one in runset.missing else "no reason known" for one in lost
        )
        why = "; ".join(f"{number} {reason}" for reason, number in reasons.most_common())
        lines += [f"{name}: {len(ids) - len(lost)} of {len(ids)} runs; missing: {why}"] * bool(lost)
    return lines


def trivial_check(records: Sequence[Record]) -> list[str]:
    """One sentence per data, detections and metric: which learned results beat the best trivial predictor.

    Trivial predictors depend on data, subjects and part of the test set alone.
    Differences are paired and judged together (Holm); runs that differ in their seeds only are one result.
    """
    records = [record for record in records if not drawn_anew(record)]
    titles, pooled = sources(records), pool(records)
    sentences = []
    for (place, key), group in grouped(pooled, lambda record: (setting(record)[:4], source(record))).items():
        where = markdown(f"{place[0][1]}, {titles[key]}, {place[3][1]}")
        for metric in ERRORS:
            results = [(record, value) for record in group if (value := record.value(metric, headline(record)))]
            trivial = [pair for pair in results if pair[0].method in TRIVIAL]
            learned = [pair for pair in results if pair[0].method not in TRIVIAL]
            if learned and trivial:
                bar = min(trivial, key=lambda pair: _mean(*pair))
                sentences.append(f"{where}: {_verdict(learned, *bar)}")
            elif learned and metric == ERRORS[0]:
                sentences.append(f"{where}: not checked, no trivial predictor was run under these conditions.")
    return sentences or ["Not checked: no learned method was run."]


def _verdict(learned: list[Result], best: Record, bar: Value) -> str:
    gaps = [record.difference(value, best, bar, over=usual_mean(record)) for record, value in learned]
    below = [gap is not None and gap.difference < 0 for gap in gaps]
    proven = [lower and told for lower, told in zip(below, told_apart(gaps), strict=True)]
    worse = [pair for pair in learned if not _mean(*pair) < _mean(best, bar)]
    unproven = [pair for pair, found in zip(learned, proven, strict=True) if not found and pair not in worse]
    title = best.metric(bar.metric).title
    against = f"the best trivial predictor ({markdown(best.title)}, {title} {_mean(best, bar):.1f} mm)"
    if all(proven):
        return f"yes, all {len(learned)} results of learned methods beat {against}."
    parts = [f"{sum(proven)} of {len(learned)} results of learned methods beat {against}."]
    parts += [f"**Not better: {_listed(worse)}.**"] * bool(worse)
    parts += [f"Better, but not distinguishable by the paired difference: {_listed(unproven)}."] * bool(unproven)
    return " ".join(parts)


def _listed(pairs: list[Result]) -> str:
    return ", ".join(
        markdown(f"{method_name(record)} ({size_in_words(record)}) {_mean(record, value):.1f} mm")
        for record, value in pairs
    )


def _mean(record: Record, value: Value) -> float:
    """The number that tables print of it."""
    return value.frame_mean if usual_mean(record) == "frames" else value.action_mean
