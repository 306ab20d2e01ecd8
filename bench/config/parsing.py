"""Reading descriptions from YAML files and from the command line, and saying in one sentence what is wrong."""

from __future__ import annotations

import difflib
import functools
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from bench.config.safe_yaml import LARGEST, YamlError, load_yaml
from models.errors import CONTROL_CHARACTERS, InputError, quoted, shown

Model = TypeVar("Model", bound=BaseModel)
Written = TypeVar("Written", str, Path)

MOST_SENTENCES = 5
"""Most faults of a description that are told one by one; further ones are counted."""

DEEPEST_KEY = 10
"""Parts of a key: ``a.b.c`` has three."""

KINDS = {
    "int": "a whole number",
    "int_from_float": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "true or false",
    "string": "a text",
    "dict": "a mapping of keys to values",
    "list": "a list",
    "tuple": "a list",
    "path": "a path",
}
"""Kind of pydantic's error → what a value must be then."""


class Frozen(BaseModel):
    """Base of every description and record: unknown keys are refused, nothing changes after it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Description(Frozen):
    """Base of what people write: every number of it is finite."""

    model_config = ConfigDict(allow_inf_nan=False)


def printable(value: Written) -> Written:
    """The text or path itself, if it has no control characters: those of a name would go to the terminal.

    Raises:
        PydanticCustomError: it has some, or characters that are no text (of a path that is not UTF-8).
    """
    if CONTROL_CHARACTERS.search(str(value)):
        raise PydanticCustomError("unprintable", "must have no control characters: write it without them")
    return value


Name = Annotated[str, Field(max_length=200), AfterValidator(printable)]
FilePath = Annotated[Path, AfterValidator(printable)]


def validated(model: type[Model], description: Any, source: str) -> Model:
    """Build a pydantic model, or say in plain words what is wrong with its description."""
    try:
        return model.model_validate(description)
    except ValidationError as error:
        problems = error.errors()
        sentences = [_sentence(model, problem) for problem in problems[:MOST_SENTENCES]]
        if len(problems) > MOST_SENTENCES:
            sentences.append(f"and {len(problems) - MOST_SENTENCES:,} more faults of it")
        raise InputError(f"{source}: " + "; ".join(sentences)) from None


def read_yaml(path: Path) -> Any:
    """The content of a YAML file; ``load_yaml`` says what is refused.

    Raises:
        InputError: the file is missing, cannot be read, or is not such YAML.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give the path of a YAML file") from None
    if len(content) > LARGEST:
        raise InputError(f"{path}: has more than {LARGEST:,} bytes; give the path of a YAML file")
    try:
        return load_yaml(content.decode("utf-8-sig"))
    except (YamlError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not valid YAML ({error}); correct the file") from None


def override(description: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of a nested mapping with ``a.b.c`` set to ``value``.

    Where ``a.b`` is no mapping it stays, and the copy has a key "b.c" beside it: ``parse`` refuses both.

    Raises:
        InputError: the key has too many parts.
    """
    if key.count(".") >= DEEPEST_KEY:
        raise InputError(f"unknown key {quoted(key)}: no key has more than {DEEPEST_KEY} parts")
    head, _, rest = key.partition(".")
    below = description.get(head)
    if rest and below is not None and not isinstance(below, Mapping):
        return {**description, key: value}
    return {**description, head: override(below or {}, rest, value) if rest else value}


def parse_assignment(text: str, option: str = "--set", example: str = "training.epochs=3") -> tuple[str, Any]:
    """``"training.epochs=3"`` → ``("training.epochs", 3)``; the value is read as YAML.

    A value such as ``{action}_{subject}`` is a text: as YAML it would be a mapping, cut short.

    Args:
        option: that the text was given to, and an ``example`` of what it takes, for sentences.

    Raises:
        InputError: no ``=``, no key, or a value that ``load_yaml`` refuses.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{option} {text}: is not of the form key=value, for example {example}")
    if re.match(r"\s*\{\w+\}", value):
        return key.strip(), value.strip()
    try:
        return key.strip(), load_yaml(value)
    except YamlError as error:
        raise InputError(f"{option} {shown(text, 500)}: the value is not valid YAML ({error}); quote it") from None


def checked_options(
    options: Mapping[str, Any], hints: Mapping[str, Any], prefix: str, owner: str
) -> dict[str, Any]:
    """Options, each brought to the type that ``hints`` declare for it.

    For sentences, ``prefix`` stands before the keys ("method.options"), and ``owner`` has them ("method mixste").

    Raises:
        InputError: an option that there is not, or a value of another type.
    """
    checked = {}
    for key, value in options.items():
        if key not in hints:
            told = suggestion(key, list(hints)) if hints else "it has no options"
            raise InputError(f"unknown key '{prefix}.{shown(key, 200)}' for {owner}: {told}")
        try:
            checked[key] = TypeAdapter(hints[key]).validate_python(value)
        except ValidationError as error:
            found = f"key '{prefix}.{key}' is {quoted(value)}"
            raise InputError(f"{found}, but {_rule(error.errors()[0])}") from None
        if isinstance(checked[key], float) and not math.isfinite(checked[key]):
            raise InputError(f"key '{prefix}.{key}' is {quoted(value)}, but must be a finite number")
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
    path = shown(".".join(str(part) for part in problem["loc"]), 200)
    if problem["type"] == "extra_forbidden":
        known = list(_model_at(model, problem["loc"][:-1]).model_fields)
        return f"unknown key {path!r}: {suggestion(str(problem['loc'][-1]), known)}"
    if problem["type"] in ("model_type", "model_attributes_type"):
        keys = ", ".join(_model_at(model, problem["loc"]).model_fields)
        empty = problem["input"] is None and not path
        found = (
            "the description is empty" if empty else f"{path or 'the description'!r} is {quoted(problem['input'])}"
        )
        return f"{found}, but must be a mapping of the keys {keys}"
    if problem["type"] == "missing":
        return f"key {path!r} is missing"
    return f"key {path!r} is {quoted(problem['input'])}, but {_rule(problem)}" if path else _rule(problem)


def _rule(problem: Any) -> str:
    """What pydantic says that a value should be, in plain words."""
    kind = problem["type"].removesuffix("_parsing").removesuffix("_type")
    told = problem["msg"].replace("Input should be", "must be", 1)
    return f"must be {KINDS[kind]}" if kind in KINDS else told[0].lower() + told[1:]


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel]:
    for part in location:
        if isinstance(part, int):  # of a list of models
            continue
        annotation = model.model_fields[part].annotation
        models = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
        model = next(kind for kind in models if issubclass(kind, BaseModel))  # also of ``Model | None``
    return model
