"""The trial that a study recommends, as its report does."""

from dataclasses import dataclass

import mlflow

from src.common.errors import ThawError
from src.reporting.recommendation import recommend, why_none
from src.reporting.study_report import records
from src.reporting.verdict_text import answer, headline
from src.tracking.study import find_study
from src.verdict.verdict import judge


@dataclass(frozen=True)
class RecommendedTrial:
    """A study's recommended trial.

    Attributes:
        verdict: what recommends its depth, in words.
        siblings: runs of the same depth and settings with other seeds, the trial's own first.
    """

    run_id: str
    verdict: str
    siblings: tuple[str, ...]


def recommended_trial(client: mlflow.MlflowClient, study: str) -> RecommendedTrial:
    """Return the trial that the report on `study` recommends.

    Raises:
        ThawError: no such study, or it recommends none.
    """
    verdicts = judge(records(client, {study: find_study(client, study)}), study)
    recommended = recommend(verdicts)
    if recommended is None:
        raise ThawError(f"--study {study}: recommends no trial. {why_none(verdicts) or 'None has finished yet.'}")
    verdict = next(item for item in verdicts if item.label == recommended.facet)
    of_its_depth = [trial for trial in verdict.trials if trial.depth == recommended.depth and not verdict.is_pooled]
    others = sorted((item for item in of_its_depth if item.run_id != recommended.run_id), key=lambda item: item.seed)
    siblings = dict.fromkeys((recommended.run_id, *(item.run_id for item in others)))
    return RecommendedTrial(recommended.run_id, f"{headline(verdict)}. {answer(verdict)}", tuple(siblings))
