"""A training loss that is no number, or not one number."""

from dataclasses import replace

import pytest

from bench.training import trainer
from models.errors import DivergedError, InputError
from tests.bench.toy import RECIPE, Toy
from tests.bench.training.test_trainer import run


@pytest.mark.parametrize(
    ("selection", "loss", "told"),
    [
        ("last", lambda weight: weight.sum() * float("nan"), "training of toy: the loss of epoch 1 is nan; lower"),
        ("validation", lambda weight: weight.sum() * float("nan"), "toy: the loss of epoch 1 is nan; lower"),
        (  # of which the gradient alone is no number
            "validation",
            lambda weight: (0 * weight).sum().sqrt(),
            "Toy: the prediction for .* not finite, and so have the weights: train again with a smaller",
        ),
    ],
)
def test_divergence_is_one_sentence(tmp_path, monkeypatch, selection, loss, told):
    monkeypatch.setattr(Toy, "training_loss", lambda self, batch: loss(self.lift.weight))
    with pytest.raises(DivergedError, match=told):
        run(tmp_path, replace(RECIPE, batch_frames=10**6), selection)  # it validates after the first step
    assert not (tmp_path / "training.json").exists()


@pytest.mark.parametrize("compute", [None, 1e-6])
def test_a_loss_that_is_not_one_number_is_one_sentence(tmp_path, monkeypatch, compute):
    monkeypatch.setattr(Toy, "training_loss", lambda self, batch: self.lift(batch.pose_2d).mean((1, 2, 3))[:3])
    told = r"^Toy: training_loss gave a tensor of shape \(3,\), expected a tensor with one number"
    with pytest.raises(InputError, match=told):
        run(tmp_path, replace(RECIPE, compute=compute))
    monkeypatch.setattr(Toy, "training_loss", lambda self, batch: 0.5)
    with pytest.raises(InputError, match="^Toy: training_loss gave 0.5, expected a tensor with one number"):
        run(tmp_path, replace(RECIPE, compute=compute))


@pytest.mark.parametrize("selection", ["last", "validation"])
def test_what_diverged_is_not_continued(tmp_path, monkeypatch, selection):
    """Its saved states hold weights that are no numbers."""
    undisturbed = run(tmp_path / "whole", selection=selection)
    monkeypatch.setattr(trainer, "SAVE_EVERY_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(Toy, "training_loss", lambda self, batch: self.lift.weight.sum() * float("nan"))
        with pytest.raises(DivergedError):
            run(tmp_path / "mended", replace(RECIPE, batch_frames=9 * 4), selection)
    assert not list(tmp_path.glob("mended/*"))
    assert run(tmp_path / "mended", selection=selection).loss == undisturbed.loss
