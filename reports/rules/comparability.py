"""Which numbers may stand side by side.

Two accuracies are compared only where data, subjects, part of the test set, detections, and the choices of the
protocol that have a section of their own (``bench.config.choices``) agree, and where they make the same use of
ground truth: predictions that look at none (deterministic methods and deployable aggregations) among themselves,
each assisted or oracle aggregation alone. Costs are compared on one device only; errors do not depend on it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from bench.config.choices import CHOICES
from bench.config.registry import AGGREGATIONS
from bench.results.cost import Environment
from bench.results.grouping import grouped
from bench.results.record import Record, ValueKind
from reports.rules.entries import Entry, MissingRun

TRIVIAL = ("mean_pose", "nearest_pose")
"""Methods (by registry name) that a learned method has to beat."""

PROPOSED = ("finepose",)
"""Methods whose difference to the best other one is printed in brackets."""

HEADLINE = "P-Agg"
"""The aggregation whose number stands for a method, where it has one."""

MANY_SUBJECTS = 8
"""More than these are named by the first and the last."""

DETECTIONS = ("data.detections", "evaluation.detections")
SAMPLING = ("evaluation.hypotheses", "evaluation.steps")
SEEDS = ("training.seed", "evaluation.seed")
"""Keys of an experiment, for ``same_but``."""

KINDS = ("deterministic", "deployable", "assisted", "oracle")
SELECTION = "selection"
"""Section of the choice of the checkpoint."""

AnyEntry = TypeVar("AnyEntry", bound=Entry)


Setting = tuple[tuple[str, str], ...]
"""(heading, words) of what must agree before two runs stand in one section of a table."""


class Source(NamedTuple):
    """Detections of a number, and the content that it was measured on."""

    train: str
    test: str
    fingerprint: str

    @property
    def title(self) -> str:
        """``GT`` or ``DET: cpn``, with the detections of the training where they are others."""
        title = "GT" if self.test == "gt" else f"DET: {self.test}"
        return title if self.train == self.test else f"{title} (trained on {self.train})"


@dataclass
class Line:
    """The entries of one row of a table, by the columns (the slot) that they fill."""

    first: Entry
    slots: dict[Hashable, Entry] = field(default_factory=dict)

    @property
    def runs(self) -> tuple[str, ...]:
        return tuple(run for entry in self.slots.values() for run in entry.runs)


def setting(entry: Entry) -> Setting:
    """Data, subjects, part of the test set, and choices of the protocol (that of the checkpoint first)."""
    data, conditions = entry.data, entry.conditions
    known = [(choice.section, conditions.words(choice.heading)) for choice in CHOICES if choice.section]
    listed = {choice.heading for choice in CHOICES}
    others = [(heading, words) for heading, words in conditions.choices.items() if heading not in listed]
    return (
        ("data", data.label),
        ("training subjects", listed_subjects(data.train_subjects)),
        ("test subjects", listed_subjects(data.test_subjects)),
        ("test part", data.subset),
        *sorted([*known, *others], key=lambda pair: pair[0] != SELECTION),
    )


def listed_subjects(names: Sequence[str]) -> str:
    """``S9, S11``; of many that are numbered without a gap, ``P17 to P36 (20)``."""
    numbered = [re.fullmatch(r"(\D*)(\d+)", name) for name in names]
    if len(names) > MANY_SUBJECTS and all(numbered):
        found = [(match[1], int(match[2])) for match in numbered if match]
        prefix, first = found[0]
        if found == [(prefix, first + place) for place in range(len(found))]:
            return f"{names[0]} to {names[-1]} ({len(names)})"
    return ", ".join(names)


def device(entry: Entry) -> str:
    """The device that the cost was measured on, as tables name it; a CPU by its model and number of threads."""
    return _named(entry.environment)


def devices(entry: Entry) -> str:
    """Every device that costs of an entry were measured on."""
    return " and ".join(sorted(on_each_device(entry)))


def on_each_device(entry: AnyEntry) -> dict[str, AnyEntry]:
    """Device → the entry with the cost that was measured on it; runs that were pooled may have several devices."""
    if not isinstance(entry, Record) or len(entry.pooled_on) < 2:
        return {device(entry): entry}
    return {
        _named(found.environment): entry.model_copy(
            update={"cost": found.cost, "environment": found.environment, "pooled_on": (found,)}
        )
        for found in entry.pooled_on
    }


def usual_device(entries: Iterable[Entry]) -> str:
    """The device that most of them have a cost of: times that stand beside errors are of this one."""
    count = Counter(name for entry in entries if entry.cost is not None for name in on_each_device(entry))
    return max(count, key=count.__getitem__, default="")


def _named(environment: Environment) -> str:
    if f"{environment.device} (".startswith(f"{environment.cpu} ("):  # its instructions may stand behind it
        return f"{environment.device}, {environment.threads} thread{'s' * (environment.threads > 1)}"
    if not environment.device.lower().startswith("cpu"):
        return environment.device
    return f"{environment.device} ({environment.cpu}, {environment.threads} threads)"


def sections(entries: Iterable[AnyEntry], by_device: bool = False) -> list[tuple[str, list[AnyEntry]]]:
    """Entries by setting, in order of first appearance, each with a heading of what distinguishes it.

    The heading is empty where there is one setting. Trivial predictors have no checkpoint to select: they stand
    with the first section that agrees with them in everything else.

    Args:
        by_device: for tables and figures of costs: the device must agree too, and an entry that has costs of
            several stands in the section of each.
    """
    entries = list(entries)
    if by_device:
        entries = [its for entry in entries for its in on_each_device(entry).values()]

    def whole(entry: Entry) -> Setting:
        return (*setting(entry), ("device", device(entry))) if by_device else setting(entry)

    learned = dict.fromkeys(whole(entry) for entry in entries if entry.method not in TRIVIAL)

    def section(entry: Entry) -> Setting:
        key = whole(entry)
        if entry.method not in TRIVIAL or key in learned:
            return key
        apart = _without_selection(key)
        return next((other for other in learned if _without_selection(other) == apart), key)

    groups = grouped(entries, section)
    stated = [dict(key) for key in groups]
    names = dict.fromkeys(name for headings in stated for name in headings)
    differing = [name for name in names if len({headings.get(name) for headings in stated}) > 1]
    return [
        ("; ".join(f"{name}: {headings.get(name, 'not stated')}" for name in differing), members)
        for headings, members in zip(stated, groups.values(), strict=True)
    ]


def _without_selection(key: Setting) -> Setting:
    return tuple(pair for pair in key if pair[0] != SELECTION)


def source(entry: Entry) -> Source:
    data = entry.data
    return Source(data.train_detections, data.test_detections, data.fingerprint)


def sources(entries: Iterable[Entry]) -> dict[Source, str]:
    """All sources, detected poses before exact ones, with the headings that distinguish them."""
    found = sorted(dict.fromkeys(source(entry) for entry in entries), key=lambda key: key.test == "gt")
    count = Counter(key.title for key in found)
    return {key: key.title + f", data {key.fingerprint[:8]}" * (count[key.title] > 1) for key in found}


def groups_of(entries: Sequence[AnyEntry], by_device: bool = False) -> list[tuple[str, str, list[AnyEntry]]]:
    """(heading of the section, title of the source, entries) of everything that may be compared.

    Args:
        by_device: see ``sections``.
    """
    titles = sources(entries)
    found = []
    for heading, members in sections(entries, by_device):
        groups = grouped(members, source)
        found += [(heading, title, groups[key]) for key, title in titles.items() if key in groups]
    return found


def headline(entry: Entry) -> str | None:
    """The aggregation of a run's headline: none, else P-Agg, else the first that looks at no ground truth."""
    if isinstance(entry, MissingRun):
        return None if entry.is_deterministic else HEADLINE
    usable = [value.aggregation for value in entry.values if value.kind in ("deterministic", "deployable")]
    return min(usable, key=aggregation_order, default=HEADLINE)


def aggregations(entry: Entry) -> list[tuple[str | None, ValueKind]]:
    """(aggregation, kind) of the final step, deployable first."""
    found = dict.fromkeys(
        (value.aggregation, value.kind) for value in entry.values if value.step == entry.conditions.steps
    )
    return in_table_order(found)


def in_table_order(pairs: Iterable[tuple[str | None, ValueKind]]) -> list[tuple[str | None, ValueKind]]:
    """(aggregation, kind) by kind; within a kind those of the suite first, others in order of appearance."""
    return sorted(dict.fromkeys(pairs), key=lambda pair: (KINDS.index(pair[1]), aggregation_order(pair[0])))


def aggregation_order(aggregation: str | None) -> int:
    """Place of an aggregation in tables: none first, then those of the suite in its order, then others."""
    own = [None, *AGGREGATIONS.own]
    return own.index(aggregation) if aggregation in own else len(own)


def use_of_truth(aggregation: str | None, kind: str) -> str:
    """Key of a group of numbers that make the same use of ground truth: only these are compared."""
    return "none" if kind in ("deterministic", "deployable") else f"{kind} {aggregation}"


def truth_order(aggregation: str | None, kind: str) -> int:
    """Place of a number in tables: those that use no ground truth first, in any order, others by aggregation."""
    return 0 if use_of_truth(aggregation, kind) == "none" else 1 + aggregation_order(aggregation)


def comparable(entries: Sequence[Entry | None]) -> list[bool]:
    """Which of the numbers of some runs may be ranked with each other.

    All, where they are of one training, or of predictors that need none. Else those of methods that were trained
    several times, and of predictors without a training: of one training each, the luck of its seed is not known.
    """
    learned = [entry for entry in entries if isinstance(entry, Record) and entry.trained]
    if len({record.trainings for record in learned}) <= 1:
        return [True] * len(entries)
    several = {record.trainings for record in learned if len(record.conditions.training_seeds) > 1}
    return [
        len(several) > 1 and isinstance(entry, Record) and (not entry.trained or entry.trainings in several)
        for entry in entries
    ]


def drawn_anew(record: Record) -> int:
    """The number of the fresh draw of test people that a run is on, for controls; 0 for those of the data set."""
    tested = record.experiment["evaluation"].get("data") or {}
    return int(tested.get("options", {}).get("draw", 0))


def same_but(entry: Entry, *ignored: str) -> Hashable:
    """An identity of a run's experiment that ignores the keys named as dotted paths.

    Two runs with one identity differ in nothing else that was asked for.
    """
    description = json.loads(json.dumps(entry.experiment, default=str))
    for path in (*ignored, "data.root", "evaluation.data.root"):
        *above, last = path.split(".")
        level = description
        for key in above:
            level = level.get(key) or {}
        level.pop(last, None)
    text = json.dumps(description, sort_keys=True)
    return (entry.method, entry.title, entry.preset, entry.variant, text)


def into_lines(
    entries: Iterable[Entry], row: Callable[[Entry], Hashable], slot: Callable[[Entry], Hashable]
) -> list[Line]:
    """Entries into rows by slot; one whose slot is taken opens a further row, so that none is lost."""
    lines: dict[Hashable, list[Line]] = {}
    ordered: list[Line] = []
    for entry in entries:
        candidates = lines.setdefault(row(entry), [])
        free = next((line for line in candidates if slot(entry) not in line.slots), None)
        if free is None:
            free = Line(entry)
            candidates.append(free)
            ordered.append(free)
        free.slots[slot(entry)] = entry
    return ordered
