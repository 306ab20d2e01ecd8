"""Takes that are left out of a data set: damaged ones, or those that a paper leaves out."""

from __future__ import annotations

from collections import abc
from dataclasses import replace

from bench.data.packing import fingerprint
from bench.data.sequence import Dataset
from models.errors import InputError, quoted, some_of


def without_takes(dataset: Dataset, leave_out: abc.Sequence[str]) -> Dataset:
    """The data set without takes ("S9/Greeting"), which its label, its notes and its fingerprint tell.

    Raises:
        InputError: there is no such take, or none would be left to train on or to test on.
    """
    if not leave_out:
        return dataset
    check_left_out(leave_out, {sequence.take for sequence in dataset.train + dataset.test}, dataset.label)
    train, test = (
        tuple(sequence for sequence in part if sequence.take not in leave_out)
        for part in (dataset.train, dataset.test)
    )
    for what, before, left in (("train", dataset.train, train), ("test", dataset.test, test)):
        if before and not left:
            raise InputError(f"data.leave_out leaves no take to {what} on: name fewer")
    return replace(
        dataset,
        label=f"{dataset.label} without {some_of(leave_out, 3)}",
        train=train,
        test=test,
        fingerprint=fingerprint(train, test, protocol=dataset.protocol),
        notes=(*dataset.notes, note_on(leave_out)),
    )


def check_left_out(leave_out: abc.Iterable[str], takes: abc.Collection[str], place: str) -> None:
    """``InputError`` if a take to leave out is none of the takes. ``place``: where these are."""
    for take in leave_out:
        if take not in takes:
            subject = take.partition("/")[0]
            there = sorted(name for name in takes if name.partition("/")[0] == subject) or sorted(takes)
            raise InputError(
                f"data.leave_out: {quoted(take)} is no take of {place}, which has {some_of(there, 40)}: write "
                "[S9/Greeting, S9/Waiting 1]"
            )


def note_on(leave_out: abc.Sequence[str]) -> str:
    """What tables say of takes that were left out."""
    return f"Takes left out: {', '.join(leave_out)}"
