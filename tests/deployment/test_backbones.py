"""A model of each kind of network answers alike in every way that it is used: on raw files, to the fourth digit."""

import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from numpy.typing import NDArray

from src.data.decode import read_image
from src.deployment.exporters import Format, runtime_of
from src.inference.temperature import scaled
from tests.conftest import CLASSES, Command, save_photo
from tests.typist import Typist

pytest.importorskip("ai_edge_litert")

_HEAD = ("unfrozen=0", "learning_rate=0.03")
_WHOLE = ("unfrozen=all", "epochs=2", "fine_tune_epochs=30", "fine_tune_learning_rate=3e-4")
BACKBONES = {
    "mobilenetv2": (64, ("weights=formula", *_HEAD, "epochs=40")),
    "mobilenetv3small": (64, ("weights=random", "batchnorm=adapted", *_HEAD, "epochs=120")),
    "resnet50": (64, ("weights=random", "batchnorm=adapted", *_WHOLE)),
    "EfficientNetB0": (75, ("weights=random", "batchnorm=adapted", *_HEAD, "epochs=120")),
    "ConvNeXtTiny": (64, ("weights=random", *_HEAD, "epochs=40")),
}  # fmt: skip
"""The side of their images, px, and what lets them tell classes apart: an export of a network that names one class for
all images agrees with it whatever it does."""

SIZES = ((90, 70), (61, 130), (64, 64), (520, 410), (40, 33))

ELSEWHERE = Path(__file__).with_name("elsewhere.py")


@dataclass(frozen=True)
class Trained:
    """A trial as its command left it.

    Attributes:
        paths: its test images, in the order of `own`.
        own: the probabilities of its own evaluation, [images, classes].
        labels: the images' classes.
    """

    side: int
    uri: str
    run_id: str
    output: Path
    paths: list[Path]
    own: NDArray[np.float32]
    labels: NDArray[np.int64]

    @property
    def model(self) -> tuple[str, ...]:
        return ("--model", f"runs:/{self.run_id}", "--tracking-uri", self.uri)

    def metric(self, name: str) -> float:
        return float(mlflow.MlflowClient(self.uri).get_run(self.run_id).data.metrics[name])

    def check(self, found: Any, expected: NDArray[np.float32] | None = None) -> None:
        """Hold probabilities to those of the trial's own evaluation."""
        expected = self.own if expected is None else expected
        np.testing.assert_allclose(found, expected, atol=1e-4)
        np.testing.assert_array_equal(np.argmax(found, axis=1), expected.argmax(axis=1))


@pytest.fixture(scope="module")
def raw_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of other sizes than a network's, JPEG and PNG in turn."""
    root = tmp_path_factory.mktemp("raw")
    for split, count in (("train", 20), ("val", 8), ("test", 15)):
        for k, name in enumerate(CLASSES):
            for i in range(count):
                path = root / split / name / f"{i:02}.{('jpg', 'png')[i % 2]}"
                colour = tuple(np.roll((200, 40, 60), k).tolist())
                save_photo(path, colour, zlib.crc32(f"{split} {k} {i}".encode()), SIZES[i % len(SIZES)])
    return root


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typist]:
    """A process that has never heard of Thaw, each time a new one."""
    typist = Typist(tmp_path_factory.mktemp("reader"), imports=("keras", "mlflow.pyfunc", "PIL.Image"))
    yield typist
    typist.close()


def train(thaw: Command, backbone: str, raw_photos: Path, output: Path) -> Trained:
    uri, (side, trained) = f"sqlite:///{output}/mlflow.db", BACKBONES[backbone]
    done = thaw(
        "src.train", f"backbone={backbone}", *trained, "data=folder", f"data.root={raw_photos}",
        f"image_size={side}", "tracking.save_model=true", f"tracking.uri={uri}", f"hydra.run.dir={output}/run",
        f"runtime.cache_dir={output}/cache", f"runtime.work_dir={output}/work",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    run_id = json.loads((output / "run" / "summary.json").read_text())["run_id"]
    predictions = output / "run" / "predictions"
    with np.load(predictions / "test.npz") as test, np.load(predictions / "probabilities.npz") as probabilities:
        own, labels = probabilities["test"], test["labels"].astype(np.int64)
    assert np.mean(own.argmax(axis=1) == labels) > 0.5
    paths = sorted((raw_photos / "test").rglob("*.*g"))
    assert [CLASSES[k] for k in labels] == [path.parent.name for path in paths]
    return Trained(side, uri, run_id, output / "run", paths, own, labels)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_model_answers_alike_in_every_way_that_it_is_used(
    thaw: Command, reader: Typist, backbone: str, raw_photos: Path, tmp_path: Path
) -> None:
    """One test for each, since its training takes as long as all of what follows."""
    trained = train(thaw, backbone, raw_photos, tmp_path)
    check_predict(thaw, trained)
    check_a_process_without_thaw(reader, trained, tmp_path)
    check_exports(thaw, trained, tmp_path, "litert", ("float32", "int8"))
    check_exports(thaw, trained, tmp_path, "onnx")
    if backbone == "mobilenetv2":  # TensorFlow's own format, of TensorFlow's own graph
        check_exports(thaw, trained, tmp_path, "saved_model")


def check_predict(thaw: Command, trained: Trained) -> None:
    done = thaw("src.predict", *trained.model, *map(str, trained.paths), "--json", "--top", "3")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["predictions"]
    assert [row["file"] for row in rows] == [str(path) for path in trained.paths]
    found = [[each["probability"] for each in sorted(row["classes"], key=lambda each: each["class"])] for row in rows]
    trained.check(found, scaled(trained.own, trained.metric("calibration/temperature")))
    assert trained.metric("test/accuracy") == pytest.approx(np.mean(np.argmax(found, axis=1) == trained.labels))


def check_a_process_without_thaw(reader: Typist, trained: Trained, tmp_path: Path) -> None:
    """On raw images of any size: the resizing is inside."""
    words = [str(trained.output / "model" / "data" / "model.keras"), trained.run_id, trained.uri]
    done = reader(str(ELSEWHERE), *words, *map(str, trained.paths), cwd=tmp_path)
    assert done.status == 0, done.said
    found = json.loads(done.out)
    assert found["src"] is False
    trained.check(found["file"])
    trained.check(found["pyfunc"], scaled(trained.own, trained.metric("calibration/temperature")))


def check_exports(
    thaw: Command, trained: Trained, tmp_path: Path, kind: Format, precisions: tuple[str, ...] = ("",)
) -> None:
    asked = ("--precision", *precisions) if kind == "litert" else ()
    done = thaw("src.export", *trained.model, "--format", kind, *asked, "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr + done.stdout
    assert len(re.findall(r": [\d.]+ MB, [\d.]+ ms an image", done.stdout)) == len(precisions)
    assert len(re.findall(r"points \(95% CI .* to .*\) against the model", done.stdout)) == len(precisions)
    squares = np.stack([read_image(path, trained.side, "stretch") for path in trained.paths]).astype(np.float32)
    for precision in precisions:
        name = f"{kind}_{precision}" if precision else kind
        assert trained.metric(f"export/{name}/agreement") >= (0.97 if precision == "int8" else 1)
        assert trained.metric(f"export/{name}/milliseconds") > 0
        if precision != "int8":
            trained.check(runtime_of(next(tmp_path.glob(f"{name}*")), kind)(squares))
