"""The skeleton as a graph: adjacency matrices and filters of graph convolutions. J joints."""

from __future__ import annotations

import torch
from torch import Tensor

from models.skeleton import Skeleton


def partitions(skeleton: Skeleton) -> Tensor:
    """Three graphs ``[3, J, J]``, in which a joint receives from itself, its parent, or the mean of its children.

    Indexed [source, destination], to be used as ``x @ A`` for ``x`` ``[..., J]``. The column of a joint without
    such a source is 0.
    """
    own = torch.eye(len(skeleton.joints))
    parents, children = (list(ends) for ends in zip(*skeleton.bones, strict=True))
    inward = torch.zeros_like(own)
    inward[parents, children] = 1
    outward = inward.T / inward.sum(1).clamp_min(1)
    return torch.stack([own, inward, outward])


def neighbours(skeleton: Skeleton) -> Tensor:
    """Joints connected to a joint, and the joint itself, every row divided by its sum: ``[J, J]``."""
    own, inward, _ = partitions(skeleton)
    connected = own + inward + inward.T
    return connected / connected.sum(1, keepdim=True)


def chebyshev(adjacency: Tensor) -> Tensor:
    """The first three Chebyshev polynomials ``[3, J, J]`` of a graph's plain Laplacian (arXiv:1606.09375)."""
    own = torch.eye(len(adjacency))
    scale = adjacency.sum(1).rsqrt()
    laplacian = own - scale[:, None] * adjacency * scale
    return torch.stack([own, laplacian, 2 * laplacian @ laplacian - own])
