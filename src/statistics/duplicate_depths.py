"""Depths that are copies of one another: what trains beyond the head leaves next to no mark.

With one seed, no layer and two layers thawed at a small rate read the same photos right. Such depths are one trial told
twice: their residuals shrink the variance that all depths are judged by, and their degrees of freedom are no new ones.

Simulated (500 to 1,500 studies of equal depths, two of them copies, 226 validation photos, a photo a quarter of the
residual's deviation): counted as two depths, a difference was claimed in 12, 9 and 7 % of studies with 2 seeds and 3,
4 and 6 depths, and in 8, 7 and 7 % with 3 seeds; counted once, in 3 to 5 %. Copies that scatter by a tenth of the
deviation: 11 % before, 3 to 5 % now. Without copies it is 4 to 5 % as before, and a depth better by four deviations is
shown as often, for agreement within a photo says something only where seeds scatter by two photos or more.

What remains: where a photo is coarser than that, copies are not known from chance, and up to 8 % claim a difference;
and twins that lie more than a photo apart, as with thousands of photos, up to 13 % (a tenth of the deviation apart, 2
seeds, 3 depths; 8 % with 6 depths, 10 and 7 % with 3 seeds).
"""

import math

import numpy as np

from src.statistics.design import Sample

_LEAST_SHARED = 2
_MOST_OF_SCATTER = 0.5
_ROUNDING = 1e-9


def duplicate_depths(sample: Sample, resolution: float = 0.0) -> dict[int, int]:
    """Depths that agree with a lesser one within `resolution` (one photo) with each seed that they share, and with it.

    They share two seeds at least. None counts as a copy where all depths would be one's, for there is nothing left to
    hold it against, and where one seed differs from the next by less than two photos: agreement would be chance.
    """
    if resolution > _MOST_OF_SCATTER * _seed_deviation(sample):
        return {}
    rows = {
        depth: dict(zip(sample.seeds[own].tolist(), sample.values[own].tolist(), strict=True))
        for depth in sample.design.levels for own in [sample.depths == depth]
    }  # fmt: skip
    found: dict[int, int] = {}
    for depth, row in rows.items():
        lesser = (each for each in rows if each < depth and each not in found)
        original = next((each for each in lesser if _agree(rows[each], row, resolution)), None)
        if original is not None:
            found[depth] = original
    return found if len(rows) - len(found) > 1 else {}


def _seed_deviation(sample: Sample) -> float:
    """Of a depth's values over its seeds, pooled; 0 where none was repeated."""
    rows = [sample.values[sample.depths == depth] for depth in sample.design.levels]
    freedom = sum(row.size - 1 for row in rows)
    return math.sqrt(sum(float(np.square(row - row.mean()).sum()) for row in rows) / max(freedom, 1))


def _agree(one: dict[int, float], other: dict[int, float], resolution: float) -> bool:
    shared = sorted(one.keys() & other.keys())
    if len(shared) < _LEAST_SHARED:
        return False
    gaps = np.abs([one[seed] - other[seed] for seed in shared])
    return bool((gaps <= resolution + _ROUNDING).all())
