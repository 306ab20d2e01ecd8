"""What the page says first: the best method under deployable conditions, by how much, how sure, at what cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bench.results.record import Record
from bench.results.statistics.seeds import pool
from reports.rules.comparability import PROPOSED, TRIVIAL, device, groups_of, headline
from reports.rules.metrics import usual_mean
from reports.rules.names import aggregation_title, marked_name, method_name, samples, size_in_words, untrained
from reports.rules.ranks import METRIC, Ranked, pairs_apart, ranked


def answers(records: Sequence[Record], verdicts: Sequence[str] = ()) -> list[dict[str, Any]]:
    """What to say of runs, as they were logged, and of ``verdicts``, whose first counts them all.

    Returns:
        A title and (question, sentence) for each set of conditions with methods to compare, the fullest first.
    """
    found: list[tuple[int, dict[str, Any]]] = []
    for heading, place, group in groups_of(pool(records)):
        learned = [record for record in group if record.method not in TRIVIAL and not untrained(record)]
        by_error = _by_error(learned)
        methods = ranked(learned) or by_error
        if len(methods) > 1:
            title = "; ".join(filter(None, (place, heading or group[0].data.label)))
            names = {method_name(method.record) for method in methods}
            others = [method for method in by_error if method_name(method.record) not in names]
            found.append((len(methods), {"title": title, "lines": [*_lines(methods), *_unranked(others)]}))
    said = [answer for _, answer in sorted(found, key=lambda pair: -pair[0])]
    for answer in said[:1]:
        answer["lines"] += [("Published claims", text) for text in verdicts[:1]]
    return said


def _by_error(records: Sequence[Record]) -> list[Ranked]:
    """Methods whose trainings of one seed cannot be ranked, by the headline of their run with most samples."""
    found: dict[str, Ranked] = {}
    for record in sorted(records, key=samples):
        value = record.value(METRIC, headline(record))
        if value is not None and math.isfinite(value.action_mean):
            found[method_name(record)] = Ranked(record, value, (), None)
    return sorted(found.values(), key=lambda method: method.value.action_mean)


def _lines(methods: Sequence[Ranked]) -> list[tuple[str, str]]:
    best, next_ = methods[:2]
    value, cost = best.value, best.record.cost
    over = " as the mean over sequences" * (usual_mean(best.record) == "frames")  # not that of its tables
    memory = "" if cost.memory_mb is None else f", {cost.memory_mb:.3g} MB of tensors at most"
    lines = [
        (
            "Best without ground-truth pose or trajectory",
            f"{_named(best)}: MPJPE {value.action_mean:.1f} mm{over} (95 % interval {value.low:.1f} to "
            f"{value.high:.1f}), of {len(methods)} methods and variants.",
        ),
        ("By how much", _gap_in_words(best, next_, _named(next_))),
        ("How sure", _how_sure(methods)),
        (
            "At what cost",
            f"{cost.ms_per_frame(value.aggregation):.3g} ms for each output frame at batch 1{memory}, "
            f"{cost.parameters / 1e6:.3g} M parameters; {device(best.record)}.",
        ),
    ]
    for place, method in enumerate(methods[1:], start=2):
        if method.record.method in PROPOSED and not method.record.variant:
            told = f"place {place} with {method.value.action_mean:.1f} mm; the best one is "
            lines.append((marked_name(method.record), told + _gap_in_words(best, method, "it")))
    return lines


def _unranked(methods: Sequence[Ranked]) -> list[tuple[str, str]]:
    """A line of the methods that are left out beside those that were trained several times."""
    told = ", ".join(f"{_named(method)} {method.value.action_mean:.1f} mm" for method in methods)
    return [("Not ranked, as trained with one seed", f"{told}.")] if told else []


def _gap_in_words(best: Ranked, other: Ranked, name: str) -> str:
    gap = best.minus(other)
    if gap is None or gap.unknown:
        return f"{other.value.action_mean - best.value.action_mean:.1f} mm below {name}; without an interval."
    low, high = (f"{end:.1f}".replace("-", "−") for end in sorted((-gap.low, -gap.high)))
    return f"{-gap.difference:.1f} mm below {name} (95 % interval {low} to {high}, paired)."


def _how_sure(methods: Sequence[Ranked]) -> str:
    gap = methods[0].minus(methods[1])
    if gap is None or gap.unknown:
        return f"Not known: {gap.unknown if gap else 'their errors by take are not there, or of other takes'}."
    if not methods[0].chances:
        return "Not known: methods that were trained with one seed are not ranked."
    apart = pairs_apart(methods)
    rivals = ", ".join(_named(other) for place, other in enumerate(methods[1:], 1) if (0, place) not in apart)
    chance = f"{100 * methods[0].chances[0]:.0f} % chance that its true mean is the lowest"
    told = f"not told apart from {rivals}" if rivals else "told apart from all others"
    return f"{chance}; {told}, all pairs judged together (5 % level, Holm)."


def _named(method: Ranked) -> str:
    record, value = method.record, method.value
    if value.kind == "deterministic":
        return marked_name(record)
    return f"{marked_name(record)} {aggregation_title(value.aggregation, value.kind)} ({size_in_words(record)})"
