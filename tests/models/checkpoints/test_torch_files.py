"""Torch files are read without anything in them being run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from models.checkpoints.torch_files import Placeholder, read_torch_file


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
