"""Trained weights: read from the store, or made there, after the training that they begin from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from filelock import Timeout
from tqdm import tqdm

from bench.config.experiment import ActionLabels, Selection
from bench.data.sequence import Dataset
from bench.data.splits import split_validation
from bench.data.windows import evaluation_windows, training_windows
from bench.job.describe import describe_training
from bench.job.jobs import Training
from bench.job.model_card import write_card
from bench.protocol.counterfactual import relabelled
from bench.results.record import TrainingInfo
from bench.results.store import MODEL, Store
from bench.results.tracking.journal import Journal, journals, path_of
from bench.training.accelerator import accelerator_for, check_precision
from bench.training.checkpoints import is_begun, load_trained, remove_unfinished
from bench.training.selection import CheckpointSelector, validation_windows
from bench.training.trainer import train
from models.errors import InputError, UnfitError
from models.lifter import Lifter

if TYPE_CHECKING:
    from accelerate import Accelerator

NOT_TRAINED = TrainingInfo(
    epochs=0, steps=0, seconds=0.0, windows_per_s=0.0, selected_epoch=0, loss=(), validation_mpjpe=()
)


def train_or_load(
    training: Training, lifter: Lifter, store: Store, device: str, siblings: Sequence[Training] = ()
) -> TrainingInfo:
    """Give ``lifter`` the weights of a training, which is done now if it was not done before.

    A training that this one begins from comes first; it is kept in the store and shared like any other. While one
    program trains, others that need the same training wait.

    Args:
        lifter: ``training.build()``.
        siblings: trainings of the same trajectory that select another checkpoint. If the training is done now,
            their weights are kept too.

    Returns:
        How the weights came to be.

    Raises:
        InputError: the data does not fit the method, the device has not the precision, or a training diverged.
    """
    accelerator = accelerator_for(device, training.recipe.precision)
    with _locked_together([training, *siblings], store, accelerator) as together:
        info = load_trained(lifter, store.training(training.id))
        if info is not None:
            if accelerator.is_main_process and not (store.training(training.id) / MODEL).exists():
                write_card(store.training(training.id), training)  # a kill, or an older version, left it out
            return info
        info = _train(together, lifter, store, device, accelerator)
        if together[0].id != training.id:
            info = load_trained(lifter, store.training(training.id))
            if info is None:
                raise InputError(f"training of {training.title}: its weights were damaged; train it again")
    if accelerator.is_main_process:
        for member in together:
            write_card(store.training(member.id), member)
        tqdm.write(
            f"trained {training.title}: {info.steps} steps in {info.seconds:.0f} s "
            f"({info.windows_per_s:.0f} windows/s)"
        )
    return info


@contextmanager
def _locked_together(wanted: list[Training], store: Store, accelerator: Accelerator) -> Iterator[list[Training]]:
    """Hold the locks of the trainings to do, which are given."""
    while True:
        together = _begun_together(wanted, store)
        with _locked(store, together, accelerator):
            # While this program waited, another one may have begun more of them together, and have been killed.
            if accelerator.num_processes > 1 or _name(_begun_together(wanted, store)) == _name(together):
                yield together
                return


def _begun_together(wanted: list[Training], store: Store) -> list[Training]:
    """The trainings to do: the wanted ones, with those of the same trajectory that were begun together with them.

    An interrupted program may have wanted more selections, or have finished some of them. Its state is in a folder
    that is named after all; they stand in the order of that name, as in the state.
    """
    others = (replace(wanted[0], selection=selection) for selection in get_args(Selection))
    known = {one.id: one for one in (*others, *wanted)}
    for names in begun_with([one.id for one in wanted], store):
        if known.keys() >= set(names):
            return [known[name] for name in names]
    return wanted


def begun_with(wanted: Sequence[str], store: Store) -> Iterator[list[str]]:
    """Ids of trainings that were begun together and interrupted, with the wanted ones among them.

    Where these were begun without others, they come first.
    """
    for folder in (store.training("+".join(wanted)), *sorted(store.root.glob("trainings/*+*"))):
        names = folder.name.split("+")
        if set(wanted) <= set(names) and is_begun(folder):
            yield names


def forget_unfinished(training_id: str, store: Store) -> None:
    """Let a training begin anew, with a new journal, unless somebody trains it now."""
    with suppress(Timeout), store.lock(f"training-{training_id}").acquire(timeout=0):
        for names in begun_with([training_id], store):
            remove_unfinished(store.training("+".join(names)))
        for path in journals(store.root):
            if training_id in path.stem.split("+"):
                path.unlink(missing_ok=True)


def _name(together: Iterable[Training]) -> str:
    """Name of the folder and the journal of trainings of one trajectory while they are trained."""
    return "+".join(member.id for member in together)


def _train(
    together: Sequence[Training], lifter: Lifter, store: Store, device: str, accelerator: Accelerator
) -> TrainingInfo:
    """Do trainings of one trajectory, the first of which ``lifter`` gets the weights of."""
    training, data, recipe = together[0], together[0].data, together[0].recipe
    check_precision(accelerator.device, recipe.precision)
    first_info = None
    if training.first is not None:
        train_or_load(training.first, training.first.build(), store, device)
        first = training.first.build()  # every process reads its weights from the store
        first_info = train_or_load(training.first, first, store, device)
        lifter.begin_from(first.eval())
    check_lengths(data, lifter)
    fitted, held_out = split_validation(data.train, recipe.holdout, data.validation)
    selectors = []
    size = validation_windows(recipe)
    shown: ActionLabels = "empty" if recipe.labels == "none" else "given"
    for member in together:
        takes = member.selection_data.test if member.selection == "test" else held_out
        validation = evaluation_windows(takes, lifter)
        folder = store.training(member.id)
        selectors.append(CheckpointSelector(member.selection, validation, folder, labels=shown, windows=size))
    windows = training_windows(relabelled(fitted, recipe.labels, recipe.seed), lifter, recipe.flips)
    name = _name(together)
    journal = None
    if accelerator.is_main_process:
        journal = Journal(path_of(store.root, name), tuple(map(describe_training, together)))
    return train(
        lifter, windows, selectors, recipe, store.training(name), accelerator, training.title, first_info,
        journal=journal,
    )  # fmt: skip


@contextmanager
def _locked(store: Store, trainings: Iterable[Training], accelerator: Accelerator) -> Iterator[None]:
    """Keep other programs from doing the same trainings; processes of one program train together."""
    with ExitStack() as stack:
        if accelerator.is_main_process:
            for name in sorted(training.id for training in trainings):  # no two programs wait for each other
                stack.enter_context(store.lock(f"training-{name}"))
        accelerator.wait_for_everyone()
        yield


def check_lengths(data: Dataset, lifter: Lifter) -> None:
    """Refuse data without a sequence that is as long as a training window.

    Raises:
        UnfitError: they have none.
    """
    if not data.train:
        raise UnfitError(f"data {data.name!r}: has no training sequence; name data with training subjects")
    longest = max(map(len, data.train))
    if longest < lifter.train_frames:
        raise UnfitError(
            f"data {data.name!r}: the longest training sequence has {longest} frames, fewer than the window of "
            f"{lifter.train_frames}; set method.options.frames to at most {longest}"
        )
