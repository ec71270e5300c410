"""Keras' optimizer on a network's variables, laid side by side as one vector.

An optimizer works value by value, so the numbers equal those of an update for each variable. The graph does not:
hundreds of updates of fifteen operations each take longer to trace and to start than the rest of a deep network.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from src.common.keras_setup import keras
from src.config import OptimizerConfig

_COUNTERS = 2
"""Variables that come first in every Keras optimizer: the steps so far and the learning rate."""


class FlatOptimizer:
    """The optimizer that `config` names, for float32 `variables` of any shapes."""

    def __init__(self, config: OptimizerConfig, variables: Sequence[keras.Variable]) -> None:
        self.variables = variables
        self.sizes = [math.prod(variable.shape) for variable in variables]
        self.vector = keras.Variable(np.zeros(sum(self.sizes), np.float32), name="all_variables")
        self.optimizer = make_optimizer(config)
        self.optimizer.build([self.vector])

    def begin(self, learning_rate: float) -> None:
        """Forget all steps."""
        for variable in self.optimizer.variables:
            variable.assign(tf.zeros_like(variable.value))
        self.set_learning_rate(learning_rate)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the rate of the steps that follow."""
        self.optimizer.learning_rate.assign(learning_rate)

    def apply(self, gradients: Sequence[Any]) -> None:
        """Change the variables by one step along their `gradients`; to be called in a graph."""
        self.vector.assign(_concatenated([variable.value for variable in self.variables]))
        self.optimizer.apply([_concatenated(gradients)], [self.vector])
        for variable, values in zip(self.variables, tf.split(self.vector.value, self.sizes), strict=True):
            variable.assign(tf.reshape(values, variable.shape))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the optimizer's variables by number, in Keras' order: counters, then each variable's moments."""
        counters, moments = self._parts()
        ends = np.cumsum(self.sizes)[:-1]
        columns = zip(*(np.split(moment.numpy(), ends) for moment in moments), strict=True)
        parts = [
            part.reshape(variable.shape)
            for variable, column in zip(self.variables, columns, strict=True)
            for part in column
        ]
        return {str(k): np.array(values) for k, values in enumerate([*(each.numpy() for each in counters), *parts])}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what :meth:`state` returned.

        Raises:
            KeyError: `state` lacks a variable.
        """
        counters, moments = self._parts()
        for k, counter in enumerate(counters):
            counter.assign(state[str(k)])
        for k, moment in enumerate(moments, start=len(counters)):
            numbers = range(k, k + len(moments) * len(self.variables), len(moments))
            moment.assign(np.concatenate([state[str(number)].ravel() for number in numbers]))

    def _parts(self) -> tuple[list[keras.Variable], list[keras.Variable]]:
        """Counters and moments."""
        return self.optimizer.variables[:_COUNTERS], self.optimizer.variables[_COUNTERS:]


def make_optimizer(config: OptimizerConfig) -> keras.optimizers.Optimizer:
    """Return Keras' optimizer by name; its rate is set when a phase begins."""
    match config.name:
        case "adam":
            return keras.optimizers.Adam(beta_1=config.momentum)
        case "adamw":
            return keras.optimizers.AdamW(weight_decay=config.weight_decay, beta_1=config.momentum)
        case "sgd":
            return keras.optimizers.SGD(momentum=config.momentum)


def _concatenated(tensors: Sequence[Any]) -> Any:
    return tf.concat([tf.reshape(tensor, (-1,)) for tensor in tensors], axis=0)
