"""The one exception that means "the user can fix this", and how text of unknown origin is shown in it."""

from __future__ import annotations

import re
from collections.abc import Collection

LONGEST_SENTENCE = 2000
LONGEST_VALUE = 200

CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""What no name and no argument may have; halves of characters too, which stand for bytes that are not UTF-8."""


class InputError(ValueError):
    """Something that the user gave is wrong: a file, a key, a name, a device.

    The message is one sentence that names what is wrong, where, and the way out. The command line prints it
    without a traceback and exits with status 2. Whatever it quotes, it is one line of bounded length that a
    terminal can show (``shown``).
    """

    def __init__(self, sentence: object = "") -> None:
        super().__init__(shown(sentence))


class UnfitError(InputError):
    """The data at hand, or the method, lack what an experiment needs. An ablation leaves it out and says why."""


class DivergedError(InputError):
    """A method gave numbers that are not finite, in training or in prediction."""


def shown(text: object, longest: int = LONGEST_SENTENCE) -> str:
    """Text as one line for terminals: at most ``longest`` characters, what cannot be printed as ``\\x1b``.

    Of a longer text the middle is left out, because a sentence begins with the place and ends with the way out.
    """
    line = _printable(_shortened(str(text), longest))
    return line if len(line) <= longest else _shortened(line, longest)


def quoted(value: object, longest: int = LONGEST_VALUE) -> str:
    """A value as Python writes it, for sentences: at most ``longest`` characters, on one line."""
    try:
        return shown(repr(value), longest)
    except (ValueError, RecursionError, UnicodeError):  # whole numbers of thousands of digits have no text
        return f"a value of type {type(value).__name__}"


def _shortened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    kept = (longest - 5) // 2
    return f"{text[:kept]} ... {text[-kept:]}"


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def some_of(names: Collection[str], most: int = 8) -> str:
    """Names, separated by commas; of many the first ones and how many there are beside them."""
    first = [*names][:most]
    more = len(names) - len(first)
    return ", ".join(first) + (f" and {more:,} more" if more else "")
