"""For two runs of a claim those on another data set: the same but for the data and what follows from them.

A claim may say that one method gains more over another on one data set than on a second one. A sweep is on one of
them; the runs on the other one are of another sweep, and may be any of the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.config.experiment import TrainingSpec
from bench.results.grouping import grouped
from bench.results.record import Record
from bench.results.statistics.seeds import pool
from reports.rules.comparability import same_but, source

DATA = ("data", "evaluation.detections", "training.seed")
"""Keys of an experiment that may differ from one data set to the other."""

SCHEDULE = tuple(
    f"training.{name}"
    for name, field in TrainingSpec.model_fields.items()
    if field.default is None and name not in ("recipe", "weights")
)
"""Keys whose values a preset sets; some presets set others for exact 2D poses than for a detector's."""


def pairs_on(name: str, sides: Sequence[Record], records: Iterable[Record]) -> list[tuple[Record, Record]]:
    """The pairs of runs on a data set that are, but for it, what the two sides are on theirs; seeds are pooled.

    The runs of a pair were tested on the same data. Where some have the schedule of training of their sides and
    others have not, those that have it.

    Args:
        name: of the data set, as an experiment calls it.
        sides: two of one data set, each pooled over its seeds.
        records: all that there are, of any data.
    """
    there = [record for record in records if record.experiment["data"]["name"] == name]
    there.sort(key=lambda record: record.finished_at)
    for ignored in (DATA, (*DATA, *SCHEDULE)):
        better, other = (_alike(there, side, ignored) for side in sides)
        if found := [(one, its) for one in better for its in other if source(one) == source(its)]:
            return found
    return []


def _alike(records: Sequence[Record], side: Record, ignored: Sequence[str]) -> list[Record]:
    """The records that agree with a side in everything that is not ignored, pooled over their seeds."""
    wanted = same_but(side, *ignored)
    fitting = [record for record in records if same_but(record, *ignored) == wanted]
    of_one = grouped(fitting, lambda record: (same_but(record), source(record)))
    return pool(runs[-1] for runs in of_one.values())  # earlier ones are of earlier versions of the suite
