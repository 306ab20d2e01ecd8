import io
import signal
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.optim.optimizer import register_optimizer_step_pre_hook

from bench.data.splits import split_validation
from bench.data.windows import Windows
from bench.results.documents import read_sealed
from bench.training import trainer
from bench.training.accelerator import accelerator_for
from bench.training.checkpoints import load_trained
from bench.training.order import share, step_rows
from bench.training.selection import CheckpointSelector
from bench.training.trainer import _Run, train
from models.skeleton import HUMAN36M
from tests.bench.toy import RECIPE, Toy, ToyConfig, dataset


@pytest.fixture(autouse=True)
def ctrl_c():
    """Ctrl-C has its usual effect, also where the tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run(folder, recipe=RECIPE, selection="validation", order=None):
    data = dataset("toy", None, "gt")
    torch.manual_seed(recipe.seed)
    lifter = Toy(ToyConfig())
    fit, held_out = split_validation(data.train, recipe.holdout, ())
    windows = Windows(fit, data.skeleton, 9, mode="train", flip=recipe.flip)
    validation = Windows(held_out, data.skeleton, 9, mode="eval")
    selectors = [CheckpointSelector(selection, validation, folder)]
    return train(lifter, windows, selectors, recipe, folder, accelerator_for("cpu", "fp32"), "toy", order=order)


class Killed(BaseException):
    """Stands for a signal that no handler sees."""


def kill_after(monkeypatch, steps):
    """Let the toy method be killed at the beginning of the step that follows these."""
    begun = []

    def on_progress(self, done):
        if len(begun) == steps:
            raise Killed
        begun.append(done)

    monkeypatch.setattr(Toy, "on_progress", on_progress)


def test_loss_falls_and_weights_are_stored(tmp_path):
    info = run(tmp_path)
    assert info.epochs == 3
    assert info.loss[-1] < info.loss[0]
    assert [epoch for epoch, _ in info.validation_mpjpe] == [step / 4 for step in range(1, 13)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["training.json", "weights.safetensors"]
    lifter = Toy(ToyConfig())
    assert load_trained(lifter, tmp_path) == info
    assert torch.equal(lifter.lift.weight, load_file(tmp_path / "weights.safetensors")["lift.weight"])


@pytest.mark.parametrize("steps", [1, 4, 7, 11])
@pytest.mark.parametrize("save_every", [0.0, 1e9])
def test_a_killed_training_ends_with_the_same_numbers(tmp_path, monkeypatch, steps, save_every):
    undisturbed = run(tmp_path / "whole")
    monkeypatch.setattr(trainer, "SAVE_EVERY_SECONDS", save_every)
    with monkeypatch.context() as patch:
        kill_after(patch, steps)
        with pytest.raises(Killed):
            run(tmp_path / "killed")
    resumed = run(tmp_path / "killed")
    timeless = {"seconds": 0.0, "windows_per_s": 0.0}
    assert resumed.model_copy(update=timeless) == undisturbed.model_copy(update=timeless)
    whole, killed = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[key], killed[key]) for key in whole)


def signal_in_step(monkeypatch, steps, *numbers):
    """Let signals arrive in the middle of the step that follows these."""
    begun, real = [], Toy.training_loss

    def training_loss(self, batch):
        begun.append(batch)
        if len(begun) == steps + 1:
            for number in numbers:
                signal.raise_signal(number)
        return real(self, batch)

    monkeypatch.setattr(Toy, "training_loss", training_loss)
    return begun


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_waits_until_the_step_is_saved(tmp_path, monkeypatch, number):
    """One that somebody listens to, as clusters' own signals are, and those that end programs."""

    def end(*signal_and_frame):
        raise Killed

    run(tmp_path / "whole")
    before = signal.signal(number, end)
    try:
        with monkeypatch.context() as patch:
            signal_in_step(patch, 5, number)
            with pytest.raises(Killed):
                run(tmp_path / "ended")
        assert signal.getsignal(number) is end
    finally:
        signal.signal(number, before)
    state = torch.load(io.BytesIO(read_sealed(tmp_path / "ended" / "state.pt")), weights_only=True)
    assert state["progress"]["step"] == 6
    run(tmp_path / "ended")
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "ended")]
    assert weights[0] == weights[1]


def test_a_signal_in_a_step_that_fails_is_not_lost(tmp_path, monkeypatch):
    def end(*signal_and_frame):
        raise Killed

    def training_loss(self, batch):
        signal.raise_signal(signal.SIGTERM)
        raise ZeroDivisionError

    monkeypatch.setattr(Toy, "training_loss", training_loss)
    before = signal.signal(signal.SIGTERM, end)
    try:
        with pytest.raises(Killed):
            run(tmp_path)
        assert signal.getsignal(signal.SIGTERM) is end
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_signal_that_its_listener_survives_only_saves(tmp_path, monkeypatch):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        signal_in_step(monkeypatch, 5, signal.SIGTERM, signal.SIGTERM)
        assert run(tmp_path).epochs == 3
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM], "the second one changed nothing"


def test_ctrl_c_twice_does_not_wait(tmp_path, monkeypatch):
    signal_in_step(monkeypatch, 5, signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert not (tmp_path / "state.pt").exists()


def test_what_is_slow_to_save_or_large_is_saved_less_often(tmp_path, monkeypatch):
    """On a clock on which a step takes a second; saving is to cost 1 % of the time, and 2 MB/s."""
    now, saved = [0.0], []
    cost = {"seconds": 0.0, "bytes": 0}

    def save_state(folder, state):
        now[0] += cost["seconds"]
        saved.append(state["progress"]["step"])
        return cost["bytes"]

    monkeypatch.setattr(trainer.checkpoints, "save_state", save_state)
    monkeypatch.setattr(trainer.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(Toy, "on_progress", lambda self, done: now.__setitem__(0, now[0] + 1.0))
    gaps = {}
    for seconds, size in [(0.0, 0), (2.0, 0), (0.1, 400_000_000)]:
        saved.clear()
        cost.update(seconds=seconds, bytes=size)
        run(tmp_path / f"{seconds}-{size}", replace(RECIPE, epochs=40))
        gaps[seconds, size] = set(np.diff(saved).tolist())
    assert gaps == {(0.0, 0): {20}, (2.0, 0): {200}, (0.1, 400_000_000): {200}}


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "ranger", "schedule": "halving", "clip": 0.1},
        {"optimizer": "amsgrad", "schedule": "cosine"},
        {"gradient": "times_loss", "rate_per": "epoch", "batches": "full", "mirrored": "half"},
    ],
)
def test_every_recipe_is_resumed_exactly(tmp_path, monkeypatch, changes):
    recipe = replace(RECIPE, **changes)
    heard = []
    monkeypatch.setattr(Toy, "on_progress", lambda self, done: heard.append(done))
    info = run(tmp_path / "whole", recipe)
    whole = heard.copy()
    assert whole == [step / info.steps for step in range(info.steps)]
    monkeypatch.setattr(trainer, "SAVE_EVERY_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        kill_after(patch, 7)
        with pytest.raises(Killed):
            run(tmp_path / "killed", recipe)
    heard.clear()
    run(tmp_path / "killed", recipe)
    assert heard == whole[7:]
    weights = [load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "killed")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    run(tmp_path / "plain")
    plain = load_file(tmp_path / "plain" / "weights.safetensors")
    assert not torch.equal(plain["lift.weight"], weights[0]["lift.weight"])


def test_selection_takes_the_epoch_with_the_lowest_validation_error(tmp_path):
    info = run(tmp_path, replace(RECIPE, learning_rate=0.9, decay=1.0, epochs=5))
    errors = dict(info.validation_mpjpe)
    assert info.selected_epoch == min(errors, key=errors.__getitem__)
    last = run(tmp_path / "last", selection="last")
    assert (last.selected_epoch, last.validation_mpjpe) == (3, ())


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damaged", "steps_again"),
    [(["state.pt"], 36 - 7), (["state.pt", "state-before.pt"], 36), (["best-0-0.5-*.safetensors"], 36)],
)
def test_a_damaged_state_starts_from_the_last_good_one(tmp_path, monkeypatch, capsys, damaged, steps_again):
    run(tmp_path / "store" / "trainings" / "whole")
    monkeypatch.setattr(trainer, "SAVE_EVERY_SECONDS", 0.0)
    folder = tmp_path / "store" / "trainings" / "killed"
    with monkeypatch.context() as patch:
        kill_after(patch, 8)
        with pytest.raises(Killed):
            run(folder)
    for name in damaged:
        (path,) = folder.glob(name)
        flip_a_bit(path)
    begun = []
    monkeypatch.setattr(Toy, "on_progress", lambda self, done: begun.append(done))
    run(folder)
    assert len(begun) == steps_again
    weights = [(folder.parent / name / "weights.safetensors").read_bytes() for name in ("whole", "killed")]
    assert weights[0] == weights[1]
    assert len(list((tmp_path / "store" / "unreadable").iterdir())) == len(damaged)
    assert capsys.readouterr().err.count("counts as absent") == len(damaged)
    assert {path.name for path in folder.iterdir()} == {"training.json", "weights.safetensors"}


def test_a_state_of_another_version_is_moved_aside(tmp_path, monkeypatch):
    folder = tmp_path / "store" / "trainings" / "killed"
    undisturbed = run(tmp_path / "store" / "trainings" / "whole")
    empty: dict[str, dict] = {"model": {}, "optimizer": {}, "scaler": {}, "progress": {}}
    others = [{"weights": {}}, empty, {**empty, "model": Toy(ToyConfig()).state_dict()}]
    for number, state in enumerate(others):
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(state, folder / "state.pt")
        assert run(folder).loss == undisturbed.loss
        assert len(list((tmp_path / "store" / "unreadable").iterdir())) == number + 1


def test_one_process_trains_at_one_precision_after_another():
    for precision in ("fp32", "bf16", "fp32"):
        expected = "no" if precision == "fp32" else precision
        assert accelerator_for("cpu", precision).mixed_precision == expected


def rates_and_gradients(folder, monkeypatch, recipe):
    """Learning rate, gradient and weights of every step, as the optimiser meets them; and the mean losses."""
    seen = []

    def note(optimizer, args, kwargs):
        weight = optimizer.param_groups[0]["params"][0]
        seen.append((optimizer.param_groups[0]["lr"], weight.grad.clone(), weight.detach().clone()))

    handle = register_optimizer_step_pre_hook(note)
    info = run(folder, recipe)
    handle.remove()
    return seen, info


def test_the_learning_rate_may_fall_at_epoch_ends_only(tmp_path, monkeypatch):
    seen, info = rates_and_gradients(tmp_path, monkeypatch, replace(RECIPE, rate_per="epoch"))
    steps = info.steps // info.epochs
    assert [rate for rate, _, _ in seen] == [0.05] * steps + [0.025] * steps + [0.0125] * steps


def test_a_gradient_times_the_loss(tmp_path, monkeypatch):
    one_step = replace(RECIPE, epochs=1, batch_frames=10**6)
    (plain,), info = rates_and_gradients(tmp_path / "plain", monkeypatch, one_step)
    (scaled,), same = rates_and_gradients(
        tmp_path / "scaled", monkeypatch, replace(one_step, gradient="times_loss")
    )
    assert info.loss == same.loss
    torch.testing.assert_close(scaled[1], plain[1] * info.loss[0])


def test_full_batches_and_halved_epochs(tmp_path, monkeypatch):
    sizes = []
    loss_of = Toy.training_loss
    monkeypatch.setattr(Toy, "training_loss", lambda self, batch: sizes.append(len(batch)) or loss_of(self, batch))
    whole = run(tmp_path / "whole", replace(RECIPE, batch_frames=9 * 7, batches="full"))
    per_epoch = sum(sizes) // whole.epochs
    rest = [per_epoch % 7] if per_epoch % 7 else []
    assert sizes == ([7] * (per_epoch // 7) + rest) * whole.epochs
    sizes.clear()
    half = run(tmp_path / "half", replace(RECIPE, mirrored="half"))
    assert sum(sizes) == per_epoch // 2 * half.epochs


@pytest.mark.parametrize(("processes", "together"), [(1, [4, 4, 2]), (2, [4, 6])])
def test_no_process_gets_fewer_windows_than_a_step_needs(processes, together, monkeypatch, tmp_path):
    """Two windows are left over, which is one for each of two processes."""
    monkeypatch.setattr(Toy, "least_windows", 2)
    data = dataset("toy", None, "gt")
    windows = Windows(data.train[:1], data.skeleton, 4, mode="train")
    assert len(windows.table) == 10
    lifter, recipe = Toy(ToyConfig(frames=4)), replace(RECIPE, batch_frames=4 * 4, batches="full")
    accelerator = SimpleNamespace(num_processes=processes, device=torch.device("cpu"))
    training = _Run(lifter, windows, [], recipe, tmp_path, accelerator, "toy", None, None)
    steps = range(training.steps_per_epoch)
    rows = [step_rows(training.rows, len(steps), step, training.batch_windows) for step in steps]
    assert [len(some) for some in rows] == together
    assert all(len(share(some, 1 % processes, processes)) >= 2 for some in rows)


def test_an_order_may_be_given(tmp_path, monkeypatch):
    keys = []
    loss_of = Toy.training_loss
    monkeypatch.setattr(
        Toy, "training_loss", lambda self, batch: keys.extend(batch.window_keys.tolist()) or loss_of(self, batch)
    )
    run(tmp_path, order=lambda epoch: np.arange(10 * epoch, 10 * epoch + 10))
    windows = Windows(split_validation(dataset("toy", None, "gt").train, 10, ())[0], HUMAN36M, 9, flip=True)
    assert keys == windows.keys[:30].tolist()


def test_a_method_is_told_the_actions_of_the_training_data_once(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(trainer, "SAVE_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(Toy, "fit_actions", lambda self, actions: told.append(actions))
    with monkeypatch.context() as patch:
        kill_after(patch, 7)
        with pytest.raises(Killed):
            run(tmp_path)
    run(tmp_path)
    data = dataset("toy", None, "gt")
    assert told == [tuple(sorted({sequence.action_class for sequence in data.train}))]


def test_a_training_ends_when_its_compute_is_spent(tmp_path, monkeypatch):
    recipe = replace(RECIPE, compute=3e-6, batch_frames=None, batch_windows=10)
    whole = run(tmp_path / "whole", recipe)
    assert whole.tflop == pytest.approx(3e-6, rel=0.5 / whole.steps)
    assert whole.epochs == round(whole.steps / (whole.steps // whole.epochs), 4)
    assert whole.epochs % 1 != 0, "it ends within an epoch"
    assert len(whole.loss) == np.ceil(whole.epochs)
    assert whole.validation_mpjpe[-1][0] == whole.epochs
    monkeypatch.setattr(trainer, "SAVE_EVERY_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        kill_after(patch, whole.steps - 1)
        with pytest.raises(Killed):
            run(tmp_path / "killed", recipe)
    timeless = {"seconds": 0.0, "windows_per_s": 0.0}
    resumed = run(tmp_path / "killed", recipe)
    assert resumed.model_copy(update=timeless) == whole.model_copy(update=timeless)
