"""The objective, as users type it: what is monitored, searched, judged and shown, beside what guessing reaches."""

import csv
import json
import re
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest

from tests.conftest import CLASSES, Command, Compose, save_photo
from tests.stores import runs_of

Run = Callable[..., subprocess.CompletedProcess[str]]
COLOURS = ((200, 40, 40), (40, 200, 40), (40, 40, 200))
EVERY = ("accuracy", "balanced_accuracy", "macro_f1")


def make_uneven(root: Path, counts: dict[str, tuple[int, int, int]]) -> Path:
    """Images of the three classes in each split, so many of each class."""
    for split, each in counts.items():
        for k, (count, name) in enumerate(zip(each, CLASSES, strict=True)):
            for i in range(count):
                path = root / split / name / f"{i:03}.png"
                save_photo(path, COLOURS[k], seed=zlib.crc32(f"{split} {k} {i}".encode()), size=(32, 32))
    return root


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ash has 20 of 27 training images, 10 of 14 in validation, 9 of 13 in test."""
    return make_uneven(tmp_path_factory.mktemp("uneven"), {"train": (20, 4, 3), "val": (10, 2, 2), "test": (9, 2, 2)})


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('objectives') / 'mlflow.db'}"


@pytest.fixture(scope="module")
def train(thaw: Command, tiny: tuple[str, ...], uneven: Path, uri: str) -> Run:
    """Train on the uneven images in a store of this module's own."""
    where = (f"data.root={uneven}", f"tracking.uri={uri}", "force=false")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        options = [each for each in arguments if each == "-m"]
        return thaw("src.train", *options, *tiny, *where, *(each for each in arguments if each != "-m"))

    return run


def summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("objective", EVERY)
def test_every_objective_is_monitored_and_all_metrics_are_logged(
    train: Run, uri: str, tmp_path: Path, objective: str
) -> None:
    done = train(f"objective={objective}", "schedule.training.epochs=4", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    left = summary(tmp_path)
    run = mlflow.MlflowClient(uri).get_run(left["run_id"])
    assert run.data.params["monitor"] == f"val_{objective}"
    names = [f"{kind}{name}" for kind in ("val/", "train/", "test/", "best/val_", "best/train_") for name in EVERY]
    assert all(run.data.metrics[name] == left[name] for name in [*names, "baseline/val_macro_f1", "baseline/chance"])
    values = [epoch[f"val/{objective}"] for epoch in left["history"]]
    assert left[f"best/val_{objective}"] == max(values)
    assert left["best/epoch"] == values.index(max(values))
    assert left["objective"] == objective
    for label in ("accuracy", "balanced", "macro F1", "baseline"):
        assert re.search(rf"^{label} .*\d\.\d{{3}}", done.stdout, re.MULTILINE)


def test_the_monitor_follows_the_objective_unless_given(composed: Compose) -> None:
    assert [composed(f"objective={name}").monitor for name in EVERY] == [f"val_{name}" for name in EVERY]
    assert composed("objective=macro_f1", "monitor=val_loss").monitor == "val_loss"
    assert composed().monitor == composed("monitor=null").monitor == "val_accuracy"


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("objective=f1", "'accuracy', 'balanced_accuracy' or 'macro_f1'"),
        ("monitor=val_f1", "'val_accuracy', 'val_balanced_accuracy', 'val_macro_f1' or 'val_loss'"),
        ("objective=null", "'accuracy', 'balanced_accuracy' or 'macro_f1'"),
    ],
)
def test_a_typo_is_met_with_the_names(train: Run, typed: str, named: str) -> None:
    done = train(typed)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"thaw: {typed}: input should be {named}")


def test_a_trial_that_guesses_the_largest_class_says_so(
    thaw: Command, tiny: tuple[str, ...], uri: str, tmp_path: Path
) -> None:
    """540 of 709 images are of one class: what looks like 76 % is what always guessing that class reaches."""
    root = make_uneven(tmp_path / "photos", {"train": (432, 80, 56), "val": (108, 20, 13)})
    rate = ("learning_rate=1e-9", "schedule.training.learning_rate=1e-9", "epochs=1", "batch_size=64")
    done = thaw(
        "src.train", *tiny, f"data.root={root}", f"tracking.uri={uri}", "monitor=val_loss", *rate,
        "optimizer=sgd", "schedule.training.epochs=3", "schedule.training.learning_rate=0.003",
        f"hydra.run.dir={tmp_path / 'out'}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    left = summary(tmp_path / "out")
    assert left["baseline/val_accuracy"] == 108 / 141
    assert "baseline/test_accuracy" not in left
    assert "largest class 0.766, chance 0.333" in done.stdout
    assert left["best/val_accuracy"] <= 108 / 141, "this recipe is to learn nothing"
    assert "val is not better" in done.stdout
    says = rf"val {left['best/val_accuracy']:.3f} is not better than always predicting the largest class, ash \(0.766\)"
    assert re.search(rf"{says}: try class_weights=balanced or objective=balanced_accuracy or", done.stderr)


@pytest.fixture(scope="module")
def swept(train: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("swept")
    return folder, train(
        "-m", "objective=macro_f1", "schedule=two_phase", "unfrozen=0,all", "seed=0,1", "study=by f1",
        f"hydra.sweep.dir={folder}",
    )  # fmt: skip


def parent(uri: str, name: str) -> Any:
    (found,) = runs_of(mlflow.MlflowClient(uri), f"tags.study = '{name}'")
    return found


def data_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "verdict.json").read_text())
    return found


@pytest.mark.slow
def test_a_study_is_judged_by_its_objective(swept: tuple[Path, Any], uri: str) -> None:
    folder, done = swept
    assert done.returncode == 0, done.stderr
    assert "val macro F1 0." in done.stderr
    assert re.search(r"^trial +status +val macro F1 +seconds", done.stdout, re.MULTILINE)
    found = parent(uri, "by f1")
    rows = list(csv.DictReader((folder / "report" / "trials.csv").open()))
    best = max(rows, key=lambda row: float(row["best/val_macro_f1"]))
    assert found.data.tags["objective"] == "macro_f1"
    assert found.data.metrics["best/val_macro_f1"] == float(best["best/val_macro_f1"])
    assert found.data.metrics["best/val_accuracy"] == float(
        next(row for row in rows if row["run_id"] == found.data.tags["best_run_id"])["best/val_accuracy"]
    )
    data = data_of(folder / "report")
    assert (data["objective"], data["metric"]) == ("macro_f1", "best/val_macro_f1")
    means = {row["depth"]: row["score"]["estimate"] for row in data["verdicts"][0]["depths"]}
    for depth, mean in means.items():
        own = [float(row["best/val_macro_f1"]) for row in rows if float(row["depth/canonical"]) == depth]
        assert mean == pytest.approx(sum(own) / len(own))
    assert data["verdicts"][0]["baseline"] == pytest.approx(float(best["baseline/val_macro_f1"]))
    assert "%" not in data["verdicts"][0]["answer"].replace("95% CI", "")
    page = (folder / "report" / "report.html").read_text()
    for text in ("Judged by macro F1.", "val macro F1", "of accuracy, the one metric that fit has", "largest training"):
        assert text in page


@pytest.mark.slow
def test_a_report_uses_the_studys_objective_or_the_one_typed(
    swept: tuple[Path, Any], thaw: Command, uri: str, tmp_path: Path
) -> None:
    def report(*arguments: str) -> subprocess.CompletedProcess[str]:
        return thaw("src.report", "--study", "by f1", "--tracking-uri", uri, *arguments)

    assert report("--out", str(tmp_path / "own")).returncode == 0
    assert data_of(tmp_path / "own")["verdicts"] == data_of(swept[0] / "report")["verdicts"]
    other = report("--objective", "balanced_accuracy", "--out", str(tmp_path / "other"))
    assert "validation balanced accurac" in other.stdout or "%" in other.stdout
    assert data_of(tmp_path / "other")["metric"] == "best/val_balanced_accuracy"
    assert parent(uri, "by f1").data.tags["objective"] == "macro_f1"
    typo = report("--objective", "macro-f1", "--out", str(tmp_path / "typo"))
    assert (typo.returncode, typo.stderr) == (1, "thaw: --objective macro-f1: did you mean 'macro_f1'?\n")
    assert not (tmp_path / "typo").exists()


@pytest.mark.slow
def test_a_search_goes_by_the_objective(train: Run, uri: str, tmp_path: Path) -> None:
    done = train(
        "-m", "hydra/sweeper=keras_tuner", "hydra.sweeper.oracle=random", "hydra.sweeper.max_trials=3",
        "objective=macro_f1", "unfrozen=0,all", "dropout=0.1,0.5", "schedule=two_phase", "study=searched",
        f"hydra.sweep.dir={tmp_path}", f"runtime.work_dir={tmp_path / 'work'}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (log_file,) = (tmp_path / "work" / "searches").rglob("course.json")
    scores = [score for turn in json.loads(log_file.read_text())["rounds"] for score in turn["scores"]]
    rows = csv.DictReader((tmp_path / "report" / "trials.csv").open())
    assert set(scores) == {float(row["best/val_macro_f1"]) for row in rows}
    assert any("val_macro_f1" in path.read_text() for path in log_file.parent.rglob("trial.json"))
    assert parent(uri, "searched").data.metrics["best/val_macro_f1"] == max(scores)


def test_an_objective_that_varies_is_refused(train: Run) -> None:
    done = train("-m", "objective=accuracy,macro_f1", "study=two objectives")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("thaw: objective=accuracy,macro_f1: a study has one objective")


@pytest.mark.slow
def test_the_objective_is_no_factor_and_the_latest_judges(
    swept: tuple[Path, Any], train: Run, uri: str, tmp_path: Path
) -> None:
    """The same trials, monitored alike, under another objective: nothing is trained, and no setting varies."""
    more = ("-m", "schedule=two_phase", "unfrozen=0,all", "seed=0,1", "study=by f1", f"hydra.sweep.dir={tmp_path}")
    done = train(*more, "objective=balanced_accuracy", "monitor=val_macro_f1")
    assert "4 reused" in done.stdout
    assert parent(uri, "by f1").data.tags["objective"] == "balanced_accuracy"
    data = data_of(tmp_path / "report")
    assert data["objective"] == "balanced_accuracy"
    assert len(data["verdicts"]) == 1
    assert "also varied" not in " ".join(data["verdicts"][0]["limits"])
    train(*more, "objective=macro_f1")
    assert parent(uri, "by f1").data.tags["objective"] == "macro_f1"


def test_studies_of_several_objectives_are_not_judged_together_unasked(thaw: Command, uri: str, tmp_path: Path) -> None:
    from src.tracking.study import Study

    client = mlflow.MlflowClient(uri)
    experiment = client.create_experiment("several")
    for name, objective in (("one", "accuracy"), ("two", "macro_f1")):
        Study.open(client, experiment, name, {}, objective).close("FINISHED", reused=0, pruned=0)  # type: ignore[arg-type]
    both = ("src.report", "--study", "one", "--study", "two", "--tracking-uri", uri, "--out", str(tmp_path / "out"))
    done = thaw(*both)
    assert done.returncode == 1
    assert done.stderr == (
        "thaw: the studies have several objectives (one: accuracy; two: macro_f1): choose with --objective\n"
    )
    assert thaw(*both, "--objective", "macro_f1").returncode == 0


def forget(uri: str, run_id: str) -> None:
    """Make a run one from before: without the metrics and baselines that came with the objective."""
    import sqlite3

    kept = "key NOT LIKE 'baseline/%' AND key NOT LIKE '%macro_f1' AND key NOT LIKE '%balanced_accuracy'"
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as store:
        for table in ("metrics", "latest_metrics"):
            store.execute(f"DELETE FROM {table} WHERE run_uuid = ? AND NOT ({kept})", (run_id,))


@pytest.mark.slow
def test_runs_from_before_are_named_once_and_answer_where_they_can(
    train: Run, thaw: Command, uri: str, tmp_path: Path
) -> None:
    def sweep(*arguments: str) -> subprocess.CompletedProcess[str]:
        return train("-m", "unfrozen=0,all", "study=before", "seed=5,6", *arguments)

    first = sweep("schedule=two_phase", f"hydra.sweep.dir={tmp_path / 'first'}")
    assert first.returncode == 0, first.stderr
    rows = list(csv.DictReader((tmp_path / "first" / "report" / "trials.csv").open()))
    for row in rows:
        forget(uri, row["run_id"])
    report = ("src.report", "--study", "before", "--tracking-uri", uri)
    done = thaw(*report, "--objective", "macro_f1", "--out", str(tmp_path / "f1"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Left out: 4 finished trials without best/val_macro_f1, trained before") == 1
    plain = thaw(*report, "--out", str(tmp_path / "accuracy"))
    assert "Left out" not in plain.stdout
    assert data_of(tmp_path / "accuracy")["verdicts"][0]["baseline"] is None
    again = sweep("schedule=two_phase", f"hydra.sweep.dir={tmp_path / 'again'}")
    assert "4 reused" in again.stdout
    assert data_of(tmp_path / "again" / "report")["verdicts"][0]["baseline"] == pytest.approx(10 / 14)
    retrained = sweep(
        "schedule=two_phase", "objective=macro_f1", "monitor=val_accuracy", f"hydra.sweep.dir={tmp_path / 'f'}"
    )
    assert retrained.returncode == 0, retrained.stderr
    assert "reused" not in retrained.stdout
    assert data_of(tmp_path / "f" / "report")["objective"] == "macro_f1"
