"""The interface of every method: what it is built from, what it is given, what it gives.

Shape letters used in this package: B batch, F frames, J joints, H hypotheses, K steps, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from models.errors import InputError
from models.optim import OptimizerName, Schedule
from models.skeleton import HUMAN36M, Skeleton


@dataclass(frozen=True)
class Batch:
    """Windows of motion, as the harness serves them.

    Attributes:
        pose_2d: ``[B, left + F + right, J, 2]`` normalised screen coordinates; ``left`` and ``right`` are the
            method's ``context``.
        actions: B action words ("Walking"), the ground-truth label of each window.
        window_keys: ``[B]`` int64, a stable name of each window (sequence and first frame) from which a
            sampler seeds its noise, so that a result does not depend on how windows are batched.
        pose_3d: ``[B, F, J, 3]`` metres, camera axes, root-relative; None where a method may not see it.
        trajectory: ``[B, F, 3]`` metres, the root in camera space.
        camera: ``[B, 9]`` fx fy cx cy k1 k2 k3 p1 p2, normalised to screen coordinates.
        confidence: ``[B, left + F + right, J]`` from 0 to 1, the 2D detector's; None where the data has none.
        random_2d: ``[B, N, J, 2]`` further frames of each window's sequence, where the method asks for them
            (``random_frames``): drawn at random in training, evenly spread over the sequence in evaluation.
        random_3d: ``[B, N, J, 3]`` their poses, in training only.
    """

    pose_2d: Tensor
    actions: tuple[str, ...]
    window_keys: Tensor
    pose_3d: Tensor | None = None
    trajectory: Tensor | None = None
    camera: Tensor | None = None
    confidence: Tensor | None = None
    random_2d: Tensor | None = None
    random_3d: Tensor | None = None

    def __len__(self) -> int:
        return self.pose_2d.shape[0]

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with every tensor on ``device``."""
        return self._with(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> Batch:
        """The same batch in page-locked memory, from which ``to`` sends it to a GPU without waiting."""
        return self._with(Tensor.pin_memory)

    def _with(self, change: Callable[[Tensor], Tensor]) -> Batch:
        changed: dict[str, Any] = {
            entry.name: change(value)
            for entry in fields(self)
            if isinstance(value := getattr(self, entry.name), Tensor)
        }
        return replace(self, **changed)


@dataclass(frozen=True)
class Sampling:
    """How predictions are drawn.

    Attributes:
        hypotheses: H, independent samples of a window. A deterministic method ignores it.
        steps: K, denoising iterations. A deterministic method ignores it.
        flip: average with the prediction of the mirrored input (inside every step of a diffusion method).
        seed: of the sampling noise; together with a window's key and the number of the hypothesis it
            determines that hypothesis, whatever else is in the batch.
    """

    hypotheses: int = 1
    steps: int = 1
    flip: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Recipe:
    """A training schedule: what a preset trains with unless the experiment says otherwise.

    Attributes:
        epochs: passes over the training frames. Every method sees every frame once per epoch, whatever the
            length of its windows.
        least_steps: on a small data set, as many more epochs are run as it takes to make this many steps.
        compute: TFLOP of all steps, forward and backward, counted (``bench.training.compute``). Where it is given,
            it and not ``epochs`` and ``least_steps`` says how many steps are made; the schedule of ``epochs`` is
            spread over them.
        batch_frames: supervised output frames per optimiser step, over all processes; None where
            ``batch_windows`` is given.
        batch_windows: windows per optimiser step, whatever number of output frames each has.
        learning_rate: at the first epoch.
        decay: factor on the learning rate per epoch, or as ``schedule`` says; spread over all of them where
            ``least_steps`` adds some.
        weight_decay: of the optimiser; decoupled in AdamW and Ranger.
        optimizer: AdamW, Adam, Adam with AMSGrad, or ``models.optim.ranger``.
        schedule: of the learning rate; see ``models.optim``.
        clip: largest gradient norm; None for no clipping.
        gradient: what the optimiser is given: the gradient of the loss, or that "times_loss", the value of the
            loss, as scripts do that hand the loss to the backward pass as the incoming gradient.
        rate_per: whether the learning rate falls at every "step", or at the end of an "epoch" only.
        batches: "even": an epoch is cut into batches of nearly equal size; "full": into batches of
            ``batch_frames`` // ``train_frames`` windows, the last one smaller, so that its windows weigh more.
        norm_momentum: of batch norms: "constant", or "falling" from 0.1 towards 0.001, at the end of every epoch.
        mirrored: what an epoch has of windows that may be mirrored: "both" versions of each, the one as it is or
            mirrored with probability one "half", or "none" that is mirrored.
    """

    epochs: int
    batch_frames: int | None
    learning_rate: float
    decay: float
    weight_decay: float
    least_steps: int = 0
    optimizer: OptimizerName = "adamw"
    schedule: Schedule = "exponential"
    clip: float | None = None
    gradient: Literal["plain", "times_loss"] = "plain"
    rate_per: Literal["step", "epoch"] = "step"
    batches: Literal["even", "full"] = "even"
    norm_momentum: Literal["constant", "falling"] = "constant"
    mirrored: Literal["both", "half", "none"] = "both"
    compute: float | None = None
    batch_windows: int | None = None

    def __post_init__(self) -> None:
        """Raises ``InputError`` unless exactly one of ``batch_frames`` and ``batch_windows`` is given."""
        if (self.batch_frames is None) == (self.batch_windows is None):
            raise InputError("a training step has batch_frames or batch_windows: give one of them")

    def windows_of_a_step(self, train_frames: int) -> float:
        """Windows per step, where each has so many output frames; a whole number or not."""
        if self.batch_windows is not None:
            return self.batch_windows
        assert self.batch_frames is not None
        return self.batch_frames / train_frames


TINY_COMPUTE = 0.8
"""TFLOP of a training at the ``tiny`` preset, the same for every method: half a minute or so on one CPU core."""

TINY_RECIPE = Recipe(
    epochs=1, compute=TINY_COMPUTE, batch_frames=None, batch_windows=8, learning_rate=8e-3, decay=0.01,
    weight_decay=0.01, schedule="warmup",
)  # fmt: skip
"""What a method that learns from all frames of a window declares at ``tiny``; docs/methods.md says why."""

TINY_CENTRE_RECIPE = replace(TINY_RECIPE, batch_windows=128)
"""The same for a method that learns from one frame of a window."""

TINY_HALF = replace(TINY_CENTRE_RECIPE, compute=TINY_COMPUTE / 2)
"""The same for each stage of a method that has two."""

SMALL_COMPUTE = 24.0
"""TFLOP of a training at the ``small`` preset, the same for every method: 10 to 30 minutes on one CPU core."""

SMALL_RECIPE = replace(TINY_RECIPE, compute=SMALL_COMPUTE, learning_rate=4e-3)
"""``TINY_RECIPE`` with the compute of ``small``, at half the learning rate because networks are twice as wide."""

SMALL_CENTRE_RECIPE = replace(SMALL_RECIPE, batch_windows=128)
SMALL_HALF = replace(SMALL_CENTRE_RECIPE, compute=SMALL_COMPUTE / 2)


@dataclass(frozen=True)
class Preset:
    """One size of a method: its configuration and the schedule that goes with it.

    Attributes:
        on_gt: fields of the schedule that are other ones where the 2D poses of the training are "gt".
        config_on_gt: the same of the configuration.
    """

    config: Any
    recipe: Recipe
    on_gt: Mapping[str, Any] = field(default_factory=dict)
    config_on_gt: Mapping[str, Any] = field(default_factory=dict)

    def recipe_on(self, detections: str) -> Recipe:
        """The schedule for 2D poses from this source."""
        return replace(self.recipe, **self.on_gt) if detections == "gt" else self.recipe

    def config_on(self, detections: str) -> Any:
        """The configuration for 2D poses from this source."""
        return replace(self.config, **self.config_on_gt) if detections == "gt" else self.config


@dataclass(frozen=True)
class FirstStage:
    """A training that comes before a method's own.

    Attributes:
        lifter: its class, which needs no registry line.
        config: its configuration.
        recipe: its schedule; None to take it from its class's preset of the same name as the method's preset.
        selection: "last" for the weights at the end of the training, "validation" for those with the lowest MPJPE
            on the validation takes.
    """

    lifter: type[Lifter]
    config: Any
    recipe: Recipe | None = None
    selection: Literal["last", "validation"] = "last"


class Lifter(nn.Module):
    """A method that lifts 2D poses to 3D.

    A subclass sets the class attributes, is built as ``Subclass(config, skeleton)``, and implements
    ``training_loss`` and ``predict``. That, and one line in the registry, is all that a new method needs.

    Class attributes:
        title: the name that tables print.
        version: raise it when the computation changes, so that no older training is taken for this one.
        Config: a frozen dataclass of plain values, its fields the options of the method.
        presets: sizes by name: ``tiny``, ``small``, ``base`` and ``paper`` for the suite's own; a package's method
            may leave some out, and sweeps at such a size leave the method out.
        published: fields of ``Recipe`` that the released training script sets otherwise than the presets do, by
            name; ``training.recipe: published`` sets them at any preset. None where the script is not known.
        probabilistic: whether H and K mean anything to it.
        begins_alike: whether its first step is the same for every K, so that K = 1 is read off longer samplings.
        needs_confidence: whether it reads ``Batch.confidence``; its ``Config`` is then a
            ``models.config.ConfidenceConfig``; where the data have none, every joint has confidence 1.
        least_windows: that a training step needs: 2 where a batch norm sees one value per channel of a window.
        compiled_part: the method or module that computes most in a prediction ("lift", "network.dilated"), free of
            random numbers and of text; "" for none. ``evaluation.compile`` compiles it.
        trains_compiled_part: whether a training step goes through it, and no attribute of it changes meanwhile, so
            that ``training.compile`` can compile it.
        convolutional: whether an output frame follows from its ``context`` alone, whatever the length of the
            window, so that windows that follow one another may be predicted as one.
        timed_stages: name of a part of a prediction → name of the method that does it, for measurements of where
            the time goes; one may run inside of another.

    Attributes:
        frames: F, output frames of a window in evaluation; every method sets it in ``__init__``.
        train_frames: output frames of a window in training; equal to ``frames`` unless the method says otherwise.
        train_stride: frames from one training window to the next; None for ``train_frames``, without overlap.
        train_beyond: repeated end frames that training windows cover at each end of a sequence; half a window, to
            train on one around every frame.
        context: (left, right) input frames beyond the output frames.
        random_frames: N further frames of a window's sequence that the method wants to see
            (``Batch.random_2d``), in place of all of them.
        uses_action: whether ``predict`` reads ``Batch.actions`` (an assumption that tables print).
        compiled: whether ``compiled_part`` is compiled.
    """

    title: ClassVar[str]
    version: ClassVar[int] = 1
    Config: ClassVar[type]
    presets: ClassVar[dict[str, Preset]]
    published: ClassVar[Mapping[str, Any] | None] = None
    probabilistic: ClassVar[bool] = False
    begins_alike: ClassVar[bool] = True
    needs_confidence: ClassVar[bool] = False
    least_windows: ClassVar[int] = 1
    compiled_part: ClassVar[str] = ""
    trains_compiled_part: ClassVar[bool] = False
    convolutional: ClassVar[bool] = False
    timed_stages: ClassVar[dict[str, str]] = {}

    frames: int
    _train_frames: int | None = None
    train_stride: int | None = None
    train_beyond: int = 0
    context: tuple[int, int] = (0, 0)
    random_frames: int = 0
    uses_action: bool = False
    compiled: bool = False

    def __init__(self, config: Any, skeleton: Skeleton = HUMAN36M) -> None:
        super().__init__()
        self.config = config
        self.skeleton = skeleton

    @property
    def train_frames(self) -> int:
        return self._train_frames or self.frames

    @train_frames.setter
    def train_frames(self, frames: int) -> None:
        self._train_frames = frames

    @property
    def notes(self) -> dict[str, str]:
        """Conditions of its own that belong under a table, by name; most methods have none."""
        return {}

    @classmethod
    def resolve_config(cls, config: Any) -> Any:
        """Settle what a configuration leaves to this machine; most methods leave nothing to it.

        Called when an experiment is resolved, before it is named: its identity follows from the result. Presets
        and configurations themselves must not look at the machine.
        """
        return config

    @classmethod
    def prediction_version(cls, config: Any) -> int:
        """Raised where the same weights now predict otherwise with this configuration than they did before.

        Numbers, and checkpoints chosen by numbers, are then made anew; trainings as such are not.
        """
        return 1

    @classmethod
    def first_stage(cls, config: Any) -> FirstStage | None:
        """The training whose result this method's own begins from; most methods have none."""
        return None

    def begin_from(self, first: Lifter) -> None:
        """Take over what the first stage has learned, before this method's own training starts.

        Values only: the modules must be there already, because finished weights are loaded without this call.
        ``first`` is trained, in evaluation mode, on the CPU.
        """
        raise NotImplementedError

    def fit_statistics(self, pose_2d: Tensor, pose_3d: Tensor) -> None:
        """Fill buffers from all training poses, once, before training; most methods need nothing.

        Args:
            pose_2d: ``[N, J, 2]`` normalised screen coordinates.
            pose_3d: ``[N, J, 3]`` metres, root-relative.
        """

    def fit_actions(self, actions: tuple[str, ...]) -> None:
        """Take over the action words of the training data, sorted, before training; most methods need none."""

    def on_progress(self, done: float) -> None:
        """Called before every step, for schedules of a method's own; most methods have none.

        What it sets must follow from ``done`` alone, the part of the training that is done, from 0 to 1, so that
        an interrupted training continues exactly.
        """

    def training_loss(self, batch: Batch) -> Tensor:
        """Loss of a batch, one number (shape ``()``), whose ``pose_3d`` is ``[B, train_frames, J, 3]``.

        Random numbers come from torch's global generator, which the trainer seeds for every step.
        """
        raise NotImplementedError

    def predict(self, batch: Batch, sampling: Sampling) -> Tensor:
        """Poses ``[B, K, H, F, J, 3]`` in metres, root-relative: the estimate of every step.

        A deterministic method returns K = H = 1; one with hypotheses but no steps repeats its poses along K.
        Random numbers come from ``models.diffusion.process.window_noise``, none from global generators.
        ``pose_3d``, ``trajectory`` and ``camera`` must not be read.
        """
        raise NotImplementedError

    @property
    def input_frames(self) -> int:
        """Input frames that a pose is computed from: its own with ``context``, or the whole window without.

        Methods that look at fewer of them say so. ``random_frames`` do not count.
        """
        left, right = self.context
        return left + 1 + right if left + right else self.frames

    def forward(self, batch: Batch) -> Tensor:
        """``training_loss``, under the name by which wrappers (distributed training) call a module."""
        return self.training_loss(batch)

    def frozen_parameters(self) -> int:
        """Parameters that are never trained, in no stage (a text encoder), counted apart from the method's own."""
        return sum(parameter.numel() for parameter in self.parameters() if not parameter.requires_grad)
