"""Checkpoints as people have them: in wrappers, of another method, spoiled, or no checkpoints at all."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from bench.cli import app
from bench.config.registry import CHECKPOINTS
from models.checkpoints.importer import import_checkpoint, resembled
from models.checkpoints.torch_files import read_torch_file
from models.errors import InputError
from tests import GOLDEN, ROOT, SHARED

FILES = GOLDEN / "checkpoints"
BARE = {name.removeprefix("module."): t for name, t in read_torch_file(FILES / "mixste.bin")["model_pos"].items()}
MIXSTE = CHECKPOINTS.load("mixste")


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def with_prefix(prefix: str) -> dict[str, torch.Tensor]:
    return OrderedDict((f"{prefix}{name}", tensor) for name, tensor in BARE.items())


TAKEN = {
    "state_dict": {"state_dict": BARE, "epoch": 3, "optimizer": {}},
    "lightning": {"state_dict": with_prefix("model."), "pytorch-lightning_version": "2"},
    "model": {"model": with_prefix("module."), "epoch": 3, "min_mpjpe": np.float64(38.4)},
    "average beside it": {"model_pos": BARE, "ema": with_prefix("module.")},
    "list": [BARE, {"state": {}}, 3],
    "as a whole": with_prefix("module.module."),
    "part of another": with_prefix("backbone."),
}


@pytest.mark.parametrize("content", TAKEN.values(), ids=TAKEN)
def test_the_state_dict_is_found_in_its_wrapper(content: Any, tmp_path: Path) -> None:
    imported = import_checkpoint(saved(tmp_path / "x.bin", content), MIXSTE)
    right = import_checkpoint(FILES / "mixste.bin", MIXSTE)
    assert imported.state.keys() == right.state.keys()
    assert all(torch.equal(imported.state[name], tensor) for name, tensor in right.state.items())


POSITIONS = "Spatial_pos_embed"
REFUSED: dict[str, tuple[Any, str]] = {
    "two": (
        [BARE, {}, with_prefix("module.")],
        r"2 state dicts, under 0, 2: .*torch\.load\(FILE\)\[0\]",
    ),
    "none": (
        {"epoch": 3, "optimizer": {"lr": 0.1}},
        r"no state dict, but a dict of 'epoch' \(an int\), 'optimizer'",
    ),
    "empty": ({"model_pos": OrderedDict()}, r"'model_pos' \(an empty dict\)"),
    "arrays": ({"model_pos": {k: v.numpy() for k, v in BARE.items()}}, f"'{POSITIONS}' is no tensor"),
    "module": (torch.nn.Linear(2, 2), "a whole module .* torch.save\\(model.state_dict\\(\\), FILE\\)"),
    "with and without a prefix": (BARE | with_prefix("module."), "with and without the prefix 'module.'"),
    "whole numbers": ({**BARE, POSITIONS: BARE[POSITIONS].long()}, "is torch.int64 and should be"),
    "other names": ({"a.w": torch.zeros(2), "b": torch.zeros(1)}, r"it has no trunk.frame_table, but a.w, b$"),
}


@pytest.mark.parametrize(("content", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_there_instead_is_named(content: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words) as error:
        import_checkpoint(saved(tmp_path / "x.bin", content), MIXSTE)
    assert len(str(error.value)) < 1500


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(value: float, tmp_path: Path) -> None:
    state = {**BARE, "head.0.weight": BARE["head.0.weight"].clone()}
    state["head.0.weight"][3] = value
    with pytest.raises(InputError, match=r"NaN or infinite, in trunk\.head\.0\.weight: its training diverged"):
        import_checkpoint(saved(tmp_path / "x.bin", state), MIXSTE)


@pytest.mark.parametrize("name", ["mixste", "tcn", "d3dp"])
def test_the_method_that_a_checkpoint_looks_like_is_told(name: str) -> None:
    adapters = [adapter for _, adapter in CHECKPOINTS.available()]
    assert resembled(FILES / f"{name}.bin", adapters) == name
    asked = "tcn" if name != "tcn" else "mixste"
    result = CliRunner().invoke(app, ["import-checkpoint", str(FILES / f"{name}.bin"), "--method", asked])
    assert result.exit_code == 2
    assert result.stderr.endswith(f"; it looks like a checkpoint of {name}: give --method {name}\n")


def test_a_checkpoint_of_no_known_method_looks_like_none(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.bin", {"conv1.weight": torch.zeros(3, 3), "fc.bias": torch.zeros(3)})
    assert resembled(path, [adapter for _, adapter in CHECKPOINTS.available()]) is None


def test_diffpose_is_refused_before_its_list_is_looked_at(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.bin", [BARE, {}, 3, 4, BARE])
    with pytest.raises(InputError, match="DiffPose holds one of its two networks .*: train both here"):
        import_checkpoint(path, CHECKPOINTS.load("diffpose"))


def test_other_kinds_of_files_are_said(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    begun = (FILES / "mixste.bin").read_bytes()
    for content, words in (
        (b"<!DOCTYPE html><html><title>Virus scan warning</title>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS"),
        (b"\x1f\x8b\x08\x00", "is a packed archive: unpack it"),
        (begun[: len(begun) // 2], "is cut short: get it again"),
        (b"hello\n", "is no torch file: give a .bin, .pth or .pt file"),
        (b"", "is no torch file"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=words):
            read_torch_file(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="is a safetensors file: .* training.weights"):
        read_torch_file(path)
    with tarfile.open(path, "w") as archive:
        archive.add(FILES / "mixste.bin", "model.bin")
    with pytest.raises(InputError, match="is a packed archive"):
        read_torch_file(path)
    with zipfile.ZipFile(path, "w") as packed:
        packed.write(FILES / "mixste.bin", "model.bin")
    with pytest.raises(InputError, match="is a zip archive, but not torch's"):
        read_torch_file(path)
    with pytest.raises(InputError, match="is a folder: give the path of a checkpoint in it"):
        read_torch_file(tmp_path)
    for place in (tmp_path / "absent", tmp_path / "a\0b", path / "inside"):
        with pytest.raises(InputError, match="there is no file"):
            read_torch_file(place)


MAKER = SHARED / "cases" / "make" / "40_checkpoints.py"
RIGHT = {
    "list": "holds 2 state dicts", "state_dict": "", "lightning": "", "model": "", "model_state_dict": "",
    "ema": "", "double": "", "half": "", "scalars": "", "numpy": "is no tensor", "nan": "NaN or infinite",
    "empty": "an empty dict", "missing": "missing trunk.head.1.weight", "extra": "unexpected trunk.head.2.weight",
    "whole": "holds no state dict", "legacy": "", "script": "holds no state dict", "html": "is a web page",
    "safetensors": "is a safetensors file", "cut": "is cut short", "tar": "is a packed archive",
    "zip": "but not torch's",
}  # fmt: skip


@pytest.mark.skipif(not MAKER.exists(), reason=f"no file {MAKER}")
def test_the_cases_of_public_reports_are_right(tmp_path: Path) -> None:
    made = "import runpy, sys; kinds = sys.argv[2:]\nfor kind in kinds:\n    sys.argv[2:] = [kind]\n"
    made += f"    runpy.run_path({str(MAKER)!r}, run_name='__main__')\n"
    paths = os.pathsep.join([str(MAKER.parent), str(ROOT)])
    subprocess.run(
        [sys.executable, "-B", "-c", made, str(tmp_path), *RIGHT],
        check=True, capture_output=True, env={**os.environ, "PYTHONPATH": paths}, cwd=tmp_path,
    )  # fmt: skip
    for kind, words in RIGHT.items():
        arguments = [str(tmp_path / f"{kind}.bin"), "--method", "mixste", "--out", str(tmp_path / "out")]
        result = CliRunner().invoke(app, ["import-checkpoint", *arguments])
        assert result.exit_code == (2 if words else 0), (kind, result.output)
        assert words in result.stderr, kind
        assert len(result.stderr.splitlines()) == bool(words), kind
