"""All that Thaw uses of Keras' private parts; `tests/test_internals.py` says which an upgrade has changed.

Keras' public API lists a model's operations, but not their inputs: `layer.input` refuses where a
layer is called in several models, as each of a backbone's is, and `get_config` has names in place of tensors.
"""

from typing import Any


def node_of(tensor: Any) -> Any:
    """Return the node that gives the symbolic `tensor`: its operation, as it is called in this model."""
    operation, index, _ = tensor._keras_history
    return operation._inbound_nodes[index]


def output_of(tensor: Any) -> tuple[Any, int]:
    """Return the operation that gives the symbolic `tensor`, and which of its outputs that is."""
    operation, _, output = tensor._keras_history
    return operation, output


def operations_after(operation: Any) -> list[Any]:
    """Return the operations that take what `operation` gives."""
    return [node.operation for node in operation._outbound_nodes]
