"""What disturbed runs on their machine, in as few sentences as tell it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reports.rules.entries import Entry

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)")


def disturbances(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """A sentence without its full stop → the runs that had such a warning, in order of first appearance.

    Warnings that differ in their numbers only are one sentence, with the range of each number.
    """
    alike: dict[tuple[str, ...], list[tuple[list[str], Entry]]] = {}
    for entry in entries:
        for text in entry.environment.warnings:
            words = _NUMBER.split(text.rstrip("."))
            alike.setdefault(tuple(words[::2]), []).append((words[1::2], entry))
    found = {}
    for words, told in alike.items():
        ranges = [_range(numbers) for numbers in zip(*(numbers for numbers, _ in told), strict=True)]
        sentence = "".join(map("".join, zip(words, [*ranges, ""], strict=True)))
        found[sentence] = [entry for _, entry in told]
    return found


def _range(numbers: Sequence[str]) -> str:
    low, high = min(numbers, key=float), max(numbers, key=float)
    return low if float(low) == float(high) else f"{low} to {high}"
