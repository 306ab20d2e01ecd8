"""Published and shipped weights lift own key points too, if they lift Human3.6M's joints."""

import numpy as np
import pytest
import torch

from baselines.published.tcn import ADAPTER
from baselines.tcn import TCN
from bench.footage import weights as module
from bench.footage.lift import Settings
from bench.footage.predict import predict
from bench.footage.weights import load_weights
from bench.results.runs.archive import opened
from bench.results.runs.named import SHIPPED
from bench.results.store import Store
from models.checkpoints.importer import ImportedCheckpoint
from models.errors import InputError
from models.skeleton import HUMAN36M, MPI_INF_3DHP
from tests.bench.footage import walker
from tests.bench.footage.test_lift import CPU, key_points


def imported(path, skeleton):
    torch.manual_seed(0)
    config = TCN.presets["tiny"].config
    path.write_bytes(
        ImportedCheckpoint(ADAPTER, config, skeleton, TCN(config, skeleton).state_dict(), "5" * 64).to_bytes()
    )
    return str(path)


def test_an_imported_checkpoint_lifts(tmp_path):
    weights = load_weights(imported(tmp_path / "tcn.safetensors", HUMAN36M), Store(tmp_path / "store"))
    assert weights.source == f"published weights tcn.safetensors, SHA-256 {'5' * 16}"
    prediction = predict(key_points(tmp_path), weights, Settings(), CPU, tmp_path).prediction
    assert np.isfinite(prediction.poses).all()
    assert "hypotheses" not in prediction.description


def test_weights_of_other_joints_are_refused(tmp_path):
    with pytest.raises(
        InputError, match="lifts the joints of mpi_inf_3dhp, but key points become those of human36m"
    ):
        load_weights(imported(tmp_path / "tcn.safetensors", MPI_INF_3DHP), Store(tmp_path / "store"))


def test_where_no_weights_are_shipped_it_is_said_where_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SHIPPED", tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"^--weights tcn: is no folder, .*; the small weights come with a clone"):
        load_weights("tcn", Store(tmp_path / "store"))


@pytest.mark.parametrize("name", ["finepose", "d3dp", "mixste", "tcn"])
def test_weights_that_come_with_the_suite_lift_a_stranger(name, tmp_path):
    weights = load_weights(name, Store(tmp_path / "store"))
    with opened(SHIPPED / "weights" / "runs.zip") as archive:
        trainings = {record.training_id: record.method for record in archive.records.values()}
    assert trainings[weights.identity] == name, "their numbers are in the archive beside them"
    assert (SHIPPED / "weights" / name / "weights.safetensors").stat().st_size < 3e6
    found = predict(key_points(tmp_path), weights, Settings(), CPU, tmp_path, fitted=True).prediction
    error = np.linalg.norm(found.poses - walker.walk()[0], axis=-1).mean()
    assert error < 0.15, "metres; the mean training pose has more than 0.2 on its own kind of people"
