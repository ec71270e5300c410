"""Class activation maps: the parts of an image that speak for a class."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.common.errors import ThawError
from src.common.keras_setup import keras
from src.data.listing import Image
from src.inference.classifier import BATCH, Classifier
from src.inference.temperature import Probabilities, scaled

POOLING, DENSE = "head_pooling", "head_dense"


@dataclass(frozen=True, eq=False)
class Explanation:
    """A prediction, and the features that it rests on.

    Attributes:
        probabilities: calibrated, float32 [classes].
        features: the last feature map, float32 [height, width, channels].
        kernel: of the dense layer on its averages, float32 [channels, classes].
    """

    probabilities: NDArray[np.float32]
    features: NDArray[np.float32]
    kernel: NDArray[np.float32]

    def maps(self, classes: Sequence[int]) -> NDArray[np.float32]:
        """Return how much each part of the image speaks for each of `classes`, float32 [classes, height, width], 0–1.

        Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) at the last feature map. The head is a dense layer on global
        averages, so the score's gradient is the dense layer's kernel and no gradient is taken (CAM: Zhou et al. 2016,
        arXiv:1512.04150). A map has the feature map's size, its greatest value is 1, and what speaks against a class
        is 0.
        """
        scores = np.maximum(np.moveaxis(self.features @ self.kernel[:, list(classes)], -1, 0), 0)
        most = scores.max(axis=(1, 2), keepdims=True)
        return np.asarray(scores / np.where(most > 0, most, 1), np.float32)


@dataclass(frozen=True, eq=False)
class Explainer:
    """A classifier that also gives its last feature map, by one network that is built once.

    Attributes:
        network: float32 images [batch, side, side, 3] in 0–255 to features and probabilities.
    """

    classifier: Classifier
    network: keras.Model

    @classmethod
    def of(cls, classifier: Classifier) -> "Explainer":
        """Return the explainer of a classifier.

        Raises:
            ThawError: its network has another head, as an ensemble has.
        """
        network = classifier.network
        if not {POOLING, DENSE} <= {layer.name for layer in network.layers}:
            raise ThawError(
                "the model has no dense layer on averaged features, which Grad-CAM needs here (an ensemble has none); "
                "explain a run of one network"
            )
        return cls(classifier, keras.Model(network.inputs, [network.get_layer(POOLING).input, network.outputs[0]]))

    def explain(self, images: Sequence[Image]) -> Iterator[Explanation]:
        """Yield the explanation of each image at the network's size; the network runs once for each batch."""
        dense = self.classifier.network.get_layer(DENSE)
        kernel = np.asarray(keras.ops.convert_to_numpy(dense.kernel), np.float32)
        for start in range(0, len(images), BATCH):
            batch = np.stack([np.asarray(image, np.float32) for image in images[start : start + BATCH]])
            features, outputs = self.network.predict_on_batch(batch)
            probabilities: Probabilities = scaled(np.asarray(outputs, np.float32), self.classifier.facts.temperature)
            for k in range(len(batch)):
                yield Explanation(probabilities[k], np.asarray(features[k], np.float32), kernel)
