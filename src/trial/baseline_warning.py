"""The warning on a trial that is not better than always predicting the largest class."""

from collections.abc import Mapping
from typing import Any

from src.common.errors import one_line
from src.common.metrics import METRICS
from src.trial.plan import Plan


def baseline_warning(plan: Plan, summary: Mapping[str, Any]) -> list[str]:
    """Return a line with remedies if the trial is not better than always predicting the largest class, else none."""
    trial, judged = plan.trial, METRICS[plan.trial.objective]
    if not judged.is_no_better(summary):
        return []
    counts = plan.dataset.class_counts("train")
    largest = max(counts, key=lambda name: counts[name])
    is_uneven = counts[largest] > min(counts.values())
    remedies = ["class_weights=balanced"] * (is_uneven and trial.class_weights is None)
    remedies += ["objective=balanced_accuracy"] * (is_uneven and trial.objective == "accuracy")
    remedies += ["another learning rate"]
    return [
        f"{judged.on_validation} {summary[judged.best]:.3f} is not better than always predicting the largest class, "
        f"{one_line(largest, 60)} ({summary[judged.baseline]:.3f}): try {' or '.join(remedies)}"
    ]
