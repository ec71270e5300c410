"""Class activation maps: the places of an image that speak for a class."""

import numpy as np
from numpy.typing import NDArray

from src.common.errors import ThawError
from src.common.keras_setup import keras
from src.data.listing import Image
from src.inference.classifier import Classifier

POOLING, DENSE = "head_pooling", "head_dense"


def activation_maps(classifier: Classifier, square: Image, classes: list[int]) -> NDArray[np.float32]:
    """Return how much each place of an image speaks for each of `classes`, float32 [classes, height, width], 0–1.

    Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) at the last feature map. The head is a dense layer on global
    averages, so the score's gradient is the dense layer's kernel and no gradient is taken (CAM: Zhou et al. 2016,
    arXiv:1512.04150). A map has the feature map's size, its greatest value is 1, and what speaks against a class is 0.

    Raises:
        ThawError: the network has another head, as an ensemble has.
    """
    network = classifier.network
    names = {layer.name for layer in network.layers}
    if not {POOLING, DENSE} <= names:
        raise ThawError(
            "the model has no dense layer on averaged features, by which places could be weighed (an ensemble has "
            "none); explain a run of one network"
        )
    features = keras.Model(network.inputs, network.get_layer(POOLING).input)
    activations = np.asarray(features.predict_on_batch(np.asarray(square, np.float32)[np.newaxis]), np.float32)[0]
    kernel = keras.ops.convert_to_numpy(network.get_layer(DENSE).kernel)[:, classes]
    maps = np.maximum(np.moveaxis(activations @ kernel, -1, 0), 0)
    most = maps.max(axis=(1, 2), keepdims=True)
    return np.asarray(maps / np.where(most > 0, most, 1), np.float32)
