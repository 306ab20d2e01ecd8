import pytest
import torch
from torch import Tensor

from bench.measure.counts import count_flops
from models import inference
from models.errors import InputError
from models.inference import centre_frames, with_confidence
from models.lifter import Batch
from models.skeleton import HUMAN36M

SEEN = torch.randn(2, 13, 17, 3, generator=torch.Generator().manual_seed(0))


def test_centre_frames_lift_every_frame_from_its_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def lift(windows: Tensor) -> Tensor:
        sizes.append(len(windows))
        return windows[:, 2] + windows.sum(1)

    whole = centre_frames(lift, SEEN, length=5, frames=9)
    expected = [SEEN[:, first + 2] + SEEN[:, first : first + 5].sum(1) for first in range(9)]
    torch.testing.assert_close(whole, torch.stack(expected, 1))
    monkeypatch.setattr(inference, "FRAMES_AT_ONCE", 20)
    assert torch.equal(centre_frames(lift, SEEN, length=5, frames=9), whole)
    assert sizes == [18, 4, 4, 4, 4, 2]


def test_every_window_of_centre_frames_is_counted_as_work() -> None:
    weight = torch.ones(3, 3)
    one = count_flops(lambda: centre_frames(lambda x: (x @ weight)[:, 2], SEEN[:1, :5], length=5, frames=1))
    many = count_flops(lambda: centre_frames(lambda x: (x @ weight)[:, 2], SEEN, length=5, frames=9))
    assert many == 18 * one


def test_confidence_is_a_third_coordinate_that_mirroring_keeps() -> None:
    batch = Batch(SEEN[..., :2], ("",) * 2, torch.arange(2), confidence=SEEN[..., 2].sigmoid())
    seen = with_confidence(batch, "required")
    assert torch.equal(seen[..., 2], batch.confidence)
    swapped = batch.confidence[..., list(HUMAN36M.mirrored_order)]
    assert torch.equal(HUMAN36M.mirror(seen)[..., 2], swapped)
    without = Batch(SEEN[..., :2], ("",) * 2, torch.arange(2))
    assert (with_confidence(without, "one")[..., 2] == 1).all()
    with pytest.raises(InputError, match="no confidence"):
        with_confidence(without, "required")
