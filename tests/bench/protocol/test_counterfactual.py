import numpy as np
import pytest

from bench.data.windows import Windows
from bench.protocol.counterfactual import relabelled, substitutes
from bench.protocol.evaluate import EvalSetting, evaluate
from models.errors import InputError
from models.lifter import Sampling
from tests.bench.toy import Toy, ToyConfig, dataset

CLASSES = ("Walking", "Eating", "Sitting", "Eating")


def test_wrong_labels_are_a_fixed_derangement():
    given = substitutes("wrong", CLASSES)
    assert set(given) == set(given.values()) == set(CLASSES)
    assert all(name != label for name, label in given.items())
    assert given == substitutes("wrong", reversed(CLASSES))
    with pytest.raises(InputError, match=r"one action class \(Walking\)"):
        substitutes("wrong", ["Walking"])


def test_other_labels():
    assert substitutes("given", CLASSES) == {name: name for name in CLASSES}
    assert set(substitutes("empty", CLASSES).values()) == {""}
    random = substitutes("random", CLASSES)
    assert len(set(random.values())) == 3
    assert not set(random.values()) & set(CLASSES)


@pytest.mark.parametrize(("reads", "seen"), [(True, {"Walking", "Eating"}), (False, {""})])
def test_labels_reach_only_methods_that_say_they_read_them(monkeypatch, reads, seen):
    met = set()
    real = Toy.predict

    def predict(self, batch, sampling):
        met.update(batch.actions)
        return real(self, batch, sampling)

    monkeypatch.setattr(Toy, "predict", predict)
    monkeypatch.setattr(Toy, "uses_action", reads)
    data = dataset("toy", None, "gt")
    windows = Windows(data.test, data.skeleton, 9, mode="eval")
    evaluate(Toy(ToyConfig()), windows, np.arange(len(windows)), Sampling(), [EvalSetting()], "cpu")
    assert met == seen


def test_labels_permuted_among_takes_are_the_same_labels_on_other_takes():
    data = sorted(dataset("toy", None, "gt").train, key=lambda one: one.key)
    shuffled = relabelled(data, "permuted", seed=1)
    pairs = {(before.take, after.action_class) for before, after in zip(data, shuffled, strict=True)}
    assert len(pairs) == len({one.take for one in data}), "all cameras of a take have one label"
    assert sorted(label for _, label in pairs) == sorted(take.split("/")[1].split(" ")[0] for take, _ in pairs)
    assert any(before.action_class != after.action_class for before, after in zip(data, shuffled, strict=True))
    assert [one.action for one in shuffled] == [one.action for one in relabelled(data, "permuted", seed=1)]
    assert {one.action_class for one in relabelled(data, "none", seed=1)} == {""}
    assert relabelled(data, "given", seed=1) == tuple(data)
