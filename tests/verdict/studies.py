"""Made-up trials and simulated studies."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.common.metrics import METRICS
from src.statistics.design import Design, Floats, critical_t, least_within_one_error, make_design
from src.verdict.trials import Factor, TrialRecord

Cells = list[tuple[int, int]]


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


def cells(depths: int, seeds: int, *, paired: bool = True) -> Cells:
    return [(depth, seed if paired else 100 * depth + seed) for depth in range(depths) for seed in range(seeds)]


def design_of(pairs: Cells) -> Design:
    depths, seeds = zip(*pairs, strict=True)
    return make_design(tuple(depths), tuple(seeds))


def draw(
    pairs: Cells,
    studies: int,
    rng: np.random.Generator,
    *,
    seed_deviation: float = 1.0,
    truth: Sequence[float] = (),
    deviations: Sequence[float] = (),
) -> Floats:
    """Values [studies, trials] of deviation 1 about the depths' true means, with an effect common to each seed."""
    depths, seeds = (np.asarray(column) for column in zip(*pairs, strict=True))
    places, positions = np.unique(seeds, return_inverse=True)
    noise = rng.standard_normal((studies, len(pairs)))
    if len(deviations):
        noise *= np.asarray(deviations)[depths]
    values = noise + seed_deviation * rng.standard_normal((studies, places.size))[:, positions]
    return np.asarray(values + np.asarray(truth)[depths]) if len(truth) else np.asarray(values)


def claims(design: Design, values: Floats, resolution: float = 0.0) -> NDArray[np.bool_]:
    """Which pairs each study shows to differ, [studies, depths, depths]."""
    means, errors = _errors(design, values, resolution)
    gaps = np.abs(means[:, :, None] - means[:, None, :])
    return np.asarray(gaps > critical_t(len(design.levels), design.freedom) * np.maximum(errors, 1e-12))


def named(design: Design, values: Floats) -> NDArray[np.intp]:
    """The place that each study's one-standard-error rule names."""
    return least_within_one_error(*_errors(design, values, 0.0))


def _errors(design: Design, values: Floats, resolution: float) -> tuple[Floats, Floats]:
    return design.means(values), design.deviation(values, resolution)[:, None, None] * design.errors
