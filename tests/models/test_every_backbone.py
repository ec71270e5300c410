"""Every CNN of the catalog from the command line: three depths, features stored or not, and a model for Keras."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from src.common.project import PROJECT
from src.models.catalog import CATALOG, find_backbone
from src.models.layer_table import layer_table
from src.models.layers import LayerInfo
from src.models.weights import WeightSet
from tests.conftest import CLASSES, save_photo
from tests.typist import Typist

READ_BACK = Path(__file__).with_name("read_back.py")
DOCUMENT = PROJECT / "docs" / "backbones.md"

BLOCKS_BY_PAPER = {
    "lenet5": 3, "mobilenet": 13, "mobilenetv2": 17, "mobilenetv3small": 11, "mobilenetv3large": 15,
    "resnet50": 16, "resnet101": 33, "resnet152": 50, "resnet50v2": 16, "resnet101v2": 33, "resnet152v2": 50,
    "efficientnetb0": 16, "efficientnetb1": 23, "efficientnetb2": 23, "efficientnetb3": 26, "efficientnetb4": 32,
    "efficientnetb5": 39, "efficientnetb6": 45, "efficientnetb7": 55, "efficientnetv2b0": 21, "efficientnetv2b1": 27,
    "efficientnetv2b2": 28, "efficientnetv2b3": 32, "efficientnetv2s": 40, "efficientnetv2m": 57, "efficientnetv2l": 79,
    "convnexttiny": 18, "convnextsmall": 36, "convnextbase": 36, "convnextlarge": 36, "convnextxlarge": 36,
    "densenet121": 58, "densenet169": 82, "densenet201": 98, "vgg16": 5, "vgg19": 5, "inceptionv3": 11,
    "inceptionresnetv2": 43, "xception": 14, "nasnetmobile": 16, "nasnetlarge": 22,
}  # fmt: skip
"""Residual, dense, Inception or separable blocks, cells (the stem's two among them), or stages of a VGG."""

FAMILIES = (
    "mobilenet", "mobilenetv3small", "resnet50", "efficientnetv2b0", "convnexttiny", "densenet121", "vgg16",
    "inceptionv3", "inceptionresnetv2", "xception", "nasnetmobile",
)  # fmt: skip
"""One backbone of each family: all of them take gigabytes and most of an hour."""


def documented() -> dict[str, list[str]]:
    """The rows of the table in docs/backbones.md, by name in lower case."""
    rows = [[cell.strip(" `") for cell in line.strip("|\n").split("|")] for line in DOCUMENT.open() if line[:2] == "| "]
    return {row[0].lower(): row for row in rows[1:]}


def row_of(name: str, table: tuple[LayerInfo, ...]) -> list[str]:
    """What docs/backbones.md says of a backbone: all but the seconds."""
    spec = find_backbone(name)
    blocks = [layer.block for layer in table]
    named = [block for block in dict.fromkeys(blocks) if block not in {"stem", "top"}]
    parameters = sum(size for layer in table for _, size in layer.variables)
    first = table[blocks.index(named[-1])].name
    return [
        spec.class_name,
        str(spec.least_size),
        str(len(table)),
        str(len(named)),
        named[-1],
        first,
        f"{parameters:,}",
    ]


def test_the_document_lists_every_backbone_with_the_papers_blocks() -> None:
    assert {name: int(row[3]) for name, row in documented().items()} == BLOCKS_BY_PAPER
    assert list(documented()) == list(CATALOG)


@pytest.mark.parametrize("name", ["lenet5", "mobilenet", "convnexttiny", "mobilenetv3small", "resnet50"])
def test_the_document_says_what_is_built(name: str, tmp_path: Path) -> None:
    spec = find_backbone(name)
    table = layer_table(spec, WeightSet("random", None, 1.0, 32, "random"), spec.least_size, tmp_path)
    assert documented()[name][:-1] == row_of(name, table)


@pytest.fixture(scope="module")
def photos_by_size(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Photos of just the size that a backbone takes, so that nothing is resized, by size in px."""
    made: dict[int, Path] = {}
    for size in sorted({spec.least_size for spec in CATALOG.values()}):
        made[size] = tmp_path_factory.mktemp("sized")
        for split, count in {"train": 3, "val": 2, "test": 1}.items():
            for k, name in enumerate(CLASSES):
                for i in range(count):
                    colour = (60 + 70 * k, 200 - 70 * k, 90)
                    save_photo(made[size] / split / name / f"{i}.png", colour, 10 * k + i, (size, size))
    return made


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typist]:
    """A process that has never heard of Thaw and reads a model back, each time in a new one."""
    typist = Typist(tmp_path_factory.mktemp("reader"), imports=("keras", "PIL.Image"))
    yield typist
    typist.close()


def one_of_each_kind() -> list[str]:
    """Return the backbones to train, most blocks first: one of each family, or with THAW_TEST_EVERY_BACKBONE all."""
    names = CATALOG if os.environ.get("THAW_TEST_EVERY_BACKBONE") else FAMILIES
    return sorted(names, key=lambda name: -BLOCKS_BY_PAPER[name])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", one_of_each_kind())
def test_every_backbone_trains_at_every_kind_of_depth_and_its_model_loads_anywhere(
    name: str, heavy_typist: Typist, reader: Typist, photos_by_size: dict[int, Path], store_uri: str, tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    spec = find_backbone(name)
    photos = photos_by_size[spec.least_size]
    settings = (
        f"backbone={spec.class_name}", "weights=random", "data=folder", f"data.root={photos}", "epochs=2",
        "fine_tune_epochs=2", f"image_size={spec.least_size}", f"study={name}", f"tracking.uri={store_uri}",
        f"runtime.cache_dir={tmp_path / 'c'}", f"runtime.work_dir={tmp_path / 'w'}",
    )  # fmt: skip
    some = ("-m", "unfrozen=0,1 block", "features.store=true,false", "force=true", f"hydra.sweep.dir={tmp_path}/some")
    whole = ("unfrozen=all", "tracking.save_model=true", f"hydra.run.dir={tmp_path / 'all'}")
    with memory_for(name, tmp_path_factory):
        typed = [heavy_typist("src.train", *settings, *each, cwd=tmp_path) for each in (some, whole)]
    assert [done.status for done in typed] == [0, 0], [done.said for done in typed]
    check_that_stored_features_change_no_number(tmp_path)
    summary = json.loads((tmp_path / "all" / "summary.json").read_text())
    model = tmp_path / "all" / "model" / "data" / "model.keras"
    loaded = reader(str(READ_BACK), str(model), str(photos / "val"), ",".join(CLASSES), cwd=tmp_path)
    assert loaded.status == 0, loaded.said
    found = json.loads(loaded.out)
    assert found == {"loss": pytest.approx(summary["best/val_loss"], rel=1e-4, abs=1e-5), "src": False}
    table = layer_table(spec, WeightSet("random", None, 1.0, 32, "random"), spec.least_size, tmp_path / "c")
    assert summary["depth/parameters"] == sum(size for layer in table for _, size in layer.variables)
    tell_row([*row_of(name, table), f"{sum(done.seconds for done in typed):.0f}"])
    for left in ("c", "w", "some", "all"):
        shutil.rmtree(tmp_path / left)  # gigabytes, of the largest
    assert documented()[name][:-1] == row_of(name, table)


def check_that_stored_features_change_no_number(folder: Path) -> None:
    assert list((folder / "c" / "features").glob("*.npz"))
    trials = [json.loads((folder / "some" / f"{k}" / "summary.json").read_text()) for k in range(4)]
    assert len({trial["run_id"] for trial in trials}) == 4
    for stored, computed in (trials[:2], trials[2:]):
        assert (stored["history"], stored["test/loss"]) == (computed["history"], computed["test/loss"])
    assert trials[0]["history"] != trials[2]["history"]


@contextmanager
def memory_for(name: str, factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let the largest network, which trains in 18 GB, wait for the other workers' networks, and they for it."""
    parameters = int(documented()[name][6].replace(",", ""))
    own = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = range(int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    with ExitStack() as stack:
        for worker in workers if parameters > 300e6 else [own]:
            stack.enter_context(FileLock(factory.getbasetemp().parent / f"{worker}.lock"))
        yield


def tell_row(row: list[str]) -> None:
    """Print the table's row, and add it to the file that THAW_BACKBONES_TABLE names, if any."""
    line = f"| {row[0]} | {row[1]} | {row[2]} | {row[3]} | `{row[4]}` | `{row[5]}` | {row[6]} | {row[7]} |"
    print(line)
    if os.environ.get("THAW_BACKBONES_TABLE"):
        with Path(os.environ["THAW_BACKBONES_TABLE"]).open("a") as file:
            file.write(line + "\n")
