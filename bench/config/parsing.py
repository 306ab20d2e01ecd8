"""Reading descriptions from YAML files and from the command line, and saying in one sentence what is wrong."""

from __future__ import annotations

import difflib
import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from models.errors import InputError

Model = TypeVar("Model", bound=BaseModel)


class Frozen(BaseModel):
    """Base of every description and record: unknown keys are refused, nothing changes after it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def validated(model: type[Model], description: Any, source: str) -> Model:
    """Build a pydantic model, or say in plain words what is wrong with its description."""
    try:
        return model.model_validate(description)
    except ValidationError as error:
        sentences = [_sentence(model, problem) for problem in error.errors()]
        raise InputError(f"{source}: " + "; ".join(sentences)) from None


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        InputError: the file is missing or is not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give the path of a YAML file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        place = str(error).replace("\n", " ")
        raise InputError(f"{path}: is not valid YAML ({place}); correct the file") from None


def override(description: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of a nested mapping with ``a.b.c`` set to ``value``."""
    head, _, rest = key.partition(".")
    changed = dict(description)
    if not rest:
        changed[head] = value
        return changed
    below = changed.get(head)
    changed[head] = override(below if isinstance(below, Mapping) else {}, rest, value)
    return changed


def parse_assignment(text: str, option: str = "--set") -> tuple[str, Any]:
    """``"training.epochs=3"`` → ``("training.epochs", 3)``; the value is read as YAML.

    Raises:
        InputError: no ``=``, no key, or a value that is not YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{option} {text}: is not of the form key=value, for example training.epochs=3")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        raise InputError(f"{option} {text}: the value is not valid YAML; quote it") from None


def checked_options(
    options: Mapping[str, Any], hints: Mapping[str, Any], prefix: str, owner: str
) -> dict[str, Any]:
    """Options, each brought to the type that is declared for it.

    Args:
        options: as written.
        hints: name → type of every option that there is.
        prefix: of the keys, for sentences ("method.options").
        owner: whose options they are, for sentences ("method mixste").

    Raises:
        InputError: an option that there is not, or a value of another type.
    """
    checked = {}
    for key, value in options.items():
        if key not in hints:
            told = suggestion(key, list(hints)) if hints else "it has no options"
            raise InputError(f"unknown key '{prefix}.{key}' for {owner}: {told}")
        try:
            checked[key] = TypeAdapter(hints[key]).validate_python(value)
        except ValidationError as error:
            allowed = error.errors()[0]["msg"]
            raise InputError(f"key '{prefix}.{key}' is {value!r}, but {allowed[0].lower()}{allowed[1:]}") from None
    return checked


@functools.cache
def note_old_key(old: str, new: str) -> None:
    """Say on stderr that a key was renamed; once in a process for each key."""
    print(f"note: {old} is now called {new}; the old name is still read", file=sys.stderr)


def suggestion(word: str, known: list[str]) -> str:
    """``"did you mean 'x'?"`` with the nearest known words, else the list of all of them."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"allowed: {', '.join(sorted(known))}"


def _sentence(model: type[BaseModel], problem: Any) -> str:
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = list(_model_at(model, problem["loc"][:-1]).model_fields)
        return f"unknown key {path!r}: {suggestion(str(problem['loc'][-1]), known)}"
    if problem["type"] in ("model_type", "model_attributes_type"):
        keys = ", ".join(_model_at(model, problem["loc"]).model_fields)
        return f"{path or 'the description'!r} is {problem['input']!r}, but must be a mapping of the keys {keys}"
    allowed = problem["msg"][0].lower() + problem["msg"][1:]
    return f"key {path!r} is {problem['input']!r}, but {allowed}" if path else allowed


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel]:
    for part in location:
        annotation = model.model_fields[str(part)].annotation
        models = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
        model = next(kind for kind in models if issubclass(kind, BaseModel))  # also of ``Model | None``
    return model
