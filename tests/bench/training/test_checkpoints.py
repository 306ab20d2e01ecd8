"""States that an interrupted training is continued from."""

import pytest

from bench.training import checkpoints, trainer
from models.lifter import Lifter
from tests.bench.training.test_trainer import Killed, kill_after, run


def test_a_state_of_a_version_that_counted_no_processes_is_continued(tmp_path, monkeypatch):
    undisturbed = run(tmp_path / "whole")
    save = checkpoints.save_state

    def save_as_before(folder, state):
        progress = {name: value for name, value in state["progress"].items() if name != "processes"}
        return save(folder, {**state, "progress": progress})

    monkeypatch.setattr(trainer, "SAVE_EVERY_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save_state", save_as_before)
        kill_after(patch, 8)
        with pytest.raises(Killed):
            run(tmp_path / "killed")
    begun = []
    monkeypatch.setattr(Lifter, "on_progress", lambda self, done: begun.append(done))
    assert run(tmp_path / "killed").loss == undisturbed.loss
    assert begun[0] > 0
