"""Trained weights: found in the store, or made there, what they begin from first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from tqdm import tqdm

from bench.data.sequence import Dataset
from bench.data.splits import split_validation
from bench.data.windows import evaluation_windows, training_windows
from bench.job.resolve import Training
from bench.results.record import TrainingInfo
from bench.results.store import Store
from bench.training.selection import Choice
from bench.training.trainer import accelerator_for, load_trained, train
from models.errors import InputError
from models.lifter import Lifter

if TYPE_CHECKING:
    from accelerate import Accelerator

NOT_TRAINED = TrainingInfo(
    epochs=0, steps=0, seconds=0.0, windows_per_s=0.0, selected_epoch=0, loss=(), validation_mpjpe=()
)


def train_or_load(
    training: Training,
    lifter: Lifter,
    data: Dataset,
    judges: Dataset,
    store: Store,
    device: str,
    others: Sequence[tuple[Training, Dataset]] = (),
) -> tuple[TrainingInfo, bool]:
    """Give ``lifter`` the weights of a training, which is done now if it was not done before.

    The trainings that it begins from are trainings of their own: kept, continued after an interruption, and shared
    by all that begin from them. Other programs that want the same wait.

    Args:
        training: what to do.
        lifter: ``training.build()``.
        data: training data.
        judges: whose test part chooses the checkpoint where ``selection`` is "test".
        store: where trainings are kept.
        device: "auto", "cpu", "cuda" or "cuda:i".
        others: trainings that go the same way but choose another checkpoint of it, with whose test part chooses
            theirs; they are kept too where the training is done now.

    Returns:
        How the weights came to be, and whether they were made now.

    Raises:
        InputError: the data does not fit the method, or a training diverged.
    """
    accelerator = accelerator_for(device, training.spec.precision)
    folder = store.training(training.id)
    with _alone(store, [training, *(other for other, _ in others)], accelerator):
        info = load_trained(lifter, folder)
        if info is not None:
            return info, False
        before = None
        if training.first is not None:
            first, before = _first(training.first, data, judges, store, device)
            lifter.begin_from(first)
        spec = training.spec
        _check_lengths(data, lifter)
        fitted, held_out = split_validation(data.train, spec.holdout)
        choices = []
        for wanted, judge in ((training, judges), *others):
            takes = judge.test if wanted.spec.selection == "test" else held_out
            validation = evaluation_windows(takes, lifter)
            choices.append(Choice(wanted.spec.selection, validation, store.training(wanted.id)))
        windows = training_windows(fitted, lifter, spec.flip)
        unfinished = store.training("+".join(choice.folder.name for choice in choices))
        info = train(lifter, windows, choices, spec, unfinished, accelerator, training.title, before)
    if accelerator.is_main_process:
        tqdm.write(
            f"trained {training.title}: {info.steps} steps in {info.seconds:.0f} s "
            f"({info.windows_per_s:.0f} windows/s)"
        )
    return info, True


def _first(
    training: Training, data: Dataset, judges: Dataset, store: Store, device: str
) -> tuple[Lifter, TrainingInfo]:
    """A finished first stage, as every process reads it from the store."""
    train_or_load(training, training.build(), data, judges, store, device)
    finished = training.build()
    info = load_trained(finished, store.training(training.id))
    assert info is not None
    return finished.eval(), info


@contextmanager
def _alone(store: Store, trainings: Iterable[Training], accelerator: Accelerator) -> Iterator[None]:
    """Keep other programs from doing the same work; processes of one program share it."""
    if accelerator.is_main_process:
        in_one_order = sorted(training.id for training in trainings)  # so that nobody waits in a ring
        with ExitStack() as stack:
            for name in in_one_order:
                stack.enter_context(store.lock(f"training-{name}"))
            accelerator.wait_for_everyone()
            yield
    else:
        accelerator.wait_for_everyone()
        yield


def _check_lengths(data: Dataset, lifter: Lifter) -> None:
    longest = max(len(sequence) for sequence in data.train)
    if longest < lifter.train_frames:
        raise InputError(
            f"data {data.name!r}: the longest training sequence has {longest} frames, fewer than the window of "
            f"{lifter.train_frames}; set method.options.frames to at most {longest}"
        )
