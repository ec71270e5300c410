"""One model of a study: depths are compared over seeds *and* images, as radiology compares modalities.

A study is a multi-reader, multi-case study (Obuchowski and Rockette 1995, Commun. Stat. Simul. Comput. 24:285; Hillis
2007, Stat. Med. 26:596; 2014, Stat. Med. 33:330): *modalities* (depths) are read by the same *readers* (seeds) on the
same *cases* (validation images). A trial's score is

    score[depth, seed] = depth + seed + (depth x seed) + error,

and errors correlate between trials, because they share the images. What is asked for is a depth's mean over all seeds
and all images of the kind that validated it.

The images' part is estimated for each pair of trials, rather than by the papers' three averaged covariances, from what
each image contributes to a score (:mod:`src.statistics.influence`). The seeds' part is the scatter of depth x seed, the
papers' MS(TR), less what the images explain of it. It is pooled over depths as far as the depths scatter alike: each
depth's own mean square is shrunk towards the pooled one (Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3:3), by prior
degrees of freedom that the mean squares choose themselves. So a depth that collapses is judged by its own scatter, and
two seeds still speak.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from src.statistics.design import Design, Floats, make_design

_UNLIKE = [(freedom, scale) for freedom in (0.25, 0.5, 1.0, 2.0, 4.0) for scale in (1, 1 / 4, 1 / 16, 1 / 64)]
_FREEDOMS, _SCALES = np.array([*_UNLIKE, (1e9, 1.0)]).T
"""Of the priors of a depth's scatter: degrees of freedom, and the mean square in terms of the pooled one. By the last
one, all depths scatter alike."""
_ALIKE = 0.3
_BEFORE = np.array([*[(1 - _ALIKE) / len(_UNLIKE)] * len(_UNLIKE), _ALIKE])
"""How probable each prior is before anything is seen."""
_LEAST_SHARE = 0.01
_LEAST_DEPTHS = 3
"""Residuals of two depths beside seeds mirror one another, and say nothing of which one scatters."""


@dataclass(frozen=True)
class Scores:
    """The trials of a study, in any order; cells of depth and seed may be missing.

    Attributes:
        depths: int64 [trials].
        seeds: int64 [trials].
        values: float64 [trials], a metric in 0–1.
        influences: float64 [trials, cases], what each case adds to each value; None where that is not known.
        step: the least by which a value changes, an image's share; 0 where unknown.
    """

    depths: NDArray[np.int64]
    seeds: NDArray[np.int64]
    values: Floats
    influences: Floats | None = None
    step: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """The depths' means and what they are uncertain by.

    Attributes:
        means: at an average seed, [depths].
        images: covariance of the means over other images of the same kind, these networks given, [depths, depths].
        squares: sums of the residuals' squares, by depth, [depths].
        scatter: variance of a trial's residual, by depth, [depths].
        explained: how much of it the images explain, by depth, [depths].
        step: as :class:`Scores` has it.
    """

    design: Design
    means: Floats
    images: Floats
    squares: Floats
    scatter: Floats
    explained: Floats
    step: float

    def variances(self) -> Floats:
        """Return the variance of each difference of means, for new images and seeds, [depths, depths]."""
        covariance = self.covariance()
        own = np.diag(covariance)
        return np.asarray(np.maximum(own[:, None] + own - 2 * covariance, self.step**2))

    def covariance(self) -> Floats:
        """Return the covariance of the means for new images and seeds, but for what seeds do to all depths alike."""
        beyond = self.design.members @ np.maximum(self.scatter - self.explained, 0)
        return np.asarray(self.images + (self.design.solve * beyond) @ self.design.solve.T)

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        """Draw how far the means may lie from the truth, [count, depths], but for what seeds do to all depths alike.

        Normal given the variances, and these as uncertain as they are: the seeds' scatter from its posterior.
        """
        beyond = np.sqrt(np.maximum(self.scatter_draws(count, rng) - self.explained, 0) @ self.design.members.T)
        size, axes = np.linalg.eigh(self.images)
        of_images = rng.standard_normal((count, size.size)) @ (axes * np.sqrt(np.maximum(size, 0))).T
        return np.asarray(of_images + (beyond * rng.standard_normal(beyond.shape)) @ self.design.solve.T)

    def scatter_draws(self, count: int, rng: np.random.Generator) -> Floats:
        """Draw the residual's variance by depth, [count, depths]: sums of squares over chi-square."""
        if not self.design.freedom:
            return np.zeros((count, self.means.size))
        own, pooled = self.design.own_freedom, self.squares.sum() / self.design.freedom
        chosen = rng.choice(_FREEDOMS.size, count, p=_weights(self.squares, self.design))[:, None]
        prior = _FREEDOMS[chosen]
        alike = self.squares.sum() / rng.chisquare(self.design.freedom, (count, 1))
        unlike = (prior * _SCALES[chosen] * pooled + self.squares) / rng.chisquare(prior + own)
        return np.asarray(np.maximum(np.where(chosen == len(_UNLIKE), alike, unlike), self.step**2 / 12))


def estimate(scores: Scores) -> Estimate:
    """Fit the model.

    Raises:
        ValueError: no trial.
    """
    if not scores.values.size:
        raise ValueError("a comparison needs at least one trial")
    design = make_design(tuple(scores.depths.tolist()), tuple(scores.seeds.tolist()))
    depths = len(design.levels)
    images, explained = np.zeros((depths, depths)), np.zeros(depths)
    if scores.influences is not None and scores.influences.shape[1] > 1:
        unbiased = scores.influences.shape[1] / (scores.influences.shape[1] - 1)
        moved = design.solve @ scores.influences
        images = unbiased * moved @ moved.T
        squares = np.square(design.project @ scores.influences).sum(axis=1) @ design.members
        explained = unbiased * squares / np.maximum(design.own_freedom, np.finfo(float).tiny)
    squares_of = _own_squares(design, np.square(design.project @ scores.values) @ design.members)
    return Estimate(
        design=design,
        means=design.solve @ scores.values,
        images=images,
        squares=squares_of,
        scatter=_scatter(design, squares_of, scores.step),
        explained=explained if design.freedom else np.zeros(depths),
        step=scores.step,
    )


def _own_squares(design: Design, squares: Floats) -> Floats:
    """Return each depth's own sum of squares, [depths], of those of the residuals.

    Residuals beside seeds as blocks hold some of the other depths' scatter. What is a depth's own solves for the
    expected squares (MINQUE, Rao 1971, J. Multivar. Anal. 1:257); none is less than a hundredth of the pooled one.
    """
    if not design.freedom:
        return squares
    expected = design.members.T @ np.square(design.project) @ design.members
    own = np.linalg.pinv(expected, rcond=1e-6, hermitian=True) @ squares
    least = _LEAST_SHARE * squares.sum() / design.freedom
    return np.asarray(np.maximum(own, least) * design.own_freedom)


def _scatter(design: Design, squares: Floats, step: float) -> Floats:
    """Return the variance of a residual by depth, [depths], of sums of `squares`; 0 where none is repeated.

    Equal values can hide a scatter below a step: the variance of rounding, step² / 12 (Sheppard 1898), is the least.
    """
    if not design.freedom:
        return np.zeros(squares.size)
    pooled = squares.sum() / design.freedom
    prior = _FREEDOMS[:, None]
    shrunk = (prior * _SCALES[:, None] * pooled + squares) / (prior + design.own_freedom)
    return np.asarray(np.maximum(_weights(squares, design) @ shrunk, step**2 / 12))


def _weights(squares: Floats, design: Design) -> Floats:
    """Return how probable each of the priors is, [priors]: mean squares over the pooled one follow F (Smyth, sec. 4).

    `squares`: sums of squares, [depths].
    """
    if squares.size < _LEAST_DEPTHS:
        return np.asarray(np.eye(_FREEDOMS.size)[-1])
    own = design.own_freedom[:, None]
    pooled = max(squares.sum() / design.freedom, np.finfo(float).tiny)
    ratio = np.maximum(squares[:, None] / pooled, 1e-12) / _SCALES
    each: Any = (
        special.gammaln((own + _FREEDOMS) / 2) - special.gammaln(_FREEDOMS / 2) - own / 2 * np.log(_FREEDOMS)
        + (own / 2 - 1) * np.log(ratio) - (own + _FREEDOMS) / 2 * np.log1p(ratio / _FREEDOMS) - np.log(_SCALES)
    )  # fmt: skip
    likelihood = each.sum(axis=0)
    weights = np.exp(likelihood - likelihood.max()) * _BEFORE
    return np.asarray(weights / weights.sum())
