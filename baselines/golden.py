"""What the methods compute on golden vectors: recorded inputs, and weights that follow from the entries' names.

A file is an ``.npz`` with ``config`` (a JSON string: sizes), where there is a model ``keys`` (a JSON list of
published name and shape), inputs, and the outputs of the original implementation. A case builds the method at the
file's size, whatever that is, and returns its own outputs under the names of the stored ones.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.d3dp import D3DP
from baselines.mixste import MixSTE, mixste_loss
from baselines.published import our_name, schedule_buffers
from baselines.tcn import TCNConfig, TemporalConvolutions
from models.denoiser import Denoiser, DenoiserConfig, sinusoid
from models.diffusion import cosine_schedule, predict_noise_from_start, q_sample, visited_times
from models.errors import InputError
from models.finepose.model import FinePOSE, FinePOSEConfig
from models.losses import mean_joint_distance, temporal_consistency, velocity
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton
from models.spatiotemporal import TrunkConfig
from models.text.bpe import clip_tokens
from models.text.encoder import CONTEXT
from models.text.tower import TextTower, TowerSize

Outputs = dict[str, Tensor]


class NotInstalledError(Exception):
    """A case needs something that this machine lacks; the message says what to install."""


class Vectors:
    """A file of golden vectors; it remembers which arrays were read, so that none goes unnoticed.

    Attributes:
        config: sizes and conditions.
        names: of all arrays.
        read: names of those that were asked for.
    """

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        self.config: dict[str, Any] = json.loads(str(arrays.pop("config")))
        self._keys: list[tuple[str, list[int]]] = json.loads(str(arrays.pop("keys", "[]")))
        self._arrays = arrays
        self.names = list(arrays)
        self.read: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(self.array(name))

    def array(self, name: str) -> np.ndarray:
        """The array as it is stored."""
        self.read.add(name)
        return self._arrays[name]

    def stored(self, name: str) -> np.ndarray:
        """An output to compare with; not counted as read."""
        return self._arrays[name]

    def weights(self, method: str) -> Outputs:
        """A state dict of the method, every entry made from its published name."""
        entries = [(name, shape) for name, shape in self._keys if name not in schedule_buffers()]
        named = {our_name(method, name): weight_from_name(name, shape) for name, shape in entries}
        if None in named:
            unknown = [name for name, _ in entries if our_name(method, name) is None]
            raise ValueError(f"{method} has no name for {', '.join(unknown)}")
        return {str(name): torch.from_numpy(weight) for name, weight in named.items()}

    def grad_norms(self, method: str, module: nn.Module, prefix: str = "") -> Tensor:
        """Gradient norms by ``config["grad_param_names"]``; -1 where no gradient reaches a parameter."""
        named = dict(module.named_parameters())
        names = [our_name(method, published) or published for published in self.config["grad_param_names"]]
        grads = [named[name.removeprefix(prefix)].grad for name in names]
        return torch.stack([torch.tensor(-1.0) if grad is None else grad.norm() for grad in grads])


def weight_from_name(name: str, shape: list[int]) -> np.ndarray:
    """The golden vectors' recipe: a weight drawn from its name, float32 (int64 0 for a batch counter)."""
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    drawn = rng.standard_normal(tuple(shape)).astype(np.float32) * np.float32(0.02)
    if name.endswith("running_var"):
        return np.float32(1) + np.abs(drawn)
    if len(shape) == 1:
        return np.float32(1) + drawn if name.endswith(".weight") else drawn
    if name.endswith("weight") and not name.endswith("token_embedding.weight"):
        gain = 0.7 if len(shape) == 2 else 1.0
        return drawn * np.float32(gain / (0.02 * np.sqrt(np.prod(shape[1:]))))
    return drawn * np.float32(25) if len(shape) >= 2 else drawn


def tcn(vectors: Vectors) -> Outputs:
    """Dilated and strided form, both also causal, and one training pass with batch statistics."""
    x = vectors["x"]
    first = x[:, : vectors.config["receptive_field"]]
    outputs: Outputs = {}
    for prefix, causal in (("", False), ("causal_", True)):
        network = _convolutions(vectors, causal)
        with torch.no_grad():
            outputs[f"{prefix}out_dilated"] = network.dilated(x)
            outputs[f"{prefix}out_1f"] = network.strided(first)
    if "train_target" in vectors:
        network = _convolutions(vectors, causal=False).train()
        out = network.dilated(x)
        loss = mean_joint_distance(out, vectors["train_target"])
        loss.backward()
        outputs |= {"train_out": out, "train_loss": loss}
        outputs["train_grad_norms"] = vectors.grad_norms("tcn", network, "network.")
        outputs["train_running_mean_expand_bn"] = network.get_buffer("expand_norm.running_mean")
        outputs["train_running_var_expand_bn"] = network.get_buffer("expand_norm.running_var")
    return outputs


def _convolutions(vectors: Vectors, causal: bool) -> TemporalConvolutions:
    config = vectors.config
    widths = tuple(config["filter_widths"])
    size = TCNConfig(filter_widths=widths, channels=config["channels"], dropout=0, causal=causal)
    network = TemporalConvolutions(size, config["joints_in"], config["joints_out"])
    weights = vectors.weights("tcn")
    network.load_state_dict({name.removeprefix("network."): weight for name, weight in weights.items()})
    return network.eval()


def mixste(vectors: Vectors) -> Outputs:
    """The lifter, its tokens after the first pair of blocks, and gradients of the mean joint distance."""
    lifter = MixSTE(TrunkConfig(**_trunk_size(vectors)))
    lifter.load_state_dict(vectors.weights("mixste"))
    lifter.eval()
    seen: Outputs = {}
    for norm, name in ((lifter.trunk.spatial_norm, "after_ste0"), (lifter.trunk.temporal_norm, "after_tte0")):
        norm.register_forward_hook(_keep_first(seen, name))
    x = vectors["x"]
    out = lifter.lift(x)
    outputs = {name: _joint_rows(tokens, len(x), lifter.frames) for name, tokens in seen.items()} | {"out": out}
    if "target" in vectors:
        outputs |= _loss_and_gradients(vectors, "mixste", lifter, out)
    return outputs


def _keep_first(seen: Outputs, name: str) -> Callable[[nn.Module, Any, Tensor], None]:
    def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
        seen.setdefault(name, output)

    return hook


def _joint_rows(tokens: Tensor, windows: int, frames: int) -> Tensor:
    """Tokens ``[B, F, J, C]``, or of that order, to the original's rows ``[B * J, F, C]``."""
    return tokens.reshape(windows, frames, -1, tokens.shape[-1]).transpose(1, 2).flatten(0, 1)


def _loss_and_gradients(vectors: Vectors, method: str, lifter: nn.Module, out: Tensor) -> Outputs:
    loss = mean_joint_distance(out, vectors["target"])
    loss.backward()
    return {"loss": loss, "grad_norms": vectors.grad_norms(method, lifter)}


def _trunk_size(vectors: Vectors) -> dict[str, Any]:
    config = vectors.config
    return {
        "frames": config["num_frame"],
        "channels": config["embed_dim"],
        "depth": config["depth"],
        "heads": config["num_heads"],
        "mlp_ratio": config.get("mlp_ratio", 2.0),
    }


def d3dp(vectors: Vectors) -> Outputs:
    """The denoiser in training and evaluation form, the training forward pass, the sampler."""
    size = DenoiserConfig(**_trunk_size(vectors), scale=vectors.config.get("scale", 1.0))
    lifter = D3DP(size, _skeleton(vectors.config))
    lifter.load_state_dict(vectors.weights("d3dp"))
    return _denoiser(vectors, "d3dp", lifter.eval(), actions=())


def finepose(vectors: Vectors) -> Outputs:
    """As D3DP, with the text path, the text cross-attention, and windows that are lifted alone."""
    config = vectors.config
    lifter = _finepose(vectors)
    actions = tuple(config["actions"]) if lifter.uses_action else ("",) * config.get("batch", 2)
    outputs: Outputs = {}
    assert lifter.prompts is not None
    assert lifter.pool is not None
    with torch.no_grad():
        features, pooled = lifter.prompts(sorted(set(actions)))
        order = [sorted(set(actions)).index(action) for action in actions]
        outputs |= {"xf_out": features[order], "xf_proj": lifter.pool(pooled)[order]}
        outputs["xf_out_every_8th_channel"] = outputs["xf_out"][..., ::8]
    if "x_2d" not in vectors:
        return outputs
    outputs |= _cross_attention(vectors, lifter, actions) if "tca_in" in vectors else {}
    return outputs | _denoiser(vectors, "finepose", lifter, actions)


def _finepose(vectors: Vectors) -> FinePOSE:
    config = vectors.config
    texts = list(config["part_texts"]) + (config["actions"] if "action_tokens" in vectors else [])
    arrays = ["part_tokens", "action_tokens"] if "action_tokens" in vectors else ["part_tokens"]
    tokens = dict(zip(texts, np.concatenate([vectors.array(name) for name in arrays]).tolist(), strict=True))
    clip = config["clip_text"]
    size = TowerSize(clip["width"], clip["layers"], clip["heads"], clip.get("vocab", TowerSize.vocabulary))
    options = _trunk_size(vectors) | {"behaviour": "released", "scale": config.get("scale", 1.0)}
    if "text_encoder" in config:
        options |= {"text_layers": config["text_encoder"]["layers"], "text_heads": config["text_encoder"]["heads"]}
    lifter = FinePOSE(FinePOSEConfig(**options), _skeleton(config), TextTower("clip", size, tokens.__getitem__))
    lifter.load_state_dict(vectors.weights("finepose"))
    return lifter.eval()


def _skeleton(config: dict[str, Any]) -> Skeleton:
    return MPI_INF_3DHP if config.get("joints_left") == list(MPI_INF_3DHP.left) else HUMAN36M


def _cross_attention(vectors: Vectors, lifter: FinePOSE, actions: tuple[str, ...]) -> Outputs:
    """Tokens into and out of the text's part, and every window lifted on its own."""
    assert lifter.stylization is not None
    x_2d, x_3d, t = vectors["x_2d"], vectors["x_3d"], vectors["t"]
    step = int(vectors.array("tca_channel_step"))
    seen: Outputs = {}
    handle = lifter.stylization.register_forward_hook(
        lambda module, inputs, output: seen.update(tca_in=inputs[0], tca_out=output)
    )
    with torch.no_grad():
        lifter.denoise(lifter.condition(x_2d, actions), x_3d[:, None], t)
        handle.remove()
        conditions = [lifter.condition(x, (action,)) for x, action in zip(x_2d.split(1), actions, strict=True)]
        windows = zip(conditions, x_3d[:, None].split(1), t.split(1), strict=True)
        alone = [lifter.denoise(*window) for window in windows]
    rows = {name: _joint_rows(tokens, len(x_2d), lifter.frames)[..., ::step] for name, tokens in seen.items()}
    return rows | {"out_train_single": torch.cat(alone)[:, 0]}


def _denoiser(vectors: Vectors, method: str, lifter: Denoiser, actions: tuple[str, ...]) -> Outputs:
    """All cases of a denoiser that the file has."""
    x_2d = vectors["x_2d"]
    outputs: Outputs = {"x_2d_flip": lifter.skeleton.mirror(x_2d)}
    with torch.no_grad():
        if "t" in vectors:
            embedded = sinusoid(vectors["t"], lifter.config.channels)
            outputs |= {"sinusoid": embedded, "time_embed": lifter.time_mlp(embedded)}
        if "x_3d_h" in vectors:
            condition = lifter.condition(x_2d, actions)
            outputs["out_eval"] = lifter.denoise(condition, vectors["x_3d_h"], vectors["t"])
        outputs |= _diffused(vectors, lifter, actions) if "tf_t" in vectors else {}
        if "noise" in vectors:
            outputs["preds"] = lifter.sample(x_2d, actions, vectors["noise"])
            outputs["preds_mm"] = outputs["preds"] * 1000
    if "x_3d" in vectors:
        out = lifter.denoise(lifter.condition(x_2d, actions), vectors["x_3d"][:, None], vectors["t"])[:, 0]
        outputs |= {"out_train": out} | (
            _loss_and_gradients(vectors, method, lifter, out) if "grad_norms" in vectors else {}
        )
    return outputs


def _diffused(vectors: Vectors, lifter: Denoiser, actions: tuple[str, ...]) -> Outputs:
    target = vectors["tf_target_mm"] / 1000 if "tf_target_mm" in vectors else vectors["target"]
    times, noise = vectors["tf_t"], vectors["tf_noise"]
    out = lifter.denoise_diffused(vectors["x_2d"], actions, target, times, noise)
    return {"tf_x_t": lifter.diffuse(target, times, noise), "tf_out": out, "tf_out_mm": out * 1000}


def losses(vectors: Vectors) -> Outputs:
    """MixSTE's loss with its parts and gradient, and the mean joint distance with and without sample weights."""
    target, weights = vectors["target"], vectors["joint_weights"]
    pred = vectors["pred"].requires_grad_()
    total = mixste_loss(pred, target, weights)
    (grad,) = torch.autograd.grad(total, pred)
    first = mean_joint_distance(pred[:, :1], target[:, :1], vectors["sample_weights"][:, None, None])
    return {
        "out_weighted_position": mean_joint_distance(pred, target, weights),
        "out_temporal_consistency": temporal_consistency(pred, weights),
        "out_velocity": velocity(pred, target),
        "out_total": total,
        "out_grad": grad,
        "out_grad_scaled_by_loss": grad * total,
        "out_mpjpe": mean_joint_distance(pred, target),
        "out_sample_weighted_mpjpe_first_frame": first,
    }


def schedule(vectors: Vectors) -> Outputs:
    """The twelve buffers, the forward process, the noise estimate, the visited times."""
    signal = cosine_schedule(vectors.config["timesteps"])
    outputs = {f"{name}_f64": buffer for name, buffer in schedule_buffers().items()}
    outputs["q_out"] = q_sample(vectors["q_x0"], vectors["q_noise"], vectors["q_t"], signal)
    outputs["pn_out"] = predict_noise_from_start(vectors["pn_x_t"], vectors["pn_x0"], vectors["q_t"], signal)
    for name in vectors.names:
        if name.startswith("times_K"):
            outputs[name] = torch.tensor(visited_times(int(name.removeprefix("times_K"))))
    return outputs


def tokens(vectors: Vectors) -> Outputs:
    """CLIP's tokens of action words, part words and awkward texts."""
    texts = {
        "action_tokens": vectors.config["actions"],
        "part_tokens": vectors.config["part_texts"],
        "extra_tokens": json.loads(str(vectors.array("extra_texts"))),
    }
    try:
        padded = {name: [clip_tokens(text) for text in some] for name, some in texts.items()}
    except InputError as error:
        raise NotInstalledError(str(error)) from error
    return {
        name: torch.tensor([ids + [0] * (CONTEXT - len(ids)) for ids in rows], dtype=torch.int32)
        for name, rows in padded.items()
    }


CASES: dict[str, Callable[[Vectors], Outputs]] = {
    "TCN": tcn,
    "MixSTE": mixste,
    "D3DP denoiser": d3dp,
    "D3DP sampler (flip)": d3dp,
    "FinePOSE text path": finepose,
    "FinePOSE denoiser": finepose,
    "FinePOSE, 3DHP variant": finepose,
    "training losses": losses,
    "diffusion schedule": schedule,
    "CLIP byte-pair tokens": tokens,
}
"""By ``config["model"]`` or ``config["what"]`` of a file."""
