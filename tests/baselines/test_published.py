from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from baselines.published.golden import Vectors, weight_from_name
from models.checkpoints.importer import import_checkpoint
from models.checkpoints.torch_files import Placeholder, read_torch_file
from models.errors import InputError
from models.finepose.model import FinePOSE, FinePOSEConfig
from models.text.tower import TextTower, TowerSize
from tests import GOLDEN

CHECKPOINTS = GOLDEN / "checkpoints"


@pytest.mark.parametrize(("method", "file"), [("tcn", "tcn_small"), ("mixste", "mixste_small")])
def test_imported_weights_reproduce_the_golden_output(method: str, file: str) -> None:
    lifter = import_checkpoint(CHECKPOINTS / f"{method}.bin", method).build()
    vectors = Vectors(GOLDEN / f"{file}.npz")
    with torch.no_grad():
        out = lifter.network.dilated(vectors["x"]) if method == "tcn" else lifter.lift(vectors["x"])
    torch.testing.assert_close(out, vectors["out_dilated" if method == "tcn" else "out"], atol=1e-5, rtol=0)


def test_imported_d3dp_reproduces_the_golden_output() -> None:
    lifter = import_checkpoint(CHECKPOINTS / "d3dp.bin", "d3dp").build()
    vectors = Vectors(GOLDEN / "d3dp_denoiser_small.npz")
    with torch.no_grad():
        out = lifter.denoise(lifter.condition(vectors["x_2d"], ()), vectors["x_3d_h"], vectors["t"])
    torch.testing.assert_close(out, vectors["out_eval"], atol=5e-5, rtol=0)


def made_from_names(path: Path, file: str) -> Path:
    """A checkpoint with the entries that a file of golden vectors lists."""
    with np.load(GOLDEN / f"{file}.npz") as arrays:
        keys = json.loads(str(arrays["keys"]))
    torch.save({f"module.{name}": torch.as_tensor(weight_from_name(name, shape)) for name, shape in keys}, path)
    return path


@pytest.mark.parametrize(("method", "file"), [("glagcn", "glagcn_small"), ("anatomy", "anatomy3d_small")])
def test_graph_and_anatomy_checkpoints_are_taken_whole(method: str, file: str, tmp_path: Path) -> None:
    imported = import_checkpoint(made_from_names(tmp_path / "made.bin", file), method)
    assert imported.config.filter_widths == (3, 3, 3)
    expected = Vectors(GOLDEN / f"{file}.npz").weights(method)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in imported.build().state_dict().items())


def test_half_of_diffpose_is_refused(tmp_path: Path) -> None:
    path = made_from_names(tmp_path / "made.bin", "diffpose_pose_small")
    with pytest.raises(InputError, match="one of its two networks"):
        import_checkpoint(path, "diffpose")


def test_saved_file_says_where_it_comes_from(tmp_path: Path) -> None:
    imported = import_checkpoint(CHECKPOINTS / "mixste.bin", "mixste")
    imported.save(tmp_path / "mixste.safetensors")
    with safe_open(tmp_path / "mixste.safetensors", "pt") as file:
        assert file.metadata()["source_sha256"] == imported.source_sha256
        assert file.metadata()["mapping_version"] == "1"
        assert set(file.keys()) == imported.state.keys()


def edited(path: Path, method: str, change) -> Path:
    """A copy of a golden checkpoint, its state dict changed."""
    state = dict(read_torch_file(CHECKPOINTS / f"{method}.bin")["model_pos"])
    change(state)
    torch.save({"model_pos": state}, path)
    return path


def test_a_checkpoint_that_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    def change(state: dict) -> None:
        del state["module.head.1.bias"]
        state["module.surprise"] = torch.zeros(1)
        state["module.head.0.weight"] = torch.zeros(5)

    with pytest.raises(InputError, match="nothing was loaded") as caught:
        import_checkpoint(edited(tmp_path / "x.bin", "mixste", change), "mixste")
    for complaint in ("missing trunk.head.1.bias", "unexpected surprise", r"trunk.head.0.weight is (5,)"):
        assert complaint in str(caught.value)


def test_another_schedule_is_refused(tmp_path: Path) -> None:
    def move(state: dict) -> None:
        key = next(name for name in state if name.endswith("betas"))
        state[key] = state[key] * 1.01

    with pytest.raises(InputError, match="betas is not the method's"):
        import_checkpoint(edited(tmp_path / "x.bin", "d3dp", move), "d3dp")


@pytest.mark.parametrize(("file", "method"), [("d3dp", "tcn"), ("d3dp", "mixste"), ("mixste", "finepose")])
def test_a_checkpoint_of_another_method_is_refused(file: str, method: str) -> None:
    with pytest.raises(InputError):
        import_checkpoint(CHECKPOINTS / f"{file}.bin", method)


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
    imported = import_checkpoint(tmp_path / "finepose.bin", "finepose")
    assert imported.config.behaviour == "released"
    assert (imported.config.channels, imported.config.text_layers) == (16, 1)
    assert all(torch.equal(imported.state[name], tensor) for name, tensor in lifter.state_dict().items())
    imported.build()


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("/tmp/this-must-never-exist",)


@pytest.mark.parametrize("zipped", [True, False])
def test_reading_runs_nothing(zipped: bool, tmp_path: Path) -> None:
    content = {"model_pos": {"w": torch.arange(12.0).view(3, 4)[:, ::2]}, "random_state": Bomb(), "epoch": 3}
    torch.save(content, tmp_path / "x.bin", _use_new_zipfile_serialization=zipped)
    read = read_torch_file(tmp_path / "x.bin")
    assert not Path("/tmp/this-must-never-exist").exists()
    assert isinstance(read["random_state"], Placeholder)
    assert read["epoch"] == 3
    assert torch.equal(read["model_pos"]["w"], content["model_pos"]["w"])


@pytest.mark.parametrize("content", [b"", b"hello", pickle.dumps([1, 2])])
def test_other_files_are_one_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(content)
    for path in (tmp_path / "x.bin", tmp_path / "absent.bin"):
        with pytest.raises(InputError):
            import_checkpoint(path, "tcn")
