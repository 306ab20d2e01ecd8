"""The linear layer that is a convolution on a CPU equals PyTorch's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from models.layers import linear as linears
from models.layers.linear import Linear, linear


@pytest.fixture(autouse=True)
def another_makers_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linears, "convolutions_pay", lambda: True)


@pytest.mark.parametrize("smallest", [0, 10**12], ids=["convolution", "product"])
@pytest.mark.parametrize("shape", [(7, 6), (2, 3, 5, 6)])
def test_equals_the_ordinary_layer(smallest: int, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linears, "LARGE_PRODUCT", smallest)
    layer, rows = Linear(6, 4), torch.randn(shape, requires_grad=True)
    given = (rows, layer.weight, layer.bias)
    upstream = torch.randn(*shape[:-1], 4)
    ours, theirs = layer(rows), functional.linear(*given)
    torch.testing.assert_close(ours, theirs)
    assert ours.is_contiguous()
    for mine, expected in zip(
        torch.autograd.grad(ours, given, upstream), torch.autograd.grad(theirs, given, upstream), strict=True
    ):
        torch.testing.assert_close(mine, expected)


def test_rows_that_are_a_view_and_no_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linears, "LARGE_PRODUCT", 0)
    rows, weight = torch.randn(5, 3, 6).transpose(0, 1), torch.randn(4, 6)
    torch.testing.assert_close(linear(rows, weight), functional.linear(rows, weight))


@pytest.mark.parametrize(("pay", "convolutions"), [(True, 1), (False, 0)])
def test_large_products_take_the_convolution_where_it_pays(
    pay: bool, convolutions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linears, "convolutions_pay", lambda: pay)
    rows, weight = torch.randn(8192, 128), torch.randn(128, 128)
    with torch.profiler.profile() as profile:
        linear(rows, weight)
        linear(rows[:64], weight)
    calls = {event.key: event.count for event in profile.key_averages()}
    assert calls.get("aten::conv2d", 0) == convolutions
    assert calls["aten::linear"] == 2 - convolutions


def test_what_was_measured_first_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    measured = []
    monkeypatch.setattr(linears, "_convolutions_are_faster", lambda: measured.append(1) or len(measured) == 1)
    found = [linears._measured_or_kept.__wrapped__(1) for _ in range(2)]
    assert found == [True, True]
    assert len(measured) == 1
    (kept,) = (tmp_path / "linear").iterdir()
    monkeypatch.setattr(os, "link", lambda *_: kept.write_text("false"))  # another process is faster
    kept.unlink()
    assert linears._measured_or_kept.__wrapped__(1) is False


@pytest.mark.parametrize(("seconds", "faster"), [(0.9, True), (0.97, False), (1.1, False)])
def test_a_convolution_is_taken_where_it_is_clearly_faster(
    seconds: float, faster: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]

    def takes(more: float) -> Callable[..., None]:
        return lambda *_: clock.__setitem__(0, clock[0] + more)

    monkeypatch.setattr(linears.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(linears, "_convolve", takes(seconds))
    monkeypatch.setattr(linears, "functional", SimpleNamespace(linear=takes(1.0)))
    assert linears._convolutions_are_faster() is faster


def test_a_folder_that_cannot_be_written_leaves_products(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    (tmp_path / "linear").touch()
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    assert linears._measured_or_kept.__wrapped__(1) is False
