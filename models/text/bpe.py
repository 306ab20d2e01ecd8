"""CLIP's byte-pair tokens, from the vocabulary file that the package open_clip_torch carries (MIT licence)."""

from __future__ import annotations

import gzip
import html
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

from models.errors import InputError
from models.text.encoder import CONTEXT, find_in_package

START, END = 49406, 49407
MERGES = END - 1 - 2 * 256
VOCABULARY_FILE = "bpe_simple_vocab_16e6.txt.gz"
WORDS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|(?:[^\s\w]|_)+")


def clip_tokens(text: str) -> list[int]:
    """Ids of a text between start and end token, 77 at most: a longer text is cut and keeps its end token.

    Case and runs of blanks do not matter.

    Raises:
        InputError: the vocabulary file is not installed.
    """
    ids = [
        START,
        *(token for word in WORDS.findall(html.unescape(text).lower()) for token in _word_tokens(word)),
        END,
    ]
    return ids if len(ids) <= CONTEXT else [*ids[: CONTEXT - 1], END]


@cache
def _word_tokens(word: str) -> tuple[int, ...]:
    """Ids of one word: its bytes, merged by rank until no known pair is left."""
    ranks, ids = _vocabulary()
    symbols = [_byte_symbols()[byte] for byte in word.encode()]
    symbols[-1] += "</w>"
    while len(symbols) > 1:
        best = min(pairwise(symbols), key=lambda pair: ranks.get(pair, MERGES))
        if best not in ranks:
            break
        symbols = _merge(symbols, best)
    return tuple(ids[symbol] for symbol in symbols)


def _merge(symbols: list[str], pair: tuple[str, str]) -> list[str]:
    """The symbols with every occurrence of the pair joined to one."""
    merged: list[str] = []
    for symbol in symbols:
        if merged and (merged[-1], symbol) == pair:
            merged[-1] += symbol
        else:
            merged.append(symbol)
    return merged


@cache
def _byte_symbols() -> dict[int, str]:
    """A printable character for every byte: itself where it is one, else one from above the bytes."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(others)}


@cache
def _vocabulary() -> tuple[dict[tuple[str, str], int], dict[str, int]]:
    """Rank of every merge, and id of every symbol."""
    lines = gzip.decompress(vocabulary_file().read_bytes()).decode().split("\n")[1 : MERGES + 1]
    pairs = [(left, right) for left, right in (line.split() for line in lines)]
    symbols = list(_byte_symbols().values())
    symbols += [f"{symbol}</w>" for symbol in symbols] + [left + right for left, right in pairs]
    return {pair: rank for rank, pair in enumerate(pairs)}, {
        symbol: number for number, symbol in enumerate(symbols)
    }


def vocabulary_file() -> Path:
    """The vocabulary in the folder of the installed package; ``InputError`` if it is not installed."""
    file = find_in_package("open_clip", VOCABULARY_FILE)
    if file is None:
        raise InputError(
            "CLIP's vocabulary is not installed: run `pip install --no-deps open_clip_torch` (1.5 MB, MIT licence)"
        )
    return file
