"""What is read off a training at `base` that was ended early."""

import pytest

from bench.results.tracking.journal import FOLDER, Journal, RunHead
from models.errors import InputError
from tests import base_hour

FORECAST = "about 7 h\n  1 training of TCN base: about 5.0 h\n  1 evaluation of TCN base: about 50 s\n"


@pytest.fixture
def store(tmp_path, monkeypatch):
    """40 epochs of ten steps, of which two and a half are done, a step in six seconds."""
    monkeypatch.setattr(base_hour, "epoch_tflop", lambda method, options, steps: 3.0)
    moments = iter(range(1_000_000, 10_000_000, 6_000))
    monkeypatch.setattr("bench.results.tracking.journal.now", lambda: next(moments))
    params = {"training.epochs": "40", "method.options.frames": "81"}
    journal = Journal(
        tmp_path / FOLDER / "a.jsonl", (RunHead(id="a", name="train", params=params, tags={"git.commit": "1"}),)
    )
    for step in range(1, 26):
        journal.note(step, {"train.loss": 2.0 - step / 25, "epoch": step / 10})
    journal.note(20, {"validation.mpjpe": 80.0}, run=0)
    return tmp_path


def test_the_hour_of_a_training_is_read_off_its_journal(store):
    hour = base_hour.read_hour("tcn", store, FORECAST)
    assert (hour.forecast, hour.epochs, hour.steps_per_epoch, hour.commit) == (5.0, 40, 10, "1")
    assert (hour.done, hour.lowest) == (2.5, 80.0)
    assert hour.expected == pytest.approx(400 * 6 / 3600, rel=1e-3)
    assert hour.loss[0] == (0.0, 1, 1.96)
    assert hour.loss[-1][:2] == (2.4, 25)


def test_a_store_without_a_journal_is_one_sentence(store, tmp_path, capsys):
    with pytest.raises(InputError, match="no journal of tcn"):
        base_hour.read_hour("tcn", tmp_path / "empty", FORECAST)
    with pytest.raises(InputError, match="no forecast"):
        base_hour.read_hour("tcn", store, "nothing")
    assert base_hour.main([str(tmp_path), "more"]) == 2
    assert "give the folder" in capsys.readouterr().err
