"""Ensembles, flips and soups: what they compute, and that none is called better without evidence."""

import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from src.common.events import ignore
from src.common.keras_setup import keras, layers
from src.deployment.combined_model import promote_combination
from src.deployment.combined_networks import ensemble, flipped, greedy_soup
from src.deployment.free_accuracy import CombinationResult, best_of, combinations, refresh_statistics
from src.deployment.model_source import opened_model
from src.deployment.trial_data import dataset_of
from src.ensemble import main
from src.statistics.intervals import Interval
from src.tracking import schema
from tests.conftest import CLASSES, Command
from tests.deployment.conftest import Deployed
from tests.inference.test_classifier import SIDE

IMAGES = np.random.default_rng(0).integers(0, 256, (5, SIDE, SIDE, 3)).astype(np.float32)


def seeded(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    images = keras.Input((SIDE, SIDE, 3), name="image")
    features = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(images))
    pooled = layers.GlobalAveragePooling2D(name="head_pooling")(features)
    return keras.Model(images, layers.Dense(3, activation="softmax", name="head_dense")(pooled))


def test_an_ensemble_is_the_mean_of_its_members_and_saves() -> None:
    members = [seeded(seed) for seed in range(3)]
    expected = np.mean([np.asarray(member(IMAGES)) for member in members], axis=0)
    np.testing.assert_allclose(np.asarray(ensemble(members)(IMAGES)), expected, atol=1e-6)


def test_a_flip_is_the_mean_over_an_image_and_its_mirror() -> None:
    network = seeded(0)
    expected = (np.asarray(network(IMAGES)) + np.asarray(network(IMAGES[:, :, ::-1]))) / 2
    np.testing.assert_allclose(np.asarray(flipped(network)(IMAGES)), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["ensemble", "flip"])
def test_a_combination_is_a_file_without_code(kind: str, tmp_path: object) -> None:
    network = flipped(seeded(0)) if kind == "flip" else ensemble([seeded(0), seeded(1)])
    network.save(f"{tmp_path}/model.keras")
    loaded = keras.saving.load_model(f"{tmp_path}/model.keras", safe_mode=True)
    np.testing.assert_array_equal(np.asarray(loaded(IMAGES)), np.asarray(network(IMAGES)))


def test_a_soup_takes_in_what_makes_it_no_worse_with_statistics_anew() -> None:
    members, refreshed = [seeded(seed) for seed in range(3)], []
    scores = iter([0.5, 0.4, 0.6])
    soup, taken = greedy_soup(members, lambda _: next(scores), refreshed.append)
    assert taken == [0, 2]
    assert len(refreshed) == 2
    expected = np.mean([members[k].get_weights()[0] for k in taken], axis=0)
    np.testing.assert_allclose(soup.get_weights()[0], expected, atol=1e-6)


def result(name: str, gain: float, p: float, passes: int = 2) -> CombinationResult:
    return CombinationResult(name, None, passes, (0,), 0.8 + gain, Interval(gain, gain - 0.01, gain + 0.01, 100), p)


def test_the_best_that_is_clearly_better_is_named_or_none() -> None:
    assert best_of([result("flip", 0.02, 0.2), result("soup", -0.03, 0.001)]) is None
    found = best_of([result("flip", 0.02, 0.01), result("ensemble", 0.03, 0.01, 3), result("soup", 0.03, 0.02, 1)])
    assert found is not None
    assert found.name == "soup"


def test_a_combination_is_promoted_as_a_model_of_its_own(deployed: Deployed) -> None:
    client = deployed.client
    run = client.get_run(deployed.run_id)
    dataset = dataset_of(client, run, ignore)
    with opened_model(f"runs:/{deployed.run_id}", deployed.uri) as model:
        both = flipped(model.classifier.network)
        best = CombinationResult("flip", both, 2, (0,), 1.0, Interval(0.1, 0.05, 0.15, 12), 0.01)
        tags = schema.VERDICT.of("Unfreeze all.") | schema.STUDY_NAME.of("winner")
        done = promote_combination(client, [run], model, best, dataset, "teams", "team", tags)
    lines, version = done.lines, client.get_model_version_by_alias("teams", "team")
    assert (version.tags["verdict"], version.tags["study"]) == ("Unfreeze all.", "winner")
    assert json.loads(version.tags["output_classes"]) == list(CLASSES)
    assert "no model is team yet" in lines[0]
    photos = [dataset.pixels[i] for i in dataset.splits["test"]]
    with opened_model("team", deployed.uri) as promoted:
        found = promoted.classifier.probabilities(photos)
        assert promoted.run is not None
        right = np.mean(found.argmax(axis=1) == dataset.labels[dataset.splits["test"]])
        assert promoted.run.data.metrics["test/accuracy"] == pytest.approx(right)
    np.testing.assert_allclose(found, both.predict_on_batch(np.stack(photos).astype(np.float32)), atol=1e-5)


def test_a_combination_that_was_promoted_is_kept_once_and_used_as_any_model(
    thaw: Command, deployed: Deployed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client, run, options = deployed.client, deployed.client.get_run(deployed.run_id), ("--tracking-uri", deployed.uri)
    dataset = dataset_of(client, run, ignore)
    with opened_model(f"runs:/{deployed.run_id}", deployed.uri) as model:
        best = CombinationResult(
            "flip", flipped(model.classifier.network), 2, (0,), 1.0, Interval(0.1, 0.05, 0.15, 12), 0.01
        )
        first, second = (
            promote_combination(client, [run], model, best, dataset, "pairs", "pair", {}) for _ in range(2)
        )
    assert "is pair already" in second.lines[0]
    assert first.version.version == second.version.version
    kept = client.get_run(str(first.version.run_id))
    assert kept.info.status == "FINISHED"
    assert schema.MEMBERS.read(kept.data.tags) == (deployed.run_id,)
    photos = str(deployed.photos / "test")
    done = thaw("src.predict", "--model", "pair", *options, photos, "--score", "--target-accuracy", "0.1")
    assert done.returncode == 0, done.stderr
    assert f"({100 * kept.data.metrics['test/accuracy']:.2f}%)" in done.stdout
    done = thaw("src.explain", "--model", "pair", *options, photos)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "explain a run of one network" in done.stderr
    done = thaw("src.export", "--model", "pair", *options, "--format", "onnx", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "onnx.onnx").is_file()


def test_a_soup_of_batchnorm_networks_gets_its_statistics_from_training_images() -> None:
    """The mean of two networks' weights is the same network; its statistics, spoilt, are found again."""
    network, images = seeded(0), np.random.default_rng(1).integers(0, 256, (70, SIDE, SIDE, 3)).astype(np.uint8)
    dataset = SimpleNamespace(pixels=images, splits={"train": np.arange(70)})
    convolved = keras.Model(network.inputs, network.layers[1].output)(images.astype(np.float32))
    layer = next(each for each in network.layers if isinstance(each, layers.BatchNormalization))
    layer.moving_mean.assign(np.full(4, 7.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        refresh_statistics(network, dataset)  # type: ignore[arg-type]
    np.testing.assert_allclose(layer.moving_mean, np.mean(convolved, axis=(0, 1, 2)), rtol=1e-3)
    np.testing.assert_allclose(layer.moving_variance, np.var(convolved, axis=(0, 1, 2)), rtol=1e-2)


def test_a_soup_of_one_is_called_the_best_seed_on_validation() -> None:
    dataset = SimpleNamespace(
        pixels=IMAGES.astype(np.uint8), labels=np.array([0, 1, 2, 0, 1]),
        splits={"train": np.arange(5), "val": np.arange(5), "test": np.arange(5)},
    )  # fmt: skip
    networks = [seeded(seed) for seed in range(2)]
    found = {name: (passes, members) for name, _, passes, members in combinations(networks, dataset)}  # type: ignore[arg-type]
    assert found.pop("flip") == (2, (0,))
    assert found.pop("ensemble of 2 seeds") == (2, (0, 1))
    ((name, (passes, members)),) = found.items()
    assert passes == 1
    assert name == ("best seed on validation" if len(members) == 1 else "soup of 2 of 2 seeds")


@pytest.mark.slow
def test_the_command_tests_every_combination_on_the_test_images(thaw: Command, deployed: Deployed) -> None:
    done = thaw("src.ensemble", "--study", "winner", "--tracking-uri", deployed.uri)
    assert done.returncode == 0, done.stderr
    assert "predicting 12 test images in every way" in done.stderr
    lines, names = done.stdout.splitlines(), ("soup", "best seed on validation")
    assert lines[3].startswith(names)
    assert lines[0].startswith("single model: ")
    assert [line.split(":")[0].split(" of ")[0] for line in lines[1:3]] == ["flip", "ensemble"]
    assert all(" points" in line and "the cost" in line for line in lines[1:4])
    assert lines[4] == "p is corrected for 3 comparisons; the intervals are not."
    assert "clearly better than the single model" in lines[5]


@pytest.mark.parametrize("option", [("--name", "mine"), ("--force",)])
def test_options_of_a_promotion_are_refused_without_one(
    thaw: Command, deployed: Deployed, option: tuple[str, ...]
) -> None:
    done = thaw("src.ensemble", "--study", "winner", "--tracking-uri", deployed.uri, *option)
    assert done.returncode == 2
    assert f"{option[0]}: only with --as" in done.stderr


@pytest.mark.slow
def test_the_best_combination_is_promoted_by_the_name_that_is_given(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `python -m src.ensemble` does; a few images show nothing to be clearly better, so one is said to be."""
    client = deployed.client
    monkeypatch.setattr("src.deployment.free_accuracy.best_of", lambda results: results[0])
    words = ["--study", "winner", "--as", "many", "--name", "many models", "--force", "--tracking-uri", deployed.uri]
    assert main(words) == 0, capsys.readouterr().err
    version = client.get_model_version_by_alias("many models", "many")
    assert version.tags["study"] == "winner"
    assert version.tags["verdict"].startswith("flip: ")
    assert "many is many models version 1 now" in capsys.readouterr().out
