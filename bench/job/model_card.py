"""``model.json`` beside finished weights: what they are, so that the folder is usable without its store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
from pydantic import BaseModel, ValidationError

from bench.config.registry import METHODS
from bench.data.sequence import Sequence
from bench.job.jobs import Training
from bench.results.documents import UnreadableError, unseal
from bench.results.files import read_bytes, sha256, write_text
from bench.results.store import MODEL, TRAINED, WEIGHTS, Trained
from models.checkpoints.importer import SKELETONS
from models.errors import InputError, shown
from models.lifter import Lifter

SCHEMA = 1
LOOKED_AT = 200
"""Sequences that the size of people is taken from, evenly spread."""


class ModelCard(BaseModel):
    """What finished weights are.

    Attributes:
        method: name in the registry.
        title: what tables call it.
        version: of the method.
        config: complete configuration.
        skeleton: name of the joint order; ``joints`` are their names in it.
        data, detections: that it was trained on.
        normalisation: of the 2D input, in words.
        person_height: of people in the training, the longer side of the box around their joints in screen units.
        training_id: identity of the training.
    """

    schema_version: int = SCHEMA
    method: str
    title: str
    version: int
    config: dict[str, Any]
    skeleton: str
    joints: tuple[str, ...]
    data: str
    detections: str
    normalisation: str = "x / width * 2 - 1, y / width * 2 - height / width, from pixels"
    person_height: float
    training_id: str


def write_card(folder: Path, training: Training) -> None:
    """Say what the weights in a folder are; a first stage, which is no method by itself, is not described."""
    lifter, data = training.lifter, training.data
    name = METHODS.name_of(f"{lifter.__module__}:{lifter.__qualname__}")
    if name is None:
        return
    card = ModelCard(
        method=name,
        title=lifter.title,
        version=lifter.version,
        config=asdict(training.config),
        skeleton=data.skeleton.name,
        joints=data.skeleton.joints,
        data=data.label,
        detections=data.detections,
        person_height=person_height(data.train),
        training_id=training.id,
    )
    write_text(folder / MODEL, card.model_dump_json(indent=1) + "\n")


def person_height(sequences: Iterable[Sequence]) -> float:
    """Median of the longer side of the box around the 2D joints, in screen units."""
    every = list(sequences)
    chosen = every[:: max(1, len(every) // LOOKED_AT)]
    some = [sequence.pose_2d[:: max(1, len(sequence) // 20)] for sequence in chosen]
    return float(np.median(np.concatenate([np.ptp(poses, axis=1).max(axis=-1) for poses in some])))


def load_model(folder: Path) -> tuple[Lifter, ModelCard]:
    """The method of a trained folder with its weights, in evaluation mode. Nothing of the folder is changed.

    Raises:
        InputError: the folder does not say what it is, or its weights are missing, damaged or of something else.
    """
    card = read_card(folder)
    place = folder / WEIGHTS
    try:
        content = read_bytes(place)
        checksum = _checksum(folder)
        if checksum is not None and sha256(content) != checksum:
            raise UnreadableError("their content does not have its checksum")
        state = safetensors.torch.load(content)
    except FileNotFoundError:
        raise InputError(f"{place}: is not there: the training is not finished, or was not copied whole") from None
    except (UnreadableError, safetensors.SafetensorError) as error:
        raise InputError(f"{place}: the weights cannot be read ({error}): get them again") from None
    lifter_class = METHODS.load(card.method)
    if lifter_class.version != card.version:
        raise InputError(
            f"{folder}: holds weights of version {card.version} of {card.method}, which now is version "
            f"{lifter_class.version}: train again"
        )
    config = {key: tuple(value) if isinstance(value, list) else value for key, value in card.config.items()}
    try:
        lifter = lifter_class(lifter_class.Config(**config), SKELETONS[card.skeleton])
        lifter.load_state_dict(state)
    except (TypeError, KeyError, RuntimeError, InputError) as error:
        reason = f"{MODEL} does not fit the weights ({shown(error, 200)}): get both again"
        raise InputError(f"{folder}: {reason}") from None
    return lifter.eval(), card


def read_card(folder: Path) -> ModelCard:
    """What a trained folder says of itself.

    Raises:
        InputError: it says nothing, or nothing that can be read.
    """
    try:
        return ModelCard.model_validate_json(read_bytes(folder / MODEL))
    except FileNotFoundError:
        raise InputError(
            f"{folder}: has no {MODEL}, which says what the weights are: name its store with --store, and the "
            "training by its id"
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise InputError(f"{folder / MODEL}: cannot be read ({place}: {first['msg']}): get it again") from None


def _checksum(folder: Path) -> str | None:
    try:
        return unseal(read_bytes(folder / TRAINED), Trained).weights_sha256
    except FileNotFoundError:
        return None
