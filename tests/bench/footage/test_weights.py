"""Published weights lift own key points too, if they lift Human3.6M's joints."""

import numpy as np
import pytest
import torch

from baselines.published.tcn import ADAPTER
from baselines.tcn import TCN
from bench.footage.lift import Settings
from bench.footage.predict import predict
from bench.footage.weights import load_weights
from bench.results.store import Store
from models.checkpoints.importer import ImportedCheckpoint
from models.errors import InputError
from models.skeleton import HUMAN36M, MPI_INF_3DHP
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
