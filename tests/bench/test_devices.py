import os
import platform
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from bench.devices import TYPES, autocast, device_of, lock_name, precision_of_sums, use_device
from bench.measure.environment import cpu_name, device_name, tf32
from bench.measure.memory import is_out_of_memory, peak_memory
from bench.measure.timing import timed
from bench.sweep.executors.base import Request
from models.errors import InputError
from tests import ROOT


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:99", "tpu", "cuda:²", "cuda:٣", "mps", "mps:1"])
def test_unknown_devices_are_one_sentence(device):
    with pytest.raises(InputError, match=f"^--device {device}: ") as caught:
        device_of(device)
    assert "\n" not in str(caught.value)


def test_the_cpu_is_always_there():
    assert device_of("cpu") == torch.device("cpu")


@pytest.fixture
def one_gpu(monkeypatch):
    """What torch says on a machine with one GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)


def test_a_process_that_sees_its_own_gpu_only_takes_that(one_gpu, monkeypatch):
    assert device_of("auto") == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert device_of("auto") == torch.device("cuda", 0)


def test_accelerate_can_keep_everything_on_the_cpu(one_gpu, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert device_of("auto") == torch.device("cpu")


def test_the_device_in_use_becomes_the_current_one(one_gpu, monkeypatch):
    made_current = []
    monkeypatch.setattr(torch.cuda, "set_device", made_current.append)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert use_device("cuda:0") == torch.device("cuda", 0)
    use_device("cpu")
    assert made_current == [torch.device("cuda", 0)]
    assert tf32(torch.device("cuda")) == "nothing"


def test_a_gpu_is_locked_by_the_name_of_its_hardware(monkeypatch):
    """The second of all GPUs is the first one of a process that sees no other."""
    for visible in (["ab-12", "cd-34"], ["cd-34"]):
        seen = [SimpleNamespace(uuid=uuid) for uuid in visible]
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device, seen=seen: seen[device.index])
        assert lock_name(torch.device("cuda", len(visible) - 1)) == "cuda-cd-34"
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace())
    assert lock_name(torch.device("cuda", 1)) == "cuda"
    assert lock_name(torch.device("cpu")) == "cpu"


def test_apples_gpu_is_taken_by_its_name_only(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device_of("mps") == torch.device("mps")
    assert device_of("auto") == torch.device("cpu")
    assert Request(Path(), "mps").workers_here() == 1
    assert precision_of_sums(torch.device("mps")) == torch.float32
    assert device_name(torch.device("mps")) != device_name(torch.device("cpu")), "costs are kept by this name"
    for precision in TYPES:
        assert autocast(torch.device("mps"), precision).device == "mps"
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    assert device_of("mps") == torch.device("cpu")


@pytest.mark.parametrize(("instructions", "ending"), [("AVX512", " (AVX512)"), ("DEFAULT", "")])
def test_the_name_of_a_cpu_tells_its_instructions(monkeypatch, instructions, ending):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: instructions)
    assert device_name(torch.device("cpu")) == cpu_name() + ending


def test_work_of_apples_gpu_is_waited_for_and_its_memory_read(monkeypatch):
    done = []
    monkeypatch.setattr(torch.mps, "synchronize", lambda: done.append("waited"))
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: done.append("emptied"))
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 3_000_000)
    used = peak_memory(lambda: done.append("called"), torch.device("mps"))
    assert used.peak == 3.0
    assert done == ["emptied", "called", "waited"]
    done.clear()
    timed([lambda: done.append("called")], 1, torch.device("mps"))
    assert done == ["waited", "waited", "called", "waited", "waited"]
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GB, …)"))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such settings")
@pytest.mark.parametrize(("setting", "kept"), [({}, True), ({"MALLOC_ARENA_MAX": "4"}, False)])
def test_freed_memory_is_kept_unless_the_environment_has_settings(setting: dict[str, str], kept: bool) -> None:
    """Large tensors that follow one another soon ask the system for no page again.

    Not the second one at once: small things may have taken the first pages of the memory that the first one left.
    """
    script = """
import resource, torch
from bench.devices import use_device
use_device("cpu")
for _ in range(30):
    torch.ones(2**24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment | setting, cwd=ROOT, capture_output=True, check=True
    )
    assert (int(done.stdout) < 2**24 * 4 / resource.getpagesize()) == kept
