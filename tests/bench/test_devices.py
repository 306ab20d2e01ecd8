import pytest
import torch

from bench.devices import device_of
from models.errors import InputError


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:99", "tpu", "cuda:²", "cuda:٣"])
def test_unknown_devices_are_one_sentence(device):
    with pytest.raises(InputError, match=f"^--device {device}: ") as caught:
        device_of(device)
    assert "\n" not in str(caught.value)


def test_the_cpu_is_always_there():
    assert device_of("cpu") == torch.device("cpu")
