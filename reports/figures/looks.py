"""How a method looks, the same in every figure, on the page and in the PDF."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from bench.config.registry import METHODS
from reports.rules.entries import Entry
from reports.rules.names import method_name

COLOURS = ("#E26A00", "#707070", "#1B6FD0", "#B0569A", "#8A6D00", "#00997A")
"""At least 3:1 against white and against the dark page. Neighbours differ for colour-blind readers as well, as
methods that share a marker have neighbouring colours."""

MARKERS = "osD^vPX<>p*hd"
"""Markers in order; they go on by one more in every round of the colours, so that no two places share both."""


LINES = ("-", "--", ":")
"""One more in every round of the colours: lines have no marker by which those of one colour differ."""


class Look(NamedTuple):
    """Colour, marker and line of a method; a variant of it is drawn hollow."""

    colour: str
    marker: str
    filled: bool
    line: str = "-"

    def marks(self, size: float) -> dict[str, Any]:
        """Matplotlib's words for the marker, ``size`` points large."""
        return {
            "marker": self.marker,
            "markersize": size,
            "markerfacecolor": self.colour if self.filled else "white",
            "markeredgecolor": self.colour,
            "markeredgewidth": 0.7,
        }


def look_of(method: str, variant: str = "") -> Look:
    """The look of a method by its name in the registry.

    The suite's own take the pairs of colour and marker in the order of the registry. One of another package gets a
    further pair by its name, or the next free one where an installed package whose name comes before has that.
    """
    places = {name: place for place, name in enumerate(METHODS.own)}
    further = range(len(places), len(COLOURS) * len(MARKERS))
    for name in [*METHODS.plugin_names(), method]:
        if name not in places:
            first = int(hashlib.sha256(name.encode()).hexdigest(), 16) % len(further)
            free = [place for place in (*further[first:], *further[:first]) if place not in places.values()]
            places[name] = free[0] if free else further[first]
    rounds, place = divmod(places[method], len(COLOURS))
    marker = MARKERS[(places[method] + rounds) % len(MARKERS)]
    return Look(COLOURS[place], marker, not variant, LINES[rounds % len(LINES)])


def looks_of(entries: Iterable[Entry]) -> dict[str, Look]:
    """``method_name`` of each method and variant → its look."""
    return {method_name(entry): look_of(entry.method, entry.variant) for entry in entries}
