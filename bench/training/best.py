"""The weights that a training likes best so far, in files that its saved states count on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bench.results.documents import UnreadableError, read_sealed, set_aside, write_sealed
from models.errors import InputError

BEST = "best-{}.safetensors"
"""Older versions of the suite put the number of the selector here; ``best_name`` says what stands here now."""

Errors = Sequence[tuple[float, float]]
"""(epoch, error) of every check of a selector so far."""


def best_check(errors: Errors) -> tuple[float, float]:
    """The check with the lowest error, the first of several."""
    return min(errors, key=lambda entry: entry[1])


def best_name(number: int, errors: Errors) -> str:
    """The file of the weights that the selector of this number likes best after these checks, at least one.

    It is named after the check and its error. So weights of a check that was forgotten by a kill, or those of a
    second process that trains the same, are not taken for them.
    """
    epoch, error = best_check(errors)
    return BEST.format(f"{number}-{epoch}-{error}")


def best_names(errors: Sequence[Errors]) -> set[str]:
    """The files that a state with these errors of all selectors counts on."""
    return {best_name(number, some) for number, some in enumerate(errors) if some}


class BestWeights:
    """Keeps the best weights so far, and removes those that no state counts on any more.

    Files that another process has written since this one began are not removed.
    """

    def __init__(self, folder: Path, errors: Sequence[Errors]) -> None:
        """``errors``: of the state that the training in ``folder`` is continued from."""
        self._folder = folder
        self._kept = {path.name for path in folder.glob(BEST.format("*"))}
        self._earlier, self._last = set(self._kept), best_names(errors)  # of the two states on the disk

    def save(self, weights: bytes, number: int, errors: Sequence[Errors]) -> None:
        """Keep the weights that the selector of this number likes best since the last of its errors."""
        name = best_name(number, errors[number])
        write_sealed(self._folder / name, weights)
        self._kept.add(name)
        self._remove_others(errors)

    def note_state(self, errors: Sequence[Errors]) -> None:
        """Remove what only the state counted on that a new one, with these errors, has taken the place of."""
        self._earlier, self._last = self._last, best_names(errors)
        self._remove_others(errors)

    def _remove_others(self, errors: Sequence[Errors]) -> None:
        needed = best_names(errors) | self._earlier | self._last
        for name in self._kept - needed:
            (self._folder / name).unlink(missing_ok=True)
        self._kept &= needed


def load_best(folder: Path, number: int, errors: Errors) -> bytes:
    """What ``BestWeights`` keeps for a selector with these errors.

    Raises:
        InputError: it is lost or damaged. What the training is continued from then is decided by ``load_state``.
    """
    path = folder / best_name(number, errors)
    try:
        return bytes(read_sealed(path))
    except (FileNotFoundError, UnreadableError) as error:
        raise InputError(
            f"{path}: the best weights so far cannot be read ({error}); repeat with --retry-failed to train again"
        ) from None


def best_are_there(folder: Path, errors: Sequence[Errors]) -> bool:
    """Whether the best weights that a state with these errors counts on can be read."""
    for number, some in enumerate(errors):
        if not some:
            continue
        path = folder / best_name(number, some)
        if not path.exists():
            with suppress(FileNotFoundError):  # an older version has kept them
                (folder / BEST.format(number)).replace(path)
        try:
            read_sealed(path)
        except (FileNotFoundError, UnreadableError) as error:
            set_aside(path, folder.parents[1], str(error))
            return False
    return True
