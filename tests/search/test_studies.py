"""Every study in sweeps/: composed, its header true to its name, its trials in order."""

import itertools
import json
from pathlib import Path

import pytest
from hydra import compose
from omegaconf import OmegaConf

from src.cli.composition import trial_config
from src.cli.overrides import Axes
from src.common.project import PROJECT
from tests.conftest import Command, Compose

STUDIES = sorted((PROJECT / "sweeps").glob("*.yaml"))
EXPECTED = {
    "unfreezing", "learning_rates", "regularization", "backbones", "data_size", "pretrained_or_not", "posts_recipe",
    "unfreezing_rates",
}  # fmt: skip


def test_all_are_there() -> None:
    assert {path.stem for path in STUDIES} == EXPECTED


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_says_how_it_is_run_and_what_it_asks(path: Path) -> None:
    header = [line for line in path.read_text().split("defaults:")[0].splitlines() if line]
    assert header[0].startswith(f"# python -m src.train -cn {path.stem}")
    assert any("?" in line for line in header)
    assert any(line.startswith(("# Expected:", "# Not measured")) for line in header)
    assert all(line.startswith("#") for line in header)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_trial_of_a_study_is_in_order(composed: Compose, path: Path) -> None:
    whole = compose(path.stem, return_hydra_config=True)  # Hydra was initialised by the fixture
    assert whole.hydra.mode.name == "MULTIRUN"
    assert whole.study == path.stem
    params = OmegaConf.to_container(whole.hydra.sweeper.params)
    assert isinstance(params, dict)
    axes = Axes.read(None, {str(key): value for key, value in params.items()}, ())  # type: ignore[arg-type]
    assert set(axes.varied) >= {"seed"}
    swept = [each for each in axes.overrides if each.is_sweep_override()]
    choices = {key: list(each.sweep_string_iterator()) for key, each in zip(axes.varied, swept, strict=True)}
    seeds = choices.pop("seed")  # a seed goes with everything: all of them once, and the first with every trial
    for values in itertools.product(*choices.values()):
        job = [f"{key}={value}" for key, value in zip(choices, values, strict=True)]
        for seed in seeds:
            trial_config(compose(path.stem, [*job, f"seed={seed}", *axes.fixed]))
        seeds = seeds[:1]


@pytest.mark.slow
def test_a_study_runs_from_its_name_alone(thaw: Command, photos: Path, tmp_path: Path) -> None:
    tiny = (
        "data=folder", f"data.root={photos}", "image_size=32", "weights=random", "weights.alpha=0.35", "seed=0",
        "schedule.fine_tuning.epochs=1", f"tracking.uri=sqlite:///{tmp_path}/mlflow.db", "tracking.save_model=false",
        f"runtime.cache_dir={tmp_path}", f"runtime.work_dir={tmp_path}", f"hydra.sweep.dir={tmp_path}/sweep",
    )  # fmt: skip
    done = thaw("src.train", "-cn", "posts_recipe", *tiny, "unfrozen=0,2")
    assert done.returncode == 0, done.stderr
    assert "4 of 4 trials done" in done.stdout
    assert "study    posts_recipe" in done.stdout


@pytest.mark.slow
def test_rates_are_tuned_at_each_depth(thaw: Command, photos: Path, tmp_path: Path) -> None:
    """The study with all its axes, on a network of the least width; its report says that rates were tuned."""
    tiny = (
        "data=folder", f"data.root={photos}", "image_size=32", "weights=random", "weights.alpha=0.35", "epochs=1",
        "fine_tune_epochs=1", f"tracking.uri=sqlite:///{tmp_path}/mlflow.db", "tracking.artifacts=none",
        f"runtime.cache_dir={tmp_path}", f"runtime.work_dir={tmp_path}", f"hydra.sweep.dir={tmp_path}/sweep",
    )  # fmt: skip
    done = thaw("src.train", "-cn", "unfreezing_rates", *tiny)
    assert done.returncode == 0, done.stderr
    assert "36 of 36 trials done" in done.stdout
    (verdict,) = json.loads((tmp_path / "sweep" / "report" / "verdict.json").read_text("utf-8"))["verdicts"]
    assert verdict["rates_tuned"]
    assert [depth["score"]["count"] for depth in verdict["depths"]] == [3, 3, 3, 3]
    said = " ".join(verdict["limits"])
    assert "The learning rate of fine-tuning was tuned at each depth" in said
    assert "fine_tune_learning_rate also varied: each depth stands with its best of 3 configurations" in said
