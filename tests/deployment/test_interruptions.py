"""Commands that use a model, cut off or at cross purposes: nothing half-written, no alias that moves backwards."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.entities import Run
from PIL import Image

from src.common.errors import ThawError
from src.common.predictions import ImagePredictions
from src.deployment.model_source import opened_model
from src.deployment.promotion import promote, version_tags
from tests.conftest import CLASSES, Command
from tests.deployment.conftest import Deployed, Rivals
from tests.typist import Typist


@pytest.fixture
def model(deployed: Deployed) -> tuple[str, ...]:
    """Return the options that name the champion."""
    return "--model", "champion", "--tracking-uri", deployed.uri


def test_ctrl_c_ends_a_prediction_and_leaves_nothing(
    heavy_typist: Typist, model: tuple[str, ...], tmp_path: Path
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    out.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (2500, 2500, 3)).astype(np.uint8)
    Image.fromarray(noise).save(photos / "0.png", compress_level=1)
    for number in range(1, 1000):
        os.link(photos / "0.png", photos / f"{number}.png")
    started = heavy_typist.start("src.predict", *model, str(photos), "--sheet", str(out / "sheet.html"), cwd=tmp_path)
    time.sleep(3)
    assert started.is_running
    os.kill(started.pid, signal.SIGINT)
    done = started.wait(60)
    assert (done.status, done.out, done.err) == (130, "", "thaw: stopped by SIGINT\n")
    assert list(out.iterdir()) == []


def test_a_closed_pipe_ends_a_prediction_quietly(
    heavy_typist: Typist, model: tuple[str, ...], deployed: Deployed, tmp_path: Path
) -> None:
    for number in range(200):  # more than a pipe's buffer
        os.link(next((deployed.photos / "test" / CLASSES[0]).iterdir()), tmp_path / f"{number:0100}.png")
    done = heavy_typist("src.predict", *model, str(tmp_path), cwd=tmp_path, closed=(1,))
    assert (done.status, done.err) == (128 + signal.SIGPIPE, "")


def test_a_sheet_makes_its_folder_and_a_full_disk_is_told_in_a_line(
    thaw: Command, model: tuple[str, ...], deployed: Deployed, tmp_path: Path, small_disk: Callable[[str], Path]
) -> None:
    photos, sheet = str(deployed.photos / "test"), tmp_path / "new" / "folder" / "sheet.html"
    assert thaw("src.predict", *model, photos, "--sheet", str(sheet)).returncode == 0
    assert sheet.read_text().count("<figure") == 12
    disk = small_disk("16k")
    done = thaw("src.predict", *model, photos, "--sheet", str(disk / "sheet.html"))
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 12
    assert done.stderr == f"thaw: {disk / 'sheet.html'}: No space left on device\n"
    assert list(disk.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ("--abstain-below", "1.5"), ("--abstain-below", "nan"), ("--target-accuracy", "-1"), ("--top", "0"),
        ("--json", "--csv"), ("--abstain-below", "0.5", "--target-accuracy", "0.9"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused_at_once(
    thaw: Command, model: tuple[str, ...], words: tuple[str, ...]
) -> None:
    done = thaw("src.predict", *model, "photos", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert words[0] in done.stderr.splitlines()[-1]


def test_of_two_promotions_at_once_the_better_model_has_the_alias(
    deployed: Deployed, rivals: Rivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worse one has read who is champion, and would take the alias from the better one that came meanwhile."""
    client, worse, better = deployed.client, rivals.worse, rivals.better
    has_begun = threading.Event()

    def read(_client: mlflow.MlflowClient, run: Run, _split: str) -> ImagePredictions:
        if run.info.run_id == worse.info.run_id:
            has_begun.set()
            time.sleep(0.5)
        return rivals.predictions(run)

    monkeypatch.setattr("src.deployment.promotion.read_predictions", read)
    tags = version_tags(client, rivals.first)
    promote(client, rivals.first, "at once", "leader", tags, force=False)
    slow = threading.Thread(target=promote, args=(client, worse, "at once", "leader", tags), kwargs={"force": False})
    slow.start()
    assert has_begun.wait(30)
    assert promote(client, better, "at once", "leader", tags, force=False).has_alias
    slow.join()
    assert client.get_model_version_by_alias("at once", "leader").run_id == better.info.run_id


def test_a_version_that_was_deleted_is_missed_in_a_line_and_promoted_anew(deployed: Deployed) -> None:
    client, run = deployed.client, deployed.client.get_run(deployed.run_id)
    tags = version_tags(client, run)
    first = promote(client, run, "deleted", "passing", tags, force=False).version
    client.delete_model_version("deleted", str(first.version))
    with (
        pytest.raises(ThawError, match="--model passing: neither a file nor an alias"),
        opened_model("passing", deployed.uri),
    ):
        pass
    again = promote(client, run, "deleted", "passing", tags, force=False)
    assert again.has_alias
    with opened_model("passing", deployed.uri) as model:
        assert model.classifier.facts.class_names == CLASSES
