"""`python -m src.predict`: the champion on files, folders and globs, and on what is no image."""

import base64
import csv
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import CLASSES, Command
from tests.deployment.conftest import Deployed
from tests.inference.test_classifier import network, save, with_code
from tests.stores import runs_of


def test_the_champions_accuracy_on_the_test_folder_is_the_runs(thaw: Command, deployed: Deployed) -> None:
    where = ("--tracking-uri", deployed.uri)
    done = thaw("src.predict", "--model", "champion", *where, str(deployed.photos / "test"), "--score")
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert len(lines) == 12
    right = re.search(r"accuracy by folder: (\d+) of 12 ", last)
    assert right is not None
    run = deployed.client.get_run(deployed.run_id)
    assert int(right[1]) / 12 == pytest.approx(run.data.metrics["test/accuracy"], abs=1e-9)


@pytest.mark.parametrize("model", ["runs:/{run}", "models:/{name}@champion", "models:/{name}/1", "champion"])
def test_a_model_is_named_in_every_way(thaw: Command, deployed: Deployed, model: str) -> None:
    named = model.format(run=deployed.run_id, name=deployed.name)
    photo = str(deployed.photos / "test" / CLASSES[0] / f"{CLASSES[0]}_00.png")
    done = thaw("src.predict", "--model", named, "--tracking-uri", deployed.uri, photo, "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["predictions"]
    assert found["file"] == photo
    assert sorted(each["class"] for each in found["classes"]) == list(CLASSES)
    assert sum(each["probability"] for each in found["classes"]) == pytest.approx(1)


@pytest.fixture
def mixed(tmp_path: Path, deployed: Deployed) -> Path:
    """A folder with photos, one of them HEIC, and with what is none."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    photo = deployed.photos / "test" / CLASSES[1] / f"{CLASSES[1]}_00.png"
    shutil.copy(photo, folder / "good.png")
    Image.open(photo).save(folder / "good.heic", format="HEIF")
    (folder / "text.jpg").write_text("no image")
    Image.new("L", (30_000, 30_000)).save(folder / "huge.png")
    return folder


def test_files_that_cannot_be_read_are_named_and_the_rest_predicted(
    thaw: Command, deployed: Deployed, mixed: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    words = [str(mixed / "*"), str(tmp_path / "empty"), "nowhere.jpg"]
    done = thaw("src.predict", "--model", "champion", "--tracking-uri", deployed.uri, *words, "--csv", "--top", "1")
    assert done.returncode == 1
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [Path(row["file"]).name for row in rows] == ["good.heic", "good.png"]
    assert {row["class_1"] for row in rows} <= set(CLASSES)
    lines = [line for line in done.stderr.splitlines() if line.startswith("thaw: ")]
    assert len(lines) == 4
    for name, says in (
        ("text.jpg", "of no image format"), ("huge.png", "exceeds limit"), ("empty", "no images in this folder"),
        ("nowhere.jpg", "no such file"),
    ):  # fmt: skip
        (line,) = [line for line in lines if name in line]
        assert says in line
    assert "Traceback" not in done.stderr


def test_json_holds_what_could_not_be_predicted(thaw: Command, deployed: Deployed, mixed: Path) -> None:
    words = (str(mixed / "good.png"), str(mixed / "text.jpg"), "nowhere.jpg")
    done = thaw("src.predict", "--model", "champion", "--tracking-uri", deployed.uri, *words, "--json")
    content = json.loads(done.stdout)
    assert [Path(each["file"]).name for each in content["predictions"]] == ["good.png"]
    assert content["unreadable"] == {str(mixed / "text.jpg"): "of no image format that is read here"}
    assert content["missing"] == {"nowhere.jpg": "no such file"}


def test_what_decoders_warn_of_and_what_is_skipped_is_printed(thaw: Command, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    short = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 200
    Image.new("RGB", (40, 40), "red").save(folder / "short.jpg", exif=short)
    Image.new("RGB", (40, 40), "red").save(folder / "whole.jpg")
    (folder / "notes.txt").touch()
    for module, *more in (("src.predict",), ("src.explain", "--out", str(tmp_path / "page.html"))):
        done = thaw(module, "--model", str(save(tmp_path)), str(folder), *more)
        assert done.returncode == 0, done.stderr
        assert "skipped: not images: 1 .txt\n" in done.stderr
        assert f"warning: read, with a warning of the decoder: 1 file: {folder}/short.jpg (" in done.stderr


def test_a_broken_link_is_named_and_the_rest_predicted(thaw: Command, tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), "red").save(tmp_path / "whole.jpg")
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    done = thaw("src.predict", "--model", str(save(tmp_path)), str(tmp_path / "*.jpg"))
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == f"thaw: {tmp_path}/gone.jpg: a link that leads to no file\n"


def test_the_class_is_that_of_the_nearest_folder_also_from_within(
    thaw: Command, deployed: Deployed, tmp_path: Path
) -> None:
    photo = deployed.photos / "test" / CLASSES[1] / f"{CLASSES[1]}_00.png"
    within = tmp_path / f"{CLASSES[1].upper()} " / "2024"
    within.mkdir(parents=True)
    shutil.copy(photo, within / "a.png")
    (within / "b.png").write_text("no image")
    (tmp_path / "yew").mkdir()
    shutil.copy(photo, tmp_path / "yew" / "c.png")
    words = ("src.predict", "--model", "champion", "--tracking-uri", deployed.uri, "--score")
    done = thaw(*words, "a.png", "b.png", "../../yew", cwd=within)
    assert done.returncode == 1
    says = r"accuracy by folder: [01] of 1 \(\d+.00%\); 1 in folders of no class; 1 that cannot be read does not count"
    assert re.fullmatch(says, done.stdout.splitlines()[-1])


def test_a_model_of_other_classes_has_no_score(thaw: Command, deployed: Deployed, tmp_path: Path) -> None:
    (tmp_path / "yew").mkdir()
    shutil.copy(next((deployed.photos / "test" / CLASSES[0]).iterdir()), tmp_path / "yew" / "a.png")
    done = thaw("src.predict", "--model", "champion", "--tracking-uri", deployed.uri, str(tmp_path / "yew"), "--score")
    assert done.returncode == 1
    assert "accuracy by folder: 0 of 0; 1 in folders of no class" in done.stdout
    assert f"no image is in a folder that is called like a class of the model: {', '.join(CLASSES)}" in done.stderr


def test_a_contact_sheet_is_sorted_by_confidence_and_marks_what_is_not_sure(
    thaw: Command, deployed: Deployed, tmp_path: Path
) -> None:
    sheet, folder = tmp_path / "out.html", str(deployed.photos / "test")
    where = ("--tracking-uri", deployed.uri)
    done = thaw("src.predict", "--model", "champion", *where, folder, "--sheet", str(sheet), "--abstain-below", "0.9")
    assert done.returncode == 0, done.stderr
    page = sheet.read_text()
    shown = [float(each) for each in re.findall(r"<figcaption>(?:<span>not sure:</span>)?<span>\w+ ([\d.]+)%", page)]
    assert len(shown) == 12
    assert shown == sorted(shown)
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert [Image.open(io.BytesIO(base64.b64decode(each))).size for each in pictures] == [(160, 160)] * 12
    assert done.stdout.endswith(f"\npage: {sheet}\n")
    assert page.count("not sure:") == sum(each < 90 for each in shown) == done.stdout.count("not sure: ")
    assert re.search(r"At confidence 90.0% or more it answers .* of 12 test images", page)


def test_the_threshold_is_chosen_on_validation_and_told_on_test(thaw: Command, deployed: Deployed) -> None:
    photo = str(deployed.photos / "test" / CLASSES[0])
    where = ("--model", "champion", "--tracking-uri", deployed.uri)
    done = thaw("src.predict", *where, photo, "--target-accuracy", "0", "--json")
    assert done.returncode == 0, done.stderr
    assert re.search(r"At confidence [\d.]+% or more it answers [\d.]+% \(95% CI .*\) of 12 test images", done.stderr)
    done = thaw("src.predict", *where, photo, "--target-accuracy", "0.99")
    assert (done.returncode, done.stdout) == (1, "")
    assert "12 validation images do not show that at any confidence" in done.stderr
    shown = re.search(r"give ([\d.]+) or less, or more validation images", done.stderr)
    assert shown is not None
    assert thaw("src.predict", *where, photo, "--target-accuracy", shown[1]).returncode == 0


def test_a_model_without_a_run_says_that_coverage_is_not_known(
    thaw: Command, deployed: Deployed, tmp_path: Path
) -> None:
    photo, words = str(deployed.photos / "test" / CLASSES[0]), ("src.predict", "--model", str(save(tmp_path)))
    done = thaw(*words, photo, "--abstain-below", "0.8")
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last == "Coverage and accuracy at this confidence are not known: the model comes without a run."
    done = thaw(*words, photo, "--target-accuracy", "0.8")
    assert (done.returncode, done.stdout) == (1, "")
    for says in ("the model comes without a run", "give the model as runs:/ID or by its alias", "--abstain-below"):
        assert says in done.stderr


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("runs:/0123456789abcdef0123456789abcdef", "Run with id=0123456789abcdef0123456789abcdef not found"),
        ("models:/nothing@champion", "Registered Model with name=nothing not found"),
        ("models:/{name}/99", "not found"),
        ("models:/{name}@nobody", "alias nobody not found; mlflow ui shows what the store has, --tracking-uri names"),
        ("champoin", "did you mean 'champion'?"),
        ("no/such/file.keras", "no such file"),
    ],
)
def test_a_model_that_is_not_there_is_told_in_a_line(thaw: Command, deployed: Deployed, model: str, says: str) -> None:
    photo = str(deployed.photos / "test" / CLASSES[0])
    named = model.format(name=deployed.name)
    done = thaw("src.predict", "--model", named, "--tracking-uri", deployed.uri, photo)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("thaw: ")
    assert says in line


def test_a_run_without_a_model_says_how_to_make_it(thaw: Command, deployed: Deployed) -> None:
    lacking = next(run for run in runs_of(deployed.client, "tags.trial_key != ''") if "model" not in run.data.tags)
    done = thaw("src.predict", "--model", f"runs:/{lacking.info.run_id}", "--tracking-uri", deployed.uri, "x.png")
    assert done.returncode == 1
    photo = str(deployed.photos / "test")
    done = thaw("src.predict", "--model", f"runs:/{lacking.info.run_id}", "--tracking-uri", deployed.uri, photo)
    assert done.returncode == 1
    assert "keeps no model" in done.stderr
    assert f"python -m src.render runs:/{lacking.info.run_id} --tracking-uri {deployed.uri}" in done.stderr


def test_a_studys_run_and_a_models_name_alone_say_what_to_type(thaw: Command, deployed: Deployed) -> None:
    where, photo = ("--tracking-uri", deployed.uri), str(deployed.photos / "test")
    (study,) = runs_of(deployed.client, "tags.study_key != ''")
    promote = f"python -m src.promote --study {deployed.study} --tracking-uri {deployed.uri}"
    for command in (("src.predict", "--model", f"runs:/{study.info.run_id}", photo), ("src.render", study.info.run_id)):
        done = thaw(*command, *where)
        assert (done.returncode, done.stdout) == (1, "")
        assert "the run of a study, not of a trial" in done.stderr
        assert done.stderr.rstrip().endswith(promote)
    done = thaw("src.predict", "--model", deployed.name, photo, *where)
    assert done.returncode == 1
    assert f"a registered model; say which version of it: models:/{deployed.name}@champion" in done.stderr


def test_files_outside_of_a_store_predict_too_and_code_in_one_is_not_run(
    thaw: Command, deployed: Deployed, tmp_path: Path
) -> None:
    photo = str(deployed.photos / "test" / CLASSES[0])
    assert thaw("src.predict", "--model", str(save(tmp_path)), photo).returncode == 0
    network().save(tmp_path / "bare.keras")
    with_code(tmp_path / "harmful.keras", tmp_path / "ran")
    for name, says in (("bare.keras", "does not say its classes"), ("harmful.keras", "which is not run")):
        done = thaw("src.predict", "--model", str(tmp_path / name), photo)
        assert (done.returncode, done.stdout) == (1, "")
        (line,) = done.stderr.splitlines()
        assert says in line
    assert not (tmp_path / "ran").exists()


def test_a_thousand_files_do_not_wait_for_each_other(deployed: Deployed) -> None:
    """Decoding goes on in threads while the network works, in the files' order."""
    from src.common.events import ignore
    from src.deployment.model_source import opened_model
    from src.deployment.predict_files import predict_files

    photos = sorted((deployed.photos / "test").rglob("*.png"))
    with opened_model("champion", deployed.uri) as model:
        once = predict_files(model.classifier, photos, ignore, threads=1)
        often = predict_files(model.classifier, photos * 10, ignore, threads=2)
    assert often.paths == tuple(photos * 10)
    np.testing.assert_allclose(often.probabilities[:12], once.probabilities, atol=1e-6)
    np.testing.assert_allclose(often.probabilities[-12:], once.probabilities, atol=1e-6)


@pytest.mark.parametrize("words", [("--model", "", "photos"), ("--model", "champion", "")])
def test_an_empty_word_is_not_the_folder_where_it_is_typed(thaw: Command, words: tuple[str, ...]) -> None:
    done = thaw("src.predict", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(": is empty; give a name\n")


def test_a_model_whose_files_were_moved_says_where_they_were(thaw: Command, deployed: Deployed, tmp_path: Path) -> None:
    place, photo = tmp_path / "moved", str(deployed.photos / "test" / CLASSES[0])
    deployed.client.create_registered_model("mine")
    deployed.client.create_model_version("mine", place.as_uri())
    done = thaw("src.predict", "--model", "models:/mine/1", "--tracking-uri", deployed.uri, photo)
    assert (done.returncode, done.stdout) == (1, "")
    says = f"--model models:/mine/1: {place} is gone; put it back, or train the model again"
    assert done.stderr.splitlines()[-1] == f"thaw: {says}"
