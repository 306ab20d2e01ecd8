import pytest
import torch

from bench.devices import device_of, use_device
from models.errors import InputError


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:99", "tpu", "cuda:²", "cuda:٣"])
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
    assert use_device("cuda:0") == torch.device("cuda", 0)
    use_device("cpu")
    assert made_current == [torch.device("cuda", 0)]
