import subprocess
import sys

import torch

from bench.results.store import read_trained
from tests import ROOT


def test_two_processes_train_one_model(tmp_path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    subprocess.run(
        [*launcher, "-m", "tests.bench.training.distributed", str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True, timeout=300, env=_environment(),
    )  # fmt: skip
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert (tmp_path / "training" / "weights.safetensors").exists()
    trained = read_trained(tmp_path / "training")
    assert trained is not None
    assert trained.info.processes == 2


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
