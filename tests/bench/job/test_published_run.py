"""A published checkpoint through the harness: imported, evaluated, and named in the conditions."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

import bench.data
from bench.cli import app
from bench.config.experiment import parse
from bench.config.registry import CHECKPOINTS as ADAPTERS
from bench.job.resolve import resolve
from bench.results.store import Store
from bench.sweep.run import run
from models.checkpoints.importer import import_checkpoint, read_imported
from models.errors import InputError
from models.skeleton import MPI_INF_3DHP
from tests import GOLDEN
from tests.bench import toy

CHECKPOINTS = GOLDEN / "checkpoints"


@pytest.fixture
def imported(tmp_path):
    target = tmp_path / "d3dp.safetensors"
    arguments = [CHECKPOINTS / "d3dp.bin", "--method", "d3dp", "--set", "heads=8", "--out", target]
    result = CliRunner().invoke(app, ["import-checkpoint", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return target


def described(weights, name="d3dp", **method):
    evaluation = {"hypotheses": 2, "steps": 2, "windows": 4}
    return parse({"method": {"name": name, **method}, "training": {"weights": weights}, "evaluation": evaluation})


@pytest.fixture
def toy_data(monkeypatch):
    monkeypatch.setattr(bench.data, "load", toy.dataset)


def test_it_is_evaluated_and_named(imported, tmp_path, toy_data):
    job = resolve(described(imported))
    assert (job.training.config.frames, job.training.config.channels, job.training.config.depth) == (9, 32, 3)
    outcome = run([job], Store(tmp_path / "store"), "cpu")
    record = outcome.records[job.id]
    assert outcome.trained == 0
    assert record.conditions.selection == f"published checkpoint (SHA-256 {job.published.source_sha256[:16]})"
    assert record.training.epochs == 0
    moved = imported.rename(imported.with_name("elsewhere.safetensors"))
    assert resolve(described(moved)).training_id == job.training_id


def test_what_does_not_fit_is_refused(imported, tmp_path, toy_data):
    with pytest.raises(InputError, match=r"holds weights of d3dp, but method\.name is mixste"):
        resolve(described(imported, name="mixste"))
    with pytest.raises(InputError, match=r"leave method\.options out"):
        resolve(described(imported, options={"frames": 27}))
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        resolve(described(tmp_path / "x.safetensors"))
    with pytest.raises(InputError, match="is a folder; name a file of import-checkpoint"):
        resolve(described(tmp_path))
    save_file({"some": torch.zeros(1)}, tmp_path / "own.safetensors")
    with pytest.raises(InputError, match=r"was not made by .* a training of this suite is evaluated by its own"):
        resolve(described(tmp_path / "own.safetensors"))


def test_a_checkpoint_for_another_skeleton_is_refused(toy_data, tmp_path, monkeypatch):
    target = tmp_path / "d3dp.safetensors"
    arguments = [str(CHECKPOINTS / "d3dp.bin"), "--method", "d3dp", "--set", "heads=8", "--out", str(target)]
    other = CliRunner().invoke(app, ["import-checkpoint", *arguments, "--set", "skeleton=mpi_inf_3dhp"])
    assert other.exit_code == 0, other.output
    words = r"lifts joints of mpi_inf_3dhp, .*: evaluate it on data of mpi_inf_3dhp; only if it was trained"
    with pytest.raises(InputError, match=rf"{words} .* --set skeleton=human36m"):
        resolve(described(target))
    assert import_checkpoint(CHECKPOINTS / "d3dp.bin", ADAPTERS.load("d3dp")).joints_were_declared is False
    assert read_imported(target, ADAPTERS.load).joints_were_declared
    monkeypatch.setattr(bench.data, "load", lambda *given: replace(toy.dataset(*given), skeleton=MPI_INF_3DHP))
    job = resolve(described(target))
    record = run([job], Store(tmp_path / "store"), "cpu").records[job.id]
    words = "declared at its import as mpi_inf_3dhp's"
    assert record.conditions.notes["joints of the checkpoint"] == words
    unknown = CliRunner().invoke(app, ["import-checkpoint", *arguments, "--set", "skeleton=coco"])
    assert unknown.exit_code == 2
    assert "skeleton is 'coco': take one of human36m, mpi_inf_3dhp, humaneva15" in unknown.stderr
