"""Keras' optimizer on a network's variables, the small ones laid side by side as one long vector.

An optimizer works value by value, so the numbers equal those of an update for each variable. The graph does not:
hundreds of updates of fifteen operations each take longer to trace and to start than the rest of a deep network. Large
variables stay by themselves: they are few, and to copy them takes longer.
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
_LARGE = 2**17
"""Values of a variable that stays by itself."""


class FlatOptimizer:
    """The optimizer that `config` names, for float32 `variables`, of which one at least (a bias) is small.

    With `scales`, as float16 needs it, the loss is multiplied by a number that follows from which gradients overflow
    (Micikevicius et al. 2018, section 3.2).
    """

    def __init__(self, config: OptimizerConfig, variables: Sequence[keras.Variable], scales: bool = False) -> None:
        self.variables = variables
        self.sizes = [math.prod(variable.shape) for variable in variables]
        self.large = [k for k, size in enumerate(self.sizes) if size >= _LARGE]
        self.small = [k for k, size in enumerate(self.sizes) if size < _LARGE]
        self.small_sizes = [self.sizes[k] for k in self.small]
        self.vector = keras.Variable(np.zeros(sum(self.small_sizes), np.float32))
        self.optimizer = make_optimizer(config)
        self.scaled = keras.optimizers.LossScaleOptimizer(self.optimizer) if scales else None
        (self.scaled or self.optimizer).build([*(variables[k] for k in self.large), self.vector])

    def begin(self, learning_rate: float) -> None:
        """Forget all steps."""
        for variable in self.optimizer.variables:
            variable.assign(tf.zeros_like(variable.value))
        if self.scaled:
            self.scaled.step_counter.assign(0)
            self.scaled.dynamic_scale.assign(self.scaled.initial_scale)
        self.set_learning_rate(learning_rate)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the rate of the steps that follow."""
        self.optimizer.learning_rate.assign(learning_rate)

    def scale_loss(self, loss: Any) -> Any:
        """Return the loss to take the gradients of."""
        return self.scaled.scale_loss(loss) if self.scaled else loss

    def apply(self, gradients: Sequence[Any]) -> None:
        """Change the variables by one step along the `gradients` of the scaled loss; to be called in a graph."""
        self.vector.assign(_concatenated([self.variables[k].value for k in self.small]))
        joined = [*(gradients[k] for k in self.large), _concatenated([gradients[k] for k in self.small])]
        (self.scaled or self.optimizer).apply(joined, [*(self.variables[k] for k in self.large), self.vector])
        for k, values in zip(self.small, tf.split(self.vector.value, self.small_sizes), strict=True):
            self.variables[k].assign(tf.reshape(values, self.variables[k].shape))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the optimizer's variables by number, in Keras' order: counters, then each variable's moments."""
        state = {name: np.array(counter.numpy()) for name, counter in self._counters().items()}
        for moment, numbers, members in self._moments():
            parts = np.split(np.array(moment.numpy()).ravel(), np.cumsum([self.sizes[k] for k in members])[:-1])
            state |= {
                number: part.reshape(self.variables[k].shape)
                for number, part, k in zip(numbers, parts, members, strict=True)
            }
        return state

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what :meth:`state` returned.

        Raises:
            KeyError: `state` lacks a variable.
        """
        for name, counter in self._counters().items():
            counter.assign(state[name])
        for moment, numbers, _ in self._moments():
            moment.assign(np.concatenate([state[number].ravel() for number in numbers]).reshape(moment.shape))

    def _counters(self) -> dict[str, keras.Variable]:
        """Return the variables that count steps, by name in a state: Keras' by number, then the loss' scale."""
        counters = {str(k): counter for k, counter in enumerate(self.optimizer.variables[:_COUNTERS])}
        if self.scaled:
            counters |= {"scale": self.scaled.dynamic_scale, "steps_at_scale": self.scaled.step_counter}
        return counters

    def _moments(self) -> Iterator[tuple[keras.Variable, list[str], list[int]]]:
        """Yield each moment of the optimizer, with its numbers in a state and the indices of its variables."""
        moments, members = self.optimizer.variables[_COUNTERS:], [*([k] for k in self.large), self.small]
        count = len(moments) // len(members)
        for position, moment in enumerate(moments):
            item, kind = divmod(position, count)
            yield moment, [str(_COUNTERS + count * k + kind) for k in members[item]], members[item]


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
