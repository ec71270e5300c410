"""What the verdict knows of a trial, and how trials are told apart."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from src.common.metrics import METRICS, Metric, Objective
from src.common.predictions import ImagePredictions
from src.data.duplicates import NearDuplicates

_APART = ("backbone", "batchnorm", "schedule", "weights", "data")

Factor = str | float | int


@dataclass(frozen=True)
class TrialRecord:
    """One run, as MLflow remembers it.

    Attributes:
        status: MLflow's: FINISHED, FAILED, KILLED, RUNNING or SCHEDULED.
        overrides: what was typed, as Hydra reads it.
        command: the words of what trains it, as the run remembers; empty where it does not.
        factors: the hyperparameters that tell configurations apart, by dotted name, without seed and depth.
        depth: canonical depth, layers from the end; 0 where it failed before that was known.
        block: name of the first block that trains; empty where none does.
        parameters: how many of the backbone's train.
        answers: jobs of its studies that came to it, each by a spelling of its own.
        whole: whether all layers train that can, however that was spelled.
        metrics: by the names in MLflow; accuracies and gaps in 0–1.
        objective: what judges it; the same in all records of a report.
        history: per epoch: epoch, phase, fit/accuracy, fit/loss, val/loss, learning_rate, and val/ of every metric.
        val_images: photos that val/accuracy is a share of; None where unknown.
        test_images: photos that test/accuracy is a share of; None where unknown.
        class_counts: training photos of the largest and the smallest class; empty where unknown.
        near_duplicates: near-equal photos across splits.
        reads_depth: whether `unfrozen` decides its depth; a schedule may fix it.
        recalled: epochs that an earlier trial had trained, so that this one's time leaves them out.
        predictions: for each validation image; None where its run has none.
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
    recalled: int = 0
    answers: int = 1
    whole: bool = False
    command: tuple[str, ...] = ()
    reads_depth: bool = True
    objective: Objective = "accuracy"
    predictions: ImagePredictions | None = None

    @property
    def judged(self) -> Metric:
        """The metric that judges it."""
        return METRICS[self.objective]

    @property
    def score(self) -> float:
        """Its validation value by that metric, 0–1.

        Raises:
            KeyError: it was not measured; see :func:`measured`.
        """
        return self.metrics[self.judged.best]

    def metric(self, name: str) -> float | None:
        """The metric, or None where it is missing or no number."""
        value = self.metrics.get(name)
        return float(value) if value is not None and math.isfinite(value) else None

    def factor(self, name: str) -> Factor:
        """The hyperparameter's value; empty text where the run does not know it."""
        return self.factors.get(name, "")


def measured(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The finished trials that have a score; the last of those that are the same trial run again."""
    whole = [record for record in records if record.status == "FINISHED" and not _lacks_score(record)]
    return list({(_identity(record), record.depth, record.seed): record for record in whole}.values())


def unmeasured(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the finished trials without a score: they are from before their objective was measured."""
    return [record for record in records if record.status == "FINISHED" and _lacks_score(record)]


def baseline(records: Iterable[TrialRecord]) -> float | None:
    """Return what always predicting the largest training class scores on validation; None where no trial knows.

    Where training sets differ, so that the largest class may, it is the best of them.
    """
    return max(
        (value for record in records if (value := record.metric(record.judged.baseline)) is not None), default=None
    )


def judged_by(records: Iterable[TrialRecord]) -> Metric:
    """Return the metric that judges `records`, which they share; accuracy where there are none."""
    return next((record.judged for record in records), METRICS["accuracy"])


def _lacks_score(record: TrialRecord) -> bool:
    return record.metric(record.judged.best) is None


def once(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """One record for each run: one that answered several configurations was trained once, and is no replicate."""
    found: dict[str, TrialRecord] = {}
    for record in records:
        found.setdefault(record.run_id, record)
    return list(found.values())


def varying(records: Sequence[TrialRecord]) -> list[str]:
    """The hyperparameters that differ between `records`, sorted by name."""
    names = sorted({name for record in records for name in record.factors})
    return [name for name in names if len({str(record.factor(name)) for record in records}) > 1]


def configuration(record: TrialRecord, names: Iterable[str]) -> str:
    """The values of the hyperparameters `names`, as they would be typed.

    >>> record = TrialRecord("r", "FINISHED", (), {"dropout": 0.2, "batchnorm": "train"}, 2, "", 0, 0)
    >>> configuration(record, ["batchnorm", "class_weights", "dropout"])
    'batchnorm=train class_weights=null dropout=0.2'
    >>> configuration(TrialRecord("r", "FINISHED", (), {"batch_size": 32.0}, 2, "", 0, 0), ["batch_size"])
    'batch_size=32'
    """
    return " ".join(f"{name}={typed_value(record.factors.get(name, 'null'))}" for name in names)


def facets(records: Sequence[TrialRecord]) -> dict[str, list[TrialRecord]]:
    """Trials by what is never reduced: backbone, batchnorm, schedule, weights and data, where those vary.

    Depths mean other layers in another backbone, and accuracies on other data are no rivals; BatchNorm's mode and the
    schedule are what a study usually asks about. A trial that failed while it was planned has no hyperparameters, and
    makes no facet of its own.
    """
    names = [name for name in varying([record for record in records if record.factors]) if sets_apart(name)]
    found: dict[str, list[TrialRecord]] = {}
    for record in records:
        if record.factors or not names:
            read = [name for name in names if name in record.factors]
            found.setdefault(configuration(record, read), []).append(record)
    return found


def sets_apart(name: str) -> bool:
    """Return whether trials that differ in the hyperparameter `name` are of different facets."""
    section, _, below = name.partition(".")
    return section in _APART and not (section == "schedule" and below)


def validated_on(record: TrialRecord) -> str:
    """What says which photos validated a trial: accuracies are rivals on the same ones alone.

    `data.fraction` thins the training photos and no others.
    """
    names = [name for name in record.factors if name.partition(".")[0] == "data" and name != "data.fraction"]
    return configuration(record, sorted(names))


def tuned(records: Sequence[TrialRecord]) -> list[str]:
    """The varying hyperparameters that a verdict reduces: all but those that make facets."""
    return [name for name in varying(records) if not sets_apart(name)]


def typed_value(value: Factor) -> str:
    """Return a setting as it is typed."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _identity(record: TrialRecord) -> str:
    return configuration(record, sorted(record.factors))
