"""Frozen text encoders behind one interface: the table of those there are, and which of them is used.

``encoder`` is the interface; ``clip``, ``minilm``, ``semantic`` and ``tiny`` are encoders, ``tower`` and ``bpe``
CLIP's parts.
"""

from __future__ import annotations

from collections.abc import Callable

from models.errors import InputError
from models.text import clip, minilm
from models.text.encoder import TextEncoder
from models.text.semantic import SemanticEncoder
from models.text.tiny import tiny_encoder

CLIP, MINILM = "clip", "minilm"

AUTO = "auto"
"""In a configuration: the trained encoder that this machine has."""

ENCODERS: dict[str, Callable[[], TextEncoder]] = {
    "tiny": tiny_encoder,
    "semantic": SemanticEncoder,
    CLIP: lambda: clip.load_clip(clip.find_weights()),
    MINILM: minilm.minilm_encoder,
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


def name_here(name: str) -> str:
    """The name of an encoder, with ``AUTO`` replaced by that of the trained encoder of this machine."""
    return pretrained_encoder() if name == AUTO else name


def pretrained_encoder() -> str:
    """Name of the trained encoder that this machine has: "clip" if its weights are found, else "minilm".

    "clip" also where neither is installed: building it then says what to install.
    """
    for name, find in ((CLIP, clip.find_weights), (MINILM, minilm.model_folder)):
        try:
            find()
        except InputError:
            continue
        return name
    return CLIP
