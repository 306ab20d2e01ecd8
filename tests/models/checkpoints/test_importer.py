"""The import of published checkpoints: whole or refused, and what it writes is read again."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from baselines.published import d3dp, mixste, tcn
from bench.config.registry import CHECKPOINTS
from models.checkpoints.importer import import_checkpoint, read_imported
from models.checkpoints.torch_files import read_torch_file
from models.errors import InputError
from tests import GOLDEN

FILES = GOLDEN / "checkpoints"


def test_saved_file_says_where_it_comes_from(tmp_path: Path) -> None:
    imported = import_checkpoint(FILES / "mixste.bin", mixste.ADAPTER)
    path = tmp_path / "mixste.safetensors"
    path.write_bytes(imported.to_bytes())
    with safe_open(path, "pt") as file:
        assert file.metadata()["source_sha256"] == imported.source_sha256
        assert file.metadata()["mapping_version"] == "1"
        assert set(file.keys()) == imported.state.keys()
    again = read_imported(path, CHECKPOINTS.load)
    assert (again.method, again.config, again.skeleton) == ("mixste", imported.config, imported.skeleton)
    assert all(torch.equal(again.state[name], tensor) for name, tensor in imported.state.items())


def edited(path: Path, method: str, change) -> Path:
    """A copy of a golden checkpoint, its state dict changed."""
    state = dict(read_torch_file(FILES / f"{method}.bin")["model_pos"])
    change(state)
    torch.save({"model_pos": state}, path)
    return path


def test_a_checkpoint_that_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    def change(state: dict) -> None:
        del state["module.head.1.bias"]
        state["module.surprise"] = torch.zeros(1)
        state["module.head.0.weight"] = torch.zeros(5)

    with pytest.raises(InputError, match="nothing was loaded") as caught:
        import_checkpoint(edited(tmp_path / "x.bin", "mixste", change), mixste.ADAPTER)
    for complaint in ("missing trunk.head.1.bias", "unexpected surprise", r"trunk.head.0.weight is (5,)"):
        assert complaint in str(caught.value)


def test_another_schedule_is_refused(tmp_path: Path) -> None:
    def move(state: dict) -> None:
        key = next(name for name in state if name.endswith("betas"))
        state[key] = state[key] * 1.01

    with pytest.raises(InputError, match="betas is not the method's"):
        import_checkpoint(edited(tmp_path / "x.bin", "d3dp", move), d3dp.ADAPTER)


@pytest.mark.parametrize(("file", "method"), [("d3dp", "tcn"), ("d3dp", "mixste"), ("mixste", "finepose")])
def test_a_checkpoint_of_another_method_is_refused(file: str, method: str) -> None:
    with pytest.raises(InputError):
        import_checkpoint(FILES / f"{file}.bin", CHECKPOINTS.load(method))


@pytest.mark.parametrize("content", [b"", b"hello", pickle.dumps([1, 2])])
def test_other_files_are_one_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(content)
    for path in (tmp_path / "x.bin", tmp_path / "absent.bin"):
        with pytest.raises(InputError):
            import_checkpoint(path, tcn.ADAPTER)


def test_tensors_that_share_memory_are_saved_apart(tmp_path: Path) -> None:
    def share(state: dict) -> None:
        names = [name for name in state if name.endswith("norm1.weight")]
        state[names[1]] = state[names[0]]

    imported = import_checkpoint(edited(tmp_path / "x.bin", "mixste", share), mixste.ADAPTER)
    (tmp_path / "x.safetensors").write_bytes(imported.to_bytes())
    again = read_imported(tmp_path / "x.safetensors", CHECKPOINTS.load)
    assert all(torch.equal(again.state[name], tensor) for name, tensor in imported.state.items())
