"""Which numbers may stand side by side, and which of them is best.

Two accuracies are compared only where data, subjects, part of the test set, detections, checkpoint selection, flip
augmentation and device agree, and where they make the same use of ground truth: predictions that look at none
(deterministic methods and deployable aggregations) among themselves, each assisted or oracle aggregation alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from bench.results.record import Record

TRIVIAL = ("mean_pose", "nearest_pose")
"""Methods (by registry name) that a learned method has to beat."""

PROPOSED = ("finepose",)
"""Methods whose difference to the best other one is printed in brackets."""

AGGREGATIONS = (None, "P-Agg", "P-Median", "J-Fit", "J-Agg", "P-Best", "J-Best")
MARKS = {"assisted": "‡", "oracle": "†"}
DETECTIONS = ("data.detections", "evaluation.detections")
SAMPLING = ("evaluation.hypotheses", "evaluation.steps")
SEEDS = ("training.seed", "evaluation.seed")
"""Keys of an experiment, for ``same_but``."""

METRICS = {"mpjpe": "MPJPE", "p_mpjpe": "P-MPJPE"}
SCORES = {"pck": "PCK ↑", "auc": "AUC ↑", "mpjpe": "MPJPE ↓"}
"""The columns of MPI-INF-3DHP."""

HIGHER_IS_BETTER = ("pck", "auc")

Item = TypeVar("Item")


class Setting(NamedTuple):
    """What must agree before two records stand in one section of a table. Fields are printed as headings."""

    data: str
    training_subjects: str
    test_subjects: str
    test_part: str
    selection: str
    flip: str
    last_windows: str
    p_best_for_each: str
    device: str


class Source(NamedTuple):
    """Detections of a number, and the content that it was measured on."""

    train: str
    test: str
    fingerprint: str


@dataclass
class Line:
    """A row in the making: records that differ in their slot only."""

    first: Record
    slots: dict[Hashable, Record] = field(default_factory=dict)

    @property
    def runs(self) -> tuple[str, ...]:
        return tuple(run for record in self.slots.values() for run in record.runs)


def setting(record: Record) -> Setting:
    data, conditions = record.data, record.conditions
    return Setting(
        data=data.label,
        training_subjects=", ".join(data.train_subjects),
        test_subjects=", ".join(data.test_subjects),
        test_part=data.subset,
        selection=conditions.selection,
        flip="yes" if conditions.flip else "no",
        last_windows=conditions.tail,
        p_best_for_each=conditions.best_over,
        device=device(record),
    )


def device(record: Record) -> str:
    """The device as tables name it; a CPU by its model and the number of threads."""
    environment = record.environment
    if environment.device == environment.cpu:
        return f"{environment.cpu}, {environment.threads} thread{'s' * (environment.threads > 1)}"
    if not environment.device.lower().startswith("cpu"):
        return environment.device
    return f"{environment.device} ({environment.cpu}, {environment.threads} threads)"


def sections(records: Iterable[Record]) -> list[tuple[str, list[Record]]]:
    """Records by setting, in order of first appearance, each with a heading of what distinguishes it.

    The heading is empty where there is one setting. Trivial predictors have no checkpoint to select: they stand
    with the first section that agrees with them in everything else.
    """
    records = list(records)
    learned = dict.fromkeys(setting(record) for record in records if record.method not in TRIVIAL)

    def home(record: Record) -> Setting:
        key = setting(record)
        if record.method not in TRIVIAL or key in learned:
            return key
        return next((other for other in learned if other._replace(selection=key.selection) == key), key)

    groups = grouped(records, home)
    differing = [name for name in Setting._fields if len({getattr(key, name) for key in groups}) > 1]
    return [
        ("; ".join(f"{name.replace('_', ' ')}: {getattr(key, name)}" for name in differing), members)
        for key, members in groups.items()
    ]


def source(record: Record) -> Source:
    data = record.data
    return Source(data.train_detections, data.test_detections, data.fingerprint)


def sources(records: Iterable[Record]) -> dict[Source, str]:
    """All sources, detected poses before exact ones, with the headings that distinguish them."""
    found = sorted(dict.fromkeys(source(record) for record in records), key=lambda key: key.test == "gt")
    titles = {key: _source_title(key) for key in found}
    repeated = [title for title in titles.values() if list(titles.values()).count(title) > 1]
    return {
        key: f"{title}, data {key.fingerprint[:8]}" if title in repeated else title
        for key, title in titles.items()
    }


def split_by_source(records: Iterable[Record], titles: dict[Source, str]) -> list[tuple[str, list[Record]]]:
    """Records by source in the order of ``titles``, each with its title."""
    groups = grouped(records, source)
    return [(title, groups[key]) for key, title in titles.items() if key in groups]


def _source_title(key: Source) -> str:
    title = "GT" if key.test == "gt" else f"DET: {key.test}"
    return title if key.train == key.test else f"{title} (trained on {key.train})"


def headline(record: Record) -> str | None:
    """The aggregation of a record's headline: none, else P-Agg, else the first that looks at no ground truth."""
    usable = [value.aggregation for value in record.values if value.kind in ("deterministic", "deployable")]
    return min(usable, key=aggregation_order, default="P-Agg")


def aggregations(record: Record) -> list[tuple[str | None, str]]:
    """(aggregation, kind) of the final step, deployable first."""
    found = dict.fromkeys(
        (value.aggregation, str(value.kind)) for value in record.values if value.step == record.conditions.steps
    )
    return sorted(found, key=lambda pair: aggregation_order(pair[0]))


def aggregation_title(aggregation: str | None, kind: str) -> str:
    return ("single" if aggregation is None else aggregation) + MARKS.get(kind, "")


def use_of_truth(aggregation: str | None, kind: str) -> str:
    """Numbers are compared only where this agrees."""
    return "none" if kind in ("deterministic", "deployable") else f"{kind} {aggregation}"


def aggregation_order(aggregation: str | None) -> int:
    return AGGREGATIONS.index(aggregation) if aggregation in AGGREGATIONS else len(AGGREGATIONS)


def same_but(record: Record, *ignored: str) -> Hashable:
    """An identity of a record's experiment that ignores the keys named as dotted paths.

    Two records with one identity differ in nothing else that was asked for.
    """
    description = json.loads(json.dumps(record.experiment, default=str))
    for path in (*ignored, "data.root"):
        *above, last = path.split(".")
        level = description
        for key in above:
            level = level.get(key) or {}
        level.pop(last, None)
    text = json.dumps(description, sort_keys=True)
    return (record.method, record.title, record.preset, record.variant, text)


def arranged(
    records: Iterable[Record], row: Callable[[Record], Hashable], slot: Callable[[Record], Hashable]
) -> list[Line]:
    """Records into rows by slot; a record whose slot is taken opens a further row, so that none is lost."""
    lines: dict[Hashable, list[Line]] = {}
    ordered: list[Line] = []
    for record in records:
        candidates = lines.setdefault(row(record), [])
        free = next((line for line in candidates if slot(record) not in line.slots), None)
        if free is None:
            free = Line(record)
            candidates.append(free)
            ordered.append(free)
        free.slots[slot(record)] = record
    return ordered


def grouped(items: Iterable[Item], key: Callable[[Item], Hashable]) -> dict:
    """Items by key, keys and items in order of first appearance."""
    groups: dict = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
