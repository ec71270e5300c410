"""Pillow's resizing as a Keras graph: images of any size become what training decodes, value by value."""

from dataclasses import dataclass
from typing import Any

from src.common.keras_setup import keras
from src.data.decode import PAD_COLOUR, Resize

_GAP = 3.0
"""Images are averaged over blocks until they are less than twice this too large: Pillow's `reducing_gap`."""

_ONE = 2.0**22
"""Weights are integers, of which this is 1 (Pillow's Resample.c)."""

ops = keras.ops
Tensor = Any


@dataclass(frozen=True)
class _Axis:
    """Pixels along height or width: a part of them is resized. Tensors are float64, without an axis.

    Attributes:
        number: of the axis, in [batch, height, width, channels].
        size: how many there are.
        first: where the part begins.
        last: where it ends.
        out: how many it becomes.
        offset: where those begin.
    """

    number: int
    size: Tensor
    first: Tensor
    last: Tensor
    out: Tensor
    offset: Tensor = 0.0


def resizing(side: int, resize: Resize) -> keras.Model:
    """Return the graph from RGB images of any size, 0–255, to squares of `side` px: float32, of whole levels.

    It gives what :func:`src.data.decode.to_square` gives, and consists of Keras' own operations, so safe mode loads it.
    """
    images = keras.Input((None, None, 3), name="image")
    values = ops.round(images)
    height, width = _length(values, 1), _length(values, 2)
    match resize:
        case "stretch":
            blocks = _averaged(values, ops.floor(height / side / _GAP), ops.floor(width / side / _GAP), side)
            squares = _resized(*blocks, side)
        case "crop":
            squares = _resized(values, _cropped(1, height, width, side), _cropped(2, width, height, side), side)
        case "pad":
            rows, columns = _contained(1, height, width, side), _contained(2, width, height, side)
            is_inside = ops.expand_dims(_is_inside(rows, side), 1) & ops.expand_dims(_is_inside(columns, side), 0)
            resized = _resized(values, rows, columns, side)
            squares = ops.where(ops.expand_dims(is_inside, 2), resized, float(PAD_COLOUR[0]))
    return keras.Model(images, ops.cast(squares, "float32"), name="resizing")


def _cropped(number: int, size: Tensor, other: Tensor, side: int) -> _Axis:
    """Return an axis as `ImageOps.fit` resizes it."""
    part = ops.minimum(size, other)
    first = (size - part) * 0.5
    return _Axis(number, size, _single(first), _single(first + part), float(side))


def _contained(number: int, size: Tensor, other: Tensor, side: int) -> _Axis:
    """Return an axis as `ImageOps.pad` resizes it."""
    out = ops.minimum(ops.round(size / other * side), float(side))
    return _Axis(number, size, 0.0, size, out, ops.round((side - out) * 0.5))


def _averaged(values: Tensor, down: Tensor, across: Tensor, side: int) -> tuple[Tensor, _Axis, _Axis]:
    """Return the averages over blocks of `down` times `across` pixels, as `Image.reduce` does, and their axes."""
    most = int(2 * _GAP * side)
    sums, columns, widths = _summed(ops.cast(values, "int32"), 2, ops.maximum(across, 1.0), most, side)
    sums, rows, heights = _summed(sums, 1, ops.maximum(down, 1.0), most, side)
    count = ops.expand_dims(ops.expand_dims(heights, 1) * ops.expand_dims(widths, 0), 2)
    multiplier = ops.floor(_single(2.0**24 / ops.maximum(count, 1.0)))
    return ops.floor((sums + ops.floor(count / 2.0)) * multiplier / 2.0**24), rows, columns


def _summed(values: Tensor, number: int, block: Tensor, most: int, side: int) -> tuple[Tensor, _Axis, Tensor]:
    """Return the sums over blocks along an axis, that axis, and the pixels of each block; the last ones are empty."""
    size = _length(values, number)
    first, last = (ops.minimum((ops.arange(most, dtype="float64") + k) * block, size) for k in (0, 1))
    totals = ops.cumsum(values, axis=number)
    sums = _total_before(totals, number, last) - _total_before(totals, number, first)
    return sums, _Axis(number, ops.ceil(size / block), 0.0, _single(size / block), float(side)), last - first


def _total_before(totals: Tensor, number: int, places: Tensor) -> Tensor:
    sums = ops.take(totals, ops.cast(ops.maximum(places - 1.0, 0.0), "int32"), axis=number)
    is_any = ops.cast(places > 0.0, "int32")
    return sums * ops.reshape(is_any, (-1, 1, 1) if number == 1 else (-1, 1))


def _resized(values: Tensor, rows: _Axis, columns: _Axis, side: int) -> Tensor:
    """Return `values` at the size of the axes; each of the two passes rounds, so their order makes a difference."""
    horizontal_first = _resampled(_resampled(values, columns, side), rows, side)
    vertical_first = _resampled(_resampled(values, rows, side), columns, side)
    fewer_rows, fewer_columns = rows.size - rows.out, columns.size - columns.out
    is_vertical_first = (fewer_rows > 0.0) & (fewer_rows > 2.0 * fewer_columns)  # as measured of Pillow 13
    return ops.where(is_vertical_first, vertical_first, horizontal_first)


def _resampled(values: Tensor, axis: _Axis, side: int) -> Tensor:
    """Return `values` with `side` pixels along an axis, by Pillow's bilinear filter."""
    scale = (axis.last - axis.first) / axis.out
    centres = axis.first + (ops.arange(side, dtype="float64") - axis.offset + 0.5) * scale
    places = _places(values, axis.number)
    distances = (ops.expand_dims(places, 0) - ops.expand_dims(centres, 1) + 0.5) * (1.0 / ops.maximum(scale, 1.0))
    weights = ops.maximum(1.0 - ops.abs(distances), 0.0) * ops.cast(places < axis.size, "float64")
    whole = ops.floor(weights / ops.sum(weights, axis=1, keepdims=True) * _ONE + 0.5)
    formula = "op,bpwc->bowc" if axis.number == 1 else "op,bhpc->bhoc"
    return ops.floor(ops.einsum(formula, whole, ops.cast(values, "float64")) / _ONE + 0.5)


def _is_inside(axis: _Axis, side: int) -> Tensor:
    places = ops.arange(side, dtype="float64") - axis.offset
    return (places >= 0.0) & (places < axis.out)


def _places(values: Tensor, number: int) -> Tensor:
    """Return 0, 1, 2 … along an axis whose length is known when images come."""
    line = values[0, :, 0, 0] if number == 1 else values[0, 0, :, 0]
    return ops.cumsum(ops.ones_like(line, dtype="float64")) - 1.0


def _length(values: Tensor, number: int) -> Tensor:
    return ops.max(_places(values, number)) + 1.0


def _single(value: Tensor) -> Tensor:
    """Return a value as rounded as Pillow's C code keeps it."""
    return ops.cast(ops.cast(value, "float32"), "float64")
