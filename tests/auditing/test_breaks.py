"""Audits that are broken off, lack their weights, or have no validation images."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from src.common.project import PROJECT
from tests.auditing.test_audit import of_kind
from tests.conftest import CLASSES, Command, make_photos
from tests.typist import Typist

Reached = Callable[[Path, str], bool]

MOMENTS: dict[str, Reached] = {
    "reading": lambda cache, _: any(cache.rglob("*.lock")),
    "frozen layers": lambda _, told: "reading images at 64 px: 300 of 300" in told,
    "fitting": lambda _, told: "computing frozen layers: 300 of 300" in told,
}
FILES = ("audit.html", "findings.csv", "manifest.csv")


def files_of(folder: Path) -> dict[str, bytes]:
    """What an audit leaves in `folder`; Hydra's own notes are none of it."""
    found = [path for path in folder.rglob("*") if path.is_file() and ".hydra" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def arguments(photos: Path, folder: Path) -> list[str]:
    places = [f"data.root={photos}", f"hydra.run.dir={folder}/out", f"runtime.cache_dir={folder}/cache"]
    return ["src.audit", "data=folder", *places, "image_size=64", "backbone=mobilenetv2", "weights=formula"]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photos(tmp_path_factory.mktemp("many"), {"train": 80, "val": 20})


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_leaves_the_files_of_the_audit_before(
    heavy_typist: Typist, many: Path, tmp_path: Path, moment: str
) -> None:
    """Wherever it comes before the files are written; the images that are decoded by then serve the next audit."""
    before = {name: name.encode() for name in FILES} | {FILES[0]: b'<meta name="generator" content="Thaw">'}
    (tmp_path / "out").mkdir()
    for name, content in before.items():
        (tmp_path / "out" / name).write_bytes(content)
    process = heavy_typist.start(*arguments(many, tmp_path), cwd=tmp_path)
    while not MOMENTS[moment](tmp_path / "cache", process.err.read_text()):
        assert process.is_running, process.err.read_text()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    done = process.wait(60)
    assert (done.status, done.out) == (128 + signal.SIGINT, "")
    assert done.err.splitlines()[-1] == "thaw: stopped by SIGINT"
    assert "Traceback" not in done.err
    assert files_of(tmp_path / "out") == before


@pytest.mark.slow
def test_an_audit_after_a_broken_one_finds_what_an_undisturbed_one_finds(
    heavy_typist: Typist, thaw: Command, many: Path, tmp_path: Path
) -> None:
    test_ctrl_c_leaves_the_files_of_the_audit_before(heavy_typist, many, tmp_path, "reading")
    found = {}
    for folder in (tmp_path, tmp_path / "undisturbed"):
        done = thaw(*arguments(many, folder))
        assert done.returncode == 0, done.stderr
        found[folder] = files_of(folder / "out")
    assert found[tmp_path] == found[tmp_path / "undisturbed"]
    assert set(FILES[:2]) <= set(found[tmp_path])


def test_weights_that_cannot_be_downloaded_are_told_with_those_that_need_no_download(
    thaw: Command, photos: Path, tmp_path: Path
) -> None:
    dead = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    given = ("backbone=mobilenetv3small", "weights=imagenet", "runtime.progress=false")
    done = thaw(*arguments(photos, tmp_path), *given, KERAS_HOME=str(tmp_path / "keras"), **dead)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) <= 1  # Keras says what it downloads
    (line,) = done.stderr.splitlines()
    assert line.startswith("thaw: ImageNet weights of mobilenetv3small cannot be downloaded")
    assert f": copy them to {tmp_path}/keras/models from a machine that can" in line
    assert line.endswith("; or audit with the embedded weights: backbone=mobilenetv2 weights=formula")
    assert files_of(tmp_path / "out") == {}


def test_without_validation_images_the_audit_splits_as_a_trial_does(thaw: Command, tmp_path: Path) -> None:
    make_photos(tmp_path / "photos", {"train": 10})
    done = thaw(*arguments(tmp_path / "photos", tmp_path))
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out" / "audit.html").read_text("utf-8")
    assert "3 classes; 24 train, 6 val, 0 test; looked at as 64 px squares." in page
    small = of_kind(tmp_path / "out", "small image")
    assert len(small) == 10 * len(CLASSES)
    assert sum(row["split"] == "val" for row in small) == 6


def test_where_nothing_may_be_held_out_the_audit_says_what_to_give(thaw: Command, tmp_path: Path) -> None:
    make_photos(tmp_path / "photos", {"train": 4})
    done = thaw(*arguments(tmp_path / "photos", tmp_path), "data.validation=0", "runtime.progress=false")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "thaw: no validation photos: give a val split, or data.validation above 0\n"
    assert files_of(tmp_path / "out") == {}


@pytest.mark.slow
def test_kills_without_a_word_leave_nothing_that_misleads_the_next_audit(
    heavy_typist: Typist, thaw: Command, many: Path, tmp_path: Path
) -> None:
    for left in (".*.unfinished", "*.npz"):  # while images are decoded, and after that
        process = heavy_typist.start(*arguments(many, tmp_path), "runtime.progress=false", cwd=tmp_path)
        while not list((tmp_path / "cache" / "images").glob(left)):
            assert process.is_running, process.wait().err
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert files_of(tmp_path / "out") == {}
    alone = tmp_path / "alone"
    for folder in (tmp_path, alone):
        assert thaw(*arguments(many, folder)).returncode == 0
    found, undisturbed = files_of(tmp_path / "out"), files_of(alone / "out")
    assert found["findings.csv"] == undisturbed["findings.csv"]
    assert found.keys() == undisturbed.keys()
    assert not list(tmp_path.glob("cache/images/.*.unfinished"))


@pytest.mark.slow
def test_two_audits_at_once_leave_the_files_of_one(heavy_typist: Typist, tmp_path: Path) -> None:
    """Of which one, is the last one's to say; their findings and their page agree."""
    classes = {"one": ("ash", "birch"), "other": ("yew", "elm")}
    roots = [make_photos(tmp_path / name, {"train": 8, "val": 4}, labels) for name, labels in classes.items()]
    quick = ("weights=random", "image_size=32", "backbone=lenet5", "runtime.progress=false")
    processes = [heavy_typist.start(*arguments(root, tmp_path), *quick, cwd=tmp_path) for root in roots]
    ends = [process.wait(120) for process in processes]
    assert [done.status for done in ends] == [0, 0], ends
    page = (tmp_path / "out" / "audit.html").read_text("utf-8")
    labels = {row["label"] for kind in ("small image", "suspected label") for row in of_kind(tmp_path / "out", kind)}
    (name,) = [name for name in classes if str(tmp_path / name) in page]
    assert labels <= set(classes[name])


def test_files_that_no_audit_wrote_are_spared(thaw: Command, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.csv").write_text("path,label\n")
    for _ in range(2):  # a page of another's makes it no audit's folder
        done = thaw(*arguments(photos, tmp_path))
        assert (done.returncode, done.stdout) == (1, "")
        assert f"thaw: hydra.run.dir={tmp_path}/out: manifest.csv lies there, and Thaw did not write it" in done.stderr
        (tmp_path / "out" / "audit.html").write_text("mine")
    assert files_of(tmp_path / "out") == {"manifest.csv": b"path,label\n", "audit.html": b"mine"}


def test_an_output_that_is_a_file_is_told_in_a_line(thaw: Command, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    done = thaw(*arguments(photos, tmp_path))
    assert (done.returncode, done.stderr) == (1, f"thaw: {tmp_path}/out: File exists; mend that and run it again\n")


def test_a_folder_that_was_removed_is_told_in_a_line(photos: Path, tmp_path: Path) -> None:
    command = shlex.join([sys.executable, "-m", *arguments(photos, tmp_path)])
    done = subprocess.run(
        ["bash", "-c", f"mkdir gone && cd gone && rmdir ../gone && {command}"], cwd=tmp_path, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)}, text=True, check=False,
    )  # fmt: skip
    says = "thaw: the folder in which this is typed was removed: change to one that is there\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", says)


def test_images_that_may_only_be_read_are_audited(
    thaw: Command, photos: Path, tmp_path: Path, mount: Callable[..., Path]
) -> None:
    only_read = mount("--bind", str(photos))
    subprocess.run(["mount", "-o", "remount,ro,bind", str(only_read)], check=True)
    quick = ("weights=random", "image_size=32", "backbone=lenet5")
    done = thaw(*arguments(only_read, tmp_path), *quick)
    assert done.returncode == 0, done.stderr
    done = thaw(*arguments(only_read, tmp_path), *quick, f"hydra.run.dir={only_read}/out")
    assert done.returncode == 1
    assert done.stderr == f"thaw: {only_read}/out: Read-only file system; mend that and run it again\n"


def test_a_full_disk_under_an_audit_is_told_in_a_line(
    thaw: Command, photos: Path, tmp_path: Path, small_disk: Callable[[str], Path]
) -> None:
    disk = small_disk("48k")
    quick = ("weights=random", "image_size=32", "backbone=lenet5", "runtime.progress=false", f"hydra.run.dir={disk}")
    (disk / "filler").write_bytes(b"x" * 28_000)
    done = thaw(*arguments(photos, tmp_path), *quick)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("No space left on device; mend that and run it again")
    assert "Traceback" not in done.stderr
    assert not set(FILES) & set(files_of(disk))
