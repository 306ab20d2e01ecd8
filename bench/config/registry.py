"""Names and the places of what they name, imported when it is asked for.

One line of a table adds a thing of this repository; another package adds one through the entry-point group of the
table. A plug-in that does not import is left out of ``available`` with one sentence, and does not stop the others.
"""

from __future__ import annotations

import functools
import importlib
import operator
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic_core import PydanticCustomError

from bench.config.parsing import suggestion
from models.errors import InputError

if TYPE_CHECKING:
    from models.checkpoints.adapter import CheckpointAdapter
    from models.lifter import Lifter

Thing = TypeVar("Thing")
Instance = TypeVar("Instance")


@dataclass(frozen=True)
class Registry(Generic[Thing]):
    """One kind of thing by name.

    Attributes:
        kind: what a thing is called in sentences ("method").
        group: entry-point group in which other packages name theirs.
        own: name → "module:attribute" of those in this repository, in the order of tables.
        on_request: names among them that are used only where an experiment names them.
        base: "module:class" of which each thing is a subclass; "" where things are checked by who uses them.
        lacks: says what a thing lacks that all who use one read; "" for nothing.
    """

    kind: str
    group: str
    own: dict[str, str]
    on_request: tuple[str, ...] = ()
    base: str = ""
    lacks: Callable[[Any], str] = lambda thing: ""

    @property
    def usual(self) -> tuple[str, ...]:
        """Names of the suite's own that are used where nothing is named."""
        return tuple(name for name in self.own if name not in self.on_request)

    def names(self) -> list[str]:
        """All known names, the suite's own first."""
        return [*self.own, *self.plugin_names()]

    def plugin_names(self) -> list[str]:
        """Names from other packages that are installed."""
        return sorted(self._plugins().keys() - self.own.keys())

    def checked(self, name: str) -> str:
        """The name itself, if there is such a thing.

        Raises:
            PydanticCustomError: there is not; ``parse`` makes a sentence of it.
        """
        if name in self.own or name in self.plugin_names():
            return name
        told = f"no {self.kind} has this name: {suggestion(name, self.names())}"
        raise PydanticCustomError("unknown_name", "{told}", {"told": told})

    def name_of(self, place: str) -> str | None:
        """The name whose thing lies at "module:attribute"; None if there is none."""
        plugins = {name: point.value for name, point in self._plugins().items()}
        return next((name for name, its in (plugins | self.own).items() if its == place), None)

    def load(self, name: str) -> Thing:
        """What a name stands for.

        Raises:
            InputError: nothing has this name, it does not import, is no subclass of ``base``, or lacks something.
        """
        place = self.own.get(name) or self._plugins().get(name)
        if place is None:
            raise InputError(f"unknown {self.kind} {name!r}: {suggestion(name, self.names())}")
        try:
            found: Thing = _imported(place if isinstance(place, str) else place.value)
        except (Exception, SystemExit) as error:  # a script without a main guard may end the program
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise InputError(
                f"{self._described(name)} cannot be imported: {type(error).__name__}: {reason}"
            ) from error
        if self.base and not (isinstance(found, type) and issubclass(found, _imported(self.base))):
            raise InputError(f"{self._described(name)} is no subclass of {self.base.replace(':', '.')}")
        if lacks := self.lacks(found):
            raise InputError(f"{self._described(name)} has no {lacks}: give it one")
        return found

    def available(self, own: bool = True) -> Iterator[tuple[str, Thing]]:
        """Every name with what it stands for; a plug-in that ``load`` refuses is left out with a warning.

        Without ``own``, those from other packages.
        """
        for name in self.own if own else ():
            yield name, self.load(name)
        for name in self.plugin_names():
            try:
                yield name, self.load(name)
            except InputError as error:
                warnings.warn(str(error), stacklevel=2)

    def instances(self, model: type[Instance], own: bool = True) -> Iterator[tuple[str, Instance]]:
        """``available``, of things that are instances of ``model``; one that is none is left out as well."""
        for name, thing in self.available(own):
            if isinstance(thing, model):
                yield name, thing
            else:
                warnings.warn(f"{self._described(name)} is no {model.__name__} and is left out", stacklevel=2)

    def _described(self, name: str) -> str:
        """Kind and name of a thing, its package and its place, for sentences."""
        plugin = None if name in self.own else self._plugins().get(name)
        package = plugin.dist.name if plugin is not None and plugin.dist is not None else "this repository"
        return f"{self.kind} {name!r} of {package} ({self.group}, {plugin.value if plugin else self.own[name]})"

    def _plugins(self) -> dict[str, EntryPoint]:
        return _entry_points(self.group, tuple(sys.path))


def _imported(place: str) -> Any:
    module, _, path = place.partition(":")
    return operator.attrgetter(path)(importlib.import_module(module))


@functools.lru_cache(maxsize=32)
def _entry_points(group: str, search_path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Entry points of all packages on the search path, by name; read once for each path, as it takes 20 ms."""
    return {point.name: point for point in entry_points(group=group)}


def _lacking(lifter: Any) -> str:
    """What a method's class does not declare, although everything else reads it; "" for nothing."""
    if not isinstance(getattr(lifter, "title", None), str):
        return "title, the name that tables print"
    config = getattr(lifter, "Config", None)
    if not (isinstance(config, type) and is_dataclass(config)):
        return "Config, the frozen dataclass of its options"
    presets = getattr(lifter, "presets", None)
    sizes = list(presets.values()) if isinstance(presets, Mapping) else []
    if not sizes or not all(isinstance(getattr(size, "config", None), config) for size in sizes):
        return "presets, a dict from names of sizes to a Preset with a Config each"
    return ""


METHODS: Registry[type[Lifter]] = Registry(
    "method",
    "lifting_bench.methods",
    {
        "mean_pose": "baselines.trivial:MeanPose",
        "nearest_pose": "baselines.trivial:NearestPose",
        "tcn": "baselines.tcn:TCN",
        "anatomy": "baselines.anatomy:Anatomy",
        "pstmo": "baselines.pstmo:PSTMO",
        "mixste": "baselines.mixste:MixSTE",
        "poseformerv2": "baselines.poseformerv2:PoseFormerV2",
        "mhformer": "baselines.mhformer:MHFormer",
        "glagcn": "baselines.glagcn:GLAGCN",
        "motionbert": "baselines.motionbert:MotionBERT",
        "motionagformer": "baselines.motionagformer:MotionAGFormer",
        "tcpformer": "baselines.tcpformer:TCPFormer",
        "ktpformer": "baselines.ktpformer:KTPFormer",
        "diffpose": "baselines.diffpose:DiffPose",
        "actionprompt_like": "baselines.actionprompt_like:ActionPromptLike",
        "d3dp": "baselines.d3dp:D3DP",
        "ktpformer_diffusion": "baselines.ktpformer:KTPFormerDiffusion",
        "fmpose3d": "baselines.fmpose3d:FMPose3D",
        "finepose": "models.finepose.model:FinePOSE",
    },
    base="models.lifter:Lifter",
    lacks=_lacking,
)

DATASETS: Registry[object] = Registry(
    "data set",
    "lifting_bench.datasets",
    {
        "population": "bench.data.synthetic.population:Population",
        "synthetic": "bench.data.synthetic.reader:Synthetic",
        "human36m": "bench.data.human36m.reader:Human36M",
        "bvh": "bench.data.bvh.reader:BVH",
        "mpi_inf_3dhp": "bench.data.mpi_inf_3dhp.reader:MPIInf3DHP",
    },
)

CHECKPOINTS: Registry[CheckpointAdapter] = Registry(
    "published checkpoint",
    "lifting_bench.checkpoints",
    {
        name: f"baselines.published.{name}:ADAPTER"
        for name in (
            "anatomy", "d3dp", "diffpose", "finepose", "fmpose3d", "glagcn", "ktpformer", "mhformer", "mixste",
            "motionagformer", "motionbert", "poseformerv2", "pstmo", "tcn", "tcpformer",
        )
    },
)  # fmt: skip
"""How published weights of a method are read, by the name of the method."""

METRICS: Registry[object] = Registry(
    "metric",
    "lifting_bench.metrics",
    {
        "mpjpe": "bench.protocol.metrics:MPJPE",
        "p_mpjpe": "bench.protocol.metrics:P_MPJPE",
        "n_mpjpe": "bench.protocol.metrics:N_MPJPE",
        "mpjve": "bench.protocol.metrics:MPJVE",
        "acceleration": "bench.protocol.metrics:ACCELERATION",
        "bone_length": "bench.protocol.metrics:BONE_LENGTH",
        "symmetry": "bench.protocol.metrics:SYMMETRY",
        "pck": "bench.protocol.metrics:PCK",
        "auc": "bench.protocol.metrics:AUC",
    },
)

AGGREGATIONS: Registry[object] = Registry(
    "aggregation",
    "lifting_bench.aggregations",
    {
        "P-Agg": "bench.protocol.aggregation:P_AGG",
        "P-Median": "bench.protocol.aggregation:P_MEDIAN",
        "J-Fit": "bench.protocol.aggregation:J_FIT",
        "RPEA-Fit": "bench.protocol.rpea:RPEA_FIT",
        "J-Agg": "bench.protocol.aggregation:J_AGG",
        "RPEA": "bench.protocol.rpea:RPEA",
        "P-Best": "bench.protocol.aggregation:P_BEST",
        "J-Best": "bench.protocol.aggregation:J_BEST",
    },
    on_request=("RPEA-Fit", "RPEA"),
)

EXECUTORS: Registry[object] = Registry(
    "executor",
    "lifting_bench.executors",
    {
        "local": "bench.sweep.executors.local:Local",
        "processes": "bench.sweep.executors.processes:Processes",
        "ray": "bench.sweep.executors.ray:Ray",
        "slurm": "bench.sweep.executors.slurm:Slurm",
    },
)

LAYOUTS: Registry[object] = Registry(
    "layout",
    "lifting_bench.layouts",
    {
        "claims": "reports.tables.evidence.claims:LAYOUT",
        "main": "reports.tables.accuracy.main:LAYOUT",
        "pck": "reports.tables.accuracy.main:PCK",
        "prompts": "reports.tables.accuracy.variants:PROMPTS",
        "variants": "reports.tables.accuracy.variants:LAYOUT",
        "cost": "reports.tables.accuracy.variants:WITH_COSTS",
        "sampling": "reports.tables.accuracy.sampling:LAYOUT",
        "pareto": "reports.tables.cost.pareto:LAYOUT",
        "oracle_gap": "reports.tables.accuracy.oracle_gap:LAYOUT",
        "actions": "reports.tables.accuracy.breakdown:ACTIONS",
        "sequences": "reports.tables.accuracy.breakdown:SEQUENCES",
        "activities": "reports.tables.accuracy.breakdown:ACTIVITIES",
        "controls": "reports.tables.evidence.controls:LAYOUT",
        "ranks": "reports.tables.evidence.ranks:LAYOUT",
        "audit": "reports.tables.evidence.protocol_audit:LAYOUT",
        "tuning": "reports.tables.runs.tuning:LAYOUT",
        "scaling": "reports.tables.cost.scaling:LAYOUT",
        "runs": "reports.tables.runs.runs:LAYOUT",
    },
)
