"""Accuracy that needs no training: an ensemble of seeds, flips at test time, a soup, each tested against one model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from src.common.errors import ThawError
from src.common.keras_setup import keras, layers
from src.data.dataset import Dataset
from src.data.listing import Split
from src.deployment.combined_networks import ensemble, flipped, greedy_soup
from src.deployment.exporters import as_floats, run_split
from src.deployment.paired import paired_difference, paired_p, points
from src.inference.temperature import Probabilities
from src.models.normalization import adapt_statistics
from src.statistics.intervals import Interval

SIGNIFICANT = 0.05
_ADAPTING_BATCH = 64


@dataclass(frozen=True)
class CombinationResult:
    """A combination against the single model, on the same test images.

    Attributes:
        name: ensemble, flip or soup.
        network: it, as one network.
        passes: through a network, for an image: its cost.
        members: which of the networks it is made of.
        difference: its accuracy minus the single model's.
        p: of the difference, two-sided, times the number of combinations (Bonferroni).
    """

    name: str
    network: keras.Model
    passes: int
    members: tuple[int, ...]
    accuracy: float
    difference: Interval
    p: float

    @property
    def is_clearly_better(self) -> bool:
        """Return whether it is better, after correction for comparing several."""
        return self.difference.estimate > 0 and self.p < SIGNIFICANT

    def line(self) -> str:
        """Return it for people."""
        verdict = "clearly better" if self.is_clearly_better else "not clearly different"
        if self.difference.estimate < 0 and self.p < SIGNIFICANT:
            verdict = "clearly worse"
        return (
            f"{self.name}: {100 * self.accuracy:.2f}%, {points(self.difference)}, {verdict} (p = {self.p:.2g}), "
            f"{self.passes}× the cost"
        )


def combinations(
    networks: Sequence[keras.Model], dataset: Dataset
) -> Iterator[tuple[str, keras.Model, int, tuple[int, ...]]]:
    """Yield each combination: its name, its network, its cost in passes through a network, and its members.

    Args:
        networks: of the recommended depth's seeds; the first is the recommended trial's, which is flipped.
        dataset: on which they were trained; validation images choose a soup's ingredients, training images give its
            BatchNorm statistics.
    """
    yield "flip", flipped(networks[0]), 2, (0,)
    if len(networks) < 2:
        return
    yield f"ensemble of {len(networks)} seeds", ensemble(networks), len(networks), tuple(range(len(networks)))
    labels = dataset.labels[dataset.splits["val"]]

    def score(network: keras.Model) -> float:
        return float(np.mean(predict(network, dataset, "val").argmax(axis=1) == labels))

    order = sorted(range(len(networks)), key=lambda k: score(networks[k]), reverse=True)
    soup, taken = greedy_soup([networks[k] for k in order], score, lambda made: refresh_statistics(made, dataset))
    name = f"soup of {len(taken)} of {len(networks)} seeds" if len(taken) > 1 else "best seed on validation"
    yield name, soup, 1, tuple(order[k] for k in taken)


def try_combinations(networks: Sequence[keras.Model], dataset: Dataset) -> tuple[float, list[CombinationResult]]:
    """Return the accuracy of the first network on test images, and what combinations reach there.

    Raises:
        ThawError: there are no test images.
    """
    indices = dataset.splits["test"]
    if not indices.size:
        raise ThawError("no test images: what is gained cannot be tested")
    labels, groups = dataset.labels[indices], dataset.groups[indices]
    single = predict(networks[0], dataset, "test").argmax(axis=1) == labels
    results = []
    for name, network, passes, members in combinations(networks, dataset):
        right = predict(network, dataset, "test").argmax(axis=1) == labels
        difference = paired_difference(right, single, groups)
        results.append((name, network, passes, members, float(right.mean()), difference))
    return float(single.mean()), [
        CombinationResult(*result, min(1.0, len(results) * paired_p(result[-1]))) for result in results
    ]


def best_of(results: Sequence[CombinationResult]) -> CombinationResult | None:
    """Return the most accurate of those that are clearly better; the cheaper of equal ones; None if none is."""
    better = [result for result in results if result.is_clearly_better]
    return max(better, key=lambda result: (result.accuracy, -result.passes), default=None)


def predict(network: keras.Model, dataset: Dataset, split: Split) -> Probabilities:
    """Return a network's probabilities for the images of a split, float32 [images, classes]."""
    return run_split(lambda images: np.asarray(network.predict_on_batch(images), np.float32), dataset, split)


def refresh_statistics(network: keras.Model, dataset: Dataset) -> None:
    """Give the BatchNorm layers of a network the statistics of the training images; it may have none."""
    if not any(isinstance(layer, layers.BatchNormalization) for layer in network.layers):
        return
    train = np.random.default_rng(0).permutation(dataset.splits["train"])
    starts = range(0, train.size, _ADAPTING_BATCH)
    batches = (dataset.pixels[np.sort(train[start : start + _ADAPTING_BATCH])] for start in starts)
    listed = keras.Model(network.inputs, network.outputs)  # takes a list of inputs, as a network in training does
    adapt_statistics(listed, (keras.ops.convert_to_tensor(as_floats(batch)) for batch in batches))
