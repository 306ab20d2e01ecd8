from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from bench.config.registry import METHODS
from bench.data.windows import evaluation_windows
from bench.protocol import joined_windows as module
from bench.protocol.evaluate import EvalSetting, evaluate
from models.lifter import Batch, Lifter, Sampling
from tests.bench.protocol.test_evaluate import sequences

CONVOLUTIONAL = [name for name in METHODS.own if METHODS.load(name).convolutional]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_windows_that_follow_one_another_are_predicted_as_one(
    name: str, causal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = METHODS.load(name)
    torch.manual_seed(0)
    lifter: Lifter = method(replace(method.presets["tiny"].config, frames=4, causal=causal)).eval()
    windows = evaluation_windows(sequences(), lifter)
    rows = np.delete(np.arange(len(windows)), [1, 9])
    assert {4, 9, 20} < set(windows.lengths.tolist()), "one window, several, a last one moved back"
    seen: list[int] = []
    predict = lifter.predict

    def counted(batch: Batch, sampling: Sampling) -> torch.Tensor:
        seen.append(batch.pose_2d[..., 0, 0].numel())
        return predict(batch, sampling)

    monkeypatch.setattr(lifter, "predict", counted)
    monkeypatch.setattr(module, "LEAST_FRAMES", 10)
    setting = EvalSetting()
    together = evaluate(lifter, windows, rows, Sampling(), [setting], "cpu", 1000)[setting]
    joined, context = sum(seen), sum(lifter.context)
    follow = [windows.table[b, 0] == windows.table[a, 0] for a, b in pairwise(rows) if b == a + 1]
    assert len(rows) * (4 + context) - sum(follow) * context <= joined < len(rows) * (4 + context) - 10 * context
    monkeypatch.setattr(method, "convolutional", False)
    apart = evaluate(lifter, windows, rows, Sampling(), [setting], "cpu", 5)[setting]
    assert sum(seen) - joined == len(rows) * (4 + context)
    for metric, errors in apart.frames.items():
        np.testing.assert_allclose(together.frames[metric], errors, rtol=1e-5, atol=1e-3)
    seen.clear()
    monkeypatch.setattr(method, "convolutional", True)
    monkeypatch.setattr(module, "LEAST_FRAMES", 21)
    evaluate(lifter, windows, rows, Sampling(), [setting], "cpu", 5)
    assert sum(seen) == len(rows) * (4 + context), "short runs are predicted window by window"
