"""The product and its reference at the same weights, and windows for both."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import nn

from baselines import d3dp, mixste
from models.diffusion.denoiser import DenoiserConfig
from models.finepose import model as finepose
from models.finepose.model import FinePOSEConfig
from models.layers.transformer import TrunkConfig
from models.lifter import Batch, Lifter
from models.text.tiny import fill, tiny_encoder, tiny_tokens
from models.text.tower import TextTower, TowerSize
from tests.speed.reference import denoiser, trunk

ACTIONS = ("Walking", "Sitting", "Eating", "Posing")


def mixste_pair(config: TrunkConfig) -> tuple[Lifter, nn.Module]:
    return _same_weights(mixste.MixSTE(config), trunk.MixSTE(config))


def d3dp_pair(config: DenoiserConfig) -> tuple[Lifter, nn.Module]:
    return _same_weights(d3dp.D3DP(config), denoiser.D3DP(config))


def finepose_pair(config: FinePOSEConfig) -> tuple[Lifter, nn.Module]:
    """Text through an encoder of CLIP's size with random weights at ``paper`` width, else through the tiny one."""
    config = replace(config, text="tiny")
    encoder = tiny_encoder() if config.channels < 512 else clip_sized_encoder()
    plain = denoiser.FinePOSE(config, copy.deepcopy(encoder).freeze())
    return _same_weights(finepose.FinePOSE(config, encoder=encoder), plain)


def clip_sized_encoder() -> TextTower:
    """CLIP's layers and width, which is all that time and memory depend on."""
    tower = TextTower("random", TowerSize(), tiny_tokens)
    generator = torch.Generator().manual_seed(0)
    for name, parameter in tower.named_parameters():
        fill(name, parameter, generator)
    return tower


def windows(count: int, frames: int) -> Batch:
    """Windows of different actions, poses of a person's size."""
    generator = torch.Generator().manual_seed(1)
    return Batch(
        pose_2d=torch.randn(count, frames, 17, 2, generator=generator) / 3,
        actions=tuple(ACTIONS[number % len(ACTIONS)] for number in range(count)),
        window_keys=torch.arange(count),
        pose_3d=torch.randn(count, frames, 17, 3, generator=generator) / 3,
        trajectory=torch.tensor([0.0, 0.0, 5.0]).repeat(count, frames, 1),
        camera=torch.tensor([2.3, 2.3, 0, 0, -0.2, 0.2, 0, 0, 0]).repeat(count, 1),
    )


@torch.no_grad()
def _same_weights(product: Lifter, reference: nn.Module) -> tuple[Lifter, nn.Module]:
    """Both with weights none of which is left at zero, in evaluation mode."""
    generator = torch.Generator().manual_seed(2)
    for parameter in product.parameters():
        if parameter.requires_grad:
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
    reference.load_state_dict(product.state_dict())
    return product.eval(), reference.eval()
