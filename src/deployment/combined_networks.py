"""Networks made of trained ones: averages of their predictions, and of their weights."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from src.common.keras_setup import keras, layers
from src.deployment.network_copy import copied

Weights = list[NDArray[np.float32]]


def ensemble(networks: Sequence[keras.Model]) -> keras.Model:
    """Return the mean of the networks' probabilities (Hansen and Salamon 1990) as one network."""
    images = keras.Input(networks[0].input_shape[1:], name="image")
    named = [_named(network, f"member_{k}") for k, network in enumerate(networks)]
    return keras.Model(images, layers.Average()([network(images) for network in named]), name="ensemble")


def flipped(network: keras.Model) -> keras.Model:
    """Return the mean of the network's probabilities for an image and for its mirror image."""
    images = keras.Input(network.input_shape[1:], name="image")
    member = _named(network, "member")
    both = [member(images), member(keras.ops.flip(images, axis=2))]
    return keras.Model(images, layers.Average()(both), name="flip")


def _named(network: keras.Model, name: str) -> keras.Model:
    copy = copied(network)
    copy.name = name
    return copy


def greedy_soup(
    networks: Sequence[keras.Model],
    score: Callable[[keras.Model], float],
    refresh: Callable[[keras.Model], None],
) -> tuple[keras.Model, list[int]]:
    """Return a network with the mean of several networks' weights, and which of them it is made of.

    The best network comes first; each further one is taken in if the mean is not worse for it (Wortsman et al. 2022,
    arXiv:2203.05482, recipe 1).

    Args:
        networks: of one structure, the best first.
        score: of a network, the higher the better; on validation images.
        refresh: gives BatchNorm statistics anew: those of a mean of weights are not the mean of the statistics.
    """
    soup, taken = _named(networks[0], "soup"), [0]
    weights, best = networks[0].get_weights(), score(soup)
    for k in range(1, len(networks)):
        soup.set_weights(_mean([networks[i].get_weights() for i in (*taken, k)]))
        refresh(soup)
        if (reached := score(soup)) >= best:
            taken, weights, best = [*taken, k], soup.get_weights(), reached
    soup.set_weights(weights)
    return soup, taken


def _mean(weights: Iterable[Weights]) -> Weights:
    means = (np.mean(same, axis=0, dtype=np.float64) for same in zip(*weights, strict=True))
    return [np.asarray(mean, np.float32) for mean in means]
