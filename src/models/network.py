"""The network that trains: raw image, backbone, head; and the control over which of its variables train."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from src.models.backbone import backbone_layers, build_backbone, describe_layers
from src.models.catalog import BackboneSpec
from src.models.depth import BatchNormPolicy, Depth
from src.models.layers import LayerInfo
from src.models.normalization import obedient, stock
from src.models.weights import WeightSet


@dataclass(frozen=True)
class Network:
    """A classifier and the table of its backbone.

    Attributes:
        model: float32 images [batch, side, side, 3] in 0–255 to class probabilities [batch, classes].
        table: the backbone's layers as Keras lists them, for planning depths.
    """

    model: keras.Model
    table: tuple[LayerInfo, ...]

    def thaw(self, depth: Depth) -> None:
        """Let the head and the backbone's `depth.variables` train, and nothing else. Compile afterwards.

        What comes before the first variable that trains is a constant function: its BatchNorm and Dropout rest too.
        """
        backbone = backbone_layers(self.model)
        training = set(depth.variables)
        first = len(backbone) - depth.canonical
        for index, (layer, info) in enumerate(zip(backbone, self.table, strict=True)):
            has_variables = bool(info.variables)
            layer.trainable = index >= first and (not has_variables or info.variables[0][0] in training)

    def check(self, depth: Depth) -> None:
        """Assert that the variables which train are the planned ones.

        Raises:
            AssertionError: they are not; a bug of Thaw's, or a change in Keras.
        """
        head = {str(variable.path) for variable in self.model.get_layer("head_dense").weights}
        trains = {str(variable.path) for variable in self.model.trainable_variables}
        planned = head | set(depth.variables)
        assert trains == planned, f"planned {sorted(planned - trains)}, surplus {sorted(trains - planned)}"

    def changed(self, depth: Depth) -> dict[str, NDArray[np.float32]]:
        """Copies of the variables that training at `depth` may change, by path: from the first layer that trains on."""
        return {str(variable.path): np.array(variable.numpy()) for variable in self._changing(depth)}

    def changing_paths(self, depth: Depth) -> set[str]:
        """The paths that :meth:`changed` gives."""
        return {str(variable.path) for variable in self._changing(depth)}

    def restore(self, depth: Depth, values: Mapping[str, NDArray[np.float32]]) -> None:
        """Set the variables that :meth:`changed` gave to what it gave.

        Raises:
            KeyError: `values` lack one.
        """
        for variable in self._changing(depth):
            variable.assign(values[str(variable.path)])

    def _changing(self, depth: Depth) -> list[keras.Variable]:
        backbone = backbone_layers(self.model)
        layers_from_first = [*backbone[len(backbone) - depth.canonical :], self.model.get_layer("head_dense")]
        return [variable for layer in layers_from_first for variable in layer.weights]

    def trainable_parameters(self) -> int:
        """Values that train as the network stands, the head's among them."""
        return sum(math.prod(variable.shape) for variable in self.model.trainable_variables)

    def portable(self) -> keras.Model:
        """The same function in Keras' own layers, for saving: loads wherever Keras is."""
        model = keras.models.clone_model(self.model, clone_function=stock)
        model.set_weights(self.model.get_weights())
        return model


def build_network(
    spec: BackboneSpec,
    weights: WeightSet,
    *,
    side: int,
    classes: int,
    dropout: float,
    batchnorm: BatchNormPolicy,
    seed: int,
) -> Network:
    """`spec` with `weights` under a head of global average pooling, dropout and a dense softmax.

    Raises:
        ThawError: see :func:`src.models.backbone.build_backbone`.
    """
    keras.utils.clear_session()  # else the names of unnamed layers depend on what was built before in this process
    keras.utils.set_random_seed(seed)
    plain = build_backbone(spec, weights, side)
    backbone = keras.models.clone_model(plain, clone_function=lambda layer: obedient(layer, batchnorm, seed))
    backbone.set_weights(plain.get_weights())
    table = describe_layers(backbone_layers(backbone))
    pooled = layers.GlobalAveragePooling2D(name="head_pooling")(backbone.output)
    kept = layers.Dropout(dropout, seed=seed, name="head_dropout")(pooled)
    glorot = keras.initializers.GlorotUniform(seed=seed)
    scores = layers.Dense(classes, activation="softmax", kernel_initializer=glorot, name="head_dense")(kept)
    return Network(keras.Model(backbone.input, scores, name=spec.name), table)
