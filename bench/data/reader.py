"""What a data set is to the harness: one object with all that is known of it, and how it is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import abc
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, ClassVar, get_type_hints

from pydantic import BeforeValidator

from bench.config.parsing import checked_options
from bench.data.left_out import without_takes
from bench.data.packing import fingerprint
from bench.data.sequence import Dataset, Sequence
from models.errors import InputError, UnfitError
from models.skeleton import Skeleton

LEAVE_OUT = "leave_out"  # the option that every data set has
Takes = Annotated[tuple[str, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


class Reader(ABC):
    """A data set. A new one is a subclass, and one line in the registry or an entry point of its package.

    The keyword-only arguments of ``read``, with their types and defaults, are the options of the data set
    (``data.options`` in YAML files). One of them may be ``leave_out``, takes that are not looked at
    ("S9/Greeting"); of other data sets they are left out after reading (``data.leave_out``).

    Attributes:
        name: by which it is asked for ("human36m").
        skeleton: joint order of its sequences.
        detections: sources of 2D poses that it offers.
        open_detections: other sources are looked for among its files, so that any name may be asked for.
        needs: what its folder must hold, for the sentence that asks for a folder; "" if it has no files.
        suffixes: endings of its data files, of which ``data check`` prints size and hash.
        train_subjects, test_subjects: of its split; empty where the files or the options say it.
        validation_subjects: those of the training subjects that are held out for validation; where it names none,
            takes are (``bench.data.splits``).
        complete: frames (for training, for testing) in all cameras of the complete set; None if nobody knows.
        changing: standard deviation of a limb bone's length by its mean up to which the published annotation is
            known to go; 0 where bones are rigid.
    """

    name: ClassVar[str]
    skeleton: ClassVar[Skeleton]
    detections: ClassVar[tuple[str, ...]]
    open_detections: ClassVar[bool] = False
    needs: ClassVar[str] = ""
    suffixes: ClassVar[tuple[str, ...]] = ()
    train_subjects: ClassVar[tuple[str, ...]] = ()
    test_subjects: ClassVar[tuple[str, ...]] = ()
    validation_subjects: ClassVar[tuple[str, ...]] = ()
    complete: ClassVar[tuple[int, int] | None] = None
    changing: ClassVar[float] = 0.0

    @abstractmethod
    def read(self, root: Path, detections: str) -> Dataset:
        """Read the files, or make the data.

        Args:
            root: folder of the files; the current folder where none is needed and none was given.
            detections: source of the 2D poses.

        Raises:
            InputError: files or options are wrong: one sentence with what, where and what to do.
        """

    def load(self, root: Path | None, detections: str, options: abc.Mapping[str, Any]) -> Dataset:
        """Check what was asked for, and read it.

        Raises:
            UnfitError: the data set has no such detections.
            InputError: there is no such option, the folder is missing, or ``read`` refuses the files.
        """
        checked = checked_options(options, self.options(), "data.options", self.name)
        if root is None and self.needs:
            raise InputError(f"data set {self.name} needs the folder of {self.needs}: name it with --data-root")
        if root is not None and not self.needs:
            raise InputError(
                f"data set {self.name} reads no files, so --data-root {root} would be ignored: name the data "
                "set of these files too (run: --data bvh; data check: bvh), or leave --data-root out"
            )
        if detections not in self.detections and not self.open_detections:
            choices = ", ".join(self.detections)
            raise UnfitError(
                f"data set {self.name} has no '{detections}' detections: set them to one of {choices} "
                f"(--set data.detections={self.detections[0]})"
            )
        if LEAVE_OUT in signature(self.read).parameters:
            return self.read(root or Path(), detections, **checked)
        left_out = checked.pop(LEAVE_OUT, ())
        return without_takes(self.read(root or Path(), detections, **checked), left_out)

    def options(self) -> dict[str, Any]:
        """Name and type of every option."""
        hints = get_type_hints(self.read, include_extras=True)
        arguments = signature(self.read).parameters.values()
        own = {entry.name: hints[entry.name] for entry in arguments if entry.kind is entry.KEYWORD_ONLY}
        return own | {LEAVE_OUT: Takes}

    def dataset(
        self,
        train: tuple[Sequence, ...],
        test: tuple[Sequence, ...],
        *,
        label: str,
        detections: str,
        notes: abc.Iterable[str] = (),
        protocol: str = "",
        unusable: abc.Iterable[str] = (),
    ) -> Dataset:
        """The data set of these sequences, with this reader's name and skeleton and a fingerprint."""
        return Dataset(
            name=self.name,
            label=label,
            detections=detections,
            skeleton=self.skeleton,
            train=train,
            test=test,
            fingerprint=fingerprint(train, test, protocol=protocol),
            notes=tuple(notes),
            validation=self.validation_subjects,
            protocol=protocol,
            unusable=tuple(unusable),
        )
