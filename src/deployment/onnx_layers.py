"""Layers that tf2onnx cannot convert, put into ones that it can."""

import numpy as np

from src.common.keras_setup import keras, layers


def with_convertible_layers(network: keras.Model) -> keras.Model:
    """Return a copy of `network` that gives the same values and that tf2onnx converts.

    Keras compiles a convolution with groups by XLA, which tf2onnx does not read, and GELU by erfc, which ONNX lacks;
    a Normalization's constants become further inputs of the graph. Networks within the network, such as an ensemble's
    members, are treated alike.
    """
    copy = keras.models.clone_model(network, clone_function=_convertible)
    for layer in network.layers:
        if layer.weights and not isinstance(layer, layers.Normalization | keras.Model):
            same = copy.get_layer(layer.name)
            shaped = zip(layer.get_weights(), same.weights, strict=True)
            same.set_weights([value.reshape(variable.shape) for value, variable in shaped])
    return copy


def _convertible(layer: layers.Layer) -> layers.Layer:
    if isinstance(layer, keras.Model):
        return with_convertible_layers(layer)
    if isinstance(layer, layers.Normalization):
        scale = 1 / np.maximum(np.sqrt(keras.ops.convert_to_numpy(layer.variance)), keras.config.epsilon())
        offset = -keras.ops.convert_to_numpy(layer.mean) * scale
        return layers.Rescaling(scale.ravel().tolist(), offset.ravel().tolist(), name=layer.name)
    if type(layer) is layers.Conv2D and 1 < layer.groups == layer.filters and layer.kernel.shape[2] == 1:
        shared = ("name", "kernel_size", "strides", "padding", "dilation_rate", "activation", "use_bias")
        return layers.DepthwiseConv2D(**{key: layer.get_config()[key] for key in shared})
    if type(layer) is layers.Activation and layer.activation is keras.activations.gelu:
        return layers.Activation(_gelu, name=layer.name)
    return layer.__class__.from_config(layer.get_config())


def _gelu(x: keras.KerasTensor) -> keras.KerasTensor:
    """Return the Gaussian error linear unit (Hendrycks and Gimpel 2016), by erf."""
    return x * (1 + keras.ops.erf(x / np.sqrt(2).astype("float32"))) / 2
