"""Made-up trials and simulated studies."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from src.common.metrics import METRICS
from src.common.predictions import ImagePredictions
from src.verdict.trials import Factor, TrialRecord


def trial(
    depth: int = 2, seed: int = 0, val: float | None = 0.6, factors: Mapping[str, Factor] | None = None, **more: Any
) -> TrialRecord:
    metrics = {METRICS["accuracy"].best: val} if val is not None else {}
    given: dict[str, Any] = {
        "status": "FINISHED",
        "block": f"block_{depth}" if depth else "",
        "parameters": depth * 100,
    }
    run_id = "-".join(map(str, (depth, seed, *(factors or {}).values())))
    given |= {"run_id": run_id, "overrides": (), "metrics": metrics, "val_images": None}
    return TrialRecord(depth=depth, seed=seed, factors=factors or {}, **given | more)


def grid(values: Mapping[int, Sequence[float]], **more: Any) -> list[TrialRecord]:
    """Trials with seeds 0, 1, … of validation accuracies by depth."""
    return [trial(depth, seed, val, **more) for depth, row in values.items() for seed, val in enumerate(row)]


WINNER = {0: (0.60, 0.61, 0.60), 2: (0.61, 0.61, 0.62), 11: (0.70, 0.71, 0.71)}
TIE = {0: (0.573, 0.580, 0.570), 2: (0.579, 0.586, 0.570), 20: (0.575, 0.591, 0.580)}


def predicted(
    accuracies: Mapping[int, float], seeds: int = 3, images: int = 400, burst: int = 1, objective: str = "accuracy",
    *, same_images: bool = True,
) -> list[TrialRecord]:  # fmt: skip
    """Trials that read the same images right by chance, an image's own difficulty in common."""
    rng = np.random.default_rng(0)
    difficulty, labels = rng.random(images), rng.integers(0, 3, images).astype(np.uint16)
    numbers = np.arange(images, dtype=np.uint64)
    found = []
    for depth, accuracy in accuracies.items():
        for seed in range(seeds):
            is_hit = difficulty + 0.1 * rng.standard_normal(images) < accuracy
            predicted = np.where(is_hit, labels, (labels + 1) % 3).astype(np.uint16)
            own = numbers if same_images else numbers + np.uint64(seed)
            kept = ImagePredictions(own, numbers // np.uint64(burst), labels, predicted, np.ones(images, np.float32))
            metrics = {METRICS[objective].best: float(np.mean(is_hit))}
            found.append(trial(depth, seed, val_images=images, predictions=kept, objective=objective, metrics=metrics))
    return found
