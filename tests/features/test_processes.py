"""Features and several processes: one computes, the others wait; a killed one leaves nothing; memory stays bounded."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from src.common.project import PROJECT
from tests.typist import Typist

RATES = ("1e-3", "2e-3", "3e-3", "4e-3")


def command(home: Path, rate: str, name: str) -> list[str]:
    return [
        "src.train", "image_size=64", "data.classes=4", "epochs=1", "fine_tune_epochs=1",
        "unfrozen=2", f"learning_rate={rate}", "tracking.save_model=false", f"tracking.uri=sqlite:///{home}/mlflow.db",
        f"runtime.cache_dir={home}/cache", f"runtime.work_dir={home}/work", f"hydra.run.dir={home}/{name}",
    ]  # fmt: skip


def summary(home: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / name / "summary.json").read_text("utf-8"))
    return found


def numbers(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name.startswith(("best/", "test/", "gap/", "fit/"))}


@pytest.mark.slow
def test_of_four_that_start_at_once_one_computes_and_all_have_the_same_numbers(
    heavy_typist: Typist, tmp_path: Path
) -> None:
    together = [heavy_typist.start(*command(tmp_path, rate, rate), cwd=PROJECT) for rate in RATES]
    assert [process.wait(280).status for process in together] == [0, 0, 0, 0]
    times = [summary(tmp_path, rate) for rate in RATES]
    computed = [values for values in times if "time/features" in values]
    whole = 3  # train, val and test
    assert 1 <= len(computed) <= whole  # each of them once, by whoever came first
    assert len(list((tmp_path / "cache" / "features").glob("*.npz"))) % whole == 0
    alone = tmp_path / "alone"
    assert heavy_typist(*command(alone, RATES[0], "0"), "features.store=false", cwd=PROJECT).status == 0
    assert numbers(summary(alone, "0")) == numbers(summary(tmp_path, RATES[0]))


@pytest.mark.slow
def test_what_was_killed_while_it_wrote_is_computed_anew(heavy_typist: Typist, tmp_path: Path) -> None:
    process = heavy_typist.start(*command(tmp_path, "1e-3", "killed"), cwd=PROJECT)
    features = tmp_path / "cache" / "features"
    while not list(features.glob(".*.unfinished")):
        assert process.is_running
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait().status == -signal.SIGKILL
    assert heavy_typist(*command(tmp_path, "1e-3", "again"), cwd=PROJECT).status == 0
    assert not list(features.glob(".*.unfinished"))
    alone = heavy_typist(*command(tmp_path / "alone", "1e-3", "alone"), "features.store=false", cwd=PROJECT)
    assert alone.status == 0, alone.said
    assert numbers(summary(tmp_path / "alone", "alone")) == numbers(summary(tmp_path, "again"))


LIMIT_GIB = 2

LARGE = """
import resource, sys
from pathlib import Path
import numpy as np
from src.models import runtime
import keras
from src.common.clock import Clock
from src.common.depth_choice import DepthChoice
from src.common.events import ignore
from src.config import OptimizerConfig
from src.data.dataset import Dataset
from src.data.duplicates import NearDuplicates
from src.data.split import Splits
from src.features.cache_plan import PhaseCachePlan, CachePlan
from src.features.feature_cache import FeatureCache
from src.features.feature_source import CacheContext, FeatureSource
from src.models.catalog import find_backbone
from src.models.cut import freeze_boundary
from src.models.depth import resolve_depth
from src.models.network import build_network
from src.training.batch_loader import BatchLoader
from src.training.model_cache import ModelCache

folder, limit, trial = Path(sys.argv[1]), int(sys.argv[2]) * 2**30, None
COUNT, SIDE, WIDE = 20_000, 32, 28
pixels = np.lib.format.open_memmap(folder / "pixels.npy", "w+", np.uint8, (COUNT, SIDE, SIDE, 3))
generator = np.random.default_rng(0)
for first in range(0, COUNT, 1000):
    pixels[first : first + 1000] = generator.integers(0, 256, (1000, SIDE, SIDE, 3))
pixels.flush()
del pixels
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))  # all that the process allocates; what it maps is the system's

image = keras.Input((SIDE, SIDE, 3), name="image")
wide = keras.layers.Conv2D(WIDE, 3, padding="same", use_bias=False, name="block1_conv")(image)
plain = keras.Model(image, keras.layers.BatchNormalization(name="block1_bn")(wide), name="wide")
net = build_network(plain, find_backbone("lenet5"), classes=2, batchnorm="inference")
net.begin(plain.get_weights(), seed=0, dropout=0.0)
depth = resolve_depth(DepthChoice.read(1), net.table, "inference", "wide")
cut = freeze_boundary(net.graph, net.table, depth)

from hydra import compose, initialize_config_dir
from src.cli.composition import CONF, prepare, trial_config
prepare()
with initialize_config_dir(str(CONF), version_base="1.3"):
    trial = trial_config(compose("config", ["batch_size=100", "features.max_gb=20"]))
numbers = np.arange(COUNT)
dataset = Dataset(
    "noise", np.load(folder / "pixels.npy", mmap_mode="r"), numbers % 2, *2 * (numbers.astype(np.uint64),),
    ("x",) * COUNT, ("a", "b"), Splits(numbers, numbers[:1000], numbers[:0]), "noise", NearDuplicates(), (), (),
)
model_cache = ModelCache(net)
store = FeatureCache(folder / "features", 20, ignore)
cache_plan = CachePlan((PhaseCachePlan(cut, cut, frozenset({cut.name})),), (cut,))
context = CacheContext("k", store, Clock())
loader = BatchLoader(dataset, trial, FeatureSource(dataset, trial, cache_plan, model_cache.frozen_segment, context))
tail = model_cache.trainable_segment(depth, cut, trial.optimizer, 0.0)
tail.begin(1e-3)
for group in loader.training(0, 0):
    left = tail.train(group.features, group.labels, np.ones(2, np.float32), 100)
size = sum(path.stat().st_size for path in (folder / "features").glob("*.npz"))
status = Path("/proc/self/status").read_text().splitlines()  # ru_maxrss begins at what the parent had
(peak,) = [line.split()[1] for line in status if line.startswith("VmHWM")]
print(size, int(peak) * 1024, float(left.losses[-1]))
"""


@pytest.mark.slow
def test_features_larger_than_the_processs_memory_train(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LARGE, tmp_path, str(LIMIT_GIB)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MALLOC_ARENA_MAX": "2"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    size, peak, loss = map(float, done.stdout.split())
    assert size > LIMIT_GIB * 2**30 > peak
    assert loss == loss  # noqa: PLR0124 - a number
