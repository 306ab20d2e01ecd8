"""CLIP's text encoder with weights from a file of the user or from the local Hugging Face cache."""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from models.checkpoints.torch_files import Placeholder, read_torch_file
from models.errors import InputError
from models.text.bpe import clip_tokens
from models.text.tower import TextTower, TowerSize

WEIGHTS_VARIABLE = "LIFTING_BENCH_CLIP"
CACHED_MODEL = "models--openai--clip-vit-base-patch32"
WEIGHT_FILES = ("model.safetensors", "open_clip_model.safetensors", "pytorch_model.bin")
CLIP_HEAD_WIDTH = 64
TEXT_ENTRIES = ("token_embedding.", "positional_embedding", "transformer.", "ln_final.")

HUGGING_FACE_NAMES = {
    "embeddings.token_embedding.": "token_embedding.",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.": "ln_final.",
    "encoder.layers.": "transformer.resblocks.",
    ".self_attn.out_proj.": ".attn.out_proj.",
    ".layer_norm1.": ".ln_1.",
    ".layer_norm2.": ".ln_2.",
    ".mlp.fc1.": ".mlp.c_fc.",
    ".mlp.fc2.": ".mlp.c_proj.",
}


def find_weights() -> Path:
    """The file that ``LIFTING_BENCH_CLIP`` names, or the one in the folder that it names; if unset, a cached one.

    Raises:
        InputError: there is no such file.
    """
    given = os.environ.get(WEIGHTS_VARIABLE)
    cache = Path(
        os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"), "hub", CACHED_MODEL, "snapshots"
    )
    for place in [Path(given)] if given else sorted(cache.glob("*")):
        for path in (place, *(place / name for name in WEIGHT_FILES)):
            if path.is_file():
                return path
    where = (
        f"{WEIGHTS_VARIABLE}={given} has none" if given else f"{cache} has none and {WEIGHTS_VARIABLE} is not set"
    )
    raise InputError(
        f"CLIP's weights are absent ({where}): set {WEIGHTS_VARIABLE} to OpenAI's ViT-B-32.pt, to a safetensors "
        "file or to a Hugging Face folder, or take text=semantic"
    )


def load_clip(path: Path) -> TextTower:
    """A tower with the weights of OpenAI's ``.pt``, of a state dict, or of safetensors, under either set of names.

    Raises:
        InputError: the file does not hold a complete CLIP text encoder.
    """
    entries = load_file(path) if path.suffix == ".safetensors" else _flat(read_torch_file(path))
    state = {
        name: tensor.float() for name, tensor in _openai_names(entries).items() if name.startswith(TEXT_ENTRIES)
    }
    layers = {int(match[1]) for name in state if (match := re.match(r"transformer\.resblocks\.(\d+)\.", name))}
    if not layers or "token_embedding.weight" not in state:
        raise InputError(f"{path} holds no CLIP text encoder: give OpenAI's ViT-B-32.pt or a Hugging Face one")
    vocabulary, width = state["token_embedding.weight"].shape
    tower = TextTower("CLIP", TowerSize(width, len(layers), width // CLIP_HEAD_WIDTH, vocabulary), clip_tokens)
    try:
        tower.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"{path} holds no complete CLIP text encoder: {error}") from error
    return tower


def _flat(content: object, prefix: str = "") -> dict[str, Tensor]:
    """Tensors of nested dicts and scripted modules under dotted names."""
    if isinstance(content, Tensor):
        return {prefix.removesuffix("."): content}
    inner = content.state if isinstance(content, Placeholder) else content
    if not isinstance(inner, dict):
        return {}
    parts = (_flat(value, f"{prefix}{name}.") for name, value in inner.items())
    return {name: tensor for part in parts for name, tensor in part.items()}


def _openai_names(entries: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same entries under OpenAI's names; Hugging Face's separate q, k and v become one."""
    prefix = "text_model."
    if not any(name.startswith(prefix) for name in entries):
        return entries
    entries = {name.removeprefix(prefix): tensor for name, tensor in entries.items() if name.startswith(prefix)}
    renamed = {}
    for name, tensor in entries.items():
        if ".self_attn.q_proj." in name:
            parts = [entries[name.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            renamed[_openai_name(name.replace(".self_attn.q_proj.", ".attn.in_proj_"))] = torch.cat(parts)
        elif not re.search(r"\.[kv]_proj\.", name):
            renamed[_openai_name(name)] = tensor
    return renamed


def _openai_name(name: str) -> str:
    for theirs, ours in HUGGING_FACE_NAMES.items():
        name = name.replace(theirs, ours)
    return name
