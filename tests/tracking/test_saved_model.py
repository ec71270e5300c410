"""Kept models: which trials keep one, and that Keras and MLflow load it in a process that knows nothing of Thaw."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from src.common.project import PROJECT
from src.inference.classifier import SHIPPED
from src.models.catalog import find_backbone
from src.tracking.saved_model import ship_code
from tests.conftest import CLASSES, Command, save_photo
from tests.stores import runs_of

READ_BACK = """
import base64, json, sys
from pathlib import Path
import keras, mlflow, numpy as np
from PIL import Image
run, uri, file, photos, classes = *sys.argv[1:5], sys.argv[5].split(",")
mlflow.set_tracking_uri(uri)
paths = [(path, k) for k, name in enumerate(classes) for path in sorted((Path(photos) / name).iterdir())]
truth = np.array([[k] for _, k in paths])
squares = np.stack([np.asarray(Image.open(path).resize((32, 32), Image.Resampling.BILINEAR)) for path, _ in paths])
raw = np.stack([np.asarray(Image.open(path)) for path, _ in paths])
keras_models = keras.saving.load_model(file, safe_mode=True), mlflow.keras.load_model(f"runs:/{run}/model")
served = mlflow.pyfunc.load_model(f"runs:/{run}/model")
names = [str(path) for path, _ in paths]
contents = [path.read_bytes() for path, _ in paths]
inputs = [names, contents, [base64.b64encode(each).decode() for each in contents], raw]
tables = [served.predict(each, params={"calibrated": False}) for each in inputs]
found = [*(model.predict(squares, verbose=0) for model in keras_models), *(table.to_numpy() for table in tables)]
losses = [float(-np.log(np.take_along_axis(each, truth, axis=1)).mean()) for each in found]
inside = keras_models[0].predict(raw, verbose=0)
print(json.dumps({
    "losses": losses, "src": "src" in sys.modules, "columns": list(tables[0].columns),
    "inside": float(np.abs(inside - found[0]).max()), "example": len(served.predict(served.input_example)),
}))
"""


@pytest.fixture(scope="module")
def raw_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for split in ("train", "val", "test"):
        for k, name in enumerate(CLASSES):
            for i in range(3):
                save_photo(folder / split / name / f"{i}.png", (60 + 70 * k, 200 - 70 * k, 90), 10 * k + i, (48, 40))
    return folder


@pytest.fixture(scope="module")
def command(raw_photos: Path, store_uri: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """A trial as users type it: whether its model is kept is left to the default."""
    return (
        "src.train", "weights=random", "data=folder", f"data.root={raw_photos}", "image_size=32", "epochs=1",
        "fine_tune_epochs=1", f"tracking.uri={store_uri}", f"runtime.cache_dir={tmp_path_factory.mktemp('cache')}",
        f"runtime.work_dir={tmp_path_factory.mktemp('work')}",
    )  # fmt: skip


def runs_with_a_model(store_uri: str, backbone: str) -> int:
    query = f"tags.model = 'kept' and params.backbone = '{backbone}'"
    return len(runs_of(mlflow.MlflowClient(store_uri), query))


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "depth"), [("mobilenetv2", "2"), ("VGG16", "all")])
def test_a_model_is_kept_and_loads_anywhere_with_inputs_of_every_kind(
    thaw: Command, command: tuple[str, ...], raw_photos: Path, store_uri: str, tmp_path: Path, backbone: str,
    depth: str,
) -> None:  # fmt: skip
    """Other networks: tests/deployment/test_backbones.py."""
    done = thaw(*command, f"backbone={backbone}", f"unfrozen={depth}", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert find_backbone(backbone).class_name.lower() in done.stderr
    file = tmp_path / "model" / "data" / "model.keras"
    arguments = [summary["run_id"], store_uri, str(file), str(raw_photos / "val"), ",".join(CLASSES)]
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", READ_BACK, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert loaded.returncode == 0, loaded.stderr
    found = json.loads(loaded.stdout)
    assert found["losses"] == pytest.approx([summary["best/val_loss"]] * 6, rel=1e-4, abs=1e-5)
    assert found["inside"] < 1e-6
    assert (found["src"], found["columns"], found["example"]) == (False, list(CLASSES), 1)


def test_the_model_is_in_mlflows_models_tab_with_its_metrics_and_data(
    thaw: Command, command: tuple[str, ...], tmp_path: Path
) -> None:
    own = f"sqlite:///{tmp_path}/mlflow.db"
    done = thaw(*command, "backbone=lenet5", "unfrozen=3", f"hydra.run.dir={tmp_path}", f"tracking.uri={own}")
    assert done.returncode == 0, done.stderr
    summary, client = json.loads((tmp_path / "summary.json").read_text()), mlflow.MlflowClient(own)
    run = client.get_run(summary["run_id"])
    (output,) = run.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    assert (model.name, model.status, model.source_run_id) == ("model", "READY", summary["run_id"])
    assert model.params["unfrozen_layers"] == "3"
    measured = {metric.key: metric for metric in model.metrics}
    for name in ("best/val_accuracy", "test/accuracy", "gap/mode", "calibration/temperature"):
        assert measured[name].value == summary[name]
    (used,) = run.inputs.dataset_inputs
    assert measured["test/accuracy"].dataset_digest == used.dataset.digest
    described = mlflow.models.Model.load(str(tmp_path / "model"))
    assert described.metadata["class_names"] == list(CLASSES)
    assert [each.name for each in described.signature.outputs] == list(CLASSES)
    assert described.saved_input_example_info is not None
    package = described.flavors["python_function"]["loader_module"].split(".")[0]
    assert re.fullmatch("thaw_model_[0-9a-f]{12}", package)
    assert (tmp_path / "model" / "code" / package / "inference" / "classifier.py").is_file()


def test_models_whose_code_is_of_two_versions_load_in_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, modules = tmp_path / "project", []
    for name in SHIPPED:
        (project / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / "src" / name, project / "src" / name)
    monkeypatch.setattr("src.tracking.saved_model.PROJECT", project)
    for number in (1, 2):
        with (project / "src" / "inference" / "classifier.py").open("a") as code:
            code.write(f"VERSION = {number}\n")
        package = ship_code(tmp_path / str(number))
        monkeypatch.syspath_prepend(str(tmp_path / str(number)))
        modules.append(importlib.import_module(f"{package}.inference.classifier"))
    assert [module.VERSION for module in modules] == [1, 2]


def test_a_sweep_keeps_one_model_and_the_same_trial_alone_makes_its_own_from_kept_phases(
    thaw: Command, command: tuple[str, ...], tmp_path: Path
) -> None:
    store_uri = f"sqlite:///{tmp_path}/mlflow.db"  # others keep models of LeNet-5 in the one that tests share
    lenet = (*command, f"tracking.uri={store_uri}", "backbone=lenet5", "unfrozen=1,all")
    done = thaw(lenet[0], "-m", *lenet[1:], f"hydra.sweep.dir={tmp_path / 'sweep'}")
    assert done.returncode == 0, done.stderr
    assert runs_with_a_model(store_uri, "lenet5") == 1
    recommended = json.loads((tmp_path / "sweep" / "report" / "verdict.json").read_text())["recommended"]["run_id"]
    (other,) = {"1", "all"} - {depth_of(store_uri, recommended)}
    alone = (*lenet[:-1], f"unfrozen={other}", f"hydra.run.dir={tmp_path / 'alone'}")
    again = thaw(*alone)
    assert again.returncode == 0, again.stderr
    assert "known from an earlier trial" in again.stderr
    assert runs_with_a_model(store_uri, "lenet5") == 2
    swept, single = (
        json.loads((tmp_path / folder / "summary.json").read_text())
        for folder in (f"sweep/{int(other == 'all')}", "alone")
    )
    assert (swept["run_id"], swept["history"]) == (single["run_id"], single["history"])
    assert (tmp_path / "alone" / "model" / "data" / "model.keras").exists()
    assert "known from an earlier trial" not in thaw(*alone).stderr
    forced = thaw(lenet[0], "-m", *lenet[1:-1], "unfrozen=3", "tracking.save_model=true", f"hydra.sweep.dir={tmp_path}")
    assert forced.returncode == 0, forced.stderr
    assert runs_with_a_model(store_uri, "lenet5") == 3


def depth_of(store_uri: str, run_id: str) -> str:
    command = mlflow.MlflowClient(store_uri).get_run(run_id).data.tags["command"]
    return "all" if "unfrozen=all" in command else "1"
