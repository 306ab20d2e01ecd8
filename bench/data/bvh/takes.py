"""Who moves in a BVH file and what is done: from its folder, its name and an optional index."""

from __future__ import annotations

import os
import re
from collections import abc
from dataclasses import dataclass
from pathlib import Path

from models.errors import InputError

MAX_INDEX_BYTES = 16 * 2**20
TEST_SUBJECTS, TEST_TAKES = 5, 3
"""Every fifth subject is a test subject; of a single subject every third take tests."""

_NUMBERED = re.compile(r"(\d+)_(\d+)")
_LINE = re.compile(r"\s*\"?([^\s,;\"]+)\"?\s*[\s,;]\s*\"?(.+?)\"?\s*")
_CLASS = re.compile(r"[^,;:()\[\]/.\"]+?(?=\s+-\s|[,;:()\[\]/.\"]|$)")


@dataclass(frozen=True)
class NamedFile:
    """A file and what it is called.

    Attributes:
        path: of the file.
        subject: its folder below the root, else the number before the underscore where all names are like "01_02",
            else "subject".
        action: "walk 07_01": the class of the action, and the file's name where that tells more.
    """

    path: Path
    subject: str
    action: str


def find_files(root: Path) -> list[Path]:
    """All BVH files below a folder, sorted; ``InputError`` if it is no folder, or has none."""
    if not root.is_dir():
        raise InputError(f"{root} is not a folder: name the folder with the BVH files as the data's root")
    files = [
        Path(folder, name) for folder, _, names in os.walk(root) for name in names if name.lower().endswith(".bvh")
    ]
    if not files:
        raise InputError(f"{root} has no .bvh file, nor has any folder in it: name the folder with the BVH files")
    return sorted(files, key=lambda path: _natural(str(path)))


def name_files(paths: abc.Sequence[Path], index: Path | None) -> tuple[list[NamedFile], int]:
    """Subjects and actions of files.

    Args:
        paths: of files below one folder.
        index: a text file whose lines hold the name of a file and what is done in it, with blanks, a tab, a comma
            or a semicolon between, as the index of the CMU database.

    Returns:
        The named files, and for how many of them the index has no line.

    Raises:
        InputError: the index cannot be read or names none of the files, or two takes of a subject have one name.
    """
    top = Path(os.path.commonpath([path.parent for path in paths]))
    places = [path.relative_to(top).with_suffix("").parts for path in paths]
    numbered = all(len(place) == 1 and _NUMBERED.fullmatch(place[0]) for place in places)
    described = {} if index is None else _read_index(index, {path.stem for path in paths})
    named: dict[tuple[str, str], NamedFile] = {}
    for path, place in zip(paths, places, strict=True):
        subject = path.stem.split("_")[0] if numbered else place[0] if len(place) > 1 else "subject"
        take = _plain("-".join(place[1:] or place))
        file = NamedFile(path, _plain(subject), _action(described.get(path.stem), take))
        other = named.setdefault((file.subject, file.action), file)
        if other is not file:
            raise InputError(
                f"{other.path} and {path} would be the same take of {file.subject}: rename one of them"
            )
    return list(named.values()), sum(path.stem not in described for path in paths) if index else 0


def split(files: abc.Sequence[NamedFile], test: abc.Sequence[str]) -> tuple[list[NamedFile], list[NamedFile], str]:
    """Training and test takes, and a sentence that says how they were divided.

    Args:
        files: all takes.
        test: subjects to test on; none for every ``TEST_SUBJECTS``-th.

    Raises:
        InputError: a subject is not there, all are test subjects, or there is a single take.
    """
    subjects = sorted({file.subject for file in files}, key=_natural)
    unknown = sorted(set(test) - set(subjects))
    if unknown:
        raise InputError(f"option test names subject '{unknown[0]}', but there are {_listed(subjects)}")
    if len(subjects) > 1:
        chosen = set(test) or set(subjects[TEST_SUBJECTS // 2 :: TEST_SUBJECTS] or subjects[-1:])
        tested = {file for file in files if file.subject in chosen}
        sentence = f"split by subject: test subjects {_listed(sorted(chosen, key=_natural))}"
    else:
        tested = set() if test else {*files[TEST_TAKES // 2 :: TEST_TAKES]}
        sentence = f"one subject only: every {TEST_TAKES}rd take tests, so the test person is known from training"
    if not tested or len(tested) == len(files):
        raise InputError(
            "the BVH files leave nothing to train on or to test on: give files of two subjects, or of two takes, "
            "and name fewer subjects in the option test"
        )
    return [file for file in files if file not in tested], [file for file in files if file in tested], sentence


def _read_index(path: Path, stems: set[str]) -> dict[str, str]:
    """What is done in the files of these names."""
    try:
        if path.stat().st_size > MAX_INDEX_BYTES:
            raise InputError(
                f"{path}: an index of {path.stat().st_size:,} bytes is no list of names: name another"
            )
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): give the path of an index as option index"
        ) from None
    matches = [match for match in map(_LINE.fullmatch, lines) if match]
    described = {match[1].removesuffix(".bvh"): match[2] for match in matches}
    if stems.isdisjoint(described):
        raise InputError(
            f"{path}: no line begins with the name of a BVH file, as '01_01 walk': correct it or leave the "
            "option index out"
        )
    return described


def _action(description: str | None, take: str) -> str:
    """Class and take: what the index says up to the first punctuation, else the words of the file's name."""
    if description is None:
        words = re.sub(r"[\d_-]+$", "", take) or "take"
        rest = take.removeprefix(words).strip("-_")
        return f"{words} {rest}" if rest else words
    first = _CLASS.match(description.strip())
    return f"{_plain(first[0].strip().lower() if first else description)[:40]} {take}"


def _plain(text: str) -> str:
    """Letters and digits with hyphens and underscores between: no blanks or slashes, which have a meaning here."""
    return re.sub(r"[^\w]+", "-", text).strip("-") or "unnamed"


def _natural(text: str) -> tuple[tuple[int, str], ...]:
    """Sorts "2" before "10"."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text))


def _listed(words: abc.Sequence[str], most: int = 12) -> str:
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")
