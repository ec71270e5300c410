"""Keras' own settings, a user's or the environment's: what Thaw needs is set in one place, and said in a line."""

import json
import os
import re
from pathlib import Path

import mlflow
import numpy as np
import pytest

from src.common.project import PROJECT
from tests.conftest import Command
from tests.stores import runs_of

OTHERS = {
    "a precise file": ({"floatx": "float64", "epsilon": 0.01}, {}, ["floatx=float64, epsilon=0.01"]),
    "all at once": (
        {"image_data_format": "channels_first", "floatx": "float16", "backend": "jax"},
        {"KERAS_BACKEND": "torch", "KERAS_MAX_EPOCHS": "1", "KERAS_MAX_STEPS_PER_EPOCH": "1"},
        [
            "backend=jax, image_data_format=channels_first, floatx=float16 in ", "KERAS_BACKEND=torch",
            "KERAS_MAX_EPOCHS=1", "KERAS_MAX_STEPS_PER_EPOCH=1 in the environment",
        ],
    ),
}  # fmt: skip


def home(folder: Path, settings: object) -> dict[str, str]:
    (folder / "keras").mkdir()
    (folder / "keras" / "keras.json").write_text(json.dumps(settings))
    return {"KERAS_HOME": str(folder / "keras")}


@pytest.fixture(scope="module")
def as_usual(thaw: Command, tiny: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    output = tmp_path_factory.mktemp("usual")
    done = thaw("src.train", *tiny, "epochs=1", f"hydra.run.dir={output}")
    assert (done.returncode, "not used" in done.stderr) == (0, False), done.stderr
    return dict(json.loads((output / "summary.json").read_text()))


@pytest.mark.parametrize("case", OTHERS)
def test_other_settings_of_keras_change_no_number_and_are_named(
    thaw: Command, tiny: tuple[str, ...], as_usual: dict[str, object], tmp_path: Path, case: str
) -> None:
    settings, environment, says = OTHERS[case]
    own = home(tmp_path, settings) | environment
    done = thaw("src.train", *tiny, "epochs=1", f"hydra.run.dir={tmp_path / 'out'}", **own)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "not used" in line]
    assert [text for text in says if text not in line] == []
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["history"], summary["test/loss"]) == (as_usual["history"], as_usual["test/loss"])


@pytest.mark.parametrize("settings", [{"floatx": "bfloat16"}, {"epsilon": 1}, [1]])
@pytest.mark.usefixtures("as_usual")  # the layers are known: Keras is first needed to train
def test_a_keras_json_that_keras_refuses_is_told_in_a_line_and_leaves_no_run(
    thaw: Command, tiny: tuple[str, ...], tmp_path: Path, settings: object
) -> None:
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    places = (f"hydra.run.dir={tmp_path / 'out'}", f"tracking.uri={store}")
    done = thaw("src.train", *tiny, *places, **home(tmp_path, settings))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]  # before it stands what is known without Keras
    assert re.fullmatch(r"thaw: .*keras\.json: Keras does not start with it .*: mend or remove it", last)
    assert "Traceback" not in done.stderr
    assert runs_of(mlflow.MlflowClient(store)) == []


@pytest.mark.slow
def test_pretraining_and_the_probe_pass_the_same_place(thaw: Command, tmp_path: Path) -> None:
    own = home(tmp_path, {"image_data_format": "channels_first"})
    arguments = ("--images", "64", "--batch", "8", "--pool", "16", "--output", str(tmp_path / "w.npz"))
    done = thaw("src.pretrain", *arguments, **own)
    assert done.returncode == 0, done.stderr
    assert "image_data_format=channels_first" in done.stderr
    with np.load(tmp_path / "w.npz") as written:
        assert written["arr_0"].shape == (3, 3, 3, 16)
    (tmp_path / "keras" / "keras.json").write_text('{"floatx": "bfloat16"}')
    for module, given in (("src.pretrain", arguments), ("src.probe", ())):
        done = thaw(module, *given, **own)
        assert done.returncode == 1
        assert "mend or remove it" in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr


def test_every_module_takes_keras_from_there() -> None:
    direct = re.compile(r"^\s*(?:import keras\b|from keras\b)", re.MULTILINE)
    found = {path.name for path in (PROJECT / "src").rglob("*.py") if direct.search(path.read_text())}
    assert found <= {"keras_setup.py", "weights.py", "cut.py"}  # two of them for types alone, or once Keras has started


def test_downloads_stay_where_keras_home_says() -> None:
    from src.common.keras_setup import keras, keras_home

    assert keras.src.backend.config.keras_home() == str(keras_home())
    assert (os.environ["KERAS_BACKEND"], keras.config.image_data_format()) == ("tensorflow", "channels_last")
