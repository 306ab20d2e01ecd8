"""Published checkpoints: the names in them, what they say of the model's size, and their import.

A checkpoint is taken whole or refused: every name and every shape must fit.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from baselines.d3dp import D3DP
from baselines.mixste import MixSTE
from baselines.tcn import TCN
from models.diffusion import cosine_betas
from models.errors import InputError
from models.finepose.model import FinePOSE
from models.lifter import Lifter
from models.skeleton import HUMAN36M, MPI_INF_3DHP, Skeleton
from models.text.bpe import clip_tokens
from models.text.clip import CLIP_HEAD_WIDTH
from models.text.tower import TextTower, TowerSize
from models.torch_files import read_torch_file

MAPPING_VERSION = 1
CLASSES: dict[str, type[Lifter]] = {"tcn": TCN, "mixste": MixSTE, "d3dp": D3DP, "finepose": FinePOSE}
WRAPPERS = ("module.", "pose_estimator.")
UNUSED = ("clip_text.visual.", "clip_text.text_projection", "clip_text.logit_scale")

_TRUNK = {
    "Spatial_pos_embed": "trunk.joint_table",
    "Temporal_pos_embed": "trunk.frame_table",
    "Spatial_patch_to_embedding.": "trunk.embedding.",
    "STEblocks.": "trunk.spatial_blocks.",
    "TTEblocks.": "trunk.temporal_blocks.",
    "Spatial_norm.": "trunk.spatial_norm.",
    "Temporal_norm.": "trunk.temporal_norm.",
    "head.": "trunk.head.",
}
_DENOISER = _TRUNK | {"time_mlp.1.": "time_mlp.0.", "time_mlp.3.": "time_mlp.2."}

RENAMES: dict[str, dict[str, str]] = {
    "tcn": {
        "expand_conv.": "network.expand_conv.",
        "expand_bn.": "network.expand_norm.",
        "layers_conv.": "network.convs.",
        "layers_bn.": "network.norms.",
        "shrink.": "network.shrink.",
    },
    "mixste": _TRUNK,
    "d3dp": _DENOISER,
    "finepose": _DENOISER
    | {
        "ctx_": "prompts.rows.",
        "clip_text.": "prompts.encoder.",
        "textTransEncoder.": "prompts.layers.",
        "text_ln.": "prompts.norm.",
        "text_proj.0.": "pool.",
        "temporal_cross_attn.proj_out.norm.": "stylization.norm.",
        "temporal_cross_attn.proj_out.emb_layers.1.": "stylization.scale_shift.",
        "temporal_cross_attn.proj_out.out_layers.2.": "stylization.out.",
        "temporal_cross_attn.": "communication.",
    },
}
"""Beginning of a published name, wrappers removed, to the beginning of ours; the first that fits counts."""


def our_name(method: str, published: str) -> str | None:
    """Our name of a published entry; None for one that the mapping does not know."""
    bare = without_wrappers(published)
    for theirs, ours in RENAMES[method].items():
        if bare.startswith(theirs):
            return ours + bare.removeprefix(theirs)
    return None


def without_wrappers(published: str) -> str:
    """A name without the prefixes that DataParallel and the diffusion models put in front of it."""
    for wrapper in WRAPPERS:
        published = published.removeprefix(wrapper)
    return published


def schedule_buffers() -> dict[str, Tensor]:
    """The twelve float64 buffers of the diffusion schedule that D3DP's and FinePOSE's checkpoints carry."""
    betas = cosine_betas()
    signal = torch.cumprod(1 - betas, dim=0)
    before = torch.cat([torch.ones(1, dtype=torch.float64), signal[:-1]])
    variance = betas * (1 - before) / (1 - signal)
    return {
        "betas": betas,
        "alphas_cumprod": signal,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": signal.sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - signal).sqrt(),
        "log_one_minus_alphas_cumprod": (1 - signal).log(),
        "sqrt_recip_alphas_cumprod": (1 / signal).sqrt(),
        "sqrt_recipm1_alphas_cumprod": (1 / signal - 1).sqrt(),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": variance.clamp_min(1e-20).log(),
        "posterior_mean_coef1": betas * before.sqrt() / (1 - signal),
        "posterior_mean_coef2": (1 - before) * (1 - betas).sqrt() / (1 - signal),
    }


@dataclass(frozen=True)
class Imported:
    """A published checkpoint in our names.

    Attributes:
        method: key in the registry.
        config: what was inferred from shapes, with the options that the caller gave.
        skeleton: whose joints it lifts.
        state: the complete state dict of the method built with ``config``.
        source_sha256: of the file.
    """

    method: str
    config: Any
    skeleton: Skeleton
    state: dict[str, Tensor]
    source_sha256: str

    def build(self) -> Lifter:
        """The method with these weights, in evaluation mode."""
        lifter = _blank(self.method, self.config, self.skeleton, self.state)
        lifter.load_state_dict(self.state)
        return lifter.eval()

    def save(self, path: Path) -> None:
        """Write a safetensors file that says where its weights come from."""
        metadata = {
            "method": self.method,
            "config": json.dumps(asdict(self.config)),
            "skeleton": self.skeleton.name,
            "source_sha256": self.source_sha256,
            "mapping_version": str(MAPPING_VERSION),
        }
        save_file({name: tensor.contiguous() for name, tensor in self.state.items()}, path, metadata)


def read_imported(path: Path) -> Imported:
    """Read what ``Imported.save`` wrote.

    Raises:
        InputError: the file is missing, is not safetensors, or was not written by this version of the import.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        reason = f"cannot be read as safetensors ({error}); name a file of import-checkpoint"
        raise InputError(f"{path}: {reason}") from None
    if metadata.get("mapping_version") != str(MAPPING_VERSION):
        raise InputError(f"{path}: was not made by this version; run `python -m bench import-checkpoint` again")
    method = metadata["method"]
    stored = {key: tuple(v) if isinstance(v, list) else v for key, v in json.loads(metadata["config"]).items()}
    skeleton = {known.name: known for known in (HUMAN36M, MPI_INF_3DHP)}[metadata["skeleton"]]
    return Imported(method, CLASSES[method].Config(**stored), skeleton, state, metadata["source_sha256"])


def import_checkpoint(path: Path, method: str, **options: Any) -> Imported:
    """Read a published checkpoint.

    Args:
        path: a ``.bin``, ``.pth`` or ``.pt`` file: a state dict, or a training state with one under ``model_pos``.
        method: "tcn", "mixste", "d3dp" or "finepose".
        options: fields of the configuration that shapes do not tell (``heads``, ``causal``, ``frames`` of a TCN),
            and ``skeleton`` ("human36m" or "mpi_inf_3dhp"), which only FinePOSE's shapes tell.

    Raises:
        InputError: the file is no checkpoint of this method; every entry that is missing, unexpected or of another
            shape is named, and nothing is loaded.
    """
    if method not in RENAMES:
        raise InputError(f"{method!r} has no published checkpoints: take one of {', '.join(RENAMES)}")
    entries = _entries(path)
    wrong = _wrong_buffers({name: entries.pop(name) for name in schedule_buffers() if name in entries})
    state = {our_name(method, name) or name: tensor for name, tensor in entries.items()}
    config, skeleton = _inferred(path, method, state, options)
    with torch.device("meta"):
        expected = _blank(method, config, skeleton, state).state_dict()
    wrong += [f"unexpected {name}" for name in entries if our_name(method, name) not in expected]
    wrong += [f"missing {name}" for name in expected if name not in state]
    wrong += [
        f"{name} is {tuple(tensor.shape)} and should be {tuple(expected[name].shape)}"
        for name, tensor in state.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    if wrong:
        raise InputError(f"{path} does not fit {config}, so nothing was loaded: {'; '.join(wrong)}")
    return Imported(method, config, skeleton, state, hashlib.sha256(path.read_bytes()).hexdigest())


def _entries(path: Path) -> dict[str, Tensor]:
    """Entries of the state dict in a file, without wrappers around their names and without what nothing uses."""
    content = read_torch_file(path)
    if isinstance(content, dict) and isinstance(content.get("model_pos"), dict):
        content = content["model_pos"]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"{path} has no state dict, neither as a whole nor under 'model_pos': give a checkpoint")
    entries = {without_wrappers(name): tensor for name, tensor in content.items()}
    return {name: tensor for name, tensor in entries.items() if not name.startswith(UNUSED)}


def _wrong_buffers(published: dict[str, Tensor]) -> list[str]:
    """Complaints about schedule buffers that are not those of our schedule."""
    ours = schedule_buffers()
    return [
        f"{name} is not the cosine schedule's"
        for name, tensor in published.items()
        if tensor.shape != ours[name].shape
        or not torch.allclose(tensor.double(), ours[name], rtol=1e-10 if tensor.dtype == torch.float64 else 1e-4)
    ]


def _inferred(path: Path, method: str, state: dict[str, Tensor], options: dict[str, Any]) -> tuple[Any, Skeleton]:
    try:
        sizes = _tcn_sizes(state) if method == "tcn" else _trunk_sizes(state)
        named = options.get("skeleton", HUMAN36M.name)
        skeleton = next((known for known in (HUMAN36M, MPI_INF_3DHP) if known.name == named), None)
        if skeleton is None:
            raise InputError(f"skeleton is {named!r}: take {HUMAN36M.name} or {MPI_INF_3DHP.name}")
        if method == "finepose":
            sizes |= _text_sizes(state)
            skeleton = HUMAN36M if "prompts.rows.verb" in state else MPI_INF_3DHP
    except KeyError as error:
        raise InputError(f"{path} is no checkpoint of {method}: it has no {error.args[0]}") from error
    fields = {key: value for key, value in options.items() if key != "skeleton"}
    return CLASSES[method].Config(**sizes | fields), skeleton


def _tcn_sizes(state: dict[str, Tensor]) -> dict[str, Any]:
    wide = [state[f"network.convs.{2 * block}.weight"] for block in range(_count(state, "network.convs.") // 2)]
    first = state["network.expand_conv.weight"]
    return {"channels": len(first), "filter_widths": tuple(layer.shape[2] for layer in (first, *wide))}


def _trunk_sizes(state: dict[str, Tensor]) -> dict[str, Any]:
    _, frames, channels = state["trunk.frame_table"].shape
    hidden = len(state["trunk.spatial_blocks.0.mlp.fc1.weight"])
    depth = _count(state, "trunk.spatial_blocks.")
    return {"frames": frames, "channels": channels, "depth": depth, "mlp_ratio": hidden / channels}


def _text_sizes(state: dict[str, Tensor]) -> dict[str, Any]:
    layers = _count(state, "prompts.layers.layers.")
    if not layers or "prompts.encoder.token_embedding.weight" not in state:
        raise KeyError("text encoder")
    return {"behaviour": "released", "text": "clip", "text_layers": layers}


def _count(state: dict[str, Tensor], prefix: str) -> int:
    """How many numbered entries follow a prefix."""
    return len({name.removeprefix(prefix).split(".")[0] for name in state if name.startswith(prefix)})


def _blank(method: str, config: Any, skeleton: Skeleton, state: dict[str, Tensor]) -> Lifter:
    """The method at this size; FinePOSE with a text tower as large as the one in ``state``."""
    if method != "finepose":
        return CLASSES[method](config, skeleton)
    vocabulary, width = state["prompts.encoder.token_embedding.weight"].shape
    layers = _count(state, "prompts.encoder.transformer.resblocks.")
    tower = TextTower("clip", TowerSize(width, layers, width // CLIP_HEAD_WIDTH, vocabulary), clip_tokens)
    return FinePOSE(config, skeleton, tower)
