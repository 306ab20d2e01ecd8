"""What has to be known of a method's published checkpoints so that their weights can be taken over."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor

from models.lifter import Lifter
from models.skeleton import Skeleton

State = dict[str, Tensor]  # a state dict: name of an entry → tensor

WRAPPERS = ("module.", "pose_estimator.")
"""Prefixes that DataParallel and the diffusion models put in front of every published name."""

MOST_BLOCKS = 256  # more numbered blocks than any method has


@dataclass(frozen=True)
class CheckpointAdapter:
    """How published checkpoints of one method map to the method here.

    Attributes:
        method: its name in the registry of methods.
        renames: beginning of a published name, without wrappers → beginning of ours; the first that fits counts.
            ``*`` stands for anything without a dot, and is the same in both.
        sizes: from a state dict in our names to the fields of the configuration that its shapes tell. It raises
            ``KeyError`` when the state dict is not one of this method.
        unused: beginnings of published entries that nothing here uses; ``*`` stands for anything.
        skeleton: from a state dict in our names to the joints that it lifts; None when shapes do not tell.
        blank: from configuration, joints and state dict to the method at this size, with any weights; None for
            ``lifter(config, skeleton)``.
        fixed: makes the entries that a checkpoint carries although they follow from the method alone (the
            schedule of a diffusion). Entries of these names must be equal to them.
        refusal: why published checkpoints of this method cannot be imported, and what to do; "" where they can.
        untold: fields of the configuration that shapes do not tell and published checkpoints differ in: whoever
            imports one has to say them.
    """

    method: str
    lifter: type[Lifter]
    renames: Mapping[str, str]
    sizes: Callable[[State], dict[str, Any]]
    unused: tuple[str, ...] = ()
    skeleton: Callable[[State], Skeleton] | None = None
    blank: Callable[[Any, Skeleton, State], Lifter] | None = None
    fixed: Callable[[], State] = dict
    refusal: str = ""
    untold: tuple[str, ...] = ()

    def our_name(self, published: str) -> str | None:
        """Our name of a published entry; None for one that ``renames`` does not know."""
        bare = without_wrappers(published)
        for theirs, ours in self.renames.items():
            found = re.match(re.escape(theirs).replace(r"\*", r"([^.]*)"), bare)
            if found:
                return ours.replace("*", "{}").format(*found.groups()) + bare[found.end() :]
        return None

    def is_unused(self, published: str) -> bool:
        """Whether nothing here corresponds to a published entry, and that is right."""
        bare = without_wrappers(published)
        return any(fnmatchcase(bare, f"{beginning}*") for beginning in self.unused)

    def build(self, config: Any, skeleton: Skeleton, state: State) -> Lifter:
        """The method at the size of ``config`` and ``state``, its weights not yet those of ``state``."""
        if self.blank is not None:
            return self.blank(config, skeleton, state)
        return self.lifter(config, skeleton)


def without_wrappers(published: str) -> str:
    """A published name without the prefixes of ``WRAPPERS``."""
    for wrapper in WRAPPERS:
        published = published.removeprefix(wrapper)
    return published


def count_blocks(state: State, prefix: str) -> int:
    """How many numbered entries follow a prefix.

    Raises:
        ValueError: more than any method has; building a method of such a size would take for ever.
    """
    found = len({name.removeprefix(prefix).split(".")[0] for name in state if name.startswith(prefix)})
    if found > MOST_BLOCKS:
        raise ValueError(f"{found:,} blocks {prefix}")
    return found
