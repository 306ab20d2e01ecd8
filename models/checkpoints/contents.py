"""The state dict among all that a torch file may hold, and words for what is there instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from models.checkpoints.adapter import State
from models.checkpoints.torch_files import Placeholder
from models.errors import InputError, quoted

USUAL = "model_pos"
"""The entry under which most published code keeps the state dict; it counts where several entries are one."""

MOST_ENTRIES = 8  # entries that a sentence names; the others are counted
LONGEST_KEY = 60  # characters of a key in a sentence


def find_state(content: Any, path: Path) -> State:
    """The state dict in a file's content: all of it, its entry ``model_pos``, or the only entry that is one.

    ``content``: what ``read_torch_file`` gave of the file ``path``.

    Raises:
        InputError: there is none, or several; the entries that there are are named.
    """
    if _is_state(content):
        return content
    entries = _entries(content)
    states = {key: value for key, value in entries.items() if _is_state(value)}
    if USUAL in states:
        return states[USUAL]
    if len(states) > 1:
        named = ", ".join(map(repr, states))
        raise InputError(
            f"{path} holds {len(states)} state dicts, under {named}: save the one to be imported by itself, for "
            f"example torch.save(torch.load(FILE)[{next(iter(states))!r}], NEW_FILE)"
        )
    if not states:
        raise InputError(
            f"{path} holds no state dict, but {_in_words(content)}: give a file that is one or has one "
            f"as an entry ('{USUAL}', 'state_dict', 'model'), as torch.save(model.state_dict(), FILE) writes it"
        )
    return next(iter(states.values()))


def _is_state(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(name, str) and name.isprintable() for name in value)
        and all(isinstance(tensor, Tensor) for tensor in value.values())
    )


def _entries(content: Any) -> dict[Any, Any]:
    if isinstance(content, dict):
        return content
    return dict(enumerate(content)) if isinstance(content, list | tuple) else {}


def _in_words(content: Any) -> str:
    """What a content is, with its first entries."""
    entries = _entries(content)
    if not entries:
        return _kind(content)
    named = [f"{quoted(key, LONGEST_KEY)} ({_kind(value)})" for key, value in list(entries.items())[:MOST_ENTRIES]]
    more = [f"{len(entries) - MOST_ENTRIES} more"] if len(entries) > MOST_ENTRIES else []
    return f"a {type(content).__name__} of {', '.join(named + more)}"


def _kind(value: Any) -> str:
    """A short name of what an entry is."""
    if isinstance(value, Tensor):
        return "a tensor"
    if isinstance(value, Placeholder):
        return "an object that is no tensor, such as a whole module or a NumPy array"
    if isinstance(value, dict | list | tuple) and not value:
        return f"an empty {type(value).__name__}"
    if isinstance(value, dict):
        strange = next(((key, entry) for key, entry in value.items() if not isinstance(entry, Tensor)), None)
        if strange is None:
            return f"a dict of {len(value)} tensors, not all of them under a name"
        return f"a dict of {len(value)}, in which {quoted(strange[0], LONGEST_KEY)} is no tensor"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
