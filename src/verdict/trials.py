"""A trial as the verdict reads it, and the settings that distinguish trials."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from src.common.metrics import METRICS, Metric, Objective
from src.common.predictions import ImagePredictions
from src.data.duplicates import NearDuplicates

_APART = ("backbone", "batchnorm", "schedule", "weights", "data")

Factor = str | float | int

Stage = Literal["", "search", "final", "chose"]


@dataclass(frozen=True)
class TrialRecord:
    """One run of the store.

    Attributes:
        status: MLflow's: FINISHED, FAILED, KILLED, RUNNING or SCHEDULED.
        overrides: as Hydra reads them.
        command: the words of the command that trains it; empty where the run has none.
        factors: the hyperparameters that distinguish configurations, by dotted name, without seed and depth.
        depth: canonical depth, layers from the end; 0 where it failed before that was known.
        block: name of the first block that trains; empty where none does.
        parameters: how many of the backbone's train.
        answers: the number of jobs of its studies that are this trial, each with a spelling of its own.
        whole: whether all layers train that can.
        metrics: by the names in MLflow; accuracies and gaps in 0–1.
        objective: what judges it; the same in all records of a report.
        history: per epoch: epoch, phase, fit/accuracy, fit/loss, val/loss, learning_rate, and val/ of every metric.
        val_images: photos that val/accuracy is a share of; None where unknown.
        test_images: photos that test/accuracy is a share of; None where unknown.
        class_counts: training photos of the largest and the smallest class; empty where unknown.
        near_duplicates: near-equal photos across splits.
        reads_depth: whether `unfrozen` decides its depth; a schedule may fix it.
        resumed: epochs that an earlier trial had trained, so that this one's time leaves them out.
        predictions: for each validation image; None where its run has none.
        stage: of a time budget: whether it helped to choose what is compared (`search`), or compares it by a seed that
            chose nothing (`final`), or chose that with another seed (`chose`); empty in other studies.
    """

    run_id: str
    status: str
    overrides: tuple[str, ...]
    factors: Mapping[str, Factor]
    depth: int
    block: str
    parameters: int
    seed: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()
    val_images: int | None = None
    test_images: int | None = None
    class_counts: Mapping[str, int] = field(default_factory=dict)
    near_duplicates: NearDuplicates = field(default_factory=NearDuplicates)
    resumed: int = 0
    answers: int = 1
    whole: bool = False
    command: tuple[str, ...] = ()
    reads_depth: bool = True
    objective: Objective = "accuracy"
    predictions: ImagePredictions | None = None
    stage: Stage = ""

    @property
    def judged(self) -> Metric:
        """Return the metric that judges it."""
        return METRICS[self.objective]

    @property
    def score(self) -> float:
        """Return its validation score by that metric, 0–1.

        Raises:
            KeyError: it was not measured; see :func:`measured`.
        """
        return self.metrics[self.judged.best]

    def metric(self, name: str) -> float | None:
        """Return a metric's value; None where it is missing or not finite."""
        value = self.metrics.get(name)
        return float(value) if value is not None and math.isfinite(value) else None

    def factor(self, name: str) -> Factor:
        """Return a hyperparameter's value; an empty text where the run does not have it."""
        return self.factors.get(name, "")


def measured(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the finished trials that have a score; of those that are one trial run again, the last."""
    scored = [record for record in records if record.status == "FINISHED" and not _lacks_score(record)]
    keys = [(configuration(record, sorted(record.factors)), record.depth, record.seed) for record in scored]
    return list(dict(zip(keys, scored, strict=True)).values())


def unmeasured(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the finished trials without a score, from before their objective was measured."""
    return [record for record in records if record.status == "FINISHED" and _lacks_score(record)]


def baseline(records: Iterable[TrialRecord]) -> float | None:
    """Return the validation score of always predicting the largest training class; None where no trial has it.

    Where training sets differ, it is the best of their baselines.
    """
    known = (record.metric(record.judged.baseline) for record in records)
    return max((value for value in known if value is not None), default=None)


def judged_by(records: Iterable[TrialRecord]) -> Metric:
    """Return the metric that judges `records`, which they share; accuracy where there are none."""
    return next((record.judged for record in records), METRICS["accuracy"])


def _lacks_score(record: TrialRecord) -> bool:
    return record.metric(record.judged.best) is None


def once(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the first record of each run: a run that is several configurations' trial was trained once."""
    by_run: dict[str, TrialRecord] = {}
    for record in records:
        by_run.setdefault(record.run_id, record)
    return list(by_run.values())


def varying(records: Sequence[TrialRecord]) -> list[str]:
    """Return the hyperparameters that differ between `records`, sorted by name."""
    names = sorted({name for record in records for name in record.factors})
    return [name for name in names if len({str(record.factor(name)) for record in records}) > 1]


def configuration(record: TrialRecord, names: Iterable[str]) -> str:
    """Return the values of the hyperparameters `names`, as they would be typed.

    >>> record = TrialRecord("r", "FINISHED", (), {"dropout": 0.2, "batchnorm": "train"}, 2, "", 0, 0)
    >>> configuration(record, ["batchnorm", "class_weights", "dropout"])
    'batchnorm=train class_weights=null dropout=0.2'
    >>> configuration(TrialRecord("r", "FINISHED", (), {"batch_size": 32.0}, 2, "", 0, 0), ["batch_size"])
    'batch_size=32'
    """
    return " ".join(f"{name}={typed_value(record.factors.get(name, 'null'))}" for name in names)


def facets(records: Sequence[TrialRecord]) -> dict[str, list[TrialRecord]]:
    """Return the trials by facet: backbone, batchnorm, schedule, weights and data, where those vary.

    A depth is other layers in another backbone, and accuracies on other data do not compare. BatchNorm's mode and the
    schedule are what a study usually asks about. A trial that failed while it was planned has no hyperparameters, and
    makes no facet of its own.
    """
    names = [name for name in varying([record for record in records if record.factors]) if sets_apart(name)]
    by_facet: dict[str, list[TrialRecord]] = {}
    for record in records:
        if record.factors or not names:
            read = [name for name in names if name in record.factors]
            by_facet.setdefault(configuration(record, read), []).append(record)
    return by_facet


def sets_apart(name: str) -> bool:
    """Return whether trials that differ in the hyperparameter `name` are of different facets."""
    section, _, below = name.partition(".")
    return section in _APART and not (section == "schedule" and below)


def validated_on(record: TrialRecord) -> str:
    """Return the settings that determine a trial's validation images: only scores on the same images compare.

    `data.fraction` thins the training images alone.
    """
    names = [name for name in record.factors if name.partition(".")[0] == "data" and name != "data.fraction"]
    return configuration(record, sorted(names))


def tuned(records: Sequence[TrialRecord]) -> list[str]:
    """Return the varying hyperparameters that a verdict reduces: all but those that make facets."""
    return [name for name in varying(records) if not sets_apart(name)]


def typed_value(value: Factor) -> str:
    """Return a setting as it is typed."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
