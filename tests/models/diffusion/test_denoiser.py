import pytest
import torch

from models.diffusion.denoiser import ACTIVATIONS_AT_ONCE, VALUES_AT_ONCE, _values_at_once


@pytest.mark.parametrize(("reserved", "values"), [(300, 100), (700, 500), (2**40, VALUES_AT_ONCE)])
def test_memory_that_torch_keeps_and_does_not_use_counts_as_free(
    monkeypatch: pytest.MonkeyPatch, reserved: int, values: int
) -> None:
    """200 are in use, and nothing is free that torch does not keep."""
    each = 4 * ACTIVATIONS_AT_ONCE
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (0, 2**40))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: reserved * each)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 200 * each)
    assert _values_at_once(torch.device("cuda")) == values
