"""A small encoder of words that mean something: MiniLM's vectors of some words, and no other trained weights.

What a row says is the sum of the words up to it, so that texts of similar words have similar features. It needs no
download: ``semantic.tsv`` has the vectors, and ``python -m tests.word_vectors`` makes it.
"""

from __future__ import annotations

import re
import zlib
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.text.encoder import CONTEXT, TextEncoder

TABLE = Path(__file__).with_name("semantic.tsv")
PADDING, START, END = 0, 1, 2
OTHER_WORDS = 4096  # rows that words outside of the table share, by their checksums
WORD_STD, PLACE_STD = 0.5, 0.05  # of the numbers of a word's vector, and of those that tell places apart
SEED = 20240616


def word_vectors() -> dict[str, list[float]]:
    """Lower-case words with their vectors ``[W]``, from the table; its comments say where they come from."""
    lines = [line.split("\t") for line in TABLE.read_text().splitlines() if not line.startswith("#")]
    return {word: [float(number) for number in numbers] for word, *numbers in lines}


@cache
def _numbers() -> dict[str, int]:
    """Ids of the words of the table."""
    return {word: END + 1 + number for number, word in enumerate(word_vectors())}


class SemanticEncoder(TextEncoder):
    """Rows ``[N, R, W]``: each row's own embedding, the sum of those up to it, and its place, normalised.

    Start, end and padding are zero. A word outside of the table has a random vector of the same length, always the
    same one, and so is a name without meaning.
    """

    title = "word vectors of MiniLM"

    def __init__(self) -> None:
        super().__init__()
        vectors = torch.tensor(list(word_vectors().values()))
        self.width = vectors.shape[1]
        generator = torch.Generator().manual_seed(SEED)
        others = torch.randn(OTHER_WORDS, self.width, generator=generator)
        words = functional.normalize(torch.cat([vectors, others])) * WORD_STD * self.width**0.5
        self.table = nn.Parameter(torch.cat([torch.zeros(END + 1, self.width), words]))
        self.places = nn.Parameter(PLACE_STD * torch.randn(CONTEXT, self.width, generator=generator))
        roots = torch.arange(1.0, CONTEXT + 1).sqrt()
        self.register_buffer("roots", roots[:, None], persistent=False)

    def token_ids(self, text: str) -> list[int]:
        words = re.findall(r"[^\W_]+", text.lower())[: CONTEXT - 2]
        known = _numbers()
        others = END + 1 + len(known)
        ids = [known.get(word, others + zlib.crc32(word.encode()) % OTHER_WORDS) for word in words]
        return [START, *ids, END]

    def embed(self, tokens: Tensor) -> Tensor:
        return self.table[tokens]

    def encode(self, embeddings: Tensor) -> Tensor:
        """Divided by the root of its length, a sum of unlike words is about as long as one of them."""
        sums = embeddings.cumsum(dim=1) / self.get_buffer("roots")
        return functional.layer_norm(embeddings + sums + self.places, (self.width,))

    def pooling_row(self, tokens: Tensor) -> Tensor:
        return (tokens == END).int().argmax(dim=-1)
