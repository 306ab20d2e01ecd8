"""A small stand-in for CLIP: same shape, random frozen weights from a fixed seed, words for tokens.

It knows which words are equal, not what they mean (``semantic`` does), and needs no download.
"""

from __future__ import annotations

import re
import zlib

import torch
from torch import nn

from models.text.encoder import CONTEXT
from models.text.tower import TextTower, TowerSize

SIZE = TowerSize(width=32, layers=1, heads=4, vocabulary=4096)
START, END = SIZE.vocabulary - 2, SIZE.vocabulary - 1
SEED = 20240616


def tiny_encoder() -> TextTower:
    """The tower with its seeded weights; the global random state is left alone."""
    tower = TextTower("tiny", SIZE, tiny_tokens)
    generator = torch.Generator().manual_seed(SEED)
    for name, parameter in tower.named_parameters():
        fill(name, parameter, generator)
    return tower


@torch.no_grad()
def fill(name: str, parameter: nn.Parameter, generator: torch.Generator) -> None:
    """Give a parameter its value: norms start neutral, biases at 0, everything else is normal."""
    if parameter.dim() == 1:
        parameter.fill_(float(name.endswith(".weight")))
    else:
        std = 0.5 if "embedding" in name else parameter.shape[1] ** -0.5
        parameter.normal_(std=std, generator=generator)


def tiny_tokens(text: str) -> list[int]:
    """Ids of the lower-case words of a text between a start and an end token; a word's id is its checksum."""
    words = re.findall(r"[^\W_]+", text.lower())[: CONTEXT - 2]
    return [START, *(1 + zlib.crc32(word.encode()) % (START - 1) for word in words), END]
