"""Two methods in turns; the cost of batches, and with other processes at work."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from bench.cli import app
from bench.job import compare_speed as speed
from bench.job.pipeline import measure
from bench.measure import peak_flops as peak
from bench.results.store import Store
from models.errors import InputError
from tests.bench.experiments import job

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peak.ROWS, "cpu", 64)
    monkeypatch.setattr(peak, "SECONDS", 0.01)
    monkeypatch.setattr(speed, "BUDGET_SECONDS", 0.05)


def test_the_command_prints_every_peak_and_leaves_the_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_float32_matmul_precision()
    printed = CliRunner().invoke(app, ["peak", "--device", "cpu"])
    assert printed.exit_code == 0, printed.output
    assert "fp32: " in printed.stdout
    assert "bf16: " in printed.stdout
    assert torch.get_float32_matmul_precision() == before


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("d3dp", [("method.name", "d3dp")]),
        (
            "tcn,method.options.filter_widths=[3, 3],evaluation.flip=false",
            [("method.name", "tcn"), ("method.options.filter_widths", [3, 3]), ("evaluation.flip", False)],
        ),
    ],
)
def test_a_spec_is_a_method_with_changes(text: str, pairs: list) -> None:
    assert speed.parse_method_spec(text) == pairs


@pytest.mark.parametrize("text", ["", "d3dp,fast", "evaluation.steps=2", ",d3dp"])
def test_a_spec_without_a_method_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(InputError, match="write finepose,evaluation.steps=2") as caught:
        speed.parse_method_spec(text)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("toy_everywhere")
def test_plug_ins_are_compared_by_name(tmp_path: Path) -> None:
    arguments = ["compare-speed", "toy,evaluation.flip=false", "toy,method.options.frames=27", "--device", "cpu"]
    ended = CliRunner().invoke(app, [*arguments, "--store", str(tmp_path)])
    assert ended.exit_code == 0, ended.output
    assert "A: Toy" in ended.stdout
    assert "B / A: " in ended.stdout
    assert "95 % interval, bootstrap over" in ended.stdout


def test_an_unknown_method_is_one_sentence(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["compare-speed", "d3dp", "d4dp", "--store", str(tmp_path)])
    assert ended.exit_code == 2
    assert ended.output.count("\n") == 1
    assert "did you mean" in ended.output


@pytest.mark.usefixtures("toy_everywhere")
def test_the_cost_of_batches_is_per_window(tmp_path: Path) -> None:
    usual, batched = job(), job(measurement={"batch": 3})
    assert usual.cost_id != batched.cost_id
    assert usual.id != batched.id
    assert usual.sampling_id == batched.sampling_id
    store = Store(tmp_path)
    one, three = measure(usual, store, CPU).cost, measure(batched, store, CPU).cost
    assert one.flops_per_window == three.flops_per_window
    assert (three.setup.batch, three.latency.throughput_batch) == (3, 3)
    assert three.latency.throughput_windows_per_s == pytest.approx(1000 / three.latency.median_ms)
    assert one.percent_of_peak > 0


@pytest.mark.usefixtures("toy_everywhere")
def test_workers_predict_beside_the_measured_one_and_end_with_it(tmp_path: Path) -> None:
    made = job(measurement={"workers": 2})
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        cost = measure(made, Store(tmp_path), CPU).cost
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert cost.setup.workers == 2
    assert cost.setup.threads == 1
    assert cost.latency.throughput_windows_per_s == pytest.approx(2000 / cost.latency.median_ms)
    assert cost.peak_gflops is None
    assert not multiprocessing.active_children()
