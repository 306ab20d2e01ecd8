"""Golden cases of DiffPose."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from baselines.diffpose import (
    XYZ,
    GraphConfig,
    GraphNetwork,
    about_root,
    clean_joints,
    linear_betas,
    linear_schedule,
    noise_loss,
    refine,
)
from baselines.layers.graph import chebyshev, neighbours
from baselines.published.diffpose import ADAPTER
from models.diffusion.denoiser import sinusoid
from models.diffusion.process import ddim_step, q_sample
from models.losses import mean_joint_distance
from models.skeleton import HUMAN36M
from tests.parity.vectors import GRADIENTS, Case, Limit, Limits, Outputs, Vectors, first_output, loss_and_gradients

LIMITS: Limits = (GRADIENTS, (r"(released|eta1)_.*", Limit(1e-5)), (r".*", Limit(2e-5)))


def pose(vectors: Vectors) -> Outputs:
    """The graph and its polynomials, the pose estimator with intermediates and gradients."""
    network, seen = _network(vectors, timed=False)
    out = network(vectors["x"])
    graph = neighbours(HUMAN36M)
    outputs = seen | {"out": out, "out_root_relative": about_root(out, HUMAN36M)}
    outputs |= {"adjacency": graph, "chebyshev": chebyshev(graph)}
    loss = mean_joint_distance(out, vectors["target"])
    return outputs | loss_and_gradients(vectors, ADAPTER, network, loss, "denoiser.")


def diffusion(vectors: Vectors) -> Outputs:
    """The schedule, the forward process, the denoiser with intermediates and gradients, two chains."""
    network, seen = _network(vectors, timed=True)
    signal, times = linear_schedule(), vectors["t"]
    noise = vectors["noise"] * vectors["noise_scale"]
    noisy = q_sample(vectors["x0"], noise, times, signal)
    estimate = network(vectors["x_t"], times)
    outputs = seen | {"x_t": noisy, "out_noise": estimate, "alphas_cumprod": signal, "betas": linear_betas()}
    outputs["sinusoid"] = sinusoid(times, vectors.config["hid_dim"])
    assert network.temb is not None
    outputs["time_embed"] = network.temb(outputs["sinusoid"])
    outputs |= loss_and_gradients(vectors, ADAPTER, network, noise_loss(estimate, noise), "denoiser.")
    with torch.no_grad():
        return outputs | _chain(vectors, network, "released") | _chain(vectors, network, "eta1")


def _chain(vectors: Vectors, network: GraphNetwork, name: str) -> Outputs:
    visited: list[Tensor] = []

    def predict_noise(joints: Tensor, time: int) -> Tensor:
        visited.append(joints)
        return network(joints, torch.tensor([time]))

    times = vectors.config["measured"][f"{name}_times"]
    if name == "eta1":
        clean = _refine_with_noise(predict_noise, vectors["x0"], times, vectors["eta1_noise"])
    else:
        clean = refine(predict_noise, vectors["x0"], times, linear_schedule())
    return {
        f"{name}_xs": torch.stack([*visited, clean[-1]]),
        f"{name}_x0": clean,
        f"{name}_pose": about_root(clean[-1, ..., XYZ], HUMAN36M),
    }


def _refine_with_noise(
    predict_noise: Callable[[Tensor, int], Tensor], start: Tensor, times: list[int], noise: Tensor
) -> Tensor:
    """``refine`` with noise ``[K, ...]`` added after each step (eta 1), which no method here does."""
    current, estimates, signal = start, [], linear_schedule()
    for added, (now, then) in zip(noise, pairwise([*times, -1]), strict=True):
        estimates.append(clean_joints(current, predict_noise(current, now), now, signal))
        if then >= 0:
            current = ddim_step(current, estimates[-1], added, now, then, signal)
    return torch.stack(estimates)


def _network(vectors: Vectors, timed: bool) -> tuple[GraphNetwork, Outputs]:
    """A network, and a dict that its forward pass fills with features; a pose estimator has no time layers."""
    config = vectors.config
    size = GraphConfig(channels=config["hid_dim"], layers=config["layers"], heads=config["heads"], dropout=0)
    inputs, outputs = config["coords"]
    network = GraphNetwork(size, HUMAN36M, inputs, outputs, timed)
    weights = vectors.weights(ADAPTER, "denoiser.")
    network.load_state_dict({name: w for name, w in weights.items() if timed or not name.startswith("temb.")})
    seen: Outputs = {}
    for module, name in (
        ("gconv_input", "after_input"),
        ("atten_layers.0.sublayer.0", "after_attention0"),
        ("atten_layers.0", "after_attention_layer0"),
        ("gconv_layers.0", "after_graph_block0"),
    ):
        first_output(network.get_submodule(module), seen, name)
    return network.eval(), seen


CASES = {"DiffPose pose estimator": Case(pose, LIMITS), "DiffPose denoiser": Case(diffusion, LIMITS)}
