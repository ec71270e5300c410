"""One model of a study: depths are compared over seeds *and* images, as radiology compares modalities.

A study is a multi-reader, multi-case study (Obuchowski and Rockette 1995, Commun. Stat. Simul. Comput. 24:285; Hillis
2007, Stat. Med. 26:596; 2014, Stat. Med. 33:330): *modalities* (depths) are read by the same *readers* (seeds) on the
same *cases* (validation images). A trial's score is

    score[depth, seed] = depth + seed + (depth x seed) + error,

and errors correlate between trials, because they share the images. What is asked for is a depth's mean over all seeds
and all images of the kind that validated it.

The images' part is estimated for each pair of trials, rather than by the papers' three averaged covariances, from what
each image contributes to a score (:mod:`src.statistics.influence`). The seeds' part is the scatter of depth x seed, the
papers' MS(TR), over what the images explain of it: the *overdispersion*, 1 where seeds do nothing that the images do
not explain. Two seeds say little of it, so it has a prior, from what networks did in the sets of
``benchmarks.calibration``: overdispersion - 1 follows Lomax's distribution. Either all depths share one, or each has
its own, as where a depth collapses; the scores decide which is likelier.

No prior is right for all studies. So the model also has each difference's variance as the two depths' own seeds tell
it, a study of two modalities (Hillis 2014): a claim must hold by that as well (:mod:`src.statistics.best`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from src.statistics.design import Design, Floats, make_design

_TAIL, _WIDE, _RARE = 3.0, 2.0, 0.05
_SCALE, _SCALE_PER_CASE = 0.15, 7.5e-4
"""Of the prior of overdispersion - 1: the more images, the less of the scatter they explain."""
_COMMON = 0.35
"""How probable it is, before anything is seen, that all depths share one overdispersion."""
_LEAST_DEPTHS = 3
"""Residuals of two depths beside seeds mirror one another, and say nothing of which one scatters."""
_GRID = np.geomspace(1e-3, 1e5, 160)
_LOG_FACTOR = 1.5
_LEAST_VARIANCE = 1e-18
_LEAST = 0.1
"""Of the pooled variance: so much each depth is taken to scatter at least."""


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

    @property
    def cases(self) -> int:
        """Return how many cases validated the trials; 0 where that is not known."""
        return 0 if self.influences is None else self.influences.shape[1]

    def of_depth(self, depth: int) -> "Scores":
        """Return the trials of one depth."""
        mask = self.depths == depth
        influences = None if self.influences is None else self.influences[mask]
        return Scores(self.depths[mask], self.seeds[mask], self.values[mask], influences, self.step)


@dataclass(frozen=True)
class Estimate:
    """The depths' means and the parts of their uncertainty.

    Attributes:
        means: at an average seed, [depths].
        images: covariance of the means over other images of the same kind, these networks given, [depths, depths].
        explained: covariance of what images do to the trials' residuals, [trials, trials]; where images are not known,
            the identity: the overdispersion is then the residual's variance.
        overdispersion: by depth, [depths]; 1 where nothing is repeated.
        freedoms: the degrees of freedom that each rests on, [depths].
        unpooled: variance of each difference of means by the scatter of the two depths' own seeds, [depths, depths];
            0 where one of them is not repeated.
        unpooled_freedoms: the degrees of freedom that it rests on, [depths, depths].
        cases: how many images, or bursts of them; 0 where unknown.
        step: as :class:`Scores` has it.
    """

    design: Design
    means: Floats
    images: Floats
    explained: Floats
    overdispersion: Floats
    freedoms: Floats
    unpooled: Floats
    unpooled_freedoms: Floats
    cases: int
    step: float

    @property
    def pooled(self) -> float:
        """Return the overdispersion of all depths together."""
        return float(self.overdispersion @ self.freedoms / max(self.freedoms.sum(), np.finfo(float).tiny))

    @property
    def persistent(self) -> Floats:
        """Return the variance of each difference of means that more seeds would leave, [depths, depths].

        It is what the images do to all seeds alike, Hillis' c2 − c3; 0 where they are not known.
        """
        by_seed = self.design.solve @ self.explained @ self.design.solve.T
        shared = self.images - by_seed if self.cases else np.zeros_like(self.images)
        return np.asarray(np.maximum(np.diag(shared)[:, None] + np.diag(shared) - 2 * shared, 0))

    def covariance(self) -> Floats:
        """Return the covariance of the means by the pooled overdispersion, [depths, depths].

        It leaves out the seeds' effect that is common to all depths.
        """
        beyond = max(self.pooled - bool(self.cases), 0.0) if self.design.freedom else 0.0
        return np.asarray(self.images + beyond * self.design.solve @ self.explained @ self.design.solve.T)

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        """Draw the means' errors for new images and seeds, [count, depths].

        They leave out the seeds' effect that is common to all depths, and are normal given the overdispersion, which is
        drawn from its posterior.
        """
        drawn = _normal(self.images, count, rng)
        if not self.design.freedom:
            return drawn
        beyond = np.maximum(self.draw_overdispersion(count, rng) - bool(self.cases), 0) @ self.design.members.T
        return np.asarray(drawn + (np.sqrt(beyond) * _normal(self.explained, count, rng)) @ self.design.solve.T)

    def draw_overdispersion(self, count: int, rng: np.random.Generator) -> Floats:
        """Draw the overdispersion of each depth, [count, depths]."""
        values, common_prior, separate_prior = self._priors()
        likelihood = -self.freedoms[:, None] / 2 * (np.log(values) + self.overdispersion[:, None] / values)
        separate, common = likelihood + separate_prior, likelihood.sum(axis=0) + common_prior
        evidence = special.logsumexp(common) - special.logsumexp(separate, axis=1).sum()
        is_common = self.means.size < _LEAST_DEPTHS or rng.random((count, 1)) < special.expit(
            evidence + special.logit(_COMMON)
        )
        shared = _choose(values, common, count, rng)[:, None]
        return np.where(is_common, shared, np.stack([_choose(values, row, count, rng) for row in separate], axis=1))

    def _priors(self) -> tuple[Floats, Floats, Floats]:
        """Return values of the overdispersion, with their log-priors as one for all depths and as one for each.

        Where images are not known, it is a variance of any size (Jeffreys' prior), and each depth's differs from it by
        a factor (log-normal).
        """
        if not self.cases:
            separate = -np.square(np.log(_GRID) / _LOG_FACTOR) / 2
            return self.pooled * _GRID, np.full(_GRID.size, -np.log(_GRID.size)), separate - special.logsumexp(separate)
        edges = np.concatenate([[0.0], np.sqrt(_GRID[1:] * _GRID[:-1]), [np.inf]])
        share = np.log(_RARE * _beyond(edges / 10, _WIDE) + (1 - _RARE) * _beyond(edges, _TAIL))
        return 1 + _GRID * (_SCALE + _SCALE_PER_CASE * self.cases), share, share


def estimate(scores: Scores) -> Estimate:
    """Fit the model to the scores of a study (Obuchowski and Rockette 1995; Hillis 2014).

    Raises:
        ValueError: no trial.
    """
    if not scores.values.size:
        raise ValueError("a comparison needs at least one trial")
    design = make_design(tuple(scores.depths.tolist()), tuple(scores.seeds.tolist()))
    influences = np.zeros((scores.values.size, 1)) if scores.influences is None else scores.influences
    explained = _explained(design, scores)
    overdispersion, freedoms = _overdispersion(design, scores, explained)
    unpooled, unpooled_freedoms = _unpooled_scatter(design, scores)
    return Estimate(
        design=design,
        means=design.solve @ scores.values,
        images=_over_images(design.solve @ influences),
        explained=explained,
        overdispersion=overdispersion,
        freedoms=freedoms,
        unpooled=unpooled,
        unpooled_freedoms=unpooled_freedoms,
        cases=scores.cases,
        step=scores.step,
    )  # fmt: skip


def _over_images(influences: Floats) -> Floats:
    """Return the covariance of sums of `influences`, [n, cases], over other cases of the same kind, [n, n]."""
    cases = influences.shape[1]
    return np.asarray(influences @ influences.T * (cases / max(cases - 1, 1)))


def _explained(design: Design, scores: Scores) -> Floats:
    """Return the covariance of the images' effects on trials beyond those on their depths, [trials, trials].

    It is 0 between trials with different seeds, and between all trials where seeds are not blocks.
    """
    trials = scores.values.size
    if scores.influences is None:
        return np.eye(trials)
    counts = design.members.sum(axis=0)
    centred = scores.influences - design.members @ (design.members.T @ scores.influences / counts[:, None])
    unbiased = np.sqrt(design.members @ (counts / np.maximum(counts - 1, 1)))
    is_shared = scores.seeds[:, None] == scores.seeds if design.paired else np.eye(trials, dtype=bool)
    least = scores.step**2 / 12  # of rounding (Sheppard 1898)
    return np.asarray(_over_images(unbiased[:, None] * centred) * is_shared + least * np.eye(trials))


def _overdispersion(design: Design, scores: Scores, explained: Floats) -> tuple[Floats, Floats]:
    """Return each depth's overdispersion and its degrees of freedom, [depths] both.

    With seeds as blocks, a depth's residuals hold some of the others' scatter. Its own part solves for expected squares
    (MINQUE, Rao 1971, J. Multivar. Anal. 1:257); none is less than a tenth of the pooled one. Depths that move
    together, such as two that train to the same network, have fewer degrees of freedom (Satterthwaite 1946).
    """
    if not design.freedom:
        return np.ones(len(design.levels)), np.zeros(len(design.levels))
    squares = np.square(design.project @ scores.values) @ design.members
    expected = design.project @ explained @ design.project
    by_depth = np.diag(expected) @ design.members
    mixed = design.members.T @ (np.square(design.project) * np.diag(explained)) @ design.members
    mixed *= (by_depth / np.maximum(mixed.sum(axis=1), np.finfo(float).tiny))[:, None]  # 0 of a depth with one trial
    pooled = max(squares.sum(), max(scores.step**2 / 12, _LEAST_VARIANCE) * design.freedom) / by_depth.sum()
    separate = np.linalg.pinv(mixed, rcond=1e-3) @ squares
    freedom = by_depth.sum() ** 2 / np.square(expected).sum()
    freedoms = np.diag(design.project) @ design.members * freedom / design.freedom
    return np.maximum(separate, _LEAST * pooled), np.asarray(freedoms)


def _unpooled_scatter(design: Design, scores: Scores) -> tuple[Floats, Floats]:
    """Return the variance of each difference of means by its depths' own seeds, with its degrees of freedom.

    Both are [depths, depths]. With seeds as blocks, seed by seed; else by Welch (1947, Biometrika 34:28).
    """
    _, places = np.unique(scores.seeds, return_inverse=True)
    table = np.ma.masked_invalid(np.full((len(design.levels), places.max() + 1), np.nan))
    table[np.searchsorted(design.levels, scores.depths), places] = scores.values
    if design.paired:
        differences = table[:, None] - table
        counts = differences.count(axis=2)
        return (differences.var(axis=2, ddof=1) / counts).filled(0.0), np.maximum(counts - 1.0, 1.0)
    counts = table.count(axis=1)
    of_mean = table.var(axis=1, ddof=1) / counts
    parts = np.square(of_mean) / np.maximum(counts - 1, 1)
    unpooled, denominator = of_mean[:, None] + of_mean, parts[:, None] + parts
    return unpooled.filled(0.0), (np.square(unpooled) / denominator).filled(1.0)


def _beyond(edges: Floats, tail: float) -> Floats:
    """Return the probabilities of Lomax's distribution between `edges`, [edges - 1]."""
    return -np.diff((1 + edges) ** -tail)


def _normal(covariance: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Draw from the normal distribution, [count, n]."""
    sizes, axes = np.linalg.eigh(covariance)
    return np.asarray(rng.standard_normal((count, sizes.size)) @ (axes * np.sqrt(np.maximum(sizes, 0))).T)


def _choose(values: Floats, logarithms: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Draw `values` by the logarithms of how probable they are."""
    return rng.choice(values, count, p=special.softmax(logarithms))
