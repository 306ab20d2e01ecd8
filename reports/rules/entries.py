"""What a table is made of: runs with a record, and runs without one."""

from __future__ import annotations

from bench.config.choices import conditions_of
from bench.results.cost import Cost, Environment
from bench.results.record import Conditions, DataInfo, Missing, Record, Value


class MissingRun(Missing):
    """A declared run that has no record, in a table beside runs that have one.

    Attributes:
        neighbour: the most similar run of the same table that has a record. Data, what the description does not
            say of the protocol and, where no cost was measured, device are its own; no number is taken from it.
    """

    neighbour: Record

    @property
    def runs(self) -> tuple[str, ...]:
        return (self.id,)

    @property
    def values(self) -> tuple[Value, ...]:
        return ()

    def value(self, metric: str, aggregation: str | None) -> Value | None:
        """None: it has no numbers."""
        return None

    @property
    def is_deterministic(self) -> bool:
        """Whether it would have one answer: as its neighbour of the same method, else by its H and K."""
        if self.neighbour.method == self.method:
            return all(value.kind == "deterministic" for value in self.neighbour.values)
        return self.experiment["evaluation"]["hypotheses"] == self.experiment["evaluation"]["steps"] == 1

    @property
    def cost(self) -> Cost | None:
        """Where it was measured although the run was not made."""
        return self.measurement.cost if self.measurement else None

    @property
    def data(self) -> DataInfo:
        """Data of the section, with the declared detections."""
        detections = {
            "train_detections": self.experiment["data"]["detections"],
            "test_detections": self.experiment["evaluation"]["detections"],
        }
        return self.neighbour.data.model_copy(update=detections)

    @property
    def environment(self) -> Environment:
        """Environment of the measurement of its cost, else of its neighbour."""
        return self.measurement.environment if self.measurement else self.neighbour.environment

    @property
    def conditions(self) -> Conditions:
        """Conditions as declared; what the description does not say, of the section."""
        evaluation, like = self.experiment["evaluation"], self.neighbour.conditions
        same_method = self.neighbour.method == self.method
        labelled = evaluation.get("actions", "given") == "given"
        declared = {
            "hypotheses": evaluation["hypotheses"],
            "steps": evaluation["steps"],
            "training_seeds": (self.experiment["training"]["seed"],),
            "noise_seeds": (evaluation["seed"],),
            "action_label_given": like.action_label_given and same_method and labelled,
            "selection": self._selection(),
            "validation": like.validation if self._agrees("training", "holdout", "weights") else "",
            "samples": "",
            "notes": self._notes() if same_method else {},
        }
        return like.model_copy(update=conditions_of(self.experiment) | declared)

    def _agrees(self, section: str, *keys: str) -> bool:
        """Whether its description and that of its neighbour say the same under some keys."""
        own, other = self.experiment[section], self.neighbour.experiment[section]
        return all(own.get(key) == other.get(key) for key in keys)

    def _selection(self) -> str:
        """How the checkpoint would have been selected.

        A neighbour that was to select in the same way knows more: which published file, or that nothing was
        validated. A predictor without a training says nothing of other methods.
        """
        training, like = self.experiment["training"], self.neighbour
        tells = like.trained or like.method == self.method
        if tells and self._agrees("training", "selection", "holdout", "weights"):
            return like.conditions.selection
        return "published checkpoint" if training.get("weights") else training.get("selection", "validation")

    def _notes(self) -> dict[str, str]:
        """Notes of its neighbour, of the same method, under the options of this run."""
        of_protocol = {
            "action labels": self._agrees("evaluation", "actions"),
            "training recipe": self._agrees("training", "recipe"),
        }
        known = {key: text for key, text in self.neighbour.conditions.notes.items() if of_protocol.get(key, True)}
        options = self.experiment["method"]["options"]
        return {key: str(options.get(key, text)) for key, text in known.items()}


Entry = Record | MissingRun
"""A run of a table."""


def cost_or_similar(entry: Entry) -> Cost:
    """What a run costs; where a missing one was not measured, its neighbour's cost, for setup and frames only."""
    return entry.cost or entry.neighbour.cost if isinstance(entry, MissingRun) else entry.cost


def is_disturbed(entry: Entry) -> bool:
    """Whether its times were measured while something else used the machine, or in passes that disagree."""
    measured = entry.measurement if isinstance(entry, MissingRun) else entry
    return measured is not None and bool(measured.environment.warnings or measured.cost.latency.disagree)


def input_frames(entry: Entry) -> int | None:
    """Input frames that a pose is computed from; None where that is not known.

    A missing run has those of its neighbour where that is the same method under the same options.
    """
    if not isinstance(entry, MissingRun):
        return entry.input_frames
    like = entry.neighbour
    options = [(run.experiment["method"], run.experiment["evaluation"].get("options")) for run in (entry, like)]
    return like.input_frames if options[0] == options[1] else None


def output_frames(entry: Entry) -> int:
    """Output frames of a window."""
    return cost_or_similar(entry).latency.frames
