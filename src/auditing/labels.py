"""Suspected label errors: images whose class a classifier on the other images' frozen features does not predict.

Confident learning (Northcutt, Jiang and Chuang 2021, Confident Learning: Estimating Uncertainty in Dataset Labels,
JAIR 70): a classifier that never saw an image says how probable its given label is. The images are ranked by that
probability ("self-confidence" in their section 3.2), and one is *confident* where the confident joint (their section
3.1) counts it off the diagonal: another class is as probable for it as for the images that are labelled so.

The classifier is multinomial logistic regression on standardised features. Its regularisation is the one with the
least cross-fitted log loss on the labels *as given*: which of them are wrong plays no part in the choice.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.common.events import FITTING, Advanced, EventHandler

Probabilities = NDArray[np.float64]
Folds = list[tuple[NDArray[np.int64], NDArray[np.int64]]]

FOLDS, REPEATS = 5, 2
_STRENGTHS = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
"""scikit-learn's C, weakest fit first."""
_MOST_TO_CHOOSE = 1500
"""Images that the regularisation is chosen on at the most; C weighs the sum over images, so it carries over."""


@dataclass(frozen=True)
class Suspect:
    """An image whose given label is doubted.

    Attributes:
        position: among the images that were given.
        given, suggested: classes by number.
        given_probability, suggested_probability: 0–1, by classifiers that did not see the image.
        is_confident: counted off the diagonal of the confident joint.
    """

    position: int
    given: int
    suggested: int
    given_probability: float
    suggested_probability: float
    is_confident: bool

    @property
    def score(self) -> float:
        """1 minus the probability of the given label: the larger, the more doubtful."""
        return 1 - self.given_probability


@dataclass(frozen=True)
class Suspicion:
    """The result of the search for label errors.

    Attributes:
        suspects: images that are predicted as another class, most doubtful first.
        accuracy: share of the images whose given label is predicted, 0–1.
        images: how many were searched.
        excluded: classes that are too small to search, by number.
    """

    suspects: tuple[Suspect, ...]
    accuracy: float
    images: int
    excluded: tuple[int, ...]


def find_suspects(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    emit: EventHandler,
) -> Suspicion | None:
    """Return the images whose label is doubted; None where fewer than two classes have two groups.

    Args:
        features: float32 [images, features].
        labels: int64 [images], as given.
        groups: int64 [images]; images of one group are never on both sides of a fold.
        emit: receives the progress.
    """
    every = np.unique(labels)
    large = [k for k in every if np.unique(groups[labels == k]).size > 1]
    if len(large) < 2:
        return None
    inside = np.flatnonzero(np.isin(labels, large))
    known, numbers = np.unique(labels[inside], return_inverse=True)
    probabilities = _cross_fitted(features[inside], numbers, groups[inside], emit)
    suspects = [
        Suspect(
            int(inside[i]), int(known[given]), int(known[other]), float(row[given]), float(row[other]), is_confident
        )
        for i, other, is_confident in _doubted(probabilities, numbers)
        for row, given in [(probabilities[i], numbers[i])]
    ]
    suspects.sort(key=lambda suspect: (-suspect.score, suspect.position))
    accuracy = float(np.mean(probabilities.argmax(axis=1) == numbers))
    return Suspicion(tuple(suspects), accuracy, inside.size, tuple(sorted(set(every.tolist()) - set(known.tolist()))))


def _doubted(probabilities: Probabilities, labels: NDArray[np.int64]) -> list[tuple[int, int, bool]]:
    """Return the images that are predicted as another class, each with that class and whether it is confident.

    A class's threshold is the mean probability that it has for images labelled so.
    """
    thresholds = np.array([probabilities[labels == k, k].mean() for k in range(probabilities.shape[1])])
    reaches = np.where(probabilities >= thresholds, probabilities, 0)
    confident = (reaches.max(axis=1) > 0) & (reaches.argmax(axis=1) != labels)
    suggested = np.where(confident, reaches.argmax(axis=1), probabilities.argmax(axis=1))
    doubted = np.flatnonzero(suggested != labels)
    return [(int(i), int(suggested[i]), bool(confident[i])) for i in doubted]


def _cross_fitted(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    emit: EventHandler,
) -> Probabilities:
    """Return each image's class probabilities by classifiers that saw none of its group: a mean over partitions."""
    emit(Advanced(FITTING, 0, REPEATS))
    some = np.sort(np.random.default_rng(0).permutation(len(labels))[:_MOST_TO_CHOOSE])
    strength = _choose_strength(features[some], labels[some], groups[some])
    probabilities = np.zeros((len(labels), int(labels.max()) + 1))
    for repeat in range(REPEATS):
        probabilities += _pass(features, labels, _folds(labels, groups, repeat), strength)
        emit(Advanced(FITTING, repeat + 1, REPEATS))
    return probabilities / REPEATS


def _choose_strength(features: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.int64]) -> float:
    """Return the C at which the cross-fitted log loss of the given labels stops falling."""
    folds, best, least = _folds(labels, groups, 0), _STRENGTHS[0], np.inf
    for strength in _STRENGTHS:
        probabilities = _pass(features, labels, folds, strength)[np.arange(len(labels)), labels]
        loss = -float(np.log(probabilities + 1e-9).mean())
        if loss >= least:
            break
        best, least = strength, loss
    return best


def _folds(labels: NDArray[np.int64], groups: NDArray[np.int64], seed: int) -> Folds:
    from sklearn.model_selection import StratifiedGroupKFold

    fewest = min(np.unique(groups[labels == k]).size for k in np.unique(labels))
    splitter = StratifiedGroupKFold(int(np.clip(fewest, 2, FOLDS)), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes rarer than folds
        return list(splitter.split(labels, labels, groups))


def _pass(features: NDArray[np.float32], labels: NDArray[np.int64], folds: Folds, strength: float) -> Probabilities:
    """Return the probabilities that each fold's classifier gives the images that it did not see."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    classes = int(labels.max()) + 1
    probabilities = np.zeros((len(labels), classes))
    for train, held_out in folds:
        if np.unique(labels[train]).size < 2:
            probabilities[held_out] = 1 / classes
            continue
        seen = features[train]
        mean, deviation = seen.mean(axis=0), seen.std(axis=0) + 1e-6
        classifier = LogisticRegression(C=strength, max_iter=200, tol=1e-3)
        # One thread: these products are so small that several mostly wait for each other, by spinning.
        with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
            warnings.simplefilter("ignore", ConvergenceWarning)
            classifier.fit((seen - mean) / deviation, labels[train])
        predicted = classifier.predict_proba((features[held_out] - mean) / deviation)
        probabilities[np.ix_(held_out, classifier.classes_)] = predicted
    return probabilities
