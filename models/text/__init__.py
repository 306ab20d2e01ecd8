"""Frozen text encoders behind one interface: the table of those there are, and which of them is used.

``encoder`` is the interface; ``clip``, ``minilm``, ``semantic`` and ``tiny`` are encoders, ``tower`` and ``bpe``
CLIP's parts.
Importing this package loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from models.errors import InputError

if TYPE_CHECKING:
    from models.text.encoder import TextEncoder


def _tiny() -> TextEncoder:
    from models.text.tiny import tiny_encoder

    return tiny_encoder()


def _semantic() -> TextEncoder:
    from models.text.semantic import SemanticEncoder

    return SemanticEncoder()


def _clip() -> TextEncoder:
    from models.text.clip import clip_encoder

    return clip_encoder()


def _minilm() -> TextEncoder:
    from models.text.minilm import minilm_encoder

    return minilm_encoder()


ENCODERS: dict[str, Callable[[], TextEncoder]] = {
    "tiny": _tiny,
    "semantic": _semantic,
    "clip": _clip,
    "minilm": _minilm,
}
"""Name of an encoder → function that builds it. A new one is its file and a line here."""


def text_encoder(name: str) -> TextEncoder:
    """A frozen encoder by name.

    Raises:
        InputError: no encoder has this name, or its weights or packages are absent.
    """
    if name not in ENCODERS:
        raise InputError(f"unknown text encoder {name!r}: take one of {', '.join(ENCODERS)}")
    return ENCODERS[name]().freeze()


def pretrained_encoder() -> str:
    """Name of the trained encoder that this machine has: "clip" if its weights are found, else "minilm".

    "clip" also where neither is installed: building it then says what to install.
    """
    from models.text.clip import find_weights
    from models.text.minilm import model_folder

    for name, find in (("clip", find_weights), ("minilm", model_folder)):
        try:
            find()
        except InputError:
            continue
        return name
    return "clip"
