"""KTPFormer: MixSTE behind two blocks that know the skeleton and the order of frames (Peng et al., CVPR 2024).

Where its parts are:

- this file: the trunk whose first blocks see these graphs, the method, its diffusion form (own reading), sizes.
- ``baselines.mixste``: prediction and loss. ``models.diffusion.denoiser``: diffusion over poses.
- ``models.layers.transformer``: all other blocks of the trunk and ``TrunkConfig``.

The first pair of the trunk's blocks is the pair of prior blocks. B batch, F frames, J joints, C channels; in a
graph unit N rows, L nodes, M columns, each of which is a graph of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn

from baselines.d3dp import D3DP
from baselines.mixste import MixSTE
from models.diffusion.denoiser import Condition, Denoiser, DenoiserConfig
from models.errors import InputError
from models.layers.transformer import SMALL_TRUNK, TINY_TRUNK, Block, Trunk, TrunkConfig
from models.lifter import SMALL_RECIPE, TINY_RECIPE, Preset, Recipe
from models.skeleton import HUMAN36M, Skeleton
from models.tuned import tuned

PRIOR_EPS = 1e-5
"""Epsilon of the norm before the attention of the first pair, as released; all other blocks have 1e-6."""
W_GAIN = 1.414
FIRST_LINKS = 1e-6
"""Initial values of the learned part of a graph."""
UV, XYZ = slice(0, 2), slice(2, 5)


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
        return self.activate(self.mix(features))

    def mix(self, features: Tensor, inputs: slice = slice(None)) -> Tensor:
        """What is linear: the part that comes from some of the inputs, which ``features`` are; no bias."""
        graph = self.get_buffer("links") + self.adj2
        graph = (graph + graph.T) / 2
        own = graph.diagonal()
        scale = self.M[:, None]  # [L, C] → [L, 1, C]
        through_own, through_links = self.W[:, inputs]
        seen = ((features @ through_links) * scale).flatten(2)  # [N, L, M, C] → [N, L, M·C]
        # [N, L, M·C] → [N, L, M, C]
        received = ((graph - own.diag()) @ seen).unflatten(2, (features.shape[2], -1))
        return own[:, None, None] * (features @ through_own) * scale + received

    def activate(self, mixed: Tensor) -> Tensor:
        """Bias, batch norm over all axes but the last, ReLU."""
        rows = (mixed + self.bias).flatten(0, -2)  # [..., C] → [P, C]
        return self.bn(rows).view(mixed.shape).relu()


def linked(links: Iterable[tuple[int, int]], nodes: int) -> Tensor:
    """``[nodes, nodes]``: undirected links, every row divided by its sum, then 1 from every node to itself."""
    graph = torch.zeros(nodes, nodes)
    for first, second in links:
        graph[first, second] = graph[second, first] = 1
    return graph / graph.sum(1, keepdim=True).clamp_min(1) + torch.eye(nodes)


class PriorTrunk(Trunk):
    """The trunk with a graph unit over joints in place of its embedding, and two more over frames.

    ``depth`` counts the pair of prior blocks, which the published count leaves out.
    """

    def __init__(self, config: TrunkConfig, inputs: int, skeleton: Skeleton) -> None:
        """Raises ``InputError`` for another ``input_gain`` than 1."""
        if config.input_gain != 1:
            raise InputError(f"input_gain is {config.input_gain}, but KTPFormer norms its embedding: leave it out")
        super().__init__(config, inputs, len(skeleton.joints))
        del self.embedding
        C = config.channels
        frames = linked(pairwise(range(config.frames)), config.frames)
        self.spatial_prior = GraphUnit(inputs, C, linked(skeleton.bones, len(skeleton.joints)))
        self.temporal_prior = nn.Sequential(GraphUnit(C, C, frames), GraphUnit(C, C, frames))
        for block in (self.spatial_blocks[0], self.temporal_blocks[0]):
            assert isinstance(block, Block)
            block.norm1.eps = PRIOR_EPS

    def embed(self, pose_2d: Tensor) -> Tensor:
        """Tokens ``[B, F, J, C]`` of 2D poses alone, ``[B, F, J, 2]``."""
        return self.tokens(self.mix(pose_2d, UV))

    def mix(self, poses: Tensor, inputs: slice) -> Tensor:
        """Poses ``[..., F, J, 2 or 3]`` mixed along the skeleton, ``[..., F, J, C]``; parts of tokens add up."""
        frames = poses.flatten(0, -3)[:, :, None]  # [..., F, J, 2] → [N, J, 1, 2]
        mixed = self.spatial_prior.mix(frames, inputs)
        return mixed.reshape(*poses.shape[:-1], -1)  # [N, J, 1, C] → [..., F, J, C]

    def tokens(self, mixed: Tensor) -> Tensor:
        """All that is linear ``[..., F, J, C]`` to tokens of that shape, with the joint table."""
        return self.spatial_prior.activate(mixed) + self.joint_table

    def forward(self, tokens: Tensor, communicate: Callable[[Tensor, slice], Tensor] | None = None) -> Tensor:
        """Coordinates, see ``Trunk.forward``; all windows at once in training, as batch norms average over all."""
        if self.training:
            return self.lift(tokens, slice(0, len(tokens)), self._see_frames)
        return super().forward(tokens, self._see_frames)

    def _see_frames(self, tokens: Tensor, part: slice) -> Tensor:
        return tokens + self.temporal_prior(tokens)


class KTPFormer(MixSTE):
    """MixSTE with prior blocks."""

    title = "KTPFormer"
    presets = {
        "tiny": tuned("ktpformer", TrunkConfig(**TINY_TRUNK | {"input_gain": 1.0}), TINY_RECIPE),
        "small": Preset(TrunkConfig(**SMALL_TRUNK | {"input_gain": 1.0}), SMALL_RECIPE),
        "base": MixSTE.presets["base"],
        "paper": Preset(
            TrunkConfig(depth=8),
            Recipe(epochs=200, batch_frames=8 * 243, learning_rate=8e-5, decay=0.99, weight_decay=0.1),
        ),
    }

    def __init__(self, config: TrunkConfig, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        self.trunk = PriorTrunk(config, 2, skeleton)


class KTPFormerDiffusion(Denoiser):
    """D3DP with prior blocks: what the paper says of its diffusion form, which was never released.

    The noisy pose goes through the graph unit with the 2D pose; the time is added with the joint table, as in
    D3DP. The depth is the deterministic form's, the recipe is D3DP's.
    """

    title = "KTPFormer diffusion (own reading)"
    Config = DenoiserConfig
    presets = {
        "tiny": tuned("ktpformer_diffusion", DenoiserConfig(**TINY_TRUNK | {"input_gain": 1.0}), TINY_RECIPE),
        "small": Preset(DenoiserConfig(**SMALL_TRUNK | {"input_gain": 1.0}), SMALL_RECIPE),
        "base": D3DP.presets["base"],
        "paper": Preset(DenoiserConfig(depth=8), D3DP.presets["paper"].recipe),
    }
    published = D3DP.published

    trunk: PriorTrunk

    def __init__(self, config: DenoiserConfig, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__(config, skeleton)
        self.trunk = PriorTrunk(config, 5, skeleton)

    def _embed_2d(self, pose_2d: Tensor, flip: bool) -> Tensor:
        return self.trunk.mix(torch.cat([pose_2d, self.skeleton.mirror(pose_2d)]) if flip else pose_2d, UV)

    def _tokens(self, condition: Condition, poses: Tensor, time: Tensor) -> Tensor:
        # [B, 1, F, J, C] + [B, H, F, J, C]
        tokens = self.trunk.tokens(condition.pose[:, None] + self.trunk.mix(poses, XYZ))
        return (tokens + time[:, None, None, None]).flatten(0, 1)  # [B, H, F, J, C] → [B·H, F, J, C]
