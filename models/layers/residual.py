"""The two branches of a transformer block in training on a CPU, with gradients written out.

PyTorch's own gradients of the same operations copy layouts several times and cost more than the arithmetic of a
small model; these need one copy into heads and one out of them in each direction.

N rows, L positions that attend to each other, M columns, C channels, h heads, d = C / h; P = N·L·M points, I
hidden channels. Factors ``[N, 1, M, 1]`` are those of stochastic depth; None for 1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from models.layers.linear import linear

aten = torch.ops.aten


def plain_on_cpu(tokens: Tensor) -> bool:
    """Whether gradients are wanted of float32 tokens on a CPU, computed one operation at a time."""
    return (
        torch.is_grad_enabled()
        and tokens.device.type == "cpu"
        and tokens.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


def add_attention(
    tokens: Tensor, factors: Tensor | None, norm: nn.LayerNorm, qkv: nn.Linear, proj: nn.Linear, heads: int
) -> Tensor:
    """``tokens + factors * proj(attention(qkv(norm(tokens))))`` of ``[N, L, M, C]``."""
    weights = (norm.weight, norm.bias, qkv.weight, qkv.bias, proj.weight, proj.bias)
    return _AddAttention.apply(tokens, factors, *weights, norm.eps, heads)


def add_mlp(tokens: Tensor, factors: Tensor | None, norm: nn.LayerNorm, fc1: nn.Linear, fc2: nn.Linear) -> Tensor:
    """``tokens + factors * fc2(gelu(fc1(norm(tokens))))`` of ``[N, L, M, C]``."""
    weights = (norm.weight, norm.bias, fc1.weight, fc1.bias, fc2.weight, fc2.bias)
    return _AddMlp.apply(tokens, factors, *weights, norm.eps)


class _AddAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        tokens: Tensor,
        factors: Tensor | None,
        scale: Tensor,
        shift: Tensor,
        qkv: Tensor,
        qkv_bias: Tensor | None,
        proj: Tensor,
        proj_bias: Tensor,
        eps: float,
        heads: int,
    ) -> Tensor:
        N, L, M, C = tokens.shape
        points, normed, mean, deviation = _normalise(tokens, scale, shift, eps)
        joint = linear(normed, qkv, qkv_bias)
        # [P, 3·C] → [3, N, M, h, L, d] → [3, N·M·h, L, d]
        parts = joint.view(N, L, M, 3, heads, -1).permute(3, 0, 2, 4, 1, 5).reshape(3, N * M * heads, L, -1)
        query, key, value = parts.unbind()
        scores = torch.baddbmm(
            query.new_empty(1), key, query.transpose(1, 2), beta=0, alpha=query.shape[-1] ** -0.5
        )
        attention = scores.softmax(dim=1)  # [N·M·h, keys, queries]; along rows it would be slower
        mixed = torch.bmm(attention.transpose(1, 2), value)
        mixed = mixed.view(N, M, heads, L, -1).permute(0, 3, 1, 2, 4).reshape(-1, C)  # [N·M·h, L, d] → [P, C]
        ctx.save_for_backward(
            points, normed, mean, deviation, parts, attention, mixed, factors, scale, shift, qkv, proj
        )
        ctx.heads, ctx.biased = heads, qkv_bias is not None
        return _add(tokens, linear(mixed, proj, proj_bias), factors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        points, normed, mean, deviation, parts, attention, mixed, factors, scale, shift, qkv, proj = (
            ctx.saved_tensors
        )
        N, L, M, C = gradient.shape
        heads: int = ctx.heads
        query, key, value = parts.unbind()
        branch = _of_branch(gradient, factors)
        of_mixed = linear(branch, proj.t())
        of_mixed = of_mixed.view(N, L, M, heads, -1).permute(0, 2, 3, 1, 4).reshape(value.shape)
        of_parts = torch.empty_like(parts)
        of_query, of_key, of_value = of_parts.unbind()
        torch.bmm(attention, of_mixed, out=of_value)
        of_attention = torch.bmm(value, of_mixed.transpose(1, 2))
        of_sums = (of_attention * attention).sum(dim=1, keepdim=True)
        of_scores = of_attention.sub_(of_sums).mul_(attention)
        root = query.shape[-1] ** -0.5
        torch.baddbmm(of_key, of_scores, query, beta=0, alpha=root, out=of_key)
        torch.baddbmm(of_query, of_scores.transpose(1, 2), key, beta=0, alpha=root, out=of_query)
        # [3, N·M·h, L, d] → [3, N, M, h, L, d] → [P, 3·C]
        of_joint = of_parts.view(3, N, M, heads, L, -1).permute(1, 4, 2, 0, 3, 5).reshape(-1, 3 * C)
        of_tokens, of_scale, of_shift = _through_norm(
            linear(of_joint, qkv.t()), points, mean, deviation, scale, shift, gradient
        )
        of_bias = of_joint.sum(0) if ctx.biased else None
        of_qkv, of_proj = of_joint.t() @ normed, branch.t() @ mixed
        return of_tokens, None, of_scale, of_shift, of_qkv, of_bias, of_proj, branch.sum(0), None, None


class _AddMlp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        tokens: Tensor,
        factors: Tensor | None,
        scale: Tensor,
        shift: Tensor,
        first: Tensor,
        first_bias: Tensor,
        second: Tensor,
        second_bias: Tensor,
        eps: float,
    ) -> Tensor:
        points, normed, mean, deviation = _normalise(tokens, scale, shift, eps)
        hidden = linear(normed, first, first_bias)  # [P, I]
        active = functional.gelu(hidden)
        ctx.save_for_backward(
            points, normed, mean, deviation, hidden, active, factors, scale, shift, first, second
        )
        return _add(tokens, linear(active, second, second_bias), factors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        points, normed, mean, deviation, hidden, active, factors, scale, shift, first, second = ctx.saved_tensors
        branch = _of_branch(gradient, factors)
        of_hidden = aten.gelu_backward.default(linear(branch, second.t()), hidden)
        of_tokens, of_scale, of_shift = _through_norm(
            linear(of_hidden, first.t()), points, mean, deviation, scale, shift, gradient
        )
        of_first, of_second = of_hidden.t() @ normed, branch.t() @ active
        return of_tokens, None, of_scale, of_shift, of_first, of_hidden.sum(0), of_second, branch.sum(0), None


def _normalise(tokens: Tensor, scale: Tensor, shift: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Points ``[P, C]``, the same normalised, and their means and inverse deviations."""
    points = tokens.reshape(-1, tokens.shape[-1])
    normed, mean, deviation = torch.native_layer_norm(points, (points.shape[-1],), scale, shift, eps)
    return points, normed, mean, deviation


def _through_norm(
    of_normed: Tensor, points: Tensor, mean: Tensor, deviation: Tensor, scale: Tensor, shift: Tensor, past: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of tokens, scale and shift; ``past``, that of the way past the branch, is added to the first."""
    of_points, of_scale, of_shift = aten.native_layer_norm_backward.default(
        of_normed, points, [points.shape[-1]], mean, deviation, scale, shift, [True, True, True]
    )
    return of_points.view(past.shape).add_(past), of_scale, of_shift


def _add(tokens: Tensor, branch: Tensor, factors: Tensor | None) -> Tensor:
    branch = branch.view(tokens.shape)
    return branch.add_(tokens) if factors is None else torch.addcmul(tokens, branch, factors)


def _of_branch(gradient: Tensor, factors: Tensor | None) -> Tensor:
    """The gradient of the branch ``[P, C]``, from that of the sum."""
    branch = gradient if factors is None else gradient * factors
    return branch.reshape(-1, gradient.shape[-1])
