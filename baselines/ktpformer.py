"""KTPFormer: MixSTE behind two blocks that know the skeleton and the order of frames (Peng et al., CVPR 2024).

Where its parts are:

- this file: the graph units that replace the embedding and stand before the frame table, their graphs, schedules.
- ``baselines.mixste``: prediction and loss. ``models.layers.transformer``: the trunk and ``TrunkConfig``.

The first pair of the trunk's blocks is the pair of prior blocks. B batch, F frames, J joints, C channels; in a
graph unit N rows, L nodes, M columns, each of which is a graph of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from baselines.mixste import MixSTE
from models.errors import InputError
from models.layers.transformer import TINY_TRUNK, TrunkConfig
from models.lifter import TINY_RECIPE, Preset, Recipe
from models.skeleton import HUMAN36M, Skeleton

PRIOR_EPS = 1e-5
"""Of the norm before the attention of the first pair, as released; all other blocks have 1e-6."""
W_GAIN = 1.414
FIRST_LINKS = 1e-6
"""Initial values of the learned part of a graph."""


class GraphUnit(nn.Module):
    """A graph convolution over the L nodes of ``[N, L, M, C]``, batch norm and ReLU.

    A node sees itself through one matrix and the nodes linked to it through another. The graph is ``links`` plus a
    learned part, made symmetric (section 3.2 of the paper). Parameters keep their published names.
    """

    def __init__(self, inputs: int, outputs: int, links: Tensor) -> None:
        super().__init__()
        self.register_buffer("links", links, persistent=False)
        self.W = nn.Parameter(torch.empty(2, inputs, outputs))
        nn.init.xavier_uniform_(self.W, gain=W_GAIN)
        self.M = nn.Parameter(torch.ones(len(links), outputs))
        self.adj2 = nn.Parameter(torch.full_like(links, FIRST_LINKS))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-1, 1) / outputs**0.5)
        self.bn = nn.BatchNorm1d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        graph = self.get_buffer("links") + self.adj2
        graph = (graph + graph.T) / 2
        own = graph.diagonal()
        scale = self.M[:, None]  # [L, C] → [L, 1, C]
        seen = ((features @ self.W[1]) * scale).flatten(2)  # [N, L, M, C] → [N, L, M·C]
        received = ((graph - own.diag()) @ seen).unflatten(
            2, (features.shape[2], -1)
        )  # [N, L, M·C] → [N, L, M, C]
        mixed = own[:, None, None] * (features @ self.W[0]) * scale + received + self.bias
        return self.bn(mixed.flatten(0, 2)).view(mixed.shape).relu()  # [N, L, M, C] → [N·L·M, C] → [N, L, M, C]


def linked(links: Iterable[tuple[int, int]], nodes: int) -> Tensor:
    """``[nodes, nodes]``: undirected links, every row divided by its sum, then 1 from every node to itself."""
    graph = torch.zeros(nodes, nodes)
    for first, second in links:
        graph[first, second] = graph[second, first] = 1
    return graph / graph.sum(1, keepdim=True) + torch.eye(nodes)


class KTPFormer(MixSTE):
    """MixSTE whose embedding is a graph unit over joints, with two more over frames before the frame table.

    ``depth`` of its configuration counts the pair of prior blocks, which the published count leaves out.
    """

    title: ClassVar[str] = "KTPFormer"
    presets: ClassVar[dict[str, Preset]] = {
        "tiny": Preset(TrunkConfig(**TINY_TRUNK | {"input_gain": 1.0}), TINY_RECIPE),
        "base": Preset(
            TrunkConfig(frames=81, channels=128, depth=4, heads=8),
            Recipe(epochs=60, batch_frames=1296, learning_rate=2e-4, decay=0.98, weight_decay=0.1),
        ),
        "paper": Preset(
            TrunkConfig(depth=8),
            Recipe(epochs=200, batch_frames=8 * 243, learning_rate=8e-5, decay=0.99, weight_decay=0.1),
        ),
    }

    def __init__(self, config: TrunkConfig, skeleton: Skeleton = HUMAN36M) -> None:
        """Raises ``InputError`` for another ``input_gain`` than 1, and what ``MixSTE`` raises."""
        if config.input_gain != 1:
            raise InputError(f"input_gain is {config.input_gain}, but KTPFormer norms its embedding: leave it out")
        super().__init__(config, skeleton)
        C = config.channels
        joints = linked(skeleton.bones, len(skeleton.joints))
        frames = linked(pairwise(range(config.frames)), config.frames)
        del self.trunk.embedding
        self.spatial_prior = GraphUnit(2, C, joints)
        self.temporal_prior = nn.Sequential(GraphUnit(C, C, frames), GraphUnit(C, C, frames))
        for blocks in (self.trunk.spatial_blocks, self.trunk.temporal_blocks):
            blocks[0].norm1.eps = PRIOR_EPS

    def lift_windows(self, seen: Tensor) -> Tensor:
        frames = seen.flatten(0, 1)[:, :, None]  # [B, F, J, 2] → [B·F, J, 1, 2]
        # [B·F, J, 1, C] → [B, F, J, C]
        tokens = self.spatial_prior(frames)[:, :, 0].unflatten(0, seen.shape[:2]) + self.trunk.joint_table
        if self.training:  # the batch norms average over all windows, so these must not be computed in parts
            return self.trunk.lift(tokens, slice(0, len(tokens)), self._see_frames)
        return self.trunk(tokens, self._see_frames)

    def _see_frames(self, tokens: Tensor, part: slice) -> Tensor:
        return tokens + self.temporal_prior(tokens)
