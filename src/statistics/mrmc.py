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

Floats = NDArray[np.float64]

_PRIORS = np.array([0.5, 1, 2, 4, 8, 16, 64, 1e9])
"""Degrees of freedom of the pooled mean square as a prior; the last one pools completely."""
_LEAST_EVIDENCE = 2.0
"""Natural units of likelihood by which unequal scatter must explain the mean squares better than equal scatter."""


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
class Design:
    """Which depth was trained with which seed.

    Attributes:
        levels: the depths, rising.
        counts: trials of each depth.
        paired: whether seeds are blocks: shared seeds tie all depths together, and leave at least half of the degrees
            of freedom of trials without pairing.
        freedom: the residual's degrees of freedom.
        members: 0 or 1, [trials, depths].
        solve: values to the depths' means at an average seed, [depths, trials].
        project: values to residuals, [trials, trials].
    """

    levels: tuple[int, ...]
    counts: tuple[int, ...]
    paired: bool
    freedom: int
    members: Floats
    solve: Floats
    project: Floats

    @property
    def own_freedom(self) -> Floats:
        """Each depth's part of the degrees of freedom, [depths]."""
        return np.asarray(np.diag(self.project) @ self.members)


@dataclass(frozen=True)
class Estimate:
    """The depths' means and what they are uncertain by.

    Attributes:
        means: at an average seed, [depths].
        images: covariance of the means over other images of the same kind, these networks given, [depths, depths].
        scatter: variance of a trial's residual, by depth, [depths].
        explained: how much of it the images explain, by depth, [depths].
        step: as :class:`Scores` has it.
    """

    design: Design
    means: Floats
    images: Floats
    scatter: Floats
    explained: Floats
    step: float

    def variances(self, scatter: Floats | None = None) -> Floats:
        """Return the variance of each difference of means, for new images and seeds, [..., depths, depths].

        `scatter`: in place of the estimate's own, [..., depths].
        """
        own = np.diag(self.images)
        images = np.maximum(own[:, None] + own - 2 * self.images, self.step**2)
        beyond = np.maximum((self.scatter if scatter is None else scatter) - self.explained, 0)
        weights = np.square(self.design.solve[:, None] - self.design.solve[None]) @ self.design.members
        return np.asarray(images + np.einsum("abt,...t->...ab", weights, beyond))

    def covariance(self) -> Floats:
        """Return the covariance of the means for new images and seeds, but for what seeds do to all depths alike."""
        beyond = self.design.members @ np.maximum(self.scatter - self.explained, 0)
        return np.asarray(self.images + (self.design.solve * beyond) @ self.design.solve.T)

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Draw studies in which all depths are equal, from this one's variances.

        Returns:
            The means, [count, depths], and the variances of their differences as such a study would estimate them,
            [count, depths, depths].
        """
        design = self.design
        deviation = np.sqrt(design.members @ np.maximum(self.scatter, self.explained))
        noise = deviation * rng.standard_normal((count, deviation.size))
        of_images = self.images - (design.solve * (design.members @ self.explained)) @ design.solve.T
        size, axes = np.linalg.eigh(of_images)
        common = rng.standard_normal((count, size.size)) @ (axes * np.sqrt(np.maximum(size, 0))).T
        scatter = _scatter(design, noise, self.step)
        return noise @ design.solve.T + common, self.variances(scatter)


def estimate(scores: Scores) -> Estimate:
    """Fit the model.

    Raises:
        ValueError: no trial.
    """
    if not scores.values.size:
        raise ValueError("a comparison needs at least one trial")
    design = make_design(scores.depths, scores.seeds)
    depths = len(design.levels)
    images, explained = np.zeros((depths, depths)), np.zeros(depths)
    if scores.influences is not None and scores.influences.shape[1] > 1:
        unbiased = scores.influences.shape[1] / (scores.influences.shape[1] - 1)
        moved = design.solve @ scores.influences
        images = unbiased * moved @ moved.T
        squares = np.square(design.project @ scores.influences).sum(axis=1) @ design.members
        explained = unbiased * squares / np.maximum(design.own_freedom, np.finfo(float).tiny)
    return Estimate(
        design=design,
        means=design.solve @ scores.values,
        images=images,
        scatter=_scatter(design, scores.values, scores.step),
        explained=explained if design.freedom else np.zeros(depths),
        step=scores.step,
    )


def make_design(depths: NDArray[np.int64], seeds: NDArray[np.int64]) -> Design:
    """Return the design of trials with these `depths` and `seeds`, int64 [trials]."""
    members, of_seeds = _indicators(depths), _indicators(seeds)
    blocks = np.hstack([members, of_seeds[:, :-1] - of_seeds[:, -1:]])
    trials, levels = members.shape
    alone, blocked = trials - levels, trials - blocks.shape[1]
    paired = (
        of_seeds.shape[1] > 1 and blocked >= max(1, alone / 2) and int(np.linalg.matrix_rank(blocks)) == blocks.shape[1]
    )
    columns = blocks if paired else members
    inverse = np.linalg.pinv(columns)
    return Design(
        levels=tuple(np.unique(depths).tolist()),
        counts=tuple(members.sum(axis=0).astype(int).tolist()),
        paired=paired,
        freedom=blocked if paired else alone,
        members=members,
        solve=inverse[:levels],
        project=np.eye(trials) - columns @ inverse,
    )


def _scatter(design: Design, values: Floats, step: float) -> Floats:
    """Return the variance of a residual by depth, [..., depths], of `values` [..., trials]; 0 where none is repeated.

    Equal values can hide a scatter below a step: the variance of rounding, step² / 12 (Sheppard 1898), is the least.
    """
    if not design.freedom:
        return np.zeros((*values.shape[:-1], len(design.levels)))
    squares = np.square(values @ design.project.T) @ design.members
    pooled = squares.sum(axis=-1, keepdims=True) / design.freedom
    prior = _prior(squares / np.maximum(pooled, np.finfo(float).tiny), design.own_freedom)
    shrunk = (prior * pooled + squares) / (prior + design.own_freedom)
    return np.maximum(shrunk, step**2 / 12)


def _prior(squares: Floats, freedom: Floats) -> Floats:
    """Return the prior degrees of freedom that explain the mean squares best, [..., 1].

    Args:
        squares: sums of squares over the pooled mean square, [..., depths]: their means follow F (Smyth 2004, sec. 4).
        freedom: of each, [depths].
    """
    own, ratio = freedom[:, None], np.maximum(squares[..., None], 1e-12)
    each: Any = (
        special.gammaln((own + _PRIORS) / 2) - special.gammaln(own / 2) - special.gammaln(_PRIORS / 2)
        + own / 2 * np.log(1 / _PRIORS) + (own / 2 - 1) * np.log(ratio)
        - (own + _PRIORS) / 2 * np.log1p(ratio / _PRIORS)
    )  # fmt: skip
    likelihood = each.sum(axis=-2) - np.where(np.arange(_PRIORS.size) < _PRIORS.size - 1, _LEAST_EVIDENCE, 0)
    return np.asarray(_PRIORS[likelihood.argmax(axis=-1)])[..., None]


def _indicators(labels: NDArray[np.int64]) -> Floats:
    return np.asarray(labels[:, None] == np.unique(labels), np.float64)
