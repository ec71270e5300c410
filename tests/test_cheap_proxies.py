"""The tables on cheap proxies in docs/advise.md, printed again, and the rules that they compare."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.cheap_proxies import (
    BEST_CONSTANT,
    CHEAP,
    PROXIES,
    Rule,
    Tasks,
    above_a_slope,
    at_random,
    best_constant,
    greatest,
    main,
    mean_and_interval,
    read,
    regression,
    relative,
    tables,
    task_names,
)
from benchmarks.prediction_sets import DEPTHS
from benchmarks.proxy_values import cross_fitted, measure, pooled, ratios
from src.common.keras_setup import keras, layers
from src.common.project import PROJECT
from src.models.cut import Cut, Tensor

PROXIES_FOLDER = PROJECT / "benchmarks" / "proxies"
Floats = NDArray[np.float64]


def test_the_page_has_the_tables_of_the_kept_proxies() -> None:
    page = (PROJECT / "docs" / "advise.md").read_text("utf-8")
    printed = "\n".join(tables(*read(PROXIES_FOLDER))).split("\n\n")
    assert len(printed) == 2
    assert [table for table in printed if table not in page] == []


def test_each_set_has_proxies_at_all_depths() -> None:
    assert sorted(path.stem for path in PROXIES_FOLDER.iterdir()) == task_names()
    for proxies in read(PROXIES_FOLDER)[1]:
        assert {name: len(proxy["values"]) for name, proxy in proxies.items()} == dict.fromkeys(PROXIES, len(DEPTHS))
        assert min(proxy["seconds"] for proxy in proxies.values()) > 0


def test_the_command_prints_the_tables_once_all_proxies_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("THAW_TEST_PHOTOS", raising=False)
    folder = shutil.copytree(PROXIES_FOLDER, tmp_path / "proxies")
    monkeypatch.setattr(sys, "argv", ["cheap_proxies", str(folder)])
    main()
    assert capsys.readouterr().out.splitlines() == "\n".join(tables(*read(PROXIES_FOLDER))).splitlines()
    (folder / "groceries_5.json").unlink()
    main()
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("groceries_5:"), "no tables yet" in printed.err) == ("", 1, True)


def study(proxies: Floats | None = None, gains: Floats | None = None) -> Tasks:
    """Return 30 tasks of four depths, which gain by a standard deviation of 3 points, or tasks of these gains."""
    drawn = 3 * np.random.default_rng(1).standard_normal((30, 4)) if gains is None else gains
    relative_gains = drawn - drawn[:, :1]
    values = relative_gains if proxies is None else proxies
    return Tasks(tuple(range(drawn.shape[1])), relative_gains, dict.fromkeys(PROXIES, values))


NOISE = np.random.default_rng(2).standard_normal((30, 4))


@pytest.mark.parametrize("rule", [greatest, above_a_slope, regression])
def test_a_proxy_that_tells_the_gains_is_used(rule: Rule) -> None:
    tasks = study()
    proxies = tasks.gains + 0.1 * NOISE
    assert tasks.losses(rule, relative(proxies) if rule is regression else proxies).mean() < 0.2
    assert tasks.losses(best_constant, proxies).mean() > 1


def test_a_slope_is_learned_from_the_other_tasks() -> None:
    tasks = study()
    proxies = tasks.gains - 4 * np.diff(tasks.gains, axis=1).std() * np.arange(4)
    assert tasks.losses(greatest, proxies).mean() > 2
    assert tasks.losses(above_a_slope, proxies).mean() < 0.5


@pytest.mark.parametrize("rule", [above_a_slope, regression])
def test_a_proxy_that_tells_nothing_is_left_alone_where_a_depth_is_best(rule: Rule) -> None:
    tasks = study(gains=0.5 * np.random.default_rng(3).standard_normal((30, 4)) + 2 * np.arange(4))
    assert tasks.losses(rule, NOISE).mean() <= tasks.losses(best_constant, NOISE).mean() + 0.1


def test_a_tasks_own_gains_choose_nothing() -> None:
    tasks = study(gains=np.array([[0.0, 1.0], [0.0, 1.0], [0.0, -5.0]]))
    assert tasks.losses(best_constant, NOISE[:3]).tolist() == [1, 1, 5]
    assert tasks.losses(at_random, NOISE[:3]).tolist() == [0.5, 0.5, 2.5]


def test_all_rules_are_compared() -> None:
    losses = study(NOISE).all_losses()
    assert {"always 3", "any, at random", BEST_CONSTANT, f"{', '.join(CHEAP)}: regression"} <= losses.keys()
    assert len(losses) == 4 + 2 + 3 * len(PROXIES) + 1
    assert min(values.min() for values in losses.values()) >= 0


def test_the_interval_is_that_of_a_mean() -> None:
    assert mean_and_interval(np.full(5, 2.0)) == (2, 2, 2)
    values = np.random.default_rng(0).standard_normal(100)
    mean, low, high = mean_and_interval(values)
    assert (mean - low, high - mean) == pytest.approx((1.96 * values.std() / 10,) * 2, rel=0.1)


def test_features_are_pooled_over_places() -> None:
    cut = Cut((Tensor("map", 0, (2, 2, 3)), Tensor("vector", 0, (2,))), 0, 0)
    features = np.arange(28, dtype=np.float32).reshape(2, 14)
    assert pooled(features, cut).tolist() == [[4.5, 5.5, 6.5, 12, 13], [18.5, 19.5, 20.5, 26, 27]]


def test_a_probe_is_scored_on_images_that_it_was_not_fitted_on() -> None:
    labels = np.arange(60) % 3
    noise = np.random.default_rng(0).standard_normal((60, 100)).astype(np.float32)
    assert cross_fitted(noise, labels) < 0.6  # on those that it was fitted on, 100 features tell 60 images apart
    assert cross_fitted(noise + np.tile(np.eye(4, dtype=np.float32)[labels], 25), labels) > 0.9


def test_ratios_are_those_of_a_softmax_regressions_gradient() -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((8, 5)).astype(np.float32), np.arange(8) % 3
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3, activation="softmax")])
    kernel, bias = rng.standard_normal((5, 3)), rng.standard_normal(3)
    model.layers[0].set_weights([kernel, bias])
    scores = np.exp(images @ kernel + bias)
    wrong = (scores / scores.sum(axis=1, keepdims=True) - np.eye(3)[labels]) / 8
    gradient = np.hypot(np.linalg.norm(images.T @ wrong), np.linalg.norm(wrong.sum(axis=0)))
    whole = gradient / np.hypot(np.linalg.norm(kernel), np.linalg.norm(bias))
    of_bias = np.linalg.norm(wrong.sum(axis=0)) / np.linalg.norm(bias)
    variables = model.layers[0].trainable_variables
    assert ratios(model, [[variables], [variables, variables[1:]]], images, labels) == pytest.approx(
        [whole, (whole + of_bias) / 2], rel=1e-4
    )


@pytest.mark.slow
@pytest.mark.usefixtures("composed")
def test_proxies_of_a_small_task(tmp_path: Path) -> None:
    overrides = (
        "data.classes=3", "data.train_images=8", "data.val_images=4", "data.test_images=0", "epochs=3",
        "fine_tune_epochs=1", "weights=formula", f"runtime.cache_dir={tmp_path}", f"runtime.work_dir={tmp_path}",
    )  # fmt: skip
    proxies = measure(overrides, (0, 2), tmp_path)
    values = {name: proxy["values"] for name, proxy in proxies.items()}
    assert [len(values[name]) for name in PROXIES] == [2] * 4
    assert all(0 <= value <= 1 for name in ("probe", "rungs", "trials") for value in values[name])
    assert values["rungs"] == values["trials"], "the same epochs"
    assert np.isfinite(values["gradients"]).all()
    assert len({*values["gradients"]}) == 2
