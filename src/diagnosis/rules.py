"""The rules of the diagnosis, as a table: what is measured, from which size on it counts, what is said and tried.

The sources are for what a rule means. The limits are Thaw's own: sizes from which on the remedy is worth a trial, and
no tests. Chance can reach the least of them: the 2 points by which fine-tuning undoes are two photos of a hundred, and
lie between the best of one phase's epochs and the best of another's. What fit and validation part by after the kept
epoch harms nobody who keeps that, so it counts from twice what counts within it. That a phase's last epoch is the best
is luck where it is so by a photo, or by what validation swings by: a phase ended too soon where its second half gained
a point more than either.
"""

from collections.abc import Callable
from dataclasses import dataclass

from src.diagnosis import symptoms as signs
from src.diagnosis.remedies import Settings
from src.diagnosis.symptoms import Numbers
from src.verdict.trials import TrialRecord


@dataclass(frozen=True)
class Rule:
    """One sign of trouble.

    Attributes:
        measure: the evidence to the numbers that `text` and `remedy` speak of, with "size" among them; None where the
            rule does not apply, or numbers are missing.
        limit: the rule fires where size ≥ limit.
        text: a template of what is said.
        figure: which of the report's figures shows it.
        remedy: the settings that test the remedy; None where they are the numbers' own "remedy".
        source: where it is from.
    """

    name: str
    measure: Callable[[TrialRecord], Numbers | None]
    limit: float
    text: str
    figure: str
    remedy: Settings | None
    source: str

    @property
    def meaning(self) -> str:
        """What is measured, in a line."""
        return (self.measure.__doc__ or "").partition("\n")[0]


RULES = (
    Rule(
        "overfitting", signs.overfitting, 0.15,
        "{train} on the training photos and {val} on validation, both in inference mode, {gap} apart.",
        "signs", None,
        "Goodfellow, Bengio and Courville 2016, Deep Learning, sec. 5.2",
    ),
    Rule(
        "underfitting", signs.underfitting, 0.2,
        "Of the training photos themselves no more than {fitted} were read right at any epoch, so that no other photo "
        "can be expected to fare better.",
        "signs", None,
        "Goodfellow, Bengio and Courville 2016, Deep Learning, sec. 5.2",
    ),
    Rule(
        "fit and validation part", signs.diverging_curves, 0.3,
        "From the last phase's epoch {kept}, which was kept, to epoch {count} fit went from {fit} to {later_fit} and "
        "validation from {val} to {later_val}: the network can fit, and what it learns is of no use to other photos."
        "{cause}",
        "signs", None,
        "Goodfellow, Bengio and Courville 2016, Deep Learning, sec. 5.2",
    ),
    Rule(
        "BatchNorm mismatch", signs.batchnorm_mismatch, 0.05,
        "The same training photos are read {fit} in training mode and {train} in inference, {gap} "
        "apart. BatchNorm trains with its batches' statistics, and its moving ones lag behind.",
        "signs", {"batchnorm": "inference"},
        "Ioffe 2017, arXiv:1702.03275; Keras' guide to transfer learning",
    ),
    Rule(
        "rate too high: diverges", signs.divergence, 1.5,
        "In phase {phase} fit/loss {course}{at}.",
        "signs", None,
        "Bengio 2012, arXiv:1206.5533, sec. 3.1.1: a third of a rate that diverges",
    ),
    Rule(
        "rate too high: oscillates", signs.oscillation, 0.4,
        "In phase {phase} fit/loss rose at {rises} of {steps} steps from one epoch to the next{at}.",
        "signs", None,
        "Bengio 2012, arXiv:1206.5533, sec. 3.1.1",
    ),
    Rule(
        "rate too low", signs.slowness, 0.7,
        "Over the {epochs} epochs of the last phase fit/loss fell at every one, but from {first} to "
        "{last} only, with {train} on the training photos{at}.",
        "signs", None,
        "Smith 2017, arXiv:1506.01186, sec. 3.3",
    ),
    Rule(
        "fine-tuning undoes", signs.fine_tuning_hurts, 0.02,
        "The last phase undoes what came before: {score} was {before} at the best before it and {after} at the best "
        "in it, {fall} less{at}.",
        "signs", None,
        "Kumar et al. 2022, arXiv:2202.10054: fine-tuning can distort pre-trained features",
    ),
    Rule(
        "ended too soon", signs.ended_too_soon, 0.01,
        "The last of the last phase's {count} epochs was the best, and {score} rose by {gain} in the phase's second "
        "half, while it {swings} from one epoch to the next.",
        "signs", None,
        "Prechelt 1998, Early Stopping, But When?",
    ),
    Rule(
        "class imbalance", signs.imbalance, 3.0,
        "{most} has {many} training photos and {least} {fewest}, {ratio} to 1.{metric}",
        "classes", {"class_weights": "balanced"},
        "Buda, Maki and Mazurowski 2018, arXiv:1710.05381",
    ),
    Rule(
        "leakage suspected", signs.leakage, 1.0,
        "{pairs} across splits, with {photos} of validation or test: {example}. The override leaves out "
        "every photo that has its like in a later split: of train what is like one of validation or test, of "
        "validation what is like one of test. Better still, name bursts with data.group_pattern or in a manifest's "
        "group column: groups never part.",
        "near_duplicates", {"data.near_duplicates": "drop"},
        "Barz and Denzler 2020, arXiv:1902.00423",
    ),
)  # fmt: skip
