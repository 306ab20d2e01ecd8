"""How runs, rows and aggregations are called in tables and captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from bench.results.record import SYMBOLS, Described, Record
from bench.results.statistics.variance import Mean
from reports.rules.comparability import headline, setting, source
from reports.rules.entries import Entry

Named = TypeVar("Named", bound=Described)

USES = {
    "none": "No ground-truth pose or trajectory at test time",
    "assisted": "Assisted‡: uses the ground-truth root trajectory at test time",
    "oracle": "Oracle†: uses the ground-truth pose at test time",
}
"""Headings of rows by the use that they make of ground truth."""

PARTS = {"fpp": "FPP", "fpc": "FPC", "pts": "PTS"}
"""Names of FinePOSE's parts, by the option that switches them off."""

MOST_CHARACTERS = 40
"""Most characters of a name in a figure."""

MEAN_OVER_ACTIONS = "Errors in mm, mean over actions of the mean over an action's frames."
MEANS: dict[Mean, str] = {
    "actions": MEAN_OVER_ACTIONS,
    "frames": "PCK (within 150 mm) and AUC (0 to 150 mm) in percent over 14 joints, MPJPE in mm over 17, each the "
    "mean over all valid frames together; the mean over sequences stands in the table by sequence.",
}
"""What the numbers of a table are means over."""


def aggregation_title(aggregation: str | None, kind: str = "") -> str:
    """With † or ‡ where a kind is given that has one."""
    return ("single" if aggregation is None else aggregation) + SYMBOLS.get(kind, "")


def headlines(entries: Iterable[Entry]) -> str:
    """The aggregations that the headlines of runs are of, for notes and captions."""
    return ", ".join(dict.fromkeys(aggregation_title(headline(entry)) for entry in entries))


def size_in_words(entry: Entry) -> str:
    """``H = 5, K = 1``."""
    return f"H = {entry.conditions.hypotheses}, K = {entry.conditions.steps}"


def untrained(entry: Entry) -> bool:
    """Whether the weights are the initial random ones; then errors say nothing, and costs are still right."""
    if not isinstance(entry, Record):
        return False
    published = entry.conditions.selection.startswith("published")
    return entry.training.steps == 0 and entry.cost.parameters > 0 and not published


def method_name(entry: Entry) -> str:
    """Title and variant."""
    return f"{entry.title} {variant_name(entry)}".strip()


def variant_name(entry: Entry) -> str:
    """What was changed, as in papers: "w/o FPP" where a part is switched off, a name alone where it is on."""
    return ", ".join(map(_part_name, entry.variant.split(", ")))


def _part_name(part: str) -> str:
    key, _, value = part.partition("=")
    named = {"false": f"w/o {PARTS.get(key, key)}", "true": PARTS.get(key, key.replace("_", " "))}
    return named.get(value.lower(), part)


def named_for_figures(entry: Named) -> Named:
    """The entry under names that a figure has room for: the middle of long ones is left out."""
    names = {name: _short(getattr(entry, name)) for name in ("title", "variant")}
    return entry.model_copy(update=names)


def _short(name: str) -> str:
    half = MOST_CHARACTERS // 2
    short = name if len(name) <= MOST_CHARACTERS else f"{name[:half]}…{name[-half:]}"
    return f"\u200b{short}" if short.startswith("_") else short  # Matplotlib hides names that begin with "_"


def marked_name(entry: Entry) -> str:
    """Title and variant, with § where the action label was given."""
    return method_name(entry) + "§" * entry.conditions.action_label_given


def row_names(entries: Sequence[Entry]) -> list[str]:
    """Names of rows: title, variant, § where the action label was given, and what else tells rows apart.

    Rows that differ in none of that are told apart by the beginning of their run's id.
    """
    presets = {entry.preset for entry in entries}
    seeds = {seeds_of(entry) for entry in entries}
    names = [
        marked_name(entry)
        + f" ({entry.preset})" * (len(presets) > 1)
        + f", seeds {seeds_of(entry)}" * (len(seeds) > 1)
        for entry in entries
    ]
    shapes = [
        (name, *sampling_size(entry), setting(entry), source(entry))
        for name, entry in zip(names, entries, strict=True)
    ]
    count = Counter(shapes)
    return [
        name if count[shape] == 1 else f"{name} #{entry.id[:6]}"
        for name, shape, entry in zip(names, shapes, entries, strict=True)
    ]


def seeds_of(entry: Entry) -> str:
    """Seeds of training and noise, "0/0"; of a pooled record all of them, "0,1,2/0"."""
    conditions = entry.conditions
    return "/".join(",".join(map(str, seeds)) for seeds in (conditions.training_seeds, conditions.noise_seeds))


def detections_of(entry: Entry) -> str:
    """2D poses of the test, "cpn"; "gt → cpn" where those of the training are others."""
    used = (entry.data.train_detections, entry.data.test_detections)
    return " → ".join(dict.fromkeys(used))


def samples(entry: Entry) -> int:
    """H × K."""
    return entry.conditions.hypotheses * entry.conditions.steps


def sampling_size(entry: Entry) -> tuple[int, int]:
    """(H, K)."""
    return entry.conditions.hypotheses, entry.conditions.steps
