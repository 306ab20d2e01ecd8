"""The best weights so far are those of the check that the errors name, whatever happened in between."""

import math

import pytest

from bench.training import trainer
from bench.training.selection import CheckpointSelector
from models.errors import InputError
from tests.bench.toy import Toy
from tests.bench.training.test_trainer import Killed, flip_a_bit, kill_after, run

STEPS = 36
"""Steps of a whole training; every third one is followed by a check, the first four of which end epoch 1."""


def let_errors_be(monkeypatch, *errors):
    """The errors of the first checks of a program; those of all later ones are large."""
    found = iter(errors)
    monkeypatch.setattr(CheckpointSelector, "_error", lambda *_: next(found, 9.0))


def begin(folder, monkeypatch, steps, *errors):
    """Train, with these errors, and be killed after so many steps."""
    with monkeypatch.context() as patch:
        let_errors_be(patch, *errors)
        kill_after(patch, steps)
        with pytest.raises(Killed):
            run(folder)


def kept(folder):
    return (folder / "weights.safetensors").read_bytes()


def best_files(folder):
    return sorted(path.name for path in folder.glob("best-*"))


@pytest.fixture
def save_always(monkeypatch):
    monkeypatch.setattr(trainer, "SAVE_EVERY_SECONDS", 0.0)


@pytest.fixture
def trainings(tmp_path):
    """Folder of the trainings of a store."""
    return tmp_path / "store" / "trainings"


def test_a_check_that_a_kill_made_forgotten_leaves_no_weights(trainings, monkeypatch, save_always):
    """The state is of step 4; step 6 is better, but no longer when it is done again: on another CPU, say."""
    save = trainer._Run.save
    with monkeypatch.context() as patch:
        patch.setattr(trainer._Run, "save", lambda self, **more: self.progress.step > 4 or save(self, **more))
        begin(trainings / "killed", monkeypatch, 8, 5.0, 4.0)
    let_errors_be(monkeypatch)
    info = run(trainings / "killed")
    assert info.selected_epoch == 0.25
    let_errors_be(monkeypatch, 5.0)
    run(trainings / "whole")
    assert kept(trainings / "killed") == kept(trainings / "whole")


def test_a_second_process_that_trains_the_same_takes_nothing_away(trainings, monkeypatch, save_always):
    """A process that was stopped and passed over may go on after all."""
    begun = []

    def on_progress(self, done):
        begun.append(done)
        if len(begun) == 8:
            begin(trainings / "one", monkeypatch, 2, 3.0)

    with monkeypatch.context() as patch:
        patch.setattr(Toy, "on_progress", on_progress)
        let_errors_be(patch, 5.0, 4.0)
        assert run(trainings / "one").selected_epoch == 0.5
    let_errors_be(monkeypatch, 5.0, 4.0)
    run(trainings / "alone")
    assert kept(trainings / "one") == kept(trainings / "alone")


@pytest.mark.parametrize("lost", [flip_a_bit, lambda path: path.unlink()], ids=["damaged", "lost"])
def test_without_its_best_weights_a_state_gives_way_to_the_one_before(trainings, monkeypatch, save_always, lost):
    folder = trainings / "killed"
    begin(folder, monkeypatch, 6, 5.0, 4.0)
    assert best_files(folder) == ["best-0-0.25-5.0.safetensors", "best-0-0.5-4.0.safetensors"]
    lost(folder / "best-0-0.5-4.0.safetensors")
    begun = []
    monkeypatch.setattr(Toy, "on_progress", lambda self, done: begun.append(done))
    let_errors_be(monkeypatch, 4.0)
    assert run(folder).selected_epoch == 0.5
    assert len(begun) == STEPS - 5


def test_best_weights_that_are_lost_at_the_end_are_refused_and_the_training_goes_back(trainings, monkeypatch):
    folder = trainings / "one"
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "SAVE_EVERY_SECONDS", 0.0)
        begin(folder, monkeypatch, 6, 5.0, 4.0)
    with monkeypatch.context() as patch:
        let_errors_be(patch)
        best = folder / "best-0-0.5-4.0.safetensors"
        patch.setattr(Toy, "on_progress", lambda self, done: done > 0.9 and best.unlink(missing_ok=True))
        with pytest.raises(InputError, match="best weights so far cannot be read"):
            run(folder)
    let_errors_be(monkeypatch, 4.0)
    begun = []
    monkeypatch.setattr(Toy, "on_progress", lambda self, done: begun.append(done))
    assert run(folder).selected_epoch == 0.5
    assert len(begun) == STEPS - 5


def test_a_state_of_an_older_version_finds_its_best_weights(trainings, monkeypatch, save_always):
    folder = trainings / "older"
    begin(folder, monkeypatch, 8, 5.0, 4.0)
    (folder / "best-0-0.5-4.0.safetensors").rename(folder / "best-0.safetensors")
    begun = []
    monkeypatch.setattr(Toy, "on_progress", lambda self, done: begun.append(done))
    let_errors_be(monkeypatch)
    assert run(folder).selected_epoch == 0.5
    assert len(begun) == STEPS - 8
    let_errors_be(monkeypatch, 5.0, 4.0)
    run(trainings / "whole")
    assert kept(folder) == kept(trainings / "whole")
    assert sorted(path.name for path in folder.iterdir()) == ["training.json", "weights.safetensors"]


def test_best_weights_that_no_state_counts_on_are_removed(trainings, monkeypatch):
    begin(trainings / "unsaved", monkeypatch, 8, 5.0, 4.0)
    assert best_files(trainings / "unsaved") == ["best-0-0.5-4.0.safetensors"]
    monkeypatch.setattr(trainer, "SAVE_EVERY_SECONDS", 0.0)
    begin(trainings / "saved", monkeypatch, 7, 5.0, 4.0)
    assert best_files(trainings / "saved") == ["best-0-0.5-4.0.safetensors"]
    (trainings / "saved" / "best-0-0.75-1.0.safetensors").write_text("of a check that was forgotten")
    begin(trainings / "saved", monkeypatch, 2)
    assert best_files(trainings / "saved") == ["best-0-0.5-4.0.safetensors"]


def test_an_error_that_is_no_number_selects_nothing(trainings, monkeypatch, save_always):
    """It would stand above all later ones, and no document can hold it."""
    let_errors_be(monkeypatch, math.nan, 5.0, math.inf, 4.0)
    info = run(trainings / "one")
    assert (info.selected_epoch, [error for _, error in info.validation_mpjpe][:3]) == (1.0, [5.0, 4.0, 9.0])
    let_errors_be(monkeypatch, 6.0, 5.0, 5.0, 4.0)
    run(trainings / "other")
    assert kept(trainings / "one") == kept(trainings / "other")
