import subprocess
import sys
import time

import torch
from safetensors.torch import load_file

from bench.results.store import read_trained
from tests import ROOT
from tests.bench.training.killed import train


def result(folder):
    info = read_trained(folder).info
    weights = load_file(folder / "weights.safetensors")
    return info.model_copy(update={"seconds": 0.0, "windows_per_s": 0.0}), weights


def test_kill_9_in_the_middle_of_a_training(tmp_path):
    train(tmp_path / "whole")
    killed = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.training.killed", str(killed)], cwd=ROOT)
    deadline = time.monotonic() + 60
    while not (killed / "state.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert (killed / "state.pt").exists()
    assert not (killed / "training.json").exists(), "the training was over before it could be killed"
    train(killed)
    (whole, weights), (resumed, others) = result(tmp_path / "whole"), result(killed)
    assert resumed == whole
    assert all(torch.equal(weights[key], others[key]) for key in weights)
    assert {path.name for path in killed.iterdir()} == {"training.json", "weights.safetensors"}
