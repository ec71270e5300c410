"""The Python API does what the commands do, with no command line and nothing left behind in the process."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from src.api import Study, train_trial
from src.common.errors import ThawError
from src.common.project import PROJECT
from tests.conftest import Command


def settings(tiny: Sequence[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in tiny)


def test_a_trial_is_trained_and_then_reused(tiny: tuple[str, ...], tmp_path: Path) -> None:
    own = settings(tiny) | {"tracking.uri": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    first = train_trial(own, unfrozen="all", dropout=0.25, seed=3, force=False, output=tmp_path / "a")
    again = train_trial(own, unfrozen="all", dropout=0.25, seed=3, force=False, output=tmp_path / "b")
    assert (first.reused, again.reused) == (False, True)
    assert again.summary["run_id"] == first.summary["run_id"]
    assert first.score == first.summary["best/val_accuracy"]
    assert (tmp_path / "a" / "summary.json").exists()


def test_a_slip_is_an_error_with_the_nearest_key(tiny: tuple[str, ...]) -> None:
    with pytest.raises(ThawError, match="dropout"):
        train_trial(settings(tiny), droput=0.5)


def test_what_a_notebook_initialized_hydra_with_stays(tiny: tuple[str, ...], tmp_path: Path) -> None:
    own = settings(tiny) | {"tracking.uri": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mine.yaml").write_text("answer: 42\n")
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(tmp_path / "conf"), version_base="1.3"):
        train_trial(own, output=tmp_path / "a")
        assert compose("mine").answer == 42
    GlobalHydra.instance().hydra = before


def test_a_study_is_a_table_a_verdict_and_a_report(tiny: tuple[str, ...], thaw: Command, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    typed = (*tiny, "unfrozen=0,all", "seed=0,1", "study=both", f"tracking.uri={uri}", f"hydra.sweep.dir={tmp_path}/s")
    assert thaw("src.train", "-m", *typed).returncode == 0
    study = Study.load("both", uri)
    frame = study.to_frame()
    assert sorted(frame["depth"]) == [0, 0, 5, 5]
    assert set(frame["status"]) == {"FINISHED"}
    assert frame["best/val_accuracy"].between(0, 1).all()
    assert frame["best/val_accuracy"].dtype == np.float64
    (verdict,) = study.verdict()
    report = study.report(tmp_path / "report")
    assert [row.depth for row in verdict.rows] == [0, 5]
    assert [each.depth for each in report.verdicts] == [verdict.depth]
    assert study.answer().startswith("**Unfreeze ")
    assert report.page.exists()
    with pytest.raises(ThawError, match="f1_macro"):
        study.verdict("f1_macro")  # type: ignore[arg-type]


def test_a_study_that_is_not_there_is_named_with_those_that_are(tiny: tuple[str, ...], tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    train_trial(settings(tiny) | {"tracking.uri": uri}, output=tmp_path / "a")
    with pytest.raises(ThawError, match="nowhere"):
        Study.load("nowhere", uri)
    with pytest.raises(ThawError, match="no such store"):
        Study.load("nowhere", f"sqlite:///{tmp_path / 'no.db'}")


def test_the_documents_example_runs(
    tiny: tuple[str, ...], thaw: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With settings of a tiny network and a study of that name, which the example takes for granted."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    typed = (*tiny, "unfrozen=0,all", "study=unfreezing", f"tracking.uri={uri}", f"hydra.sweep.dir={tmp_path}/s")
    assert thaw("src.train", "-m", *typed).returncode == 0
    example = re.search(r"```python\n(.*?)```", (PROJECT / "docs" / "api.md").read_text("utf-8"), re.DOTALL)
    assert example is not None
    shown = example[1].replace('{"data.root": "photos"}', repr(settings(tiny) | {"tracking.uri": uri}))
    shown = shown.replace('data="folder", weights="imagenet", ', "")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)
    exec(shown, {})
    assert (tmp_path / "report" / "report.html").exists()


def test_importing_it_imports_neither_tensorflow_nor_mlflow() -> None:
    probe = "import src.api, sys; assert not {'tensorflow', 'keras', 'mlflow'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], cwd=PROJECT, check=False).returncode == 0
