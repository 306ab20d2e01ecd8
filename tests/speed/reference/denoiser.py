"""D3DP and FinePOSE, written plainly: every hypothesis at once, two passes for flipping, text in every call.

Parameters have the names of the product's, so that its ``state_dict`` loads. The noise and the coefficients of a
step are the product's own: they are what both are given.

B batch, H hypotheses, K steps, F frames, J joints, C channels, U texts, W width of the text encoder.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.diffusion.denoiser import DenoiserConfig, sinusoid
from models.diffusion.process import CLAMP, cosine_schedule, ddim_step, q_sample, visited_times, window_noise
from models.finepose.model import FinePOSEConfig
from models.finepose.prompt import Part, prompt_parts
from models.lifter import Batch, Sampling
from models.skeleton import HUMAN36M
from models.text.encoder import TextEncoder
from models.text.tower import ResidualBlock, TextTower
from tests.speed.reference.trunk import Trunk, softmax_attention


class D3DP(nn.Module):
    """D3DP (arXiv:2303.11579)."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config, C = config, config.channels
        self.trunk = Trunk(config, inputs=5, joints=17)
        self.time_mlp = nn.Sequential(nn.Linear(C, 2 * C), nn.GELU(), nn.Linear(2 * C, C))
        self.signal = cosine_schedule()

    def training_loss(self, batch: Batch) -> Tensor:
        assert batch.pose_3d is not None
        times = torch.randint(0, 1000, (len(batch),))
        scale = self.config.scale
        noisy = q_sample(batch.pose_3d * scale, torch.randn_like(batch.pose_3d), times, self.signal)
        noisy = noisy.clamp(-CLAMP * scale, CLAMP * scale) / scale
        times = times.to(noisy.device)
        estimate = self.denoise(batch.pose_2d, batch.actions, noisy[:, None], times)[:, 0]
        return (estimate - batch.pose_3d).norm(dim=-1).mean()

    @torch.no_grad()
    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        """``[B, K, H, F, J, 3]`` metres."""
        shape = batch.pose_2d.shape[1:3]
        noise = window_noise(
            batch.window_keys, sampling.seed, sampling.hypotheses, sampling.steps, (*shape, 3)
        ).to(batch.pose_2d.device)
        scale, estimates, current = self.config.scale, [], noise[0]
        limit = CLAMP * scale
        for number, (now, then) in enumerate(pairwise(visited_times(len(noise))), start=1):
            times = torch.full((len(batch),), now, device=noise.device)
            noisy = current.clamp(-limit, limit) / scale
            clean = self.denoise(batch.pose_2d, batch.actions, noisy, times)
            if sampling.flip:
                pose_2d, mirrored = HUMAN36M.mirror(batch.pose_2d), HUMAN36M.mirror(noisy)
                clean = (clean + HUMAN36M.mirror(self.denoise(pose_2d, batch.actions, mirrored, times))) / 2
            estimates.append((clean * scale).clamp(-limit, limit))
            if then >= 0:
                current = ddim_step(current, estimates[-1], noise[number], now, then, self.signal)
        poses = torch.stack(estimates, dim=1) / scale
        poses[..., 0, :] = 0
        return poses

    def denoise(self, pose_2d: Tensor, actions: tuple[str, ...], poses: Tensor, times: Tensor) -> Tensor:
        """Clean estimates ``[B, H, F, J, 3]`` of noisy poses at times ``[B]``."""
        B, H, F, J, _ = poses.shape
        both = torch.cat([pose_2d[:, None].repeat(1, H, 1, 1, 1), poses], dim=-1)
        time = self.time_mlp(sinusoid(times, self.config.channels))
        return self._estimate(both.reshape(B * H, F, J, 5), actions, time).reshape(B, H, F, J, 3)

    def _estimate(self, both: Tensor, actions: tuple[str, ...], time: Tensor) -> Tensor:
        return self.trunk(both, time.repeat_interleave(len(both) // len(time), dim=0))


class FinePOSE(D3DP):
    """FinePOSE (arXiv:2405.05216), prompt ``full``; in training as ``released``, joints read texts in turn."""

    def __init__(self, config: FinePOSEConfig, encoder: TextEncoder) -> None:
        super().__init__(config)
        C, W = config.channels, encoder.width
        learned = config.behaviour == "described"
        self.prompts = Prompts(encoder, prompt_parts("full", HUMAN36M), config.text_layers, config.text_heads)
        self.prompts.rows.requires_grad_(learned)
        self.pool = nn.Linear(W, C)
        self.communication = CrossAttention(C, W, config.heads, own_text=learned)
        self.stylization = Stylization(C)

    def _estimate(self, both: Tensor, actions: tuple[str, ...], time: Tensor) -> Tensor:
        H = len(both) // len(actions)
        text, pooled = self.prompts(actions)
        text = text.repeat_interleave(H, dim=0)
        time = (time + self.pool(pooled)).repeat_interleave(H, dim=0)
        return self.trunk(
            both, time, lambda tokens: self.stylization(tokens, self.communication(tokens, text), time)
        )


class Prompts(nn.Module):
    """Text features ``[U, 77, W]`` and the pooled row ``[U, W]`` of every action given, equal or not."""

    def __init__(self, encoder: TextEncoder, parts: tuple[Part, ...], layers: int, heads: int) -> None:
        super().__init__()
        W = encoder.width
        self.encoder, self.parts = encoder, parts
        self.rows = nn.ParameterDict({part.name: nn.Parameter(torch.zeros(part.rows, W)) for part in parts})
        layer = nn.TransformerEncoderLayer(W, heads, 4 * W, dropout=0.0, activation="gelu", batch_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(W)

    def forward(self, actions: tuple[str, ...]) -> tuple[Tensor, Tensor]:
        rows = []
        for part in self.parts:
            tokens = self.encoder.tokenize([part.text.format(action=action) for action in actions])
            rows += [self.rows[part.name].repeat(len(actions), 1, 1), self.encoder.embed(tokens)[:, : part.kept]]
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.rows["verb"].requires_grad):
            encoded = self._encode(torch.cat(rows, dim=1))
        features = self.norm(self.layers(encoded))
        pooling = self.encoder.pooling_row(self.encoder.tokenize(list(actions)))
        return features, features[torch.arange(len(features), device=features.device), pooling]

    def _encode(self, rows: Tensor) -> Tensor:
        if not isinstance(self.encoder, TextTower):
            return self.encoder.encode(rows)
        hidden = rows + self.encoder.positional_embedding
        for block in self.encoder.transformer["resblocks"]:
            hidden = tower_layer(block, hidden)
        return self.encoder.ln_final(hidden)


def tower_layer(block: ResidualBlock, rows: Tensor) -> Tensor:
    """One layer of CLIP's text tower over ``[U, 77, W]``, its causal attention matrix stored."""
    U, R, W = rows.shape
    attention = block.attn
    joint = functional.linear(block.ln_1(rows), attention.in_proj_weight, attention.in_proj_bias)
    query, key, value = joint.reshape(U, R, 3, attention.heads, -1).permute(2, 0, 3, 1, 4)
    future = torch.full((R, R), float("-inf"), device=rows.device).triu(1)
    mixed = softmax_attention(query, key, value, future).transpose(1, 2).reshape(U, R, W)
    rows = rows + attention.out_proj(mixed)
    hidden = block.mlp.c_fc(block.ln_2(rows))
    return rows + block.mlp.c_proj(hidden * torch.sigmoid(1.702 * hidden))


class CrossAttention(nn.Module):
    """Every joint's frames, in rows of their own, attend to the text of their window, or in turn to all texts."""

    def __init__(self, channels: int, text_width: int, heads: int, own_text: bool) -> None:
        super().__init__()
        self.heads, self.own_text = heads, own_text
        self.norm = nn.LayerNorm(channels)
        self.text_norm = nn.LayerNorm(text_width)
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(text_width, channels)
        self.value = nn.Linear(text_width, channels)

    def forward(self, tokens: Tensor, text: Tensor) -> Tensor:
        """Tokens ``[B, F, J, C]`` and their texts ``[B, 77, W]``."""
        B, F, J, C = tokens.shape
        rows = tokens.permute(0, 2, 1, 3).contiguous().reshape(B * J, F, C)
        text = self.text_norm(text)
        query = self._heads(self.query(self.norm(rows)))
        key, value = (self._heads(layer(text)) for layer in (self.key, self.value))
        if self.own_text or not torch.is_grad_enabled():
            key, value = key.repeat_interleave(J, dim=0), value.repeat_interleave(J, dim=0)
        else:
            key, value = key.repeat(J, 1, 1, 1), value.repeat(J, 1, 1, 1)
        read = softmax_attention(query, key, value).transpose(1, 2).reshape(B, J, F, C)
        return read.permute(0, 2, 1, 3).contiguous()

    def _heads(self, rows: Tensor) -> Tensor:
        return rows.reshape(*rows.shape[:2], self.heads, -1).transpose(1, 2)


class Stylization(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.scale_shift = nn.Linear(channels, 2 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, tokens: Tensor, features: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.scale_shift(functional.silu(time))[:, None, None].chunk(2, dim=-1)
        styled = self.norm(features) * (1 + scale) + shift
        return tokens + self.out(functional.silu(styled))
