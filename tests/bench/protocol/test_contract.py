"""What a prediction must be, and what is said of one that is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.data.windows import Windows
from models.diffusion.process import window_noise
from models.errors import InputError
from models.inference import root_at_origin
from models.lifter import Batch, Sampling
from models.skeleton import HUMAN36M
from tests.bench.protocol.test_evaluate import CONTEXT, FRAMES, Guess, assert_equal, run, sequences


@pytest.fixture(scope="module")
def windows() -> Windows:
    return Windows(sequences(), HUMAN36M, FRAMES, CONTEXT, mode="eval")


class Broken(Guess):
    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        pred = super().predict(batch, sampling)
        pred[-1, ..., 3, 0] = float("nan")
        return pred


class Misshapen(Guess):
    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        return super().predict(batch, sampling)[:, :, :1]


class Moved(Guess):
    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        return super().predict(batch, sampling) + torch.tensor([0.0, -0.2, 0.0])


def test_bad_predictions_are_refused(windows: Windows) -> None:
    last = windows.sequences[-1].key
    with pytest.raises(InputError, match=f"Guess.*{last}.*not finite, although its 2D poses.*: correct predict"):
        run(Broken(), windows, [(2, 1)], batch_windows=1000)
    with pytest.raises(
        InputError, match=r"Guess.*shape.*\(2, 1, 2, 6, 17, 3\), which is \[windows, K, H, F, J, 3\]"
    ):
        run(Misshapen(), windows, [(2, 1)], batch_windows=2)
    with pytest.raises(InputError, match="Guess: predict put the root 200 mm off the origin.*: set its row to 0"):
        run(Moved(), windows, [(2, 1)])


def test_two_dimensional_poses_that_are_not_finite_are_named() -> None:
    first, *others = sequences()
    pose_2d = first.pose_2d.copy()
    pose_2d[0, 3, 0] = np.nan
    broken = Windows([replace(first, pose_2d=pose_2d), *others], HUMAN36M, FRAMES, CONTEXT, mode="eval")
    with pytest.raises(InputError, match=f"Guess.*{first.key}.*, and so have its 2D poses: check the 2D poses"):
        run(Guess(), broken, [(2, 1)])


class Drawing(Guess):
    """Draws from a global generator when it predicts, and uses so much of that."""

    def __init__(self, draw: Callable[[int], Tensor], used: float = 1.0) -> None:
        super().__init__()
        self.draw, self.used = draw, used

    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        pred = super().predict(batch, sampling)
        drawn = self.draw(pred.numel()).reshape(pred.shape)
        drawn[..., 0, :] = 0
        return pred + self.used * drawn


def of_numpy(number: int) -> Tensor:
    return torch.from_numpy(np.random.randn(number))  # noqa: NPY002 - the mistake that is tested


@pytest.mark.parametrize("draw", [torch.randn, of_numpy])
def test_a_prediction_that_depends_on_global_random_numbers_is_refused(
    windows: Windows, draw: Callable[[int], Tensor]
) -> None:
    with pytest.raises(InputError, match=r"^Guess: predict gave poses up to .* draw noise with window_noise"):
        run(Drawing(draw), windows, [(2, 1)])
    drawn_for_nothing = Drawing(draw, used=0.0)
    assert_equal(run(drawn_for_nothing, windows, [(2, 1)])[2, 1], run(Guess(), windows, [(2, 1)])[2, 1])


def test_a_prediction_is_repeated_only_where_it_drew_global_random_numbers(windows: Windows) -> None:
    class Documented(Guess):
        """The example of docs/adding-a-method.md."""

        def noise(self, key: int, h: int, k: int, seed: int) -> Tensor:
            drawn = window_noise(torch.tensor([key]), seed, h, 1, (FRAMES, 17, 3))[0]  # [1, H, F, J, 3]
            return root_at_origin(drawn, HUMAN36M).expand(k, -1, -1, -1, -1)

    plain, drawing = Documented(), Drawing(torch.randn, used=0.0)
    for lifter in (plain, drawing):
        run(lifter, windows, [(2, 3)], batch_windows=2)
    assert len(drawing.calls) == len(plain.calls) + 1, "the first call alone is looked at"
