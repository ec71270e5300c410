"""The network that trains: raw image, backbone, head; and the control over which of its variables train."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.common.keras_setup import keras, layers
from src.config import Precision
from src.models.backbone import backbone_layers, describe_layers
from src.models.catalog import BackboneSpec
from src.models.cut import Graph, trace
from src.models.depth import BatchNormPolicy, Depth
from src.models.layers import LayerInfo
from src.models.normalization import TunableDropout, to_keras_layer, with_batchnorm_policy
from src.models.precision import set_precision

Values = Sequence[NDArray[Any]]
"""The values of a backbone's variables, in the order of `keras.Model.get_weights`."""


@dataclass(frozen=True, eq=False)
class Network:
    """A classifier and the table of its backbone.

    Attributes:
        model: float32 images [batch, side, side, 3] in 0–255 to class probabilities [batch, classes].
        table: the backbone's layers as Keras lists them, for planning depths.
        names: of the model's variables, in the order of `model.weights`. Those of a backbone are the paths that they
            have where Keras builds it: a clone's may differ (name scopes, variables without a name of their own).
        precision: what the backbone computes in.
    """

    model: keras.Model
    table: tuple[LayerInfo, ...]
    names: tuple[str, ...]
    precision: Precision = "float32"

    @cached_property
    def graph(self) -> Graph:
        """Return the model's operations, for finding cuts."""
        return trace(self.model)

    def begin(self, backbone: Values, *, seed: int, dropout: float) -> None:
        """Set all variables to where a trial begins: the backbone's to `backbone`, the head's as `seed` draws them."""
        kernel = self.model.get_layer("head_dense").kernel.shape
        drawn = keras.initializers.GlorotUniform(seed=seed)(kernel).numpy()
        self.model.set_weights([*backbone, drawn, np.zeros(kernel[-1], np.float32)])
        self.model.get_layer("head_dropout").set_rate(dropout)

    def unfreeze(self, depth: Depth) -> None:
        """Let the head and the backbone's `depth.variables` train, and nothing else.

        What comes before the first variable that trains is a constant function: its BatchNorm and Dropout rest too.
        What was compiled before does not follow.
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
        trains = set(self._by_name(self.model.trainable_variables))
        planned = set(self._by_name(self.model.get_layer("head_dense").weights)) | set(depth.variables)
        assert trains == planned, f"planned {sorted(planned - trains)}, surplus {sorted(trains - planned)}"

    def changed(self, depth: Depth) -> dict[str, NDArray[np.float32]]:
        """Return copies of the variables that training at `depth` may change, by name: from its first layer on."""
        return {name: np.array(variable.numpy()) for name, variable in self._changing(depth).items()}

    def restore(self, depth: Depth, values: Mapping[str, NDArray[np.float32]]) -> None:
        """Set the variables that :meth:`changed` gave to what it gave.

        Raises:
            KeyError: `values` lack one.
        """
        for name, variable in self._changing(depth).items():
            variable.assign(values[name])

    def _changing(self, depth: Depth) -> dict[str, keras.Variable]:
        backbone = backbone_layers(self.model)
        layers_from_first = [*backbone[len(backbone) - depth.canonical :], self.model.get_layer("head_dense")]
        return self._by_name(variable for layer in layers_from_first for variable in layer.weights)

    def _by_name(self, variables: Iterable[keras.Variable]) -> dict[str, keras.Variable]:
        return {self._name_of[id(variable)]: variable for variable in variables}

    @cached_property
    def _name_of(self) -> dict[int, str]:
        return {id(variable): name for name, variable in zip(self.names, self.model.weights, strict=True)}

    def trainable_parameters(self) -> int:
        """Return the number of values that train as the network is now set, the head's included."""
        return sum(math.prod(variable.shape) for variable in self.model.trainable_variables)

    def in_keras_layers(self) -> keras.Model:
        """Return a copy of the model made of Keras' own layers, in float32, so that Keras loads it without Thaw."""
        copy = keras.models.clone_model(self.model, clone_function=to_keras_layer)
        set_precision(copy.layers, "float32")
        copy.set_weights(self.model.get_weights())
        return copy


def build_network(
    plain: keras.Model,
    spec: BackboneSpec,
    *,
    classes: int,
    batchnorm: BatchNormPolicy,
    precision: Precision = "float32",
) -> Network:
    """Build a backbone of `plain`'s structure under a head of global average pooling, dropout and a dense softmax.

    See :func:`src.models.backbone.build_backbone`. Its variables have no meaning before :meth:`Network.begin`. The
    backbone computes in `precision`; the head, and what Thaw adds before the backbone, in float32.
    """
    backbone = keras.models.clone_model(plain, clone_function=lambda layer: with_batchnorm_policy(layer, batchnorm))
    pooled = layers.GlobalAveragePooling2D(name="head_pooling")(backbone.output)
    dropped = TunableDropout(seed=0, name="head_dropout")(pooled)
    scores = layers.Dense(classes, activation="softmax", name="head_dense")(dropped)
    model = keras.Model(backbone.inputs[0], scores, name=plain.name)
    set_precision(backbone_layers(model), precision)
    variables = (*plain.weights, *model.get_layer("head_dense").weights)
    names = tuple(str(variable.path) for variable in variables)
    return Network(model, describe_layers(plain, spec), names, precision)
