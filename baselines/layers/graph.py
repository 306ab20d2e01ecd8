"""The skeleton as a graph: adjacency matrices and filters of graph convolutions. J joints."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from models.skeleton import Skeleton


def partitions(skeleton: Skeleton, swapped: Collection[int] = ()) -> Tensor:
    """Three graphs ``[3, J, J]``, in which a joint receives from itself, its parent, or the mean of its children.

    Indexed [source, destination], to be used as ``x @ A`` for ``x`` ``[..., J]``. The column of a joint without
    such a source is 0.

    Args:
        skeleton: of the joints.
        swapped: joints of which parent and child change roles.
    """
    own = torch.eye(len(skeleton.joints))
    bones = [(child, parent) if child in swapped else (parent, child) for parent, child in skeleton.bones]
    parents, children = (list(ends) for ends in zip(*bones, strict=True))
    inward = torch.zeros_like(own)
    inward[parents, children] = 1
    return torch.stack([own, *(graph / graph.sum(0).clamp_min(1) for graph in (inward, inward.T))])


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
