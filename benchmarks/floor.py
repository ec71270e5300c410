"""What the arithmetic alone takes: one pass over the frozen layers, and the tails' bare training steps.

Run as ``python -m benchmarks.floor PHOTOS WEIGHTS [THREADS]``; prints seconds as JSON. Rows and labels lie ready in
memory, a step is one compiled function, and nothing is validated, measured, drawn, kept or logged. A part of each
depth's steps is run and scaled: 4 of its epochs.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.sweep import BATCH, DEPTHS, DROPOUTS, EPOCHS, FINE_TUNE_EPOCHS, SEEDS, SIDE, TRIALS
from src.common.depth_choice import DepthChoice
from src.models import runtime  # noqa: F401 - starts TensorFlow as trials do

import keras  # isort: skip
import tensorflow as tf  # isort: skip

from src.features.frozen_segment import FrozenSegment, unpack  # isort: skip
from src.models.backbone import pretrained  # isort: skip
from src.models.catalog import find_backbone  # isort: skip
from src.models.cut import Cut, freeze_boundary, segment  # isort: skip
from src.models.depth import Depth, resolve_depth  # isort: skip
from src.models.network import Network, build_network  # isort: skip
from src.models.weights import WeightSet  # isort: skip

_EPOCHS_RUN = 4


def images(photos: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows of pixels and labels."""
    found = keras.utils.image_dataset_from_directory(
        photos / split, image_size=(SIDE, SIDE), batch_size=None, shuffle=False, verbose=False
    )
    pixels, labels = zip(*found.as_numpy_iterator(), strict=True)
    return np.stack(pixels).reshape(len(pixels), -1), np.array(labels, np.int64)


def step_seconds(network: Network, depth: Depth, cut: Cut, rows: np.ndarray, labels: np.ndarray) -> float:
    """Seconds that an epoch's training steps take behind `cut`."""
    network.unfreeze(depth)
    tail, adam = segment(network.model, cut.tensors, None), keras.optimizers.Adam(1e-4)
    adam.build(tail.trainable_variables)
    wanted = np.eye(tail.output_shape[1], dtype=np.float32)[labels]

    @tf.function(jit_compile=False, input_signature=[tf.TensorSpec((None, cut.width)), tf.TensorSpec((None, None))])
    def step(batch: tf.Tensor, truth: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            scores = tail(unpack(batch, cut), training=True)
            loss = tf.reduce_mean(keras.losses.categorical_crossentropy(truth, scores))
        adam.apply(tape.gradient(loss, tail.trainable_variables), tail.trainable_variables)

    batches = [
        (tf.constant(rows[k : k + BATCH]), tf.constant(wanted[k : k + BATCH])) for k in range(0, len(rows), BATCH)
    ]
    step(*batches[0])
    began = time.perf_counter()
    for _ in range(_EPOCHS_RUN):
        for batch in batches:
            step(*batch)
    return (time.perf_counter() - began) / _EPOCHS_RUN


def run(photos: Path, weights: Path) -> dict[str, float]:
    """Seconds of the pass, and of all steps of each depth; the heads' are trained once for each dropout and seed."""
    spec, weight_set = find_backbone("mobilenetv2"), WeightSet("file", weights, 1.0, SIDE, "benchmark")
    plain = pretrained(spec, weight_set, SIDE, 0)
    (pixels, labels), (val_pixels, _) = images(photos, "train"), images(photos, "val")
    network = build_network(plain, spec, classes=int(labels.max()) + 1, batchnorm="inference")
    network.begin(plain.get_weights(), seed=0, dropout=0.2)
    depths = [resolve_depth(DepthChoice.read(depth), network.table, "inference", spec.name) for depth in DEPTHS]
    cuts = [freeze_boundary(network.graph, network.table, depth) for depth in depths]
    frozen_segment = FrozenSegment(network.model, None, cuts)
    frozen_segment(pixels[:BATCH])
    began = time.perf_counter()
    rows, _ = frozen_segment(pixels), frozen_segment(val_pixels)
    seconds = {"pass": time.perf_counter() - began}
    fine_tunings = len(TRIALS) // len(DEPTHS)
    for asked, depth, cut, own in zip(DEPTHS, depths, cuts, rows, strict=True):
        epoch = step_seconds(network, depth, cut, own, labels)
        heads = len(DROPOUTS) * len(SEEDS) * EPOCHS if not asked else 0
        seconds[f"depth {asked}"] = epoch * (fine_tunings * FINE_TUNE_EPOCHS + heads)
    return seconds


if __name__ == "__main__":
    for threads in sys.argv[3:]:
        tf.config.threading.set_intra_op_parallelism_threads(int(threads))
        tf.config.threading.set_inter_op_parallelism_threads(int(threads))
    print(json.dumps(run(Path(sys.argv[1]), Path(sys.argv[2]))))
