"""The verdict: how many layers to unfreeze, its expected score on new images, and what to train next.

It answers two questions. *Which depth?* is answered by the rule with the least measured regret
(:mod:`src.statistics.decision`). *Which depths are clearly worse than the best?* is answered by a comparison of all
depths at once, for new images and seeds (:mod:`src.statistics.best`). Values only: the words are in reporting.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from src.common.metrics import Metric
from src.statistics.decision import choose
from src.tracking.schema import CHANCE
from src.verdict.facet import DepthRow, Facet, make_facet
from src.verdict.gaps import GapRow, gap_rows
from src.verdict.next_steps import NextStep, next_steps
from src.verdict.trials import TrialRecord, baseline, facets, judged_by, measured, unmeasured

Kind = Literal["nothing", "one depth", "one seed", "confounded", "tie", "shown"]
_RATE = "fine_tune_learning_rate"


@dataclass(frozen=True)
class Verdict:
    """The verdict on a facet of a study.

    Attributes:
        label: the hyperparameters that define the facet, as they would be typed; empty where there is one.
        kind: nothing measured; one depth; no depth repeated with a second seed; a difference that is confounded with
            settings; no depth clearly worse than the best; one or more that are.
        depth: the recommended depth; None where nothing was measured.
        best: the depth of the best mean; None likewise.
        margin: the loss at which a lesser depth is still recommended, 0–1.
        rows: the depths, rising.
        lesser: the least depth that may be as good as the recommended one; None where there is none.
        next_steps: what to train next, the most useful first.
        left_out: trials that have no part in it, by reason.
        alike: the number of facets that are tested, each by itself.
        facet: the comparison; None where nothing was measured.
        study: the study's name; empty where there are several.
        chose: trials of a time budget that chose what it compares: they may be recommended, and claim nothing.
    """

    label: str
    kind: Kind
    depth: int | None = None
    best: int | None = None
    margin: float = 0.0
    rows: tuple[DepthRow, ...] = ()
    lesser: int | None = None
    next_steps: tuple[NextStep, ...] = ()
    left_out: Mapping[str, int] | None = None
    alike: int = 1
    facet: Facet | None = None
    study: str = ""
    chose: tuple[TrialRecord, ...] = ()

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        """Return the trials of the comparison."""
        return self.facet.reduction.trials if self.facet else ()

    @property
    def metric(self) -> Metric:
        """Return the metric that judges them."""
        return judged_by(self.trials)

    @property
    def baseline(self) -> float | None:
        """Return the score of always predicting the largest class; None where no trial has it."""
        return baseline(self.trials)

    @property
    def chance(self) -> float | None:
        """Return the score of predicting by chance; None where the first trial does not have it."""
        return self.trials[0].metric(CHANCE)

    @property
    def is_pooled(self) -> bool:
        """Return whether its trials differ in more than depth and seed."""
        return self.facet is not None and self.facet.reduction.pooled

    @property
    def rates_tuned(self) -> bool:
        """Return whether each depth has the best of several fine-tuning rates."""
        reduction = self.facet.reduction if self.facet else None
        return reduction is not None and reduction.configurations > 1 and _RATE in reduction.varied

    @property
    def gaps(self) -> tuple[GapRow, ...]:
        """Return the gaps of its trials by depth, rising."""
        return gap_rows(self.trials, pooled=self.is_pooled)

    def row(self, depth: int | None) -> DepthRow:
        """Return the row of a depth.

        Raises:
            StopIteration: it has none.
        """
        return next(row for row in self.rows if row.depth == depth)


def judge(records: Sequence[TrialRecord], study: str = "", margin: float = 0.0) -> list[Verdict]:
    """Return a verdict for each facet of a study, on its trials' scores; test images have no part in it.

    Args:
        records: the study's trials.
        study: its name; empty where there are several.
        margin: the loss at which a lesser depth is still recommended, 0–1.
    """
    by_facet = facets(records) or {"": []}
    verdicts = [_judge_facet(label, trials, study, margin) for label, trials in by_facet.items()]
    tested = sum(verdict.kind in ("tie", "shown") for verdict in verdicts)
    return [replace(verdict, alike=max(tested, 1)) for verdict in verdicts]


def _judge_facet(label: str, records: Sequence[TrialRecord], study: str, margin: float) -> Verdict:
    trials, left_out = measured(record for record in records if record.stage != "chose"), _left_out(records)
    if not trials:
        return Verdict(label, "nothing", left_out=left_out)
    facet = make_facet(trials)
    chosen = choose(facet.comparison, margin)
    return Verdict(
        label=label,
        kind=_kind(facet),
        depth=facet.depths[chosen],
        best=facet.depths[facet.comparison.best],
        margin=margin,
        rows=tuple(facet.row(place) for place in range(len(facet.depths))),
        lesser=_lesser(facet, chosen),
        next_steps=next_steps(facet, chosen),
        left_out=left_out,
        facet=facet,
        study=study,
        chose=tuple(measured(record for record in records if record.stage == "chose")),
    )


def _kind(facet: Facet) -> Kind:
    if len(facet.depths) == 1:
        return "one depth"
    if facet.worse:
        return "shown"
    if not facet.design.freedom:
        return "one seed"
    return "confounded" if facet.withheld else "tie"


def _lesser(facet: Facet, chosen: int) -> int | None:
    """Return the least depth below the chosen one that is not clearly worse than the best."""
    if not facet.is_testable or facet.reduction.pooled:
        return None
    return next((facet.depths[place] for place in range(chosen) if place not in facet.worse), None)


def _left_out(records: Sequence[TrialRecord]) -> dict[str, int]:
    """Return how many trials have no part in the verdict, by their status, or finished without a score."""
    reasons = Counter(record.status for record in records if record.status != "FINISHED")
    return reasons | Counter(f"without {record.judged.best}" for record in unmeasured(records))
