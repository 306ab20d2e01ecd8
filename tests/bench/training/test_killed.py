import subprocess
import sys
import time

import torch
from safetensors.torch import load_file

from bench.results.store import read_trained
from tests import ROOT


def start(folder):
    return subprocess.Popen([sys.executable, "-m", "tests.bench.training.killed", str(folder)], cwd=ROOT)


def result(folder):
    info = read_trained(folder).info
    weights = load_file(folder / "weights.safetensors")
    return info.model_copy(update={"seconds": 0.0, "windows_per_s": 0.0}), weights


def test_kill_9_in_the_middle_of_a_training(tmp_path):
    assert start(tmp_path / "whole").wait(timeout=120) == 0
    killed = tmp_path / "killed"
    process = start(killed)
    deadline = time.monotonic() + 60
    while not (killed / "state.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert (killed / "state.pt").exists()
    assert not (killed / "training.json").exists(), "the training was over before it could be killed"
    assert start(killed).wait(timeout=120) == 0
    (whole, weights), (resumed, others) = result(tmp_path / "whole"), result(killed)
    assert resumed == whole
    assert all(torch.equal(weights[key], others[key]) for key in weights)
    assert {path.name for path in killed.iterdir()} == {"training.json", "weights.safetensors"}
