"""The adapters of published checkpoints: imported weights reproduce what the originals computed with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from baselines.published import d3dp, diffpose, finepose
from bench.config.registry import CHECKPOINTS, METHODS
from models.checkpoints.importer import import_checkpoint, read_imported
from models.errors import InputError
from models.finepose.model import FinePOSE, FinePOSEConfig
from models.text.tower import TextTower, TowerSize
from tests import GOLDEN
from tests.models.checkpoints.checkpoints import golden_checkpoint
from tests.parity.vectors import Vectors

FILES = GOLDEN / "checkpoints"


def test_every_adapter_is_of_the_method_that_it_is_registered_for() -> None:
    for name, adapter in CHECKPOINTS.available():
        assert adapter.method == name
        assert adapter.lifter is METHODS.load(name)


@pytest.mark.parametrize(("method", "file"), [("tcn", "tcn_small"), ("mixste", "mixste_small")])
def test_imported_weights_reproduce_the_golden_output(method: str, file: str) -> None:
    lifter = import_checkpoint(FILES / f"{method}.bin", CHECKPOINTS.load(method)).build()
    vectors = Vectors(GOLDEN / f"{file}.npz")
    with torch.no_grad():
        out = lifter.lift_windows(vectors["x"])
    torch.testing.assert_close(out, vectors["out_dilated" if method == "tcn" else "out"], atol=1e-5, rtol=0)


def test_imported_d3dp_reproduces_the_golden_output() -> None:
    lifter = import_checkpoint(FILES / "d3dp.bin", d3dp.ADAPTER).build()
    vectors = Vectors(GOLDEN / "d3dp_denoiser_small.npz")
    with torch.no_grad():
        out = lifter.denoise(lifter.condition(vectors["x_2d"], ()), vectors["x_3d_h"], vectors["t"])
    torch.testing.assert_close(out, vectors["out_eval"], atol=5e-5, rtol=0)


@pytest.mark.parametrize(("method", "file"), [("glagcn", "glagcn_small"), ("anatomy", "anatomy3d_small")])
def test_graph_and_anatomy_checkpoints_are_taken_whole(method: str, file: str, tmp_path: Path) -> None:
    path, vectors = golden_checkpoint(file, tmp_path)
    adapter = CHECKPOINTS.load(method)
    imported = import_checkpoint(path, adapter)
    assert imported.config.filter_widths == (3, 3, 3)
    expected = vectors.weights(adapter)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in imported.build().state_dict().items())


def test_half_of_diffpose_is_refused(tmp_path: Path) -> None:
    path, _ = golden_checkpoint("diffpose_pose_small", tmp_path)
    with pytest.raises(InputError, match="one of its two networks"):
        import_checkpoint(path, diffpose.ADAPTER)


@pytest.mark.parametrize("name", ["motionbert", "motionagformer", "tcpformer"])
def test_weights_that_predict_in_units_of_the_image_are_refused(name: str, tmp_path: Path) -> None:
    path, _ = golden_checkpoint(f"{name}_small", tmp_path)
    adapter = CHECKPOINTS.load(name)
    with pytest.raises(InputError, match="predict in image units, .*: train the method here"):
        import_checkpoint(path, adapter)
    earlier = import_checkpoint(path, replace(adapter, refusal=""), heads=4)
    (tmp_path / "earlier.safetensors").write_bytes(earlier.to_bytes())
    with pytest.raises(InputError, match="earlier.safetensors: .* predict in image units"):
        read_imported(tmp_path / "earlier.safetensors", CHECKPOINTS.load)


@pytest.mark.parametrize(("name", "field"), [("poseformerv2", "length"), ("pstmo", "every")])
def test_what_shapes_do_not_tell_has_to_be_said(name: str, field: str, tmp_path: Path) -> None:
    path, _ = golden_checkpoint(f"{name}_small", tmp_path)
    with pytest.raises(InputError, match=rf"do not tell {field}, .*: say it, for example --set {field}=\d+$"):
        import_checkpoint(path, CHECKPOINTS.load(name))


def test_finepose_is_imported_with_its_text_tower(tmp_path: Path) -> None:
    size = TowerSize(width=64, layers=2, heads=1, vocabulary=20)
    tower = TextTower("clip", size, lambda text: [18, 1, 19])
    for parameter in tower.parameters():
        torch.nn.init.normal_(parameter)
    config = FinePOSEConfig(frames=3, channels=16, depth=1, heads=8, text_layers=1)
    lifter = FinePOSE(config, encoder=tower)
    renamed = {
        "trunk.joint_table": "Spatial_pos_embed", "trunk.frame_table": "Temporal_pos_embed",
        "trunk.embedding.": "Spatial_patch_to_embedding.", "trunk.spatial_blocks.": "STEblocks.",
        "trunk.temporal_blocks.": "TTEblocks.", "trunk.spatial_norm.": "Spatial_norm.",
        "trunk.temporal_norm.": "Temporal_norm.", "trunk.head.": "head.", "time_mlp.2.": "time_mlp.3.",
        "time_mlp.0.": "time_mlp.1.", "prompts.rows.": "ctx_", "prompts.encoder.": "clip_text.",
        "prompts.layers.": "textTransEncoder.", "prompts.norm.": "text_ln.", "pool.": "text_proj.0.",
        "stylization.norm.": "temporal_cross_attn.proj_out.norm.",
        "stylization.scale_shift.": "temporal_cross_attn.proj_out.emb_layers.1.",
        "stylization.out.": "temporal_cross_attn.proj_out.out_layers.2.", "communication.": "temporal_cross_attn.",
    }  # fmt: skip
    state = {"module.pose_estimator.clip_text.visual.proj": torch.zeros(3)}
    for name, tensor in lifter.state_dict().items():
        ours = next(prefix for prefix in renamed if name.startswith(prefix))
        state[f"module.pose_estimator.{renamed[ours]}{name.removeprefix(ours)}"] = tensor
    torch.save(state, tmp_path / "finepose.bin")
    imported = import_checkpoint(tmp_path / "finepose.bin", finepose.ADAPTER)
    left_open = import_checkpoint(tmp_path / "finepose.bin", finepose.ADAPTER, text="auto")
    assert left_open.config == imported.config, "the shapes tell which text encoder it has"
    assert imported.config.behaviour == "released"
    assert (imported.config.channels, imported.config.text_layers) == (16, 1)
    assert all(torch.equal(imported.state[name], tensor) for name, tensor in lifter.state_dict().items())
    imported.build()
