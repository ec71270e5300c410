"""The result of a trial."""

from dataclasses import dataclass
from typing import Any

from src.common.metrics import METRICS, Metric
from src.tracking import schema


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial.

    Attributes:
        summary: by the names in MLflow.
        reused: whether an earlier run was reused.
        depth: what trains, as it would be typed for `unfrozen`.
        idle: keys that the trial does not read.
    """

    summary: dict[str, Any]
    reused: bool
    depth: str = ""
    idle: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """Return the objective's value on validation, 0–1."""
        return float(self.summary[self._judged.best])

    @property
    def baseline(self) -> float | None:
        """Return the score of always predicting the largest class if the trial is not better; else None."""
        return self.summary[self._judged.baseline] if self._judged.is_no_better(self.summary) else None

    @property
    def parts(self) -> dict[str, float]:
        """Return the parts of the time that training it took, s, by their names in MLflow."""
        return {name: self.summary[name] for name in schema.parts_of_time(self.summary)}

    @property
    def _judged(self) -> Metric:
        return METRICS[self.summary[schema.OBJECTIVE.name]]
