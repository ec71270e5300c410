"""Keras' optimizer on a network's variables, laid side by side as a few long vectors.

An optimizer works value by value, so the numbers equal those of an update for each variable. The graph does not:
hundreds of updates of fifteen operations each take longer to trace and to start than the rest of a deep network.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from src.common.keras_setup import keras
from src.config import OptimizerConfig

_COUNTERS = 2
"""Variables that come first in every Keras optimizer: the steps so far and the learning rate."""
_VECTOR_VALUES = 2**23
"""Values of one vector at least, unless no variable is left: what an update holds in passing is bounded so."""


class FlatOptimizer:
    """The optimizer that `config` names, for float32 `variables` of any shapes."""

    def __init__(self, config: OptimizerConfig, variables: Sequence[keras.Variable]) -> None:
        self.variables = variables
        self.groups = _grouped(variables)
        self.vectors = [keras.Variable(np.zeros(sum(_sizes(group)), np.float32)) for group in self.groups]
        self.optimizer = make_optimizer(config)
        self.optimizer.build(self.vectors)

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
        following = iter(gradients)
        joined = [_concatenated([next(following) for _ in group]) for group in self.groups]
        for group, vector in zip(self.groups, self.vectors, strict=True):
            vector.assign(_concatenated([variable.value for variable in group]))
        self.optimizer.apply(joined, self.vectors)
        for group, vector in zip(self.groups, self.vectors, strict=True):
            for variable, values in zip(group, tf.split(vector.value, _sizes(group)), strict=True):
                variable.assign(tf.reshape(values, variable.shape))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the optimizer's variables by number, in Keras' order: counters, then each variable's moments."""
        parts = [counter.numpy() for counter in self.optimizer.variables[:_COUNTERS]]
        for group, moments in self._moments():
            columns = [np.split(np.array(moment.numpy()), np.cumsum(_sizes(group))[:-1]) for moment in moments]
            for variable, *own in zip(group, *columns, strict=True):
                parts += [part.reshape(variable.shape) for part in own]
        return {str(number): np.asarray(part) for number, part in enumerate(parts)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what :meth:`state` returned.

        Raises:
            KeyError: `state` lacks a variable.
        """
        for number, counter in enumerate(self.optimizer.variables[:_COUNTERS]):
            counter.assign(state[str(number)])
        first = _COUNTERS
        for group, moments in self._moments():
            after = first + len(group) * len(moments)
            for k, moment in enumerate(moments):
                parts = [state[str(number)].ravel() for number in range(first + k, after, len(moments))]
                moment.assign(np.concatenate(parts))
            first = after

    def _moments(self) -> Iterator[tuple[list[keras.Variable], list[keras.Variable]]]:
        """Each group of variables and its vector's moments."""
        moments = self.optimizer.variables[_COUNTERS:]
        each = len(moments) // len(self.groups)
        for k, group in enumerate(self.groups):
            yield group, moments[k * each : (k + 1) * each]


def make_optimizer(config: OptimizerConfig) -> keras.optimizers.Optimizer:
    """Return Keras' optimizer by name; its rate is set when a phase begins."""
    match config.name:
        case "adam":
            return keras.optimizers.Adam(beta_1=config.momentum)
        case "adamw":
            return keras.optimizers.AdamW(weight_decay=config.weight_decay, beta_1=config.momentum)
        case "sgd":
            return keras.optimizers.SGD(momentum=config.momentum)


def _grouped(variables: Sequence[keras.Variable]) -> list[list[keras.Variable]]:
    """Parts of `variables`, in their order, of `_VECTOR_VALUES` values and more; the last one of any."""
    groups: list[list[keras.Variable]] = [[]]
    for variable in variables:
        if sum(_sizes(groups[-1])) >= _VECTOR_VALUES:
            groups.append([])
        groups[-1].append(variable)
    return groups


def _sizes(variables: Sequence[keras.Variable]) -> list[int]:
    return [math.prod(variable.shape) for variable in variables]


def _concatenated(tensors: Sequence[Any]) -> Any:
    return tf.concat([tf.reshape(tensor, (-1,)) for tensor in tensors], axis=0)
