"""What records keep of their metrics, so that tables can print metrics that they have never heard of."""

from __future__ import annotations

from bench.config.parsing import Frozen


class MetricInfo(Frozen):
    """What a table needs to print a metric.

    Attributes:
        title: its name in tables ("P-MPJPE").
        unit: "mm", "%", "mm/frame", …; "" for none.
        higher_is_better: else lower is.
        version: raised when the same predictions would give another number; None where a record does not say.
    """

    title: str
    unit: str = "mm"
    higher_is_better: bool = False
    version: int | None = None


OLDER_METRICS = {
    "mpjpe": MetricInfo(title="MPJPE"),
    "p_mpjpe": MetricInfo(title="P-MPJPE"),
    "n_mpjpe": MetricInfo(title="N-MPJPE"),
    "mpjve": MetricInfo(title="MPJVE", unit="mm/frame"),
    "acceleration": MetricInfo(title="Acceleration error", unit="mm/frame²"),
    "bone_length": MetricInfo(title="Bone length error"),
    "symmetry": MetricInfo(title="Symmetry error"),
    "pck": MetricInfo(title="PCK", unit="%", higher_is_better=True),
    "auc": MetricInfo(title="AUC", unit="%", higher_is_better=True),
}
"""The metrics of records that do not describe theirs, because they are older than that."""
