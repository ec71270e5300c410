"""The rules of the diagnosis: what each one measures, the limit from which it is reported, and the remedy to test.

Their words and sources are in `src/reporting/diagnosis.j2`, by the rules' names. The sources are for the meaning of a
rule. The limits are Thaw's own: from there on the remedy is worth a trial. They are no tests, and chance can reach the
smallest of them: the 2 points of `fine_tuning_hurts` are two of a hundred validation images, and compare the best of
one phase's epochs with the best of another's. Curves that diverge after the kept epoch harm nothing that is kept, so
their limit is twice that of `overfitting`. A last epoch that is best by one image, or by less than validation varies
between epochs, is chance: a phase `ended_too_soon` if its second half gained a point more than either.
"""

from collections.abc import Callable
from dataclasses import dataclass

from src.diagnosis import remedies, symptoms
from src.verdict.trials import TrialRecord


@dataclass(frozen=True)
class Rule:
    """One kind of trouble.

    Attributes:
        name: its identifier in `verdict.json`, and the name of its words.
        measure: returns the symptom; None where the rule does not apply to a trial.
        limit: the rule fires where the symptom's size is at least that.
        remedy: returns the settings that test whether the trouble goes.
    """

    name: str
    measure: Callable[[TrialRecord], symptoms.Symptom | None]
    limit: float
    remedy: remedies.Remedy


RULES = (
    Rule("overfitting", symptoms.overfitting, 0.15, remedies.regularize),
    Rule("underfitting", symptoms.underfitting, 0.2, remedies.increase_capacity),
    Rule("diverging_curves", symptoms.diverging_curves, 0.3, remedies.match_modes),
    Rule("batchnorm_mismatch", symptoms.batchnorm_mismatch, 0.05, remedies.always({"batchnorm": "inference"})),
    Rule("diverging_loss", symptoms.diverging_loss, 1.5, remedies.scale_learning_rate(1 / 3)),
    Rule("oscillating_loss", symptoms.oscillating_loss, 0.4, remedies.scale_learning_rate(1 / 3)),
    Rule("slow_training", symptoms.slow_training, 0.7, remedies.scale_learning_rate(3)),
    Rule("fine_tuning_hurts", symptoms.fine_tuning_hurts, 0.02, remedies.scale_learning_rate(1 / 10)),
    Rule("ended_too_soon", symptoms.ended_too_soon, 0.01, remedies.train_longer),
    Rule("class_imbalance", symptoms.class_imbalance, 3.0, remedies.always({"class_weights": "balanced"})),
    Rule("leakage", symptoms.leakage, 1.0, remedies.always({"data.near_duplicates": "drop"})),
)
