"""The rules of the diagnosis: what each one measures, the limit from which it is reported, and the remedy to test.

Their words are in `src/reporting/diagnosis.j2`, by the rules' names. The sources are for the meaning of a rule. The
limits are Thaw's own: from there on the remedy is worth a trial. They are no tests, and chance can reach the
smallest of them: the 2 points of `fine_tuning_hurts` are two of a hundred validation images, and compare the best of
one phase's epochs with the best of another's. Curves that diverge after the kept epoch harm nothing that is kept, so
their limit is twice that of `overfitting`. A last epoch that is best by one image, or by less than validation varies
between epochs, is chance: a phase `ended_too_soon` if its second half gained a point more than either.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from src.diagnosis import remedies, symptoms
from src.diagnosis.remedies import Remedy
from src.diagnosis.symptoms import Symptom
from src.verdict.trials import TrialRecord


@dataclass(frozen=True)
class Rule:
    """One kind of trouble.

    Attributes:
        name: its identifier in `verdict.json`, and the name of its words.
        measure: returns the symptom; None where the rule does not apply to a trial.
        limit: the rule fires where the symptom's size is at least that.
        remedy: returns the settings that test whether the trouble goes.
        source: where the rule comes from.
        figure: the report's figure that shows it.
        curves: what that figure draws, if it draws learning curves.
    """

    name: str
    measure: Callable[[TrialRecord], Symptom | None]
    limit: float
    remedy: Remedy
    source: str
    figure: Literal["symptoms", "classes", "near_duplicates"] = "symptoms"
    curves: Literal["accuracy", "loss"] = "accuracy"


_GOODFELLOW = "Goodfellow, Bengio and Courville 2016, Deep Learning, sec. 5.2"
_IOFFE = "Ioffe 2017, arXiv:1702.03275; Keras' guide to transfer learning"
_BENGIO = "Bengio 2012, arXiv:1206.5533, sec. 3.1.1: a third of a rate that diverges"
_SMITH = "Smith 2017, arXiv:1506.01186, sec. 3.3"
_KUMAR = "Kumar et al. 2022, arXiv:2202.10054: fine-tuning can distort pre-trained features"
_PRECHELT = "Prechelt 1998, Early Stopping, But When?"
_BUDA = "Buda, Maki and Mazurowski 2018, arXiv:1710.05381"
_BARZ = "Barz and Denzler 2020, arXiv:1902.00423"

_INFERENCE = remedies.always({"batchnorm": "inference"})
_BALANCE = remedies.always({"class_weights": "balanced"})
_DROP = remedies.always({"data.near_duplicates": "drop"})
_THIRD, _TRIPLE, _TENTH = (remedies.scale_learning_rate(factor) for factor in (1 / 3, 3, 1 / 10))

RULES = (
    Rule("overfitting", symptoms.overfitting, 0.15, remedies.regularize, _GOODFELLOW),
    Rule("underfitting", symptoms.underfitting, 0.2, remedies.increase_capacity, _GOODFELLOW),
    Rule("diverging_curves", symptoms.diverging_curves, 0.3, remedies.match_modes, _GOODFELLOW),
    Rule("batchnorm_mismatch", symptoms.batchnorm_mismatch, 0.05, _INFERENCE, _IOFFE),
    Rule("diverging_loss", symptoms.diverging_loss, 1.5, _THIRD, _BENGIO, curves="loss"),
    Rule("oscillating_loss", symptoms.oscillating_loss, 0.4, _THIRD, _BENGIO, curves="loss"),
    Rule("slow_training", symptoms.slow_training, 0.7, _TRIPLE, _SMITH, curves="loss"),
    Rule("fine_tuning_hurts", symptoms.fine_tuning_hurts, 0.02, _TENTH, _KUMAR),
    Rule("ended_too_soon", symptoms.ended_too_soon, 0.01, remedies.train_longer, _PRECHELT),
    Rule("class_imbalance", symptoms.class_imbalance, 3.0, _BALANCE, _BUDA, "classes"),
    Rule("leakage", symptoms.leakage, 1.0, _DROP, _BARZ, "near_duplicates"),
)
