"""Who moves in a BVH file and what is done: from its folder, its name and an optional index."""

from __future__ import annotations

import os
import re
from collections import abc
from dataclasses import dataclass, replace
from pathlib import Path

from bench.data.sequence import UNLABELLED
from models.errors import InputError, some_of

MAX_INDEX_BYTES = 16 * 2**20
TEST_SUBJECTS, TEST_TAKES = 5, 3
"""Every fifth subject is a test subject; of a single subject every third take tests."""
ONE_TAKE = {"begin": (0.0, 1 / 3), "middle": (1 / 3, 2 / 3), "end": (2 / 3, 1.0)}
"""Parts of a single take, as shares: the last tests; two train, so that one can be held out for validation."""

NUMBERED = r"(?P<subject>\d+)_\d+"  # files side by side, as the CMU database calls them
LAYOUTS = {  # how the files of well-known collections are called, all of them, behind any folders
    "LaFAN1": r"(?P<action>[^\W\d_]+)\d*_(?P<subject>subject\d+)",
    "Bandai-Namco": r"dataset-\d+_(?P<action>[^_/]+)_[^_/]+_\d+",
    "100STYLE": r"(?P<action>[^/]+)/(?P=action)_(?:BR|BW|FR|FW|ID|SR|SW|TR\d)",
    "BEAT": r"\d+/\d+_(?P<subject>[^_/]+)_\d+_\d+_\d+",
}
ACTIONS = {"BEAT": "speech"}  # of all files
BLANKS = {"subject": "(?P<subject>[^/]+)", "action": "(?P<action>[^/]+)", "any": "[^/]*"}  # of the option layout
MAX_LAYOUT, MAX_BLANKS = 200, 4
SHOWN = 12  # subjects that a sentence names
UNKNOWN = "subject"  # name of whoever moves, where nothing tells
_LINE = re.compile(r"\s*\"?([^\s,;\"]+)\"?\s*[\s,;]\s*\"?(.+?)\"?\s*")
_CLASS = re.compile(r"[^,;:()\[\]/.\"]+?(?=\s+-\s|[,;:()\[\]/.\"]|$)")


@dataclass(frozen=True)
class NamedFile:
    """A file and what it is called.

    Attributes:
        subject: as the layout of the files says, else the folder below the root, else ``UNKNOWN``.
        action: "walk 07_01": the class of the action, ``UNLABELLED`` where nothing tells it, and the file's name.
        told: whether the layout names the subject; else files of one subject may be those of several people.
        part: shares of the take at which the part of it that is meant begins and ends.
    """

    path: Path
    subject: str
    action: str
    told: bool = False
    part: tuple[float, float] = (0.0, 1.0)


def find_files(root: Path) -> list[Path]:
    """All BVH files below a folder, sorted, or the one that is named; ``InputError`` if there is none."""
    if root.suffix.lower() == ".bvh" and root.exists() and not root.is_dir():
        return [root]
    if not root.is_dir():
        raise InputError(f"{root} is not a folder: name a BVH file, or the folder with them, with --data-root")
    files = [
        Path(folder, name) for folder, names in _walk(root) for name in names if name.lower().endswith(".bvh")
    ]
    if not files:
        raise InputError(f"{root} has no .bvh file, nor has any folder in it: name the folder with the BVH files")
    return sorted(files, key=lambda path: _natural(str(path)))


def _walk(root: Path) -> abc.Iterator[tuple[str, list[str]]]:
    """Each folder below, those behind links too, and the names of its files.

    Folders behind links come last and only where they are new, so that no folder is read twice.
    """
    top, waiting = root.resolve(), [str(root)]
    seen: set[Path] = set()
    while waiting:
        for folder, folders, names in os.walk(waiting.pop(0)):
            place = Path(folder).resolve()
            above = place != top and top.is_relative_to(place)  # a link upwards leads out of the data
            if above or place in seen:
                folders.clear()
                continue
            seen.add(place)
            waiting += [path for name in sorted(folders) if os.path.islink(path := os.path.join(folder, name))]
            yield folder, names


def name_files(
    paths: abc.Sequence[Path], index: Path | None, layout: str | None = None
) -> tuple[list[NamedFile], list[str]]:
    """Subjects and actions of files.

    Args:
        index: a text file whose lines hold the name of a file and what is done in it, with blanks, a tab, a comma
            or a semicolon between, as the index of the CMU database.
        layout: how the files are called, "{action}_{subject}" for example; known for ``LAYOUTS``.

    Returns:
        The named files, and notes on where the names come from.

    Raises:
        InputError: the index cannot be read or names none of the files, the layout is none or does not fit every
            file, or two takes of a subject have one name.
    """
    top = Path(os.path.commonpath([path.parent for path in paths]))
    places = [path.relative_to(top).with_suffix("").parts for path in paths]
    kind, found = _laid_out([path.with_suffix("").as_posix() for path in paths], layout)
    if kind is None and all(len(place) == 1 and re.fullmatch(NUMBERED, place[0]) for place in places):
        found = [{"subject": place[0].split("_")[0]} for place in places]
    described = {} if index is None else _read_index(index, {path.stem for path in paths})
    found_files: dict[tuple[str, str], NamedFile] = {}
    for path, place, names in zip(paths, places, found, strict=True):
        in_folder = len(place) > 1 and kind not in LAYOUTS and "subject" not in names
        subject = place[0] if in_folder else names.get("subject", UNKNOWN)
        take = _plain("-".join(place[1:] if in_folder else place[-1:] if kind in LAYOUTS else place))
        action = names.get("action") or ACTIONS.get(kind or "")
        label = _action(described.get(path.stem), action)
        file = NamedFile(path, _plain(subject), f"{label} {take}", told="subject" in names)
        other = found_files.setdefault((file.subject, file.action), file)
        if other is not file:
            raise InputError(
                f"{other.path} and {path} would be the same take of {file.subject}: rename one of them"
            )
    unnamed = sum(path.stem not in described for path in paths) if index else 0
    notes = []
    if unnamed:
        notes.append(f"{unnamed} files have no line in {index}: nothing says what is done in them")
    if kind in LAYOUTS:
        notes.append(f"files are called as those of {kind}, and read so (the option layout says it otherwise)")
    elif any(len(place) > 1 for place in places) and not any(found):
        notes.append("each folder is taken for one subject (the option layout says it otherwise)")
    return list(found_files.values()), notes


def _laid_out(names: list[str], layout: str | None) -> tuple[str | None, list[dict[str, str]]]:
    """The layout that all files keep to, and what it says of each: "subject", "action", or neither."""
    known = LAYOUTS if layout is None else {layout: _pattern(layout)}
    for kind, pattern in known.items():
        matches = [re.fullmatch(rf"(?:.*/)?{pattern}", name) for name in names]
        if all(matches):
            return kind, [match.groupdict() for match in matches if match]
        if layout is not None:
            odd = names[matches.index(None)]
            raise InputError(
                f"option layout is '{layout}', but {matches.count(None)} of {len(names)} files are not called "
                f"so, such as {odd[-200:]}.bvh: correct it, or move those files away"
            )
    return None, [{} for _ in names]


def _pattern(layout: str) -> str:
    """The expression of a layout such as "{subject}/{action}_{any}"."""
    parts = re.split(r"\{(\w*)\}", layout)
    blanks = parts[1::2]
    told = sorted(blank for blank in blanks if blank != "any")
    known = told in (["action"], ["subject"], ["action", "subject"])
    if not known or len(blanks) > MAX_BLANKS or len(layout) > MAX_LAYOUT:
        raise InputError(
            f"option layout is '{layout[:MAX_LAYOUT]}', but it has to name {{subject}} or {{action}} or both, "
            "once each, and {any} for what does not count, as '{action}_{subject}' or '{subject}/{action}_{any}'"
        )
    literal = [re.escape(part) for part in parts[::2]]
    return literal[0] + "".join(BLANKS[blank] + text for blank, text in zip(blanks, literal[1:], strict=True))


def split(files: abc.Sequence[NamedFile], test: abc.Sequence[str]) -> tuple[list[NamedFile], list[NamedFile], str]:
    """Training and test takes, and a sentence that says how they were divided.

    ``test`` names the subjects to test on; none for every ``TEST_SUBJECTS``-th.

    Raises:
        InputError: a subject is not there, or all are test subjects.
    """
    if len(files) == 1 and not test:
        (file,) = files
        blank = "-" if " " in file.action else " "
        parts = [replace(file, action=f"{file.action}{blank}{name}", part=part) for name, part in ONE_TAKE.items()]
        sentence = "one take only: its last third tests, so person and motion are known from training"
        return parts[:2], parts[2:], sentence
    subjects = sorted({file.subject for file in files}, key=_natural)
    unknown = sorted(set(test) - set(subjects))
    if unknown:
        raise InputError(
            f"option test names subject '{unknown[0][:80]}', but there are {some_of(subjects, SHOWN)}"
        )
    if len(subjects) > 1:
        chosen = set(test) or set(subjects[TEST_SUBJECTS // 2 :: TEST_SUBJECTS] or subjects[-1:])
        tested = {file for file in files if file.subject in chosen}
        sentence = f"split by subject: test subjects {some_of(sorted(chosen, key=_natural), SHOWN)}"
    else:
        tested = set() if test else {*files[TEST_TAKES // 2 :: TEST_TAKES]}
        who, known = ("nothing says who moves", "may be") if subjects == [UNKNOWN] else ("one subject only", "is")
        sentence = f"{who}: every {TEST_TAKES}rd take tests, so the test person {known} known from training"
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


def _action(description: str | None, laid_out: str | None) -> str:
    """The class: what the index says up to the first punctuation, else the layout; a file's name alone is none."""
    if description is not None:
        first = _CLASS.match(description.strip())
        return _plain(first[0].strip().lower() if first else description)[:40]
    return UNLABELLED if laid_out is None else _plain(re.sub(r"[\d_-]+$", "", laid_out) or laid_out)[:40]


def _plain(text: str) -> str:
    """Letters and digits with hyphens and underscores between: no blanks or slashes, which have a meaning here."""
    return re.sub(r"[^\w]+", "-", text).strip("-") or "unnamed"


def _natural(text: str) -> tuple[tuple[int, str], ...]:
    """Sorts "2" before "10"."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text))
