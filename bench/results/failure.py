"""Why an experiment, or a training that it needs, gave no result."""

from __future__ import annotations

from typing import Literal

from bench.config.parsing import Frozen

FailureKind = Literal["bad input", "diverged", "out of memory", "crashed", "error"]


class Failure(Frozen):
    """Why an experiment, or a training that it needs, gave no result.

    Attributes:
        id: of the training or the evaluation.
        kind: "bad input": it does not fit the data; "diverged": numbers that are not finite; "out of memory": even
            in the smallest parts; "crashed": its process died in every attempt; "error": anything else.
        details: where in the code it happened, if that is known.
        code: digest of the method's code then; "" where it is not known.
        method, preset, data: names of the method, of its size and of the data set of the test, and ``seed`` of the
            training; of what several experiments share, those of the first. Empty in files of older versions.
    """

    id: str
    title: str
    kind: FailureKind
    reason: str
    details: str = ""
    failed_at: str = ""
    code: str = ""
    method: str = ""
    preset: str = ""
    data: str = ""
    seed: int | None = None

    @property
    def sentence(self) -> str:
        """Kind and reason, for tables."""
        return f"{self.kind}: {self.reason.rstrip('.')}"
