"""The speed of a device in plain matrix products."""

import pytest
import torch

from bench.measure import peak_flops, timing

CPU = torch.device("cpu")


@pytest.fixture
def times(monkeypatch):
    """Nothing is timed: each way of multiplying takes 2 ms at best. The list gets the sizes that are made."""
    sizes, real = [], torch.randn

    def randn(pair, rows, columns, **more):
        sizes.append(rows)
        return real(pair, rows, columns, **more)

    monkeypatch.setattr(torch, "randn", randn)
    monkeypatch.setattr(peak_flops, "affordable", lambda *_: 1)
    monkeypatch.setattr(peak_flops, "timed", lambda *_: [timing.Samples([3.0, 2.0, 4.0], 3.0)])
    peak_flops.measure_peak.cache_clear()
    yield sizes
    peak_flops.measure_peak.cache_clear()


def test_a_peak_counts_two_operations_for_each_product(times):
    assert peak_flops.product_peak(CPU, "fp32") == pytest.approx(2 * 1024**3 / 2e-3 / 1e9)


def test_a_peak_is_measured_once_for_each_precision(times):
    for precision in ("fp32", "fp32", "bf16", "fp32"):
        peak_flops.product_peak(CPU, precision)
    assert len(times) == 2


def test_a_peak_for_which_there_is_too_little_memory_is_measured_with_smaller_matrices(times, monkeypatch):
    def randn(pair, rows, columns, **more):
        times.append(rows)
        if rows > 1024:
            raise torch.OutOfMemoryError
        return torch.zeros(pair, rows, columns, **more)

    monkeypatch.setattr(torch, "randn", randn)
    monkeypatch.setitem(peak_flops.ROWS, "cpu", 4096)
    assert peak_flops.product_peak(CPU, "fp32") == pytest.approx(2 * 1024**3 / 2e-3 / 1e9)
    assert times == [4096, 2048, 1024]
