from pathlib import Path

import pytest
import torch

from bench.data.windows import Windows
from bench.training.selection import CheckpointSelector
from models.skeleton import HUMAN36M
from tests.bench.toy import Toy, ToyConfig, dataset

CPU = torch.device("cpu")


@pytest.fixture
def validation():
    return Windows(dataset("toy", None, "gt").test, HUMAN36M, 9, mode="eval")


def test_the_weights_of_the_end_need_no_validation(validation):
    selector = CheckpointSelector("last", validation, Path("."))
    assert not selector.needs_validation
    assert selector.selected_epoch(7.0) == 7.0


def test_the_lowest_error_is_selected(validation):
    torch.manual_seed(0)
    good, bad = Toy(ToyConfig()), Toy(ToyConfig())
    with torch.no_grad():
        bad.lift.weight.mul_(1000)
    selector = CheckpointSelector("validation", validation, Path("."))
    assert selector.needs_validation
    updates = [selector.update(lifter, epoch, CPU) for epoch, lifter in ((1.0, bad), (2.0, good), (3.0, good))]
    assert updates == [True, True, False], "of equal errors, the first one counts"
    assert selector.selected_epoch(3.0) == 2.0
    assert [epoch for epoch, _ in selector.errors] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("reads", "labels", "seen"), [(True, "given", True), (True, "empty", False), (False, "given", False)]
)
def test_a_method_is_validated_as_it_is_tested(validation, monkeypatch, reads, labels, seen):
    given = []
    real = Toy.predict

    def predict(self, batch, sampling):
        given.append(batch)
        return real(self, batch, sampling)

    monkeypatch.setattr(Toy, "predict", predict)
    monkeypatch.setattr(Toy, "uses_action", reads)
    CheckpointSelector("validation", validation, Path("."), labels=labels).update(Toy(ToyConfig()), 1.0, CPU)
    assert given
    for batch in given:
        assert batch.pose_3d is batch.trajectory is batch.camera is None
        assert any(batch.actions) == seen
