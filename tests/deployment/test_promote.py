"""`python -m src.promote`: the recommended trial in MLflow's registry, and an alias that no worse model takes."""

import json
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.entities import Metric, Run

from src.common.predictions import ImagePredictions
from src.common.shell import shell_word
from src.deployment.paired import compare_predictions, paired_difference, paired_p
from src.deployment.promotion import name_by_alias, promote, registered_name, version_tags
from src.tracking import schema
from src.tracking.prediction_files import read_predictions
from src.tracking.trial_runs import TrialRuns
from tests.conftest import CLASSES, Command, save_photo
from tests.deployment.conftest import Deployed, Rivals, predictions
from tests.stores import runs_of


def test_the_recommended_trial_is_registered_with_what_is_known_of_it(deployed: Deployed) -> None:
    version = deployed.client.get_model_version_by_alias(deployed.name, "champion")
    run = deployed.client.get_run(version.run_id)
    assert json.loads(version.tags["output_classes"]) == list(CLASSES)
    assert version.tags["data_fingerprint"] == run.data.tags["data_fingerprint"]
    assert version.tags["verdict"] in deployed.said
    assert json.loads(version.tags["calibration"])["temperature"] == run.data.metrics["calibration/temperature"]
    assert version.tags["study"] == "winner"
    assert "no model is champion yet" in deployed.said
    use = f"use it: python -m src.predict --model {shell_word(f'models:/{deployed.name}@champion')} --tracking-uri "
    assert use in deployed.said
    assert f"champion is {deployed.name} version 1 now" in deployed.said


def test_the_model_is_of_the_trial_that_the_sweep_trained(deployed: Deployed) -> None:
    """The sweep kept no model, so that was made from the trial's checkpoints."""
    client = deployed.client
    key = schema.TRIAL_KEY.read(client.get_run(deployed.run_id).data.tags)
    (run,) = runs_of(client, f"tags.trial_key = '{key}'")
    assert (run.info.run_id, schema.MODEL.read(run.data.tags)) == (deployed.run_id, "kept")
    assert TrialRuns(client).finished_with_model(key or "", pytest.fail) is not None


def test_a_second_promotion_makes_no_second_version(thaw: Command, deployed: Deployed) -> None:
    done = thaw("src.promote", "--study", "winner", "--as", "champion", "--tracking-uri", deployed.uri)
    assert done.returncode == 0, done.stderr
    assert "version 1 is champion already" in done.stdout
    versions = deployed.client.search_model_versions(f"name = '{deployed.name}'")
    assert [version.run_id for version in versions].count(deployed.run_id) == 1


@pytest.mark.parametrize(
    ("new", "old", "moves", "says"),
    [
        ([True] * 9 + [False], [True] * 8 + [False] * 2, True, "not worse than leader, version 1: +10.0 points"),
        ([True] * 9 + [False], [True] * 9 + [False], True, "not worse than leader, version 1: +0.0 points"),
        ([True] * 8 + [False] * 2, [True] * 9 + [False], False, "worse than leader, version 1: −10.0 points"),
    ],
)
def test_the_alias_moves_to_a_model_that_is_not_worse(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, new: list[bool], old: list[bool], moves: bool, says: str
) -> None:
    client, name = deployed.client, f"rivals {new} {old}".replace(",", "")
    champion = client.get_run(deployed.run_id)
    experiment = champion.info.experiment_id
    rival = client.create_run(experiment)
    client.log_batch(rival.info.run_id, [Metric("calibration/temperature", 1.0, 0, 0)])
    tags = version_tags(client, champion)
    assert promote(client, champion, name, "leader", tags, force=False).has_alias
    measured = {champion.info.run_id: predictions(old), rival.info.run_id: predictions(new)}
    monkeypatch.setattr(
        "src.deployment.promotion.read_predictions", lambda _client, run, _split: measured[run.info.run_id]
    )
    done = promote(client, rival, name, "leader", tags, force=False)
    assert (done.has_alias, done.version.version in (2, "2")) == (moves, True)
    assert says in done.lines[0]
    holder = client.get_model_version_by_alias(name, "leader").run_id
    assert holder == (rival if moves else champion).info.run_id
    if not moves:
        assert promote(client, rival, name, "leader", tags, force=True).has_alias


def test_models_of_other_classes_or_images_are_not_compared(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = deployed.client
    champion = client.get_run(deployed.run_id)
    rival = client.create_run(champion.info.experiment_id)
    tags = version_tags(client, champion)
    promote(client, champion, "strict", "leader", tags, force=False)
    other_classes = tags | schema.OUTPUT_CLASSES.of(("ash", "oak"))
    done = promote(client, rival, "strict", "leader", other_classes, force=False)
    assert (done.has_alias, done.lines[0].endswith("--name registers the new one by itself")) == (False, True)
    assert "has other classes" in done.lines[0]
    again = promote(client, rival, "strict", "leader", tags, force=False)
    assert (again.has_alias, "not tested on the same images" in again.lines[0]) == (False, True)


def test_a_champion_that_was_registered_by_hand_is_compared_by_its_runs_classes(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = deployed.client
    champion = client.get_run(deployed.run_id)
    promote(client, champion, "by hand", "leader", {}, force=False)
    rival = client.create_run(champion.info.experiment_id)
    measured = {champion.info.run_id: predictions([True, False]), rival.info.run_id: predictions([True, True])}
    monkeypatch.setattr(
        "src.deployment.promotion.read_predictions", lambda _client, run, _split: measured[run.info.run_id]
    )
    done = promote(client, rival, "by hand", "leader", version_tags(client, champion), force=False)
    assert "not worse than leader, version 1: +50.0 points" in done.lines[0]


def test_a_champion_of_unknown_classes_keeps_its_alias(deployed: Deployed) -> None:
    client, champion = deployed.client, deployed.client.get_run(deployed.run_id)
    bare = client.create_run(champion.info.experiment_id)
    promote(client, bare, "unknown", "leader", {}, force=False)
    done = promote(client, champion, "unknown", "leader", version_tags(client, champion), force=False)
    assert (done.has_alias, "does not say its classes" in done.lines[0]) == (False, True)


def test_a_version_that_is_promoted_again_has_the_latest_verdict(deployed: Deployed) -> None:
    client, run = deployed.client, deployed.client.get_run(deployed.run_id)
    tags = version_tags(client, run)
    promote(client, run, "twice", "leader", tags | schema.VERDICT.of("Unfreeze 1."), force=False)
    second = promote(client, run, "twice", "leader", tags | schema.VERDICT.of("Unfreeze all."), force=False)
    assert second.version.tags["verdict"] == "Unfreeze all."
    assert client.get_model_version_by_alias("twice", "leader").tags["verdict"] == "Unfreeze all."


def test_a_model_that_was_named_is_promoted_to_by_default(deployed: Deployed) -> None:
    """Else a second model would have the alias, and the alias alone would name neither."""
    client, run = deployed.client, deployed.client.get_run(deployed.run_id)
    assert name_by_alias(client, run, "finest") == registered_name(run) == deployed.name
    promote(client, run, "my own name", "finest", version_tags(client, run), force=False)
    assert name_by_alias(client, run, "finest") == "my own name"
    assert name_by_alias(client, client.create_run(run.info.experiment_id), "finest") != "my own name"


def test_an_alias_that_another_machine_moved_meanwhile_is_judged_again(
    deployed: Deployed, rivals: Rivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shares the store, but not the folder of locks."""
    client, tags, name = deployed.client, version_tags(deployed.client, rivals.first), "two machines"
    for run, alias in ((rivals.better, "other"), (rivals.first, "leader")):
        promote(client, run, name, alias, tags, force=False)
    of_better = str(client.get_model_version_by_alias(name, "other").version)

    def read(_client: mlflow.MlflowClient, run: Run, _split: str) -> ImagePredictions:
        client.set_registered_model_alias(name, "leader", of_better)
        return rivals.predictions(run)

    monkeypatch.setattr("src.deployment.promotion.read_predictions", read)
    done = promote(client, rivals.worse, name, "leader", tags, force=False)
    assert (done.has_alias, "−10.0 points" in done.lines[0]) == (False, True)
    assert client.get_model_version_by_alias(name, "leader").run_id == rivals.better.info.run_id


def test_models_of_other_image_sizes_are_compared_by_file(
    thaw: Command, tiny: tuple[str, ...], deployed: Deployed, tmp_path: Path
) -> None:
    client, champion = deployed.client, deployed.client.get_run(deployed.run_id)
    done = thaw(
        "src.train", *tiny, "image_size=40", "tracking.save_model=true", f"tracking.uri={deployed.uri}",
        f"hydra.run.dir={tmp_path}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rival = client.get_run(json.loads((tmp_path / "summary.json").read_text())["run_id"])
    new, old = (read_predictions(client, run, "test") for run in (rival, champion))
    assert new is not None
    assert old is not None
    assert compare_predictions(new, old) is None  # other pixels
    gain = rival.data.metrics["test/accuracy"] - champion.data.metrics["test/accuracy"]
    tags = version_tags(client, champion)
    promote(client, champion, "sizes", "leader", tags, force=False)
    promoted = promote(client, rival, "sizes", "leader", tags, force=False)
    assert f"{100 * gain:+.1f} points".replace("-", "−") in promoted.lines[0]
    assert promoted.lines[0].endswith("on the same test images")
    assert promoted.has_alias == (gain >= 0)


def test_files_that_have_changed_are_not_compared(
    thaw: Command, tiny: tuple[str, ...], deployed: Deployed, tmp_path: Path
) -> None:
    client, champion = deployed.client, deployed.client.get_run(deployed.run_id)
    shutil.copytree(deployed.photos, tmp_path / "photos")
    done = thaw(
        "src.train", *tiny, "image_size=40", f"data.root={tmp_path / 'photos'}", f"tracking.uri={deployed.uri}",
        f"hydra.run.dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rival = client.get_run(json.loads((tmp_path / "run" / "summary.json").read_text())["run_id"])
    tags = version_tags(client, champion)
    promote(client, champion, "changed", "leader", tags, force=False)
    photo = next((tmp_path / "photos" / "test" / CLASSES[0]).iterdir())
    save_photo(photo, (9, 99, 199), seed=7)
    promoted = promote(client, rival, "changed", "leader", tags, force=False)
    assert (promoted.has_alias, "holds other images than" in promoted.lines[0]) == (False, True)


def test_predictions_are_paired_by_image_whatever_their_order() -> None:
    new = predictions([True, True, False], range(3))
    old = predictions([False, True, True], range(2, -1, -1))
    found = compare_predictions(new, old)
    assert found is not None
    assert found.estimate == 0
    assert found.high is not None
    assert found.high == pytest.approx(0)  # image by image they agree
    assert compare_predictions(new, predictions([True] * 3, range(1, 4))) is None
    assert compare_predictions(new, predictions([True] * 2)) is None


def test_images_of_one_group_count_once() -> None:
    right, other = np.array([True] * 8 + [False] * 8), np.array([False] * 16)
    alone = paired_difference(right, other)
    grouped = paired_difference(right, other, np.repeat([1, 2, 3, 4], 4).astype(np.uint64))
    assert alone.estimate == grouped.estimate == 0.5
    assert alone.low is not None
    assert grouped.low is not None
    assert grouped.low < 0 < alone.low
    assert paired_p(grouped) > 0.05 > paired_p(alone)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--study", "nothing"), 1, "no such study"),
        (("--study", "winner", "--name", "a/b"), 2, "--name: 'a/b': give a name without / and :"),
    ],
)
def test_what_cannot_be_promoted_is_told_in_a_line(
    thaw: Command, deployed: Deployed, arguments: tuple[str, ...], status: int, says: str
) -> None:
    done = thaw("src.promote", *arguments, "--tracking-uri", deployed.uri)
    assert done.returncode == status
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
