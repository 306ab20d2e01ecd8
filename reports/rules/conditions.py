"""The conditions of numbers in words: what is printed under every table and in every caption."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from bench.config.choices import CHOICES, Choice
from bench.results.grouping import grouped
from bench.results.record import GroundTruth, Record
from bench.results.statistics.intervals import ONE_TRAINING
from reports.rules.comparability import (
    aggregations,
    comparable,
    devices,
    headline,
    listed_subjects,
    sections,
)
from reports.rules.entries import Entry, MissingRun
from reports.rules.names import aggregation_title, method_name, seeds_of, size_in_words, untrained, variant_name
from reports.rules.warnings import disturbances

Shown = Literal["every aggregation", "headline"]

Accessor = Callable[[Entry], str]

NOT_COMPARED = f"Warning: numbers of some trainings are shown and not compared: {ONE_TRAINING}."

SHORT = (
    "Data",
    "Test part",
    "Flip augmentation at test time",
    "Checkpoint selection",
    "Size",
    "Seeds (training/noise)",
)
"""The conditions of ``short``."""

MANY = 8
"""A condition with more values than this is counted, not listed; the appendix lists it run by run."""


def paragraphs(
    entries: Sequence[Entry],
    shown: Shown = "every aggregation",
    by_device: bool = False,
    pooled: Sequence[Record] | None = None,
) -> tuple[list[str], ...]:
    """Sentences for each section of a table, the first with the section's heading where there are several.

    Args:
        by_device: see ``sections``.
        pooled: see ``sentences``.
    """
    return tuple(
        [f"Conditions of [{heading}]." if heading else "Conditions.", *sentences(members, shown, pooled)]
        for heading, members in sections(entries, by_device)
    )


def short(entries: Sequence[Entry], intervals: bool, devices: bool) -> list[str]:
    """What a reader of a paper asks for first: data, choices of the protocol, seeds.

    Args:
        intervals: over what they are, too.
        devices: on which devices times were measured, too.
    """
    fields = _fields(entries) | {"Test part": lambda entry: entry.data.subset * (entry.data.subset != "all")}
    names = (*SHORT, *["Intervals over"] * intervals, *["Device"] * devices)
    found = [f"{name}: {words}." for name in names if (words := _stated(entries, fields[name]))]
    records = [entry for entry in entries if isinstance(entry, Record)]
    return found + ["Single trainings are not ranked."] * (not all(comparable(records)))


def sentences(
    entries: Sequence[Entry], shown: Shown = "every aggregation", pooled: Sequence[Record] | None = None
) -> list[str]:
    """All conditions that the runs were made under, the methods named where they differ.

    Args:
        pooled: of single runs, what they are where those that differ in their seeds only are one: how often a
            method was trained shows there only.
    """
    fields = _fields(entries) | {"Aggregation": {"every aggregation": _aggregations, "headline": _headline}[shown]}
    found = [f"{name}: {words}." for name, accessor in fields.items() if (words := _stated(entries, accessor))]
    runs = {run for entry in entries for run in entry.runs}
    known = entries if pooled is None else [one for one in pooled if not runs.isdisjoint(one.runs)]
    found += [NOT_COMPARED] * (not all(comparable([entry for entry in known if isinstance(entry, Record)])))
    return found + [f"Warning: {text}." for text in disturbances(entries)]


def _fields(entries: Sequence[Entry]) -> dict[str, Accessor]:
    """Heading → what a run says under it; with all choices of the protocol and all notes that records have."""
    first, *others = CHOICES
    unlisted = dict.fromkeys(heading for entry in entries for heading in entry.conditions.choices)
    notes = dict.fromkeys(key for entry in entries for key in entry.conditions.notes)
    return {
        "Data": lambda entry: f"{entry.data.label} ({entry.data.name})",
        "About the data": lambda entry: "; ".join(entry.data.notes),
        "Training subjects": lambda entry: listed_subjects(entry.data.train_subjects),
        "Test subjects": lambda entry: listed_subjects(entry.data.test_subjects),
        "Detections (training → test)": _detections,
        "Test part": test_part,
        first.heading: partial(_choice, first),
        "Hypotheses and steps": _hypotheses,
        "Aggregation": _aggregations,
        **{choice.heading: partial(_choice, choice) for choice in others},
        **{heading: partial(_unlisted, heading) for heading in unlisted},
        "Weights": lambda entry: "as drawn, untrained" if untrained(entry) else "",
        "Validation": lambda entry: entry.conditions.validation,
        "Size": lambda entry: entry.preset,
        "Seeds (training/noise)": seeds_of,
        "Intervals over": intervals_over,
        "Device": devices,
        **{key.capitalize(): partial(_note, key) for key in notes},
    }


def _stated(entries: Sequence[Entry], accessor: Accessor) -> str:
    """``value`` where all agree, else ``value (methods); value (methods)``."""
    if len(entries) == 1:
        return accessor(entries[0])
    groups = {value: members for value, members in grouped(entries, accessor).items() if value}
    if len(groups) > MANY:
        return f"{len(groups)} different values, listed run by run in the report's appendix"
    names = {value: tuple(dict.fromkeys(map(method_name, members))) for value, members in groups.items()}
    everyone = len({method_name(entry) for entry in entries})
    if len(set(names.values())) == 1 and all(len(methods) == everyone for methods in names.values()):
        return "; ".join(groups)
    return "; ".join(f"{value} ({_named(members, entries)})" for value, members in groups.items())


def _named(members: Sequence[Entry], entries: Sequence[Entry]) -> str:
    """Their methods; where these are most variants of a method, the few that are not."""
    found = []
    for title, its in grouped(members, lambda entry: entry.title).items():
        here = list(dict.fromkeys(map(variant_name, its)))
        there_are = dict.fromkeys(variant_name(entry) for entry in entries if entry.title == title)
        missing = [name or "the method as it is" for name in there_are if name not in here]
        if len(here) > 2 * max(1, len(missing)):
            found.append(f"{title}, all variants" + f" but {', '.join(missing)}" * bool(missing))
        else:
            found += [f"{title} {name}".strip() for name in here]
    return ", ".join(found)


def _detections(entry: Entry) -> str:
    data = entry.data
    return f"{data.train_detections} → {data.test_detections} [content {data.fingerprint}]"


def test_part(entry: Entry) -> str:
    """The evaluated part of the data, with its size."""
    data = entry.data
    return (
        f"{data.subset}, {data.windows:,} windows, {data.frames:,} frames, "
        f"{data.sequences:,} sequences, {len(data.takes):,} takes"
    )


def intervals_over(entry: Entry) -> str:
    """What the intervals of a run are over: what another experiment would have drawn anew."""
    if not isinstance(entry, Record) or not any(value.per_take for value in entry.values):
        return ""
    subjects, count = len(set(entry.drawn_subjects)), len(entry.conditions.training_seeds)
    here = len({take.subject for take in entry.data.takes})
    these = f"these {here} subjects" if here > 1 else "this subject"
    drawn = f"{subjects} subjects" if subjects else f"{len(entry.data.takes)} takes, so for {these}"
    if not entry.trained:
        return drawn
    return f"{count} trainings and {drawn}" if count > 1 else f"{drawn} and this training"


def _hypotheses(entry: Entry) -> str:
    kinds = {kind for _, kind in aggregations(entry)}
    deterministic = entry.is_deterministic if isinstance(entry, MissingRun) else kinds == {"deterministic"}
    return "H = K = 1, deterministic" if deterministic else size_in_words(entry)


def _aggregations(entry: Entry) -> str:
    looks_at = {value.aggregation: value.looks_at for value in entry.values}
    return ", ".join(
        f"{aggregation_title(aggregation, kind)} [{' '.join([kind, *_given(looks_at[aggregation])])}]"
        for aggregation, kind in aggregations(entry)
    )


def _headline(entry: Entry) -> str:
    chosen = headline(entry)
    kind = dict(aggregations(entry)).get(chosen)
    return f"{aggregation_title(chosen)} [{kind}]" if kind else ""


def _given(looks_at: GroundTruth) -> list[str]:
    """What the aggregation itself was given; the action label and exact 2D poses have lines of their own."""
    chosen_by = looks_at.model_copy(update={"action_label": False, "pose_2d": False})
    return [f"by ground-truth {' and '.join(chosen_by.names)}"] if chosen_by.names else []


def _choice(choice: Choice, entry: Entry) -> str:
    """Words of a choice of the protocol; nothing where no number of the run depends on it."""
    depends = choice.aggregation is None or any(name == choice.aggregation for name, _ in aggregations(entry))
    return entry.conditions.words(choice.heading) if depends else ""


def _unlisted(heading: str, entry: Entry) -> str:
    return entry.conditions.words(heading)


def _note(key: str, entry: Entry) -> str:
    return entry.conditions.notes.get(key, "")
