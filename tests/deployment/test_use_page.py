"""The Python of docs/use.md, as a reader types it."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from src.common.project import PROJECT
from src.inference.classifier import Classifier
from tests.conftest import CLASSES, Command
from tests.deployment.conftest import Deployed
from tests.inference.test_classifier import save

PAGE = (PROJECT / "docs" / "use.md").read_text("utf-8")
FILE, PYFUNC = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def photo(deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return photo.jpg in the folder where the reader is, beside model.keras."""
    path = tmp_path / "photo.jpg"
    Image.open(next((deployed.photos / "test" / CLASSES[0]).iterdir())).save(path)
    save(tmp_path)
    monkeypatch.chdir(tmp_path)
    return path


def test_the_file_alone_names_an_images_class(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(FILE, {})
    label, probability = capsys.readouterr().out.split()
    assert label in CLASSES
    assert 1 / len(CLASSES) < float(probability) <= 1


def test_the_file_alone_sees_a_phones_photo_upright(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    with Image.open(photo) as opened:
        pixels = opened.copy()
    pixels.save(photo, exif=exif, quality=95)
    exec(FILE, {})
    label, probability = capsys.readouterr().out.split()
    expected = Classifier.load(Path("model.keras")).predict(photo, {"calibrated": False})
    assert label == expected.idxmax(axis=1)[0]
    assert float(probability) == pytest.approx(expected.max(axis=1)[0], abs=1e-5)


def test_mlflow_downloads_the_file_and_the_folder_is_a_model(
    photo: Path, deployed: Deployed, thaw: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", deployed.uri)
    (line,) = re.findall(r"^    (mlflow artifacts .*)$", PAGE, re.MULTILINE)
    words = shlex.split(line.replace("/ID/", f"/{deployed.run_id}/"))
    subprocess.run([sys.executable, "-m", *words], check=True)
    assert Path("best/model/data/model.keras").is_file()
    done = thaw("src.predict", "--model", str(Path("best").absolute()), str(photo))
    assert done.returncode == 0, done.stderr


def test_mlflow_loads_the_model_in_both_ways(
    photo: Path, deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    mlflow.set_tracking_uri(deployed.uri)
    variables: dict[str, object] = {}
    exec(PYFUNC.replace("/photos@", f"/{deployed.name}@"), variables)
    label, probability = capsys.readouterr().out.split()
    calibrated, model = variables["table"], variables["model"]
    assert isinstance(calibrated, pd.DataFrame)
    assert isinstance(model, mlflow.pyfunc.PyFuncModel)
    assert (label, float(probability)) == (calibrated.idxmax(axis=1)[0], pytest.approx(calibrated.max(axis=1)[0]))
    assert list(calibrated.columns) == list(CLASSES)
    plain = model.predict([str(photo)], params={"calibrated": False})
    assert not np.allclose(plain, calibrated)
    same = mlflow.keras.load_model(f"runs:/{deployed.run_id}/model")
    pixels = np.asarray(Image.open(photo))[np.newaxis]
    np.testing.assert_allclose(same.predict(pixels, verbose=0), plain, atol=0.01)
