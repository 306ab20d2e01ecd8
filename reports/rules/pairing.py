"""Pairs of runs of two sets that may be compared, and why the other runs have no partner.

Two records are comparable if method, data, test part, detections and protocol agree. Of the comparable ones a pair
are those whose descriptions differ least; where several differ as little, none is chosen.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bench.results.grouping import grouped
from bench.results.record import Record, alike
from reports.rules.comparability import SELECTION, TRIVIAL, setting
from reports.rules.names import method_name, samples, size_in_words

SEEDS = "training seeds: "
SHOWN_SETTINGS = 4
"""Differing settings that a pair's heading names before it counts the rest."""


class Pair(NamedTuple):
    """Records of two sets; ``changed``: the settings that differ, as ``training.epochs: 5 → 10``."""

    before: Record
    after: Record
    changed: tuple[str, ...]

    @property
    def same_method(self) -> bool:
        """Whether nothing but seeds differs."""
        return all(change.startswith(SEEDS) for change in self.changed)

    @property
    def heading(self) -> str:
        """What differs, in words."""
        if self.changed:
            rest = len(self.changed) - SHOWN_SETTINGS
            return "; ".join(self.changed[:SHOWN_SETTINGS]) + f"; and {rest} further settings" * (rest > 0)
        commits = [record.git_commit for record in self[:2]]
        return f"Same settings, commit {arrow(*commits) if commits[0] != commits[1] else commits[0]}"


@dataclass(frozen=True)
class Matching:
    """The pairs of two sets of records, and the records without a partner.

    Attributes:
        pairs: in the order of the first set.
        same: runs that are in both sets, with the same numbers.
        incomparable: (reason, names) of records that have a counterpart under other data or another protocol.
        ambiguous: names of records of the first set with several counterparts that differ from them as little.
        only: names of the other records, of the first set and of the second.
    """

    pairs: tuple[Pair, ...]
    same: tuple[str, ...]
    incomparable: tuple[tuple[str, tuple[str, ...]], ...]
    ambiguous: tuple[str, ...]
    only: tuple[tuple[str, ...], tuple[str, ...]]


def match(before: Sequence[Record], after: Sequence[Record]) -> Matching:
    """Find the pairs of two sets of records whose seeds are averaged already."""
    known = {record.id: record for record in before}
    same = {record.id for record in after if _same_numbers(record, known.get(record.id))}
    sides = [[record for record in records if record.id not in same] for records in (before, after)]
    pairs: list[Pair] = []
    ambiguous: list[str] = []
    for method in dict.fromkeys(record.method for record in sides[0]):
        found, unclear = _paired(*([record for record in side if record.method == method] for side in sides))
        pairs += found
        ambiguous += map(named, unclear)
    taken = {id(record) for pair in pairs for record in pair[:2]}
    left = [[record for record in side if id(record) not in taken] for side in sides]
    left[0] = [record for record in left[0] if named(record) not in ambiguous]
    reasons = _incomparable(*left)
    kept_apart = {name for names in reasons.values() for name in names}
    only = [tuple(name for name in map(named, side) if name not in kept_apart) for side in left]
    order = {id(record): number for number, record in enumerate(before)}
    pairs.sort(key=lambda pair: order[id(pair.before)])
    listed = tuple((reason, tuple(names)) for reason, names in reasons.items())
    return Matching(tuple(pairs), tuple(sorted(same)), listed, tuple(ambiguous), (only[0], only[1]))


def named(record: Record) -> str:
    """How a sentence names a record."""
    return method_name(record) + f" ({size_in_words(record)})" * (samples(record) > 1)


def obstacles(before: Record, after: Record) -> list[str]:
    """Why the errors of two records may not be compared: what differs in data and protocol, in words."""
    places = [_place(record) for record in (before, after)]
    ignored = [SELECTION] if before.method in TRIVIAL else []
    pairs = {name: [place.get(name, "–") for place in places] for place in places for name in place}
    found = [
        f"{name}: {arrow(*words)}" for name, words in pairs.items() if name not in ignored and words[0] != words[1]
    ]
    found += ["other takes"] * (before.data.takes != after.data.takes)
    common = before.metric_versions.keys() & after.metric_versions.keys()
    versions = sorted(name for name in common if before.metric_versions[name] != after.metric_versions[name])
    return found + [f"another definition of {', '.join(versions)}"] * bool(versions)


def _place(record: Record) -> dict[str, str]:
    """Data and protocol of a record: heading → words."""
    return dict(setting(record)) | {
        "training detections": record.data.train_detections,
        "test detections": record.data.test_detections,
        "content of the data": record.data.fingerprint,
        "action label": "given" if record.conditions.action_label_given else "not given",
    }


def arrow(before: Any, after: Any) -> str:
    """``before → after``."""
    return f"{before} → {after}"


def _same_numbers(record: Record, other: Record | None) -> bool:
    if other is None or obstacles(record, other):
        return False
    (keys, numbers), (other_keys, other_numbers) = _keys_and_numbers(record), _keys_and_numbers(other)
    return record.runs == other.runs and keys == other_keys and alike(numbers, other_numbers)


def _keys_and_numbers(record: Record) -> tuple[list[tuple[str, str | None, int]], list[float]]:
    """Which values a record has, and their means."""
    keys = [(value.metric, value.aggregation, value.step) for value in record.values]
    return keys, [mean for value in record.values for mean in (value.action_mean, value.frame_mean)]


def _paired(before: list[Record], after: list[Record]) -> tuple[list[Pair], list[Record]]:
    """Pairs, those that differ least first, and the records of ``before`` with several such partners."""
    edges: dict[int, list[Pair]] = {}
    for pair in _comparable(before, after):
        edges.setdefault(len(pair.changed), []).append(pair)
    pairs: list[Pair] = []
    unclear: list[Record] = []
    done: set[int] = set()
    for count in sorted(edges):
        free = [pair for pair in edges[count] if not {id(pair.before), id(pair.after)} & done]
        ends = Counter(id(record) for pair in free for record in pair[:2])
        for pair in free:
            if ends[id(pair.before)] == ends[id(pair.after)] == 1:
                pairs.append(pair)
            elif id(pair.before) not in done:
                unclear.append(pair.before)
            done |= {id(pair.before), id(pair.after)}
    return pairs, unclear


def _comparable(before: list[Record], after: list[Record]) -> Iterator[Pair]:
    """All pairs that may be compared; only the partner of equal settings where there is one."""
    flat = {id(record): _flat(record.experiment) for record in [*before, *after]}
    twins = grouped(after, lambda record: tuple(flat[id(record)].items()))
    for record in before:
        candidates = twins.get(tuple(flat[id(record)].items()), [])
        candidates = [other for other in candidates if not obstacles(record, other)]
        for other in candidates or (other for other in after if not obstacles(record, other)):
            yield Pair(record, other, _changed(record, other, flat[id(record)], flat[id(other)]))


def _changed(before: Record, after: Record, mine: dict[str, str], its: dict[str, str]) -> tuple[str, ...]:
    keys = [key for key in dict.fromkeys([*mine, *its]) if mine.get(key) != its.get(key)]
    keys.sort(key=lambda key: key.count("."))  # settings of a section before those nested more deeply
    found = [f"{key}: {arrow(mine.get(key, '–'), its.get(key, '–'))}" for key in keys]
    seeds = [record.conditions.training_seeds for record in (before, after)]
    if seeds[0] != seeds[1]:
        found.append(f"{SEEDS}{arrow(*(', '.join(map(str, numbers)) for numbers in seeds))}")
    return tuple(found)


def _flat(description: dict[str, Any], above: str = "") -> dict[str, str]:
    """Dotted key → value as text, without the seeds and the place of the data."""
    found: dict[str, str] = {}
    for key, value in description.items():
        path = f"{above}{key}"
        if isinstance(value, dict):
            found |= _flat(value, f"{path}.")
        elif path not in ("training.seed", "evaluation.seed", "data.root", "evaluation.data.root"):
            found[path] = f"{value:g}" if isinstance(value, float) and math.isfinite(value) else str(value)
    return found


def _incomparable(before: Iterable[Record], after: Sequence[Record]) -> dict[str, list[str]]:
    """Reason → names, for records whose method is in both sets under other data or another protocol."""
    reasons: dict[str, list[str]] = {}
    for record in before:
        its = [obstacles(record, other) for other in after if other.method == record.method]
        fewest = min(filter(None, its), key=len, default=[])
        if fewest:
            reasons.setdefault("; ".join(fewest), []).append(named(record))
    return reasons
