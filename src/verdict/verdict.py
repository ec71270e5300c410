"""The verdict: how many layers to unfreeze, how sure that is, and what would settle the rest.

Two questions are kept apart. *Which depth?* is answered by the one-standard-error rule. *Is there any difference?* is
answered by a test of all pairs, and a difference that it does not show is never spoken of as one.

Simulated (20,000 studies; 2 to 6 depths, 2 to 5 seeds): where one depth, the deepest, is better by three standard
errors of a difference of two means, the rule names it in 95–99 % of studies. The test shows that difference less often
(18 % at 2 depths and 2 seeds, 62 % at 2 and 5, 77 % at 6 and 5), and no two-sided test of a pair that keeps to 5 % can
reach 95 % there: with the variance known, the best there is (Neyman and Pearson 1933) has 85 %.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from src.common.metrics import Metric
from src.statistics.comparison import Comparison
from src.statistics.intervals import LEVEL, Interval, accuracy_interval
from src.verdict.caveats import caveats
from src.verdict.confounding import HINTED
from src.verdict.facet import Facet, make_facet
from src.verdict.gaps import GapRow, describe_gaps, gap_rows
from src.verdict.next_steps import (
    next_step_of_confounded,
    next_step_of_one_depth,
    next_step_of_one_seed,
    next_step_of_shown,
    next_step_of_tie,
)
from src.verdict.reduction import Reduction
from src.verdict.sentences import (
    sentence_for_new_images,
    sentence_of_confounded,
    sentence_of_guessing,
    sentence_of_one_depth,
    sentence_of_one_seed,
    sentence_of_shown,
    sentence_of_tie,
)
from src.verdict.trials import TrialRecord, baseline, facets, judged_by, measured, unmeasured
from src.reporting.wording import probability

Kind = Literal["nothing", "one depth", "one seed", "confounded", "tie", "shown"]

_SPEAK = {
    "one depth": (sentence_of_one_depth, next_step_of_one_depth),
    "one seed": (sentence_of_one_seed, next_step_of_one_seed),
    "confounded": (sentence_of_confounded, next_step_of_confounded),
    "tie": (sentence_of_tie, next_step_of_tie),
    "shown": (sentence_of_shown, next_step_of_shown),
}


_OF_ACCURACY = "These gaps are of accuracy: while training, nothing else is measured."


@dataclass(frozen=True)
class DepthRow:
    """One depth of a study.

    Attributes:
        depth: canonical, layers from the end.
        block: the first block that trains; empty where none does.
        parameters: how many of the backbone's train.
        score: validation mean and its interval over this depth's seeds alone, 0–1.
        to_named: this depth's mean minus the named depth's; its interval holds for all pairs of depths at once.
        p: of that difference, adjusted over all pairs; None where nothing can be tested, and for the named depth.
        to_best: this depth's mean minus the best one's, for new images and seeds; its interval holds for all depths at
            once. None where nothing can be said of new images.
        is_worse: whether that interval lies below 0.
    """

    depth: int
    block: str
    parameters: int
    score: Interval
    to_named: Interval
    p: float | None
    to_best: Interval | None = None
    is_worse: bool = False


@dataclass(frozen=True)
class Verdict:
    """What a facet of a study comes to.

    Attributes:
        facet: the hyperparameters that keep it apart, as they would be typed; empty where there is one facet.
        kind: nothing measured; one depth; no depth repeated with a second seed; a difference that may be
            of settings that went with depth; no difference shown; one shown.
        depth: the depth that is named; None where nothing was measured.
        sentence: the verdict, with numbers.
        new_images: which depths are worse for new images; empty where nothing can be said of them.
        confidence: highest level, 0–1, at which the interval of the clearest difference excludes none; None where
            nothing can be tested.
        words: the same in words.
        evidence: the p-value that they rest on, and of which pair it is; empty where nothing can be tested.
        rows: the depths, rising.
        settle: what would settle what is open, a sentence each.
        caveats: what limits the verdict, a sentence each.
        comparison: the depths pair by pair; None where nothing was measured.
        reduction: what the other hyperparameters were reduced to; None likewise.
    """

    facet: str
    kind: Kind
    depth: int | None
    sentence: str
    confidence: float | None = None
    words: str = "no claim"
    evidence: str = ""
    rows: tuple[DepthRow, ...] = ()
    settle: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    new_images: str = ""
    comparison: Comparison | None = None
    reduction: Reduction | None = None

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        """The trials that it rests on."""
        return self.reduction.trials if self.reduction else ()

    @property
    def metric(self) -> Metric:
        """What judges them."""
        return judged_by(self.trials)

    @property
    def baseline(self) -> float | None:
        """What always predicting the largest class scores; None where no trial knows."""
        return baseline(self.trials)

    @property
    def is_pooled(self) -> bool:
        """Whether its trials differ in more than depth and seed."""
        return self.reduction is not None and self.reduction.pooled

    @property
    def gaps(self) -> tuple[GapRow, ...]:
        """The gaps of its trials by depth, rising."""
        return gap_rows(self.trials, pooled=self.is_pooled)

    @property
    def gap_text(self) -> str:
        """The same in words."""
        text = describe_gaps(self.gaps, pooled=self.is_pooled)
        return f"{text} {_OF_ACCURACY}" if text and self.metric.objective != "accuracy" else text


def judge(records: Sequence[TrialRecord], study: str = "") -> list[Verdict]:
    """A verdict for each facet of a study, on its trials' scores; the test photos have no part in it.

    `study`: its name, for the commands that would settle what is open; empty where there are several.
    """
    found = facets(records) or {"": []}
    verdicts = [_judge_facet(label, trials, study) for label, trials in found.items()]
    tested = sum(verdict.confidence is not None for verdict in verdicts)
    return [_one_of_many(verdict, tested) for verdict in verdicts]


def _one_of_many(verdict: Verdict, tested: int) -> Verdict:
    """`verdict` with what it means for its claim that so many facets are `tested`, each by itself."""
    if verdict.kind != "shown" or tested < 2:
        return verdict
    told = (
        f"{tested} facets are judged, each at 95 % by itself: were depth to matter in none of them, one or more would "
        f"still claim a difference in {100 * (1 - LEVEL**tested):.0f} % of studies, if facets are independent."
    )
    return replace(verdict, caveats=(*verdict.caveats, told))


def _judge_facet(label: str, records: Sequence[TrialRecord], study: str) -> Verdict:
    trials, left_out = measured(records), _left_out(records)
    if not trials:
        return Verdict(label, "nothing", None, "No finished trial to judge.", caveats=left_out)
    facet = make_facet(label, trials, study)
    kind = _kind(facet.comparison)
    confidence = _confidence(facet.comparison) if kind in ("tie", "shown") else None
    sentence, settle = _SPEAK[kind]
    return Verdict(
        facet=label,
        kind=kind,
        depth=facet.depths[facet.comparison.named],
        sentence=sentence(facet) + sentence_of_guessing(facet),
        confidence=confidence,
        words=_words(confidence),
        evidence=_evidence(facet),
        rows=tuple(_row(facet, place) for place in range(len(facet.depths))),
        settle=settle(facet),
        caveats=(*left_out, *caveats(facet)),
        new_images=sentence_for_new_images(facet),
        comparison=facet.comparison,
        reduction=facet.reduction,
    )


def _kind(comparison: Comparison) -> Literal["one depth", "one seed", "confounded", "tie", "shown"]:
    if len(comparison.design.levels) == 1:
        return "one depth"
    if not comparison.testable:
        return "one seed"
    if comparison.shown(*comparison.clearest):
        return "shown"
    return "confounded" if comparison.withheld.any() else "tie"


def _confidence(comparison: Comparison) -> float | None:
    p = comparison.p(*comparison.clearest)
    return None if p is None else 1 - p


def _words(confidence: float | None) -> str:
    """The confidence that depth matters, in words; the bounds but the middle one are conventions."""
    if confidence is None:
        return "no claim"
    steps = ((0.99, "well supported"), (LEVEL, "supported"), (1 - HINTED, "hinted at, not shown"))
    return next((words for least, words in steps if confidence >= least), "not supported")


def _evidence(facet: Facet) -> str:
    """The clearest pair's p-value, which :func:`_confidence` is 1 less."""
    if not facet.comparison.testable:
        return ""
    better, worse = facet.comparison.clearest
    p = facet.comparison.p(better, worse)
    told = probability(1.0 if p is None else p)
    return f"adjusted {told} of the clearest pair, {facet.depths[better]} over {facet.name(worse)}"


def _row(facet: Facet, place: int) -> DepthRow:
    comparison, trials, new = facet.comparison, facet.trials(place), facet.new_images
    return DepthRow(
        depth=facet.depths[place],
        block=trials[0].block,
        parameters=trials[0].parameters,
        score=accuracy_interval([trial.score for trial in trials], facet.resolution),
        to_named=comparison.difference(place, comparison.named),
        p=comparison.p(place, comparison.named),
        to_best=new.difference(place) if new else None,
        is_worse=new is not None and new.is_worse(place),
    )


def _left_out(records: Sequence[TrialRecord]) -> tuple[str, ...]:
    """Trials that have no part in the verdict, by reason."""
    reasons = Counter(record.status for record in records if record.status != "FINISHED")
    lacking = len(unmeasured(records))
    if lacking:
        reasons[f"without {judged_by(records).best}"] = lacking
    told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return (f"Left out, of {len(records)} trial{'s' * (len(records) != 1)}: {told}.",) if told else ()
