"""Trained weights by what a user calls them: shipped ones, a training of the store, a folder, an imported file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.config.experiment import Experiment
from bench.config.registry import CHECKPOINTS
from bench.job.method import find_method
from bench.job.model_card import load_model, read_card
from bench.results.record import Record
from bench.results.runs.named import SHIPPED
from bench.results.store import MODEL, WEIGHTS, Store
from bench.training.checkpoints import load_trained
from models.checkpoints.importer import read_imported
from models.errors import InputError
from models.lifter import Lifter
from models.skeleton import HUMAN36M

USUAL_HEIGHT = 0.7
"""Height of people in Human3.6M in screen units: 1.55 m from ankle to head, 5.2 m away, focal length 2.29."""

SHORTEST_ID, MOST_NAMED = 4, 12

NOT_SHIPPED = "the small weights come with a clone of the repository, and none are here"
"""Where the suite was installed without its repository."""


@dataclass(frozen=True)
class Weights:
    """A method that is ready to predict.

    Attributes:
        lifter: in evaluation mode, on the CPU.
        name: what tables and files call it.
        source: where the weights come from, in words.
        identity: of the weights, from which a prediction is known again.
        person_height: of people in the training, the longer side of the box around their joints in screen units.
    """

    lifter: Lifter
    name: str
    source: str
    identity: str
    person_height: float


def load_weights(named: str, store: Store) -> Weights:
    """The weights that a user names.

    Args:
        named: a trained folder, an imported file, the beginning of a training's id, or the name of a method whose
            weights come with the suite.

    Raises:
        InputError: there are no such weights, they cannot be read, or they lift other joints than Human3.6M's.
    """
    path = Path(named)
    if path.is_dir():
        found = _of_folder(path)
    elif path.is_file():
        imported = read_imported(path, CHECKPOINTS.load)
        source, lifter = f"published weights {path.name}, SHA-256 {imported.source_sha256[:16]}", imported.build()
        found = Weights(lifter, lifter.title, source, imported.source_sha256, USUAL_HEIGHT)
    elif named in _shipped():
        found = _of_folder(_shipped()[named])
    else:
        found = _of_store(named, store)
    if found.lifter.skeleton != HUMAN36M:
        raise InputError(
            f"{named}: lifts the joints of {found.lifter.skeleton.name}, but key points become those of "
            f"{HUMAN36M.name}: take weights that were trained on these"
        )
    return found


def named_apart(several: Sequence[Weights]) -> list[Weights]:
    """The same with different names: those of one method have the beginning of their identity behind it."""
    names = Counter(weights.name for weights in several)
    return [
        replace(weights, name=f"{weights.name} {weights.identity[:6]}") if names[weights.name] > 1 else weights
        for weights in several
    ]


def _of_folder(folder: Path) -> Weights:
    lifter, card = load_model(folder)
    source = f"training {card.training_id} on {card.data}, {card.detections} poses"
    return Weights(lifter, card.title, source, card.training_id, card.person_height)


def _shipped() -> dict[str, Path]:
    """Name of a method → the folder of the weights that come with the suite."""
    return {path.parent.name: path.parent for path in sorted(SHIPPED.glob(f"weights/*/{WEIGHTS}"))}


def _of_store(named: str, store: Store) -> Weights:
    folder = _folder(named, store)
    if (folder / MODEL).exists():
        return _of_folder(folder)
    record = next((record for record in store.records().values() if record.training_id == folder.name), None)
    if record is None:
        raise InputError(
            f"{folder}: has no {MODEL}, which says what the weights are, and the store has no record of it: run "
            "its experiment again in a new store"
        )
    return _of_record(folder, record)


def _of_record(folder: Path, record: Record) -> Weights:
    """Weights of an older version of the suite, which wrote no ``model.json``: their record knows the method."""
    if record.data.joints and record.data.joints != HUMAN36M.joints:
        raise InputError(f"{folder}: lifts other joints than those of {HUMAN36M.name}: take other weights")
    method = find_method(Experiment.from_record(record.experiment))
    lifter = method.lifter(method.config, HUMAN36M)
    if load_trained(lifter, folder) is None:
        raise InputError(f"{folder}: its weights cannot be read: run its experiment again")
    source = f"training {folder.name} on {record.data.label}, {record.data.train_detections} poses"
    return Weights(lifter.eval(), lifter.title, source, folder.name, USUAL_HEIGHT)


def _folder(named: str, store: Store) -> Path:
    """The one training of a store whose id begins so."""
    trained = sorted(path.parent for path in (store.root / "trainings").glob(f"*/{WEIGHTS}"))
    found = [folder for folder in trained if folder.name.startswith(named)]
    if len(found) == 1 and len(named) >= SHORTEST_ID:
        return found[0]
    there = "; ".join(_described(found or trained)) or "it has none"
    what = f"names {len(found)} trainings" if found else "is no folder, no file, and no training"
    names = " or ".join(_shipped())
    shipped = f", or {names}, which come with the suite" if names else f"; {NOT_SHIPPED}"
    raise InputError(f"--weights {named}: {what} of {store.root}: take one of its ids ({there}){shipped}")


def _described(folders: list[Path]) -> Iterator[str]:
    for folder in folders[:MOST_NAMED]:
        try:
            yield f"{folder.name} {read_card(folder).title}"
        except InputError:
            yield folder.name
    if len(folders) > MOST_NAMED:
        yield f"and {len(folders) - MOST_NAMED} more"
