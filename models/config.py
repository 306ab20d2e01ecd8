"""Options that methods have in common, and the checks of their values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from models.errors import InputError


@dataclass(frozen=True)
class WindowConfig:
    """The option that every method has.

    Attributes:
        frames: F of a window.

    Raises:
        InputError: frames is not positive; in a subclass also: another option is out of its range.
    """

    frames: int = 243

    def __post_init__(self) -> None:
        check_at_least(self, 1, "frames")


@dataclass(frozen=True)
class CentreConfig(WindowConfig):
    """Options of a method that lifts one frame from the frames around it.

    Attributes:
        frames: F of an evaluated window; it changes no number, only how much is lifted per call.
        length: frames that are seen to lift the one in their middle, odd.
    """

    length: int = 243

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length < 1 or self.length % 2 == 0:
            raise InputError(f"length is {self.length}, but a window has an odd number of frames: take 27 or 243")

    @property
    def context(self) -> tuple[int, int]:
        """Input frames that an output frame needs on its left and right."""
        return self.length // 2, self.length // 2


@dataclass(frozen=True)
class ConfidenceConfig:
    """Option of a method that reads the 2D detector's confidence.

    Attributes:
        confidence: "required", or "one": 1 for every joint where the data has none. An experiment whose options do
            not name it takes "one" on data without (``bench.job.method.settle_confidence``).
    """

    confidence: Literal["required", "one"] = "required"


def added_option(default: Any) -> Any:
    """A field that a configuration was given later; its default is what was computed before."""
    return field(default=default, metadata={"added": True})


def identifying(config: Any) -> dict[str, Any]:
    """The fields of a configuration that name it: all but added options at their default, so that names stay."""
    unchanged = {
        entry.name
        for entry in fields(config)
        if entry.metadata.get("added") and getattr(config, entry.name) == entry.default
    }
    return {name: value for name, value in asdict(config).items() if name not in unchanged}


def check_at_least(config: object, least: int, *names: str) -> None:
    """Raises ``InputError`` where one of these options of a configuration is given and below ``least``."""
    for name in names:
        value = getattr(config, name)
        if value is not None and value < least:
            raise InputError(f"{name} is {value}, but must be {least} or more")


def check_positive(config: object, *names: str) -> None:
    """Raises ``InputError`` where one of these options of a configuration is not above 0."""
    for name in names:
        value = getattr(config, name)
        if not value > 0:
            raise InputError(f"{name} is {value}, but must be positive: take {getattr(type(config), name)}")


def check_probability(config: object, *names: str) -> None:
    """Raises ``InputError`` where one of these options of a configuration is not from 0 to below 1."""
    for name in names:
        value = getattr(config, name)
        if not 0 <= value < 1:
            default = getattr(type(config), name)
            raise InputError(f"{name} is {value}, but is a probability below 1: take {default}")


def check_one_of(config: object, known: Collection[str], name: str) -> None:
    """Raises ``InputError`` where this option of a configuration is none of those known."""
    value = getattr(config, name)
    if value not in known:
        raise InputError(f"{name} is {value!r}: take one of {', '.join(known)}")


def check_heads(channels: int, heads: int) -> None:
    """Raises ``InputError`` where channels is odd, less than 4 or no multiple of heads."""
    if channels < 4 or channels % 2 or heads < 1 or channels % heads:
        raise InputError(f"channels is {channels} with {heads} heads: take an even multiple of heads, 4 or more")
