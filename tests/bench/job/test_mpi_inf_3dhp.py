"""From files in MPI-INF-3DHP's layout to tables, for all methods."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ablations.declared import read
from bench.cli import app
from bench.config.experiment import parse
from bench.config.registry import METHODS
from bench.data.mpi_inf_3dhp.files import TEST
from bench.job.planning import Planner
from bench.job.resolve import resolve
from models.errors import UnfitError
from models.skeleton import MPI_INF_3DHP
from tests.bench.data.mpi_inf_3dhp.mpi_files import contents, write


def test_the_declared_ablation_has_both_window_lengths_and_the_tiny_presets() -> None:
    ablation = read("mpi_inf_3dhp")
    assert not ablation.default
    lengths = [
        (e.method.name, e.method.options.get("frames")) for e in ablation.expand([("method.preset", "base")])
    ]
    methods = ("tcn", "mixste", "d3dp", "finepose")
    assert lengths[:8] == [(name, frames) for name in methods for frames in (81, 243)]
    tiny = ablation.expand()
    assert [e.method.name for e in tiny] == [*methods, "mean_pose", "nearest_pose"]
    assert all(e.method.options == {} for e in tiny)
    kept = ablation.expand([("method.options.frames", 27)])
    assert all(e.method.options["frames"] == 27 for e in kept)


@pytest.mark.parametrize("frames", [81, 243])
def test_every_method_is_built_with_both_lengths(frames: int) -> None:
    chosen = [
        e for e in read("mpi_inf_3dhp").expand([("method.preset", "base")])
        if e.method.options.get("frames") == frames
    ]  # fmt: skip
    for experiment in chosen:
        method = METHODS.load(experiment.method.name)
        options = experiment.method.options | ({"text": "tiny"} if experiment.method.name == "finepose" else {})
        config = replace(method.presets["base"].config, **options)
        lifter = method(config, MPI_INF_3DHP)
        assert lifter.frames == frames
        assert not lifter.uses_action
        if experiment.method.name == "tcn":
            assert sum(lifter.context) == frames - 1


def test_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_start: None) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    files = contents("annot3", frames=18, views=1)
    for number, name in enumerate(TEST):
        files[1][name]["activity"] = 1 + (np.arange(18) + number) % 7
    write(tmp_path, "annot3", files)
    options = [
        "training.epochs=1",
        "training.least_steps=1",
        "evaluation.hypotheses=2",
        "evaluation.steps=2",
        "data.options.protocol=annot3",
    ]
    arguments = ["ablate", "mpi_inf_3dhp", "--rounds", "1", "--data-root", tmp_path, "--device", "cpu"]
    arguments += ["--store", tmp_path / "store", "--out", tmp_path / "out"]
    arguments += [part for option in options for part in ("--set", option)]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output + result.stderr
    assert "6 runs: 6 trained, 6 evaluated now" in result.output
    tables = {path.name: path.read_text() for path in (tmp_path / "out" / "tables").glob("*.md")}
    head = tables["mpi-inf-3dhp.md"]
    assert "GT PCK ↑ | GT AUC ↑ | GT MPJPE ↓ |" in head
    assert "in MPI-INF-3DHP format (annot3, 8 training subjects, 72 valid test frames)" in head.replace("\\", "")
    assert "Protocol annot3: poses at their true scale" in head
    assert "72 frames, 6 sequences" in head
    assert "Validation: all takes of S8." in head
    assert "Action label given at test time: no." in head
    for name in ("TCN", "MixSTE", "D3DP", "FinePOSE"):
        assert f"| {name} |" in head
    assert "| TS1 | TS2 | TS3 | TS4 | TS5 | TS6 | Mean | All frames |" in tables["mpi-inf-3dhp-sequences.md"]
    assert "| On the floor | Sit on chair |" in tables["mpi-inf-3dhp-activities.md"]


def test_prompts_that_name_the_action_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, "univ_annot3", contents("univ_annot3", frames=12, views=1))
    experiment = {
        "method": {"name": "finepose", "options": {"prompt": "action"}},
        "data": {"name": "mpi_inf_3dhp", "root": tmp_path, "detections": "gt"},
    }
    job = resolve(parse(experiment))
    with pytest.raises(UnfitError, match="MPI-INF-3DHP has no action words: take full, learnable or none"):
        job.build()
    planner = Planner(None)
    planner.ids([parse(experiment), parse(experiment | {"method": {"name": "d3dp"}})])
    assert not planner.problems
    assert ["no action words" in missing.reason for missing in planner.left_out.values()] == [True]
