"""The command, as users run it: a trial end to end, bad input, signals, other folders."""

import errno
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

from src.common.depth_choice import DepthChoice
from src.common.errors import ThawError
from src.common.project import PROJECT
from src.config import TrialConfig
from src.tracking import schema
from src.tracking.mlflow_store import sqlite_uri
from src.tracking.prediction_files import read_predictions
from src.trial.run import run_trial
from tests.conftest import CLASSES, Command, Compose, make_photos, save_photo
from tests.typist import Typist

NUMBERS = {
    "fit/loss", "fit/accuracy", "train/loss", "train/accuracy", "val/loss", "val/accuracy", "test/loss",
    "test/accuracy", "best/fit_accuracy", "best/train_accuracy", "best/val_accuracy", "best/val_loss", "best/epoch",
    "gap/mode",
    "gap/generalization", "depth/canonical", "depth/parameters", "trainable_parameters", "time/total",
}  # fmt: skip


def summary_of(output: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((output / "summary.json").read_text())
    return summary


@pytest.fixture(scope="module")
def trained(thaw: Command, tiny: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A trial's output folder and what it printed. MobileNetV2, two phases, model saved."""
    output = tmp_path_factory.mktemp("output")
    overrides = (
        "backbone=mobilenetv2", "weights=random", "weights.alpha=0.35", "unfrozen=block_16", "tracking.save_model=true",
        "fine_tune_epochs=3",
    )  # fmt: skip
    done = thaw("src.train", *tiny, *overrides, f"hydra.run.dir={output}")
    assert done.returncode == 0, done.stderr
    return output, done.stdout


def test_the_summary_holds_the_numbers_and_the_run_holds_the_same(trained: tuple[Path, str], store_uri: str) -> None:
    summary = summary_of(trained[0])
    assert set(summary) >= NUMBERS | {"run_id", "trial_key", "status", "data_fingerprint"}
    run = mlflow.MlflowClient(store_uri).get_run(summary["run_id"])
    assert run.info.status == summary["status"] == "FINISHED"
    for name in NUMBERS:
        assert run.data.metrics[name] == summary[name]
    assert run.data.tags["trial_key"] == summary["trial_key"]
    assert run.data.tags["data_fingerprint"] == summary["data_fingerprint"]
    assert {"device", "python", "mlflow.source.git.commit", "git.state"} <= set(run.data.tags)
    read = schema.CONFIGURATION.read(run.data.tags) or {}
    assert (read["unfrozen"], read["schedule.fine_tuning.learning_rate"]) == ("block_16", 0.0001)
    assert run.data.params["unfrozen_layers"] == str(int(summary["depth/canonical"]))
    assert run.inputs.dataset_inputs[0].dataset.digest == summary["data_fingerprint"]


def test_every_name_of_a_run_is_in_the_schema(trained: tuple[Path, str], store_uri: str) -> None:
    data = mlflow.MlflowClient(store_uri).get_run(summary_of(trained[0])["run_id"]).data
    patterns = [re.sub(r"\\{\w+\\}", r"[\\w/]+", re.escape(tag.name)) for own in schema.TAGS.values() for tag in own]
    own = [name for name in data.tags if not name.startswith("mlflow.") or name == schema.COMMIT.name]
    assert [name for name in own if not any(re.fullmatch(each, name) for each in patterns)] == []
    assert [name for name in data.metrics if not (schema.is_metric(name) or name in schema.PER_EPOCH_ONLY)] == []
    assert len(own) > 20
    assert len(data.metrics) > 20


def test_every_epoch_is_in_mlflow_at_its_step(trained: tuple[Path, str], store_uri: str) -> None:
    summary = summary_of(trained[0])
    history = mlflow.MlflowClient(store_uri).get_metric_history(summary["run_id"], "fit/accuracy")
    logged = sorted((metric.step, metric.value) for metric in history)
    assert logged == [(epoch["epoch"], epoch["fit/accuracy"]) for epoch in summary["history"]]
    assert [epoch["phase"] for epoch in summary["history"]] == [0, 0, 1, 1, 1]


def test_the_depth_is_told_and_kept(trained: tuple[Path, str], store_uri: str) -> None:
    run = mlflow.MlflowClient(store_uri).get_run(summary_of(trained[0])["run_id"])
    assert run.data.metrics["depth/parameters"] == 206_960
    assert "from block_16" in run.data.tags["depth.fine_tuning"]
    assert "the head alone" in run.data.tags["depth.feature_extraction"]
    assert run.data.tags["whole"] == "no"
    assert "tracking.uri" not in {*run.data.params, *(schema.CONFIGURATION.read(run.data.tags) or {})}


def test_artifacts_are_all_there(trained: tuple[Path, str], store_uri: str) -> None:
    client = mlflow.MlflowClient(store_uri)
    run_id = summary_of(trained[0])["run_id"]
    top = {artifact.path for artifact in client.list_artifacts(run_id)}
    assert top == {"config.yaml", "packages.txt", "summary.json", "figures", "predictions"}
    assert top <= {file.name.removesuffix("/") for file in schema.FILES["Files of a trial"]}
    mlflow.set_tracking_uri(store_uri)  # models are listed in MLflow's default store
    assert {artifact.path for artifact in client.list_artifacts(run_id, "model")} >= {"model/MLmodel", "model/data"}
    figures = {artifact.path for artifact in client.list_artifacts(run_id, "figures")}
    assert figures == {f"figures/{n}" for n in ("confusion.png", "curves.png", "mistakes.png", "per_class.csv")}


def test_mlflow_loads_the_model_and_it_says_what_was_measured(
    trained: tuple[Path, str], store_uri: str, photos: Path
) -> None:
    from src.data.decode import read_image

    summary = summary_of(trained[0])
    mlflow.set_tracking_uri(store_uri)
    model = mlflow.keras.load_model(f"runs:/{summary['run_id']}/model")
    names = [(path, k) for k, name in enumerate(CLASSES) for path in sorted((photos / "val" / name).iterdir())]
    images = np.stack([read_image(path, 32, "stretch") for path, _ in names]).astype(np.float32)
    guesses = model.predict(images, verbose=0).argmax(axis=1)
    assert np.mean(guesses == [k for _, k in names]) == pytest.approx(summary["best/val_accuracy"])
    served = mlflow.pyfunc.load_model(f"runs:/{summary['run_id']}/model")
    assert served.metadata.metadata["class_names"] == list(CLASSES)
    assert served.predict(images).shape == (12, 3)


def test_predictions_are_kept_and_agree_with_the_metrics(trained: tuple[Path, str], store_uri: str) -> None:
    summary, client = summary_of(trained[0]), mlflow.MlflowClient(store_uri)
    run = client.get_run(summary["run_id"])
    for split, metric in (("val", "best/val_accuracy"), ("test", "test/accuracy")):
        found = read_predictions(client, run, split)  # type: ignore[arg-type]
        assert found is not None
        assert np.mean(found.labels == found.predicted) == pytest.approx(summary[metric])
        assert len(set(found.images.tolist())) == found.images.size == int(run.data.tags[f"photos.{split}"])
        assert np.array_equal(found.groups, found.images)
    with np.load(trained[0] / "predictions" / "val.npz") as file:
        assert file["class_names"].tolist() == list(CLASSES)


def test_the_table_says_where_the_run_is(trained: tuple[Path, str], store_uri: str) -> None:
    printed = trained[1]
    for text in ("accuracy", "gap", "best epoch", "seconds", "mlflow ui", summary_of(trained[0])["run_id"]):
        assert text in printed


BAD_INPUT = {
    "range": (["dropout=1.5"], "dropout=1.5: input should be less than 1"),
    "type": (["seed=many"], "seed=many: input should be a valid integer"),
    "unknown key": (["dropuot=0.1"], "unknown key 'dropuot': did you mean 'dropout'?"),
    "unknown nested key": (["augment.flipp=true"], "unknown key 'augment.flipp': did you mean 'flip'?"),
    "unknown option": (["data=foldr"], "unknown data 'foldr': did you mean 'folder'?"),
    "unknown backbone": (["backbone=mobilenetv9"], "unknown backbone 'mobilenetv9': did you mean 'mobilenet"),
    "unknown config": (["-cn", "nosuch"], "nosuch"),
    "empty value": (["dropout="], "dropout"),
    "bad grammar": (["objective=my (own"], "put its value in quotes: 'objective="),
    "no option": (["augment=null"], "augment is one of a list; known: light, none, strong"),
    "no root": (["data=folder"], "data.root is not set: give data.root=VALUE"),
    "missing folder": (["data=folder", "data.root=/nowhere"], "data.root=/nowhere: no such folder"),
    "missing manifest": (["data=csv", "data.manifest=/nowhere.csv"], "data.manifest=/nowhere.csv: No such file"),
    "missing weights": (["weights=file", "weights.path=/nowhere.h5"], "weights.path=/nowhere.h5: No such file"),
    "no such weights": (["backbone=lenet5", "weights=imagenet"], "lenet5 has no ImageNet weights"),
    "negative depth": (["unfrozen=-1"], "unfrozen=-1: a number of layers is 0 or more"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_gets_a_line_or_two_and_status_1(
    thaw: Command, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, case: str
) -> None:
    overrides, says = BAD_INPUT[case]
    uri = f"tracking.uri=sqlite:///{tmp_path}/mlflow.db"
    away = f"hydra.run.dir={tmp_path_factory.mktemp('output')}"
    done = thaw("src.train", *overrides, *([] if case == "unknown config" else [uri, away]))
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) <= 2, done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def quick(composed: Compose, tiny: tuple[str, ...]) -> TrialConfig:
    return composed(*tiny, "epochs=1", "runtime.progress=false")


def test_bad_photos_are_told_by_the_command_too(thaw: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    make_photos(tmp_path / "one", {"": 20}, ("ash",))
    save_photo(make_photos(tmp_path / "strange", {"train": 4, "val": 2}) / "val" / "zelkova" / "1.png", (1, 1, 1), 0)
    for folder, says in (("empty", "no photos"), ("one", "found one class"), ("strange", "train lacks: zelkova")):
        done = thaw("src.train", "data=folder", f"data.root={tmp_path / folder}", "runtime.progress=false")
        assert (done.returncode, done.stdout) == (1, "")
        assert says in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_the_same_command_twice_gives_the_same_numbers(thaw: Command, tiny: tuple[str, ...], tmp_path: Path) -> None:
    overrides = (
        "backbone=mobilenetv2", "weights=random", "weights.alpha=0.35", "unfrozen=3 blocks", "augment=strong",
        "dropout=0.5", "batchnorm=train", "epochs=1", "runtime.progress=false",
    )  # fmt: skip
    for name in ("one", "two"):
        done = thaw("src.train", *tiny, *overrides, f"hydra.run.dir={tmp_path / name}")
        assert done.returncode == 0, done.stderr
    one, two = summary_of(tmp_path / "one"), summary_of(tmp_path / "two")
    assert one["history"] == two["history"]
    assert (one["trial_key"], one["test/loss"]) == (two["trial_key"], two["test/loss"])


def test_threads_are_bound_where_the_layers_are_not_known_yet(
    thaw: Command, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    overrides = ("runtime.threads=1", f"runtime.cache_dir={tmp_path}", "epochs=1", f"hydra.run.dir={tmp_path / 'out'}")
    done = thaw("src.train", *tiny, *overrides)
    assert done.returncode == 0, done.stderr


def test_batches_side_by_side_change_no_number(thaw: Command, tiny: tuple[str, ...], tmp_path: Path) -> None:
    for name, more in {"one": (), "two": ("runtime.inter_op_threads=2",)}.items():
        folders = (f"runtime.cache_dir={tmp_path}/cache {name}", f"hydra.run.dir={tmp_path / name}")
        done = thaw("src.train", *tiny, "runtime.threads=1", *folders, *more)
        assert done.returncode == 0, done.stderr
    one, two = summary_of(tmp_path / "one"), summary_of(tmp_path / "two")
    assert one["history"] == two["history"]
    assert (one["trial_key"], one["test/loss"]) == (two["trial_key"], two["test/loss"])


def test_threads_that_change_within_a_process_are_refused(thaw: Command, tiny: tuple[str, ...], tmp_path: Path) -> None:
    done = thaw("src.train", "-m", *tiny, "runtime.inter_op_threads=1,2", f"hydra.sweep.dir={tmp_path}")
    assert done.returncode == 1
    assert "runtime.threads and runtime.inter_op_threads cannot change within a process" in done.stderr


def test_a_summary_that_no_trial_wrote_is_left_alone(quick: TrialConfig, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("precious")
    with pytest.raises(ThawError, match=r"holds summary\.json that no trial made"):
        run_trial(quick, tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


def test_folders_that_no_trial_made_are_left_alone(quick: TrialConfig, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.bin").write_text("precious")
    with pytest.raises(ThawError, match="holds model that no trial made"):
        run_trial(quick, tmp_path)
    assert (tmp_path / "model" / "mine.bin").read_text() == "precious"


def test_a_silent_server_is_told_before_anything_trains(thaw: Command, tiny: tuple[str, ...]) -> None:
    started = time.monotonic()
    done = thaw("src.train", *tiny, "tracking.uri=http://127.0.0.1:9", "runtime.progress=false")
    assert done.returncode == 1
    assert "MLflow at http://127.0.0.1:9" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert time.monotonic() - started < 60


def test_a_depth_that_is_not_there_is_told_before_anything_is_written(
    thaw: Command, tiny: tuple[str, ...], store_uri: str
) -> None:
    done = thaw("src.train", *tiny, "unfrozen=7", "tracking.experiment=bad-depth", "runtime.progress=false")
    assert done.returncode == 1
    assert done.stderr == "thaw: unfrozen=7: lenet5 has 6 layers\n"
    assert mlflow.MlflowClient(store_uri).get_experiment_by_name("bad-depth") is None


def test_imagenet_weights_out_of_reach_are_told(thaw: Command, tiny: tuple[str, ...], tmp_path: Path) -> None:
    dead = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = thaw(
        "src.train", *tiny, "backbone=mobilenetv3small", "runtime.progress=false", KERAS_HOME=str(tmp_path), **dead
    )
    assert done.returncode == 1
    assert "cannot be downloaded" in done.stderr
    assert f"copy them to {tmp_path}/models from" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def _run_status(store_uri: str, experiment_name: str) -> tuple[str, dict[str, float]] | None:
    client = mlflow.MlflowClient(store_uri)
    experiment = client.get_experiment_by_name(experiment_name)
    runs = client.search_runs([experiment.experiment_id]) if experiment else []
    return (runs[0].info.status, runs[0].data.metrics) if runs else None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_killed_run_with_what_was_measured(
    heavy_typist: Typist, tiny: tuple[str, ...], store_uri: str, number: signal.Signals, tmp_path: Path
) -> None:
    experiment = f"signal-{number.name}"
    process = heavy_typist.start(
        "src.train", *tiny, f"tracking.experiment={experiment}", "epochs=5000", "schedule.training.patience=null",
        f"hydra.run.dir={tmp_path}", cwd=tmp_path,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while (status := _run_status(store_uri, experiment)) is None or "val/accuracy" not in status[1]:
        assert process.is_running, process.wait().err
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.kill(process.pid, number)
    done = process.wait(60)
    assert done.status == 128 + number
    assert done.err.splitlines()[-1] == f"thaw: stopped by {number.name}"
    status = _run_status(store_uri, experiment)
    assert status is not None
    assert status[0] == "KILLED"
    assert "val/accuracy" in status[1]
    assert not (tmp_path / "summary.json").exists()


def _catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process handles the signal itself by now (Linux: proc(5))."""
    mask = re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return mask is not None and bool(int(mask[1], 16) >> (number - 1) & 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs proc(5)")
def test_ctrl_c_in_the_first_moment_is_quiet(thaw: Command, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "src.train"], env={**os.environ, "PYTHONPATH": str(PROJECT)}, cwd=tmp_path,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not _catches(process.pid, signal.SIGTERM):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert err == "thaw: stopped by SIGINT\n"


def test_a_folder_used_before_holds_the_new_trial_alone(quick: TrialConfig, tmp_path: Path) -> None:
    first = run_trial(quick, tmp_path).summary
    (tmp_path / "figures" / "old.png").write_text("old")
    second = run_trial(quick, tmp_path).summary
    assert summary_of(tmp_path)["run_id"] == second["run_id"] != first["run_id"]
    assert "old.png" not in {path.name for path in (tmp_path / "figures").iterdir()}
    assert second["trial_key"] == first["trial_key"]
    assert [second[name] for name in sorted(NUMBERS - {"time/total"})] == [
        first[name] for name in sorted(NUMBERS - {"time/total"})
    ]


def test_a_whole_network_is_known_as_one_however_it_is_spelled(
    composed: Compose, tiny: tuple[str, ...], tmp_path: Path, store_uri: str
) -> None:
    run_trial(composed(*tiny, "epochs=1", "unfrozen=5", "runtime.progress=false"), tmp_path)
    run = mlflow.MlflowClient(store_uri).get_run(summary_of(tmp_path)["run_id"])
    assert run.data.tags["whole"] == "yes"


def test_a_failed_trial_leaves_no_earlier_summary(quick: TrialConfig, tmp_path: Path, composed: Compose) -> None:
    (tmp_path / ".thaw-trial").touch()  # as an earlier trial leaves it
    (tmp_path / "summary.json").write_text("{}")
    too_deep = quick.schedule["training"].model_copy(update={"unfrozen": DepthChoice.read(99)})
    with pytest.raises(ThawError, match="lenet5 has 6 layers"):
        run_trial(quick.model_copy(update={"schedule": {"training": too_deep}}), tmp_path)
    assert not (tmp_path / "summary.json").exists()


class _Unprintable(io.TextIOBase):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_output_that_cannot_be_written_does_not_undo_a_finished_trial(
    quick: TrialConfig, tmp_path: Path, store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", _Unprintable())
    with pytest.raises(OSError, match="No space left"):
        run_trial(quick, tmp_path)
    assert mlflow.MlflowClient(store_uri).get_run(summary_of(tmp_path)["run_id"]).info.status == "FINISHED"


def test_a_store_on_a_full_disk_is_told_in_a_line(
    quick: TrialConfig, tmp_path: Path, small_disk: Callable[[str], Path]
) -> None:
    disk = small_disk("300k")
    tracking = quick.tracking.model_copy(update={"uri": f"sqlite:///{disk}/mlflow.db"})
    with pytest.raises(ThawError, match="disk is full") as refusal:
        run_trial(quick.model_copy(update={"tracking": tracking}), tmp_path / "output")
    assert len(str(refusal.value)) < 400
    assert [path.name for path in disk.iterdir()] == [".mlflow.db.lock"]


def test_one_bad_job_of_a_sweep_lets_the_others_run(thaw: Command, tiny: tuple[str, ...], tmp_path: Path) -> None:
    done = thaw("src.train", "-m", *tiny, "unfrozen=99,0", "epochs=1", f"hydra.sweep.dir={tmp_path}")
    assert done.returncode == 1
    assert "unfrozen=99" in done.stderr
    assert (tmp_path / "1" / "summary.json").is_file()
    assert not (tmp_path / "0" / "summary.json").exists()


@pytest.mark.slow
def test_a_copy_in_an_odd_folder_keeps_its_own_store_whatever_folder_it_is_run_from(
    tiny: tuple[str, ...], tmp_path: Path
) -> None:
    project = tmp_path / "my photos & trees #1 (ü)"
    for part in ("src", "conf"):
        shutil.copytree(PROJECT / part, project / part, ignore=shutil.ignore_patterns("__pycache__"))
    root = make_photos(tmp_path / "odd <data>, 'x=1'", {"train": 6, "val": 3})
    save_photo(root / "train" / CLASSES[0] / "[weird], {name}=\U0001f333.png", (200, 40, 40), 5)
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"} | {"PYTHONPATH": str(project)}
    quoted = str(root).replace("\\", "\\\\").replace("'", "\\'")
    kept = [o for o in tiny if not o.startswith(("data", "tracking.uri", "runtime"))]
    for folder in (tmp_path, project):
        command = [sys.executable, "-m", "src.train", *kept, "data=folder", f"data.root='{quoted}'", "epochs=1"]
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert {path.name for path in project.iterdir()} == {
        "src",
        "conf",
        "mlflow.db",
        "mlruns",
        ".mlflow.db.lock",
        ".thaw",
    }
    assert {path.name for path in tmp_path.iterdir()} == {project.name, root.name}
    client = mlflow.MlflowClient(sqlite_uri(project / "mlflow.db"))
    experiment = client.get_experiment_by_name("thaw")
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id])) == 2
