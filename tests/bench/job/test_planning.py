"""What can be run on the data at hand, what is left out, and what is told before anything starts."""

import re
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from ablations import names
from ablations.declared import read
from bench.config.experiment import parse
from bench.config.registry import METHODS
from bench.job.planning import Planner, told_together
from bench.job.resolve import resolve
from models.errors import InputError
from models.lifter import Lifter
from models.text import clip, minilm
from tests import SHARED
from tests.bench.data.mpi_inf_3dhp import mpi_files
from tests.bench.toy import Toy, ToyConfig

FOLDERS = {"human36m": SHARED / "data" / "cmu_h36m_format", "bvh": SHARED / "data" / "cmu_bvh"}


@pytest.fixture(scope="module")
def planner():
    """One for all data sets: a method is built and counted once."""
    return Planner(torch.device("cpu"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return FOLDERS | {"mpi_inf_3dhp": mpi_files.write(tmp_path_factory.mktemp("mpi"), frames=100)}


@pytest.mark.parametrize("preset", ["tiny", "small", "base", "paper"])
@pytest.mark.parametrize("data", ["population", "synthetic", "human36m", "bvh", "mpi_inf_3dhp"])
def test_every_method_is_planned_on_every_data_set_or_left_out_with_a_reason(planner, folders, data, preset):
    folder = folders.get(data)
    if folder is not None and not folder.exists():
        pytest.skip(f"{folder} is not there")
    changes = [("data.name", data), ("data.root", folder and str(folder)), ("method.preset", preset)]
    changes += [("data.options.protocol", "annot3")] * (data == "mpi_inf_3dhp")
    experiments = read("methods=complete" if data == "mpi_inf_3dhp" else "methods=all").expand(changes)
    ids = planner.ids(experiments)
    planner.check(ids)
    assert not [told for told in planner.problems if "weights are absent" not in told]
    jobs = planner.jobs(ids)
    left_out = [planner.left_out[name] for name in ids if name in planner.left_out]
    assert len(jobs) + len(left_out) + bool(planner.problems) == len(experiments)
    if preset == "paper":  # windows of the papers are longer than many sequences
        told = ("fewer than the window of", "has no 'cpn' detections")
        assert all(any(words in missing.reason for words in told) for missing in left_out)
    elif data == "mpi_inf_3dhp":  # it has no detections, and its made-up sequences are short
        assert {missing.title for missing in left_out if " has no 'cpn' detections" not in missing.reason} <= {
            "P-STMO"
        }
    else:
        assert not left_out


def test_a_method_without_the_preset_is_left_out_with_the_reason(toy_store, monkeypatch):
    monkeypatch.setitem(METHODS.own, "confident", "tests.bench.toy:Confident")  # which has tiny alone
    planner = Planner(None)
    described = [{"method": {"name": name, "preset": "small"}} for name in ("toy", "confident")]
    here, absent = planner.ids(map(parse, described))
    assert [job.id for job in planner.jobs([here, absent])] == [here]
    assert planner.left_out[absent].reason.endswith("method 'confident' has no preset 'small'; it has tiny")
    assert (planner.left_out[absent].title, planner.problems) == ("Confident toy", [])
    assert planner.left_out[absent].experiment["evaluation"]["detections"] == "cpn", "a column of the others"
    alone = Planner(None)
    with pytest.raises(InputError, match="has no preset 'small'"):
        alone.check(alone.ids([parse(described[1])]))


class Forgetful(Toy):
    """Does not say how many frames it predicts."""

    title = "Forgetful toy"

    def __init__(self, config, skeleton=None):
        Lifter.__init__(self, config, skeleton)
        self.lift = nn.Linear(2, 3)


class Demanding(Toy):
    """Asks for more than it is given."""

    title = "Demanding toy"

    def __init__(self, config, skeleton, extra):
        super().__init__(config, skeleton)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Forgetful", r"Forgetful toy: Forgetful.__init__ does not set self.frames, .*: set it"),
        ("Demanding", r"Demanding toy: .* Demanding\(config, skeleton\), which .* not take \(.*'extra'\)"),
    ],
)
def test_a_method_that_breaks_the_interface_is_left_out_alone(toy_store, monkeypatch, name, told):
    monkeypatch.setitem(METHODS.own, "faulty", f"tests.bench.job.test_planning:{name}")
    planner = Planner(None)
    here, absent = planner.ids(parse({"method": {"name": method}}) for method in ("toy", "faulty"))
    assert [job.id for job in planner.jobs([here, absent])] == [here]
    assert re.search(told, planner.left_out[absent].reason)
    assert planner.problems == []
    alone = Planner(None)
    with pytest.raises(InputError, match=told):
        alone.check(alone.ids([parse({"method": {"name": "faulty"}})]))
    with pytest.raises(InputError, match=told.partition(": ")[2]):  # what a worker says
        resolve(parse({"method": {"name": "faulty"}})).build()


def test_windows_in_training_are_as_long_as_in_evaluation_unless_the_method_says_otherwise():
    lifter = Forgetful(ToyConfig())
    lifter.frames = 7
    assert lifter.train_frames == 7
    lifter.train_frames = 1
    assert (lifter.frames, lifter.train_frames) == (7, 1)


@pytest.mark.parametrize("name", sorted({*names()} - {"tuning"}))  # whose product is searched
def test_every_ablation_is_planned_at_its_smallest(planner, folders, name):
    changes = [("method.preset", "tiny")]
    if name == "mpi_inf_3dhp":
        changes += [("data.root", str(folders[name])), ("data.options.protocol", "annot3")]
    experiments = read(name).expand(changes)
    ids = planner.ids(experiments)
    planner.check(ids)
    assert not [told for told in planner.problems if "weights are absent" not in told]
    assert len(planner.jobs(ids)) > 1


def planned(**changes):
    planner = Planner(torch.device("cpu"))
    ids = planner.ids([parse({"method": {"name": "toy"}} | changes)])
    return planner, ids


def test_a_window_longer_than_all_sequences_is_left_out(toy_suite):
    planner, (name,) = planned(method={"name": "toy", "options": {"frames": 41}})
    missing = planner.left_out[name]
    assert "the longest training sequence has 40 frames, fewer than the window of 41" in missing.reason
    assert missing.variant == "frames=41"
    assert planner.jobs([name]) == []


def test_a_method_whose_training_cannot_be_compiled_is_left_out(toy_suite, monkeypatch):
    monkeypatch.setattr(Toy, "trains_compiled_part", False)
    planner, (name,) = planned(method={"name": "toy"}, training={"epochs": 1, "compile": True})
    assert "a training step of Toy does not go through its compiled_part" in planner.left_out[name].reason


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"depth": 10**8}, "it has more than 4,000 layers"),
        ({"channels": 10**8}, "weights, gradients and optimiser need more than"),
        ({"channels": 10**12}, "weights"),
        ({"frames": 10**8}, "weights, gradients and optimiser need more than"),
    ],
)
def test_a_method_larger_than_the_machine_is_refused_before_it_is_built(options, told):
    planner = Planner(torch.device("cpu"))
    assert (
        planner.ids([parse({"method": {"name": "d3dp", "options": options}, "data": {"name": "synthetic"}})]) == ()
    )
    ((name, value),) = options.items()
    (problem,) = planner.problems
    assert problem.startswith(f"D3DP: {told}")
    assert f"take less of method.options ({name}={value})" in problem


@dataclass(frozen=True)
class WideConfig(ToyConfig):
    copies: int = 1


class Wide(Toy):
    """Its activations are large, its weights are not."""

    title = "Wide toy"
    Config = WideConfig

    def training_loss(self, batch):
        return super().training_loss(batch) + self.lift.weight.sum().expand(self.config.copies, 10**6).exp().sum()


@pytest.mark.parametrize("size", ["tiny", "base"])
def test_a_single_window_that_does_not_fit_into_memory_is_refused(toy_suite, monkeypatch, size):
    presets = {size: type(Toy.presets["tiny"])(WideConfig(), Toy.presets["tiny"].recipe)}
    monkeypatch.setattr(Wide, "presets", presets)
    monkeypatch.setitem(METHODS.own, "wide", "tests.bench.job.test_planning:Wide")
    planner, _ = planned(method={"name": "wide", "preset": size, "options": {"copies": 10**6}})
    (problem,) = planner.problems
    assert "Wide toy: a training step of a single window needs" in problem
    assert "take less of method.options (copies=1000000)" in problem
    planner, _ = planned(method={"name": "wide", "preset": size, "options": {"copies": 10}})
    assert planner.problems == []


def test_what_cannot_be_counted_is_planned_all_the_same(toy_suite, monkeypatch):
    class Reads(Toy):
        def training_loss(self, batch):
            return super().training_loss(batch) * (batch.pose_3d.sum().item() > 0)

    monkeypatch.setattr("tests.bench.toy.Toy", Reads)
    planner, ids = planned()
    assert len(planner.jobs(ids)) == 1


def test_absent_text_weights_are_told_with_the_way_out(monkeypatch, tmp_path):
    monkeypatch.setenv(clip.WEIGHTS_VARIABLE, str(tmp_path))
    monkeypatch.setattr(minilm, "PACKAGE", "not_installed")
    planner = Planner(torch.device("cpu"))
    data = {"name": "synthetic"}
    wanted = [{"method": {"name": name, "preset": "base"}, "data": data} for name in ("finepose", "tcn")]
    assert len(planner.ids(map(parse, wanted))) == 1
    (problem,) = planner.problems
    assert problem.startswith(f"FinePOSE: CLIP's weights are absent ({clip.WEIGHTS_VARIABLE}={tmp_path} has none)")
    assert f"set {clip.WEIGHTS_VARIABLE} to OpenAI's ViT-B-32.pt" in problem


def test_problems_are_told_together():
    assert told_together(["one"]) == "one"
    assert told_together(["one", "two"]) == "2 problems must be solved before the start: (1) one; (2) two"
