"""TensorFlow set up so that the same trial gives the same numbers. Importing this module starts TensorFlow."""

import functools
import hashlib
import os
import platform
from pathlib import Path

from src import collect_as_usual
from src.common.errors import ThawError
from src.common.keras_setup import quiet  # before TensorFlow: it starts both
from src.config import RuntimeConfig

with quiet():
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # a sweep retraces on purpose
    tf.config.experimental.enable_op_determinism()
    # A network then rounds alike in a whole and in its parts; on a CPU its steps take no longer.
    tf.config.optimizer.set_experimental_options(
        {"arithmetic_optimization": False, "remapping": False, "constant_folding": False}
    )
    GPUS = tf.config.list_physical_devices("GPU")
    for gpu in GPUS:
        tf.config.experimental.set_memory_growth(gpu, True)

collect_as_usual()


def set_threads(config: RuntimeConfig) -> None:
    """Bound TensorFlow's threads as `config` says; once a process, before its first operation."""
    try:
        if config.threads:
            tf.config.threading.set_intra_op_parallelism_threads(config.threads)
        if between := config.inter_op_threads or config.threads:
            tf.config.threading.set_inter_op_parallelism_threads(between)
    except RuntimeError as error:
        keys = "runtime.threads and runtime.inter_op_threads"
        raise ThawError(f"{keys} cannot change within a process: the first trial fixed them") from error


def batches_at_once() -> int:
    """Return how many batches TensorFlow runs side by side: its inter-op threads."""
    return int(tf.config.threading.get_inter_op_parallelism_threads()) or os.cpu_count() or 1


@functools.cache
def device_key() -> str:
    """Return all that can change a number's last digits: the devices, the processor's model and instruction sets."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text("utf-8", "replace").splitlines() if about.exists() else [platform.processor()]
    facts = sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    text = "\n".join((*facts, platform.machine(), os.environ.get("TF_ENABLE_ONEDNN_OPTS", "")))
    return f"{device_name()} {hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


def device_name() -> str:
    """Return the name of the device for people."""
    if not GPUS:
        return f"CPU ({os.cpu_count()} cores)"
    return ", ".join(str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)) for gpu in GPUS)
