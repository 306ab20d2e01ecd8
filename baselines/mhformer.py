"""MHFormer: three pose hypotheses made from a window and merged (Li et al., arXiv:2111.12707, CVPR 2022).

Where its parts are:

- this file: the hypotheses' encoders, the blocks that merge them, the network, its options.
- ``models.layers.transformer``: ``Block``, ``Attention``, ``Mlp``, stochastic depth.
- ``models.inference``: every frame lifted from its own window, prediction (mean over mirror images).
- ``models.losses``: ``mean_joint_distance``, the loss.

B batch, T frames seen at once, F frames of a window, J joints, C channels of a stream, h heads, d = C / h.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from models.config import CentreConfig, added_option, check_at_least, check_probability
from models.errors import InputError
from models.inference import DeterministicLifter, centre_frames
from models.layers.coordinates import CoordinateConv1d
from models.layers.transformer import BLOCK_EPS, Attention, Block, DropPathRates, Mlp, StochasticDepth, attend
from models.lifter import SMALL_CENTRE_RECIPE, TINY_CENTRE_RECIPE, Batch, Preset, Recipe
from models.losses import mean_joint_distance
from models.skeleton import HUMAN36M, Skeleton
from models.tuned import tuned

STREAMS = 3
GENERATOR_HEADS = 9
HEADS = 8
SHORT = 27
"""Windows up to this length are embedded with a batch norm, an activation and dropout, longer ones linearly."""
PAPER_RECIPE = Recipe(
    19, 351 * 128, learning_rate=1e-3, decay=0.95, weight_decay=0.0, optimizer="amsgrad", schedule="halving"
)

TINY: dict[str, Any] = {
    "frames": 9, "length": 9, "channels": 16, "hidden": 32, "generator_layers": 2, "layers": 2, "dropout": 0.0,
    "embedding_dropout": 0.0, "drop_path": 0.0,
}  # fmt: skip
SMALL = TINY | {"frames": 27, "length": 27, "channels": 32, "hidden": 64}


@dataclass(frozen=True)
class MHFormerConfig(CentreConfig):
    """Size of the network.

    Attributes:
        length: T, frames that are seen and supervised in training, and seen to lift the one in their middle; a
            multiple of 9, because frames are the channels of 9 heads.
        stride: frames from one training window to the next; None for ``length``, without overlap.
        channels: C, a multiple of 8 (heads).
        hidden: width of the MLP that joins the streams.
        generator_layers: blocks of each of the three transformers that make hypotheses.
        layers: blocks that merge the streams: all but the last refine each stream, the last lets them interact.
        dropout: after tables, projections and in MLPs.
        embedding_dropout: of the embedded hypotheses, where ``length`` is at most 27.
        drop_path: stochastic depth of the last block of each transformer; it grows linearly from 0 at the first.
        padded: train on a window around every frame, end frames repeated, as released; else on those that lie
            within the sequence.
    """

    length: int = 351
    stride: int | None = None
    channels: int = 512
    hidden: int = 1024
    generator_layers: int = 4
    layers: int = 3
    dropout: float = 0.1
    embedding_dropout: float = 0.25
    drop_path: float = 0.2
    padded: bool = added_option(False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length % GENERATOR_HEADS:
            raise InputError(f"length is {self.length}, but must be a multiple of 9: take 27, 81, 243 or 351")
        if self.channels < HEADS or self.channels % HEADS:
            raise InputError(f"channels is {self.channels}, but must be a multiple of {HEADS}: take 512")
        check_at_least(self, 1, "stride", "hidden", "generator_layers", "layers")
        check_probability(self, "dropout", "embedding_dropout", "drop_path")


class HypothesisEncoder(nn.Module):
    """A transformer whose tokens are the coordinates and whose channels are the frames: ``[B, J·2, T]``."""

    def __init__(self, config: MHFormerConfig, coordinates: int) -> None:
        super().__init__()
        T = config.length
        self.table = nn.Parameter(torch.zeros(1, coordinates, T))
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.Sequential(
            *(
                Block(T, GENERATOR_HEADS, 2, rate, config.dropout)
                for rate in DropPathRates(config.drop_path, config.generator_layers)
            )
        )
        self.norm = nn.LayerNorm(T, eps=BLOCK_EPS)

    def forward(self, motion: Tensor) -> Tensor:
        tokens = self.dropout(motion + self.table)
        return self.norm(self.blocks(tokens[:, :, None])[:, :, 0])  # [B, J·2, T] → [B, J·2, 1, T] → [B, J·2, T]


class Mixing(nn.Module):
    """One pre-norm MLP over the channels of all three streams ``[B, T, 1, C]`` together."""

    def __init__(self, config: MHFormerConfig, drop_path: float) -> None:
        super().__init__()
        width = STREAMS * config.channels
        self.norm = nn.LayerNorm(width, eps=BLOCK_EPS)
        self.mlp = Mlp(width, config.hidden, config.dropout)
        self.drop_path = StochasticDepth(drop_path)

    def forward(self, streams: list[Tensor]) -> list[Tensor]:
        joined = torch.cat(streams, dim=-1)  # three [B, T, 1, C] → [B, T, 1, 3·C]
        joined = joined + self.drop_path(self.mlp(self.norm(joined)))
        return list(joined.chunk(STREAMS, dim=-1))  # [B, T, 1, 3·C] → three [B, T, 1, C]


class Refinement(nn.Module):
    """Each stream ``[B, T, 1, C]`` attends to itself, then all are mixed (SHR of the paper)."""

    def __init__(self, config: MHFormerConfig, drop_path: float) -> None:
        super().__init__()
        C = config.channels
        self.norms = nn.ModuleList(nn.LayerNorm(C, eps=BLOCK_EPS) for _ in range(STREAMS))
        self.attentions = nn.ModuleList(Attention(C, HEADS, config.dropout) for _ in range(STREAMS))
        self.mixing = Mixing(config, drop_path)
        self.drop_path = StochasticDepth(drop_path)

    def forward(self, streams: list[Tensor]) -> list[Tensor]:
        layers = zip(streams, self.norms, self.attentions, strict=True)
        return self.mixing([stream + self.drop_path(attn(norm(stream))) for stream, norm, attn in layers])


class CrossAttention(nn.Module):
    """Softmax attention of ``[B, T, 1, C]`` whose queries, keys and values come from three sources."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.query_norm, self.key_norm, self.value_norm = (nn.LayerNorm(channels, BLOCK_EPS) for _ in range(3))
        self.query, self.key, self.value = (nn.Linear(channels, channels) for _ in range(3))
        self.proj = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        layers = (self.query_norm, self.query), (self.key_norm, self.key), (self.value_norm, self.value)
        projected = (
            linear(norm(stream)) for (norm, linear), stream in zip(layers, (queries, keys, values), strict=True)
        )
        # [B, T, 1, C] → [B, T, C] → [B, T, h, d] → [B, h, T, d]
        mixed = attend(*(part.squeeze(2).unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in projected))
        mixed = mixed.transpose(1, 2).flatten(2)  # [B, h, T, d] → [B, T, h, d] → [B, T, C]
        return self.dropout(self.proj(mixed))[:, :, None]  # [B, T, C] → [B, T, 1, C]


class Interaction(nn.Module):
    """Interaction of streams ``[B, T, 1, C]`` (CHI of the paper), one stream after the other.

    A stream is added a weighted sum of its own frames; of the two other streams one gives the queries and one the
    keys for the weights. Then all three are mixed.
    """

    def __init__(self, config: MHFormerConfig) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(CrossAttention(config.channels, config.dropout) for _ in range(STREAMS))
        self.mixing = Mixing(config, config.drop_path)
        self.drop_path = StochasticDepth(config.drop_path)

    def forward(self, streams: list[Tensor]) -> list[Tensor]:
        streams = list(streams)
        for number, attention in enumerate(self.attentions):
            queries, keys = (stream for other, stream in enumerate(streams) if other != number)
            read = attention(queries, keys, streams[number])
            streams[number] = streams[number] + self.drop_path(read)
        return self.mixing(streams)


class MHFormer(DeterministicLifter):
    """Trains on all frames of a window of T; a frame is evaluated as the centre of its own window of T."""

    title = "MHFormer"
    Config = MHFormerConfig
    compiled_part = "lift"
    trains_compiled_part = True
    presets = {
        "tiny": tuned("mhformer", MHFormerConfig(**TINY), replace(TINY_CENTRE_RECIPE, batch_windows=256)),
        "small": Preset(MHFormerConfig(**SMALL), SMALL_CENTRE_RECIPE),
        "base": Preset(
            MHFormerConfig(frames=81, length=81, stride=9, channels=128, hidden=256),
            replace(PAPER_RECIPE, batch_frames=81 * 256),
        ),
        "paper": Preset(MHFormerConfig(stride=1, padded=True), PAPER_RECIPE),
    }
    published = {"optimizer": "amsgrad", "rate_per": "epoch", "batches": "full"}

    def __init__(self, config: MHFormerConfig, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        self.frames, self.train_frames = config.frames, config.length
        self.context, self.train_stride = config.context, config.stride
        self.train_beyond = config.length // 2 if config.padded else 0
        T, C, J = config.length, config.channels, len(skeleton.joints)
        self.motion_norms = nn.ModuleList(nn.LayerNorm(T) for _ in range(STREAMS))
        self.encoders = nn.ModuleList(HypothesisEncoder(config, 2 * J) for _ in range(STREAMS))
        self.embeddings = nn.ModuleList(_embedding(config, 2 * J) for _ in range(STREAMS))
        self.frame_tables = nn.ParameterList(torch.zeros(1, T, C) for _ in range(STREAMS))
        self.dropout = nn.Dropout(config.dropout)
        *rates, _ = DropPathRates(config.drop_path, config.layers)
        self.refinements = nn.Sequential(*(Refinement(config, rate) for rate in rates))
        self.interaction = Interaction(config)
        self.norm = nn.LayerNorm(STREAMS * C, eps=BLOCK_EPS)
        self.head = nn.Sequential(nn.BatchNorm1d(STREAMS * C), CoordinateConv1d(STREAMS * C, 3 * J, 1))

    def lift(self, pose_2d: Tensor) -> Tensor:
        """Poses ``[B, T, J, 2]`` to ``[B, T, J, 3]``."""
        streams = [  # [B, J·2, T] → [B, C, T] → [B, T, C] → [B, T, 1, C]
            self.dropout(embedding(hypothesis).transpose(1, 2) + table)[:, :, None]
            for embedding, hypothesis, table in zip(
                self.embeddings, self.hypotheses(pose_2d), self.frame_tables, strict=True
            )
        ]
        merged = torch.cat(self.interaction(self.refinements(streams)), dim=-1)  # [B, T, 1, 3·C]
        channels = self.norm(merged.squeeze(2)).transpose(1, 2)  # [B, T, 1, 3·C] → [B, T, 3·C] → [B, 3·C, T]
        poses = self.head(channels).transpose(1, 2)  # [B, J·3, T] → [B, T, J·3]
        return poses.unflatten(2, (-1, 3))  # [B, T, J·3] → [B, T, J, 3]

    def hypotheses(self, pose_2d: Tensor) -> list[Tensor]:
        """Three motions ``[B, J·2, T]``, each the one before plus what an encoder makes of it."""
        motion = pose_2d.flatten(2).transpose(1, 2)  # [B, T, J, 2] → [B, T, J·2] → [B, J·2, T]
        motions = []
        for norm, encoder in zip(self.motion_norms, self.encoders, strict=True):
            motion = motion + encoder(norm(motion))
            motions.append(motion)
        return motions

    def training_loss(self, batch: Batch) -> Tensor:
        """Mean joint distance of all frames; no context is needed in training."""
        assert batch.pose_3d is not None
        left, _ = self.context
        return mean_joint_distance(self.lift(batch.pose_2d[:, left : left + self.train_frames]), batch.pose_3d)

    def lift_windows(self, seen: Tensor) -> Tensor:
        middle = self.config.length // 2
        return centre_frames(lambda some: self.lift(some)[:, middle], seen, self.config.length, self.frames)


def _embedding(config: MHFormerConfig, coordinates: int) -> nn.Module:
    C = config.channels
    convolution = nn.Conv1d(coordinates, C, 1)
    if config.length > SHORT:
        return convolution
    return nn.Sequential(convolution, nn.BatchNorm1d(C), nn.ReLU(), nn.Dropout(config.embedding_dropout))
