"""What tests share: tiny photos, a composed configuration, a real MLflow store, and commands run as users run them."""

import os
import shutil
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hypothesis import settings
from PIL import Image

from src.cli.composition import prepare, trial_config
from src.common.events import Event, EventHandler, Waiting, ignore
from src.common.project import CONF, PROJECT
from src.config import DataConfig, RuntimeConfig, TrialConfig
from src.data.dataset import Dataset, list_samples, load_dataset
from tests.typist import HEAVY, Typist

MEMORY = Path("/dev/shm")
"""Where files are kept in memory: a store waits for a disk at each of its commits, longer than a tiny trial trains."""
if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 8e9 and not os.environ.get("THAW_TEST_EVERY_BACKBONE"):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

settings.register_profile("thaw", deadline=None, derandomize=True)
settings.load_profile("thaw")

CLASSES = ("ash", "birch", "cedar")
Compose = Callable[..., TrialConfig]
Command = Callable[..., subprocess.CompletedProcess[str]]
READ_BY_COMMANDS = ("MLFLOW_TRACKING_URI", "THAW_")
"""Variables that are read when a command runs; others may be read by imports."""


def save_photo(path: Path, colour: tuple[int, int, int], seed: int, size: tuple[int, int] = (48, 40)) -> None:
    """A photo that looks like its class: a coloured disc on noise."""
    noise = np.random.default_rng(seed).integers(0, 90, (size[1], size[0], 3))
    rows, columns = np.ogrid[: size[1], : size[0]]
    disc = (rows - size[1] / 2) ** 2 + (columns - size[0] / 2) ** 2 < (min(size) / 3) ** 2
    pixels = np.where(disc[:, :, None], np.array(colour) + noise // 3, noise).clip(0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def make_photos(root: Path, counts: dict[str, int], classes: tuple[str, ...] = CLASSES) -> Path:
    """`counts` photos a class in each split's folder below `root`; the split "" means none."""
    colours = ((200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40))
    for split, count in counts.items():
        for k, name in enumerate(classes):
            for i in range(count):
                path = root / split / name / f"{name}_{i:02}.png"
                save_photo(path, colours[k], seed=zlib.crc32(f"{split} {k} {i}".encode()))
    return root


def read_dataset(config: DataConfig, side: int, cache: Path) -> Dataset:
    """The data that `config` names, decoded as a trial decodes them."""
    return load_dataset(config, list_samples(config, side), side, machine(cache), ignore)


def machine(folder: Path) -> RuntimeConfig:
    """How the machine is used by what keeps its files in `folder`."""
    return RuntimeConfig(cache_dir=folder, work_dir=folder, images_max_gb=1, phases_max_gb=0, threads=2, progress=False)


def shell_words(line: str) -> list[str]:
    """The words that a shell makes of what is copied into it."""
    shown = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True).stdout
    return [os.fsdecode(word) for word in shown.split(b"\0")[:-1]]


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes in train/ (8 each), val/ (4) and test/ (4)."""
    return make_photos(tmp_path_factory.mktemp("photos"), {"train": 8, "val": 4, "test": 4})


@pytest.fixture(scope="session")
def composed() -> Iterator[Compose]:
    """Compose and check a trial's configuration from overrides, as the command line does."""
    prepare()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield lambda *overrides: trial_config(compose("config", list(overrides)))


@pytest.fixture(scope="session")
def store_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The place of an MLflow store that the tests of one process share."""
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


@pytest.fixture(scope="session")
def tiny(photos: Path, store_uri: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Overrides of a trial that takes a second or two, whatever was trained before: LeNet-5 on tiny photos at 32 px."""
    cache = tmp_path_factory.mktemp("cache")
    return (
        "backbone=lenet5",
        "data=folder",
        f"data.root={photos}",
        "image_size=32",
        "batch_size=8",
        "epochs=2",
        "fine_tune_epochs=1",
        f"runtime.cache_dir={cache}",
        f"tracking.uri={store_uri}",
        "tracking.save_model=false",
        f"runtime.work_dir={tmp_path_factory.mktemp('work')}",
        "force=true",
    )


@pytest.fixture(scope="session")
def heavy_typist(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typist]:
    """A process that has imported all that training takes."""
    typist = Typist(tmp_path_factory.mktemp("typist"), imports=HEAVY, PYTHONPATH=str(PROJECT))
    yield typist
    typist.close()


@pytest.fixture(scope="session")
def thaw(tmp_path_factory: pytest.TempPathFactory, heavy_typist: Typist) -> Command:
    """Run ``python -m MODULE ARGS`` as a user does, in a folder of its own unless `cwd` says otherwise.

    With variables of the `environment` that imports read, in a process from the start.
    """
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    def run(
        *arguments: str, cwd: Path = elsewhere, seconds: float = 280, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        if all(name.startswith(READ_BY_COMMANDS) for name in environment):
            typed = heavy_typist(*arguments, cwd=cwd, **environment)
            return subprocess.CompletedProcess(arguments, typed.status, typed.out, typed.err)
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    return run


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mount what options of `mount` say, in a new folder; skip the test where the machine does not let it."""
    mounted: list[Path] = []

    def mount_with(*options: str) -> Path:
        target = tmp_path / f"disk{len(mounted)}"
        target.mkdir()
        is_allowed = not os.geteuid() and shutil.which("mount") is not None
        if not is_allowed or subprocess.run(["mount", *options, str(target)], check=False).returncode:
            pytest.skip("no right to mount: NOT TESTED ON A FULL OR READ-ONLY DISK")
        mounted.append(target)
        return target

    yield mount_with
    for target in mounted:
        subprocess.run(["umount", "--lazy", str(target)], check=True)


@pytest.fixture
def small_disk(mount: Callable[..., Path]) -> Callable[[str], Path]:
    """Mount a disk of so many bytes, such as "64k"."""
    return lambda size: mount("-t", "tmpfs", "-o", f"size={size}", "none")


def check_that_the_second_waits(exclusive: Callable[[EventHandler], AbstractContextManager[None]]) -> None:
    """Hold `exclusive` to letting in one thread at a time, and to saying so where one has to wait."""
    told, order = threading.Event(), []

    def emit(event: Event, /) -> None:
        assert isinstance(event, Waiting)
        told.set()

    def second() -> None:
        with exclusive(emit):
            order.append("second")

    with exclusive(pytest.fail):
        thread = threading.Thread(target=second)
        thread.start()
        assert told.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


@pytest.fixture(scope="session")
def real_photos() -> Path:
    """A folder of real photos with train/ val/ test/."""
    return _from_environment("THAW_TEST_PHOTOS")


@pytest.fixture(scope="session")
def real_weights() -> Path:
    """ImageNet weights of MobileNetV2, width 0.35, without its top."""
    return _from_environment("THAW_TEST_WEIGHTS")


def _from_environment(variable: str) -> Path:
    if not os.environ.get(variable):
        pytest.skip(f"{variable} is not set: NOT TESTED ON REAL PHOTOS AND WEIGHTS")
    return Path(os.environ[variable])
