from __future__ import annotations

import torch
from torch import nn

from baselines.layers.annotated_transformer import Residual, SeparateAttention, UnbiasedNorm


def test_norm_divides_by_the_unbiased_deviation() -> None:
    norm = UnbiasedNorm(4)
    tokens = torch.tensor([[0.0, 1.0, 2.0, 5.0]])
    torch.testing.assert_close(norm(tokens), (tokens - 2) / (14 / 3) ** 0.5, atol=1e-5, rtol=0)
    assert torch.isfinite(norm(torch.ones(1, 4))).all()


def test_attention_is_torch_s_with_the_linears_in_order() -> None:
    torch.manual_seed(0)
    ours, theirs = SeparateAttention(8, 2), nn.MultiheadAttention(8, 2, batch_first=True)
    query, key, value, output = ours.linears
    theirs.in_proj_weight.data = torch.cat([query.weight, key.weight, value.weight])
    theirs.in_proj_bias.data = torch.cat([query.bias, key.bias, value.bias])
    theirs.out_proj.load_state_dict(output.state_dict())
    tokens = torch.randn(3, 5, 8)
    torch.testing.assert_close(ours(tokens), theirs(tokens, tokens, tokens)[0])


def test_residual_of_a_strided_branch_is_the_first_of_every_group() -> None:
    residual = Residual(4, dropout=0.0)
    tokens = torch.randn(2, 6, 4)
    assert torch.equal(residual(tokens, lambda x: torch.zeros(2, 2, 4), stride=3), tokens[:, [0, 3]])
