"""Which takes are held out of training for validation."""

from __future__ import annotations

from collections import abc

from bench.data.sequence import Sequence
from models.errors import InputError


def split_validation(
    sequences: abc.Sequence[Sequence], every: int, subjects: abc.Sequence[str]
) -> tuple[tuple[Sequence, ...], tuple[Sequence, ...]]:
    """Hold out the named subjects, or every ``every``-th take of each subject, in all its cameras; 0: none.

    Takes are counted in sorted order, from a different one for every subject, so that each subject with two takes
    or more gives at least one, and the held-out actions differ. Where no subject has more than two takes, that
    would be half of the data: then every ``every``-th subject is held out instead, counted from the last one.

    Returns:
        (training sequences, validation sequences), in the order given.

    Raises:
        InputError: no subject has two takes.
    """
    held = set(held_out_takes(sequences, every, subjects))
    if every and not held:
        raise InputError(
            "no training subject has two takes, so none can be held out for validation: add takes to the data"
        )
    train = tuple(sequence for sequence in sequences if sequence.take not in held)
    return train, tuple(sequence for sequence in sequences if sequence.take in held)


def validation_rule(sequences: abc.Sequence[Sequence], every: int, subjects: abc.Sequence[str]) -> str:
    """What ``split_validation`` holds out, in words."""
    if not every:
        return "none"
    held = set(held_out_takes(sequences, every, subjects))
    found = dict.fromkeys(sequence.subject for sequence in sequences if sequence.take in held)
    whole = all(sequence.take in held for sequence in sequences if sequence.subject in found)
    return f"all takes of {', '.join(found)}" if whole else f"every {every}th take of the training subjects"


def held_out_takes(sequences: abc.Sequence[Sequence], every: int, subjects: abc.Sequence[str]) -> list[str]:
    """Names of the takes that ``split_validation`` holds out, sorted."""
    if not every:
        return []
    if subjects:
        return sorted({sequence.take for sequence in sequences if sequence.subject in subjects})
    takes: dict[str, list[str]] = {}
    for subject, take in sorted({(sequence.subject, sequence.take) for sequence in sequences}):
        takes.setdefault(subject, []).append(take)
    if len(takes) > 2 and all(len(of_subject) <= 2 for of_subject in takes.values()):
        return sorted(take for subject in list(takes)[::-every] for take in takes[subject])
    several = [(rank, names) for rank, names in enumerate(takes.values()) if len(names) > 1]
    return sorted(
        name for rank, names in several for name in names[(3 * rank + 1) % min(every, len(names)) :: every]
    )
