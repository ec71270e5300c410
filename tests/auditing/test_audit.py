"""The audit, as users run it: what it finds, what it leaves behind, and what it refuses."""

import csv
import shlex
import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.auditing.findings import Finding as Row
from src.auditing.findings import as_csv
from src.auditing.labels import find_suspects
from src.common.events import ignore
from src.data.duplicates import RADIUS, near_pairs
from src.demo.trees.tree import SPECIES, draw_tree
from tests.conftest import CLASSES, Command, make_photos

FORMULA_SIZE = 96


def rows_of(output: Path) -> list[dict[str, str]]:
    with (output / "findings.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def of_kind(output: Path, kind: str) -> list[dict[str, str]]:
    return [row for row in rows_of(output) if row["kind"] == kind]


def save_tree(path: Path, species: int, index: int, difficulty: float = 0.5, size: int = 48) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_tree(species, index, seed=0, size=size, difficulty=difficulty)).save(path)


@pytest.fixture(scope="module")
def messy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of trees with what real folders have: copies, bursts, damage, hidden and empty files."""
    root = tmp_path_factory.mktemp("messy")
    for split, first, count in (("train", 0, 8), ("val", 20, 4), ("test", 30, 4)):
        for k, name in enumerate(CLASSES):
            for i in range(count):
                save_tree(root / split / name / f"{name}_{i:02}.png", k, first + i)
    shutil.copy(root / "train/ash/ash_00.png", root / "val/ash/ash_90.png")
    shutil.copy(root / "train/birch/birch_01.png", root / "train/cedar/=cmd.png")
    (root / "train/ash/broken.jpg").write_bytes(b"no image")
    (root / "train/ash/empty.jpg").touch()
    (root / "train/ash/.hidden.png").write_bytes(b"x")
    (root / "notes.txt").write_text("x")
    Image.new("L", (20, 90), 90).save(root / "train/birch/tall.png")
    return root


@pytest.fixture(scope="module")
def audited(thaw: Command, messy: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    output, store = tmp_path_factory.mktemp("audit"), tmp_path_factory.mktemp("store")
    done = thaw(
        "src.audit", "data=folder", f"data.root={messy}", "image_size=32", "data.max_unreadable=0.01",
        f"hydra.run.dir={output}", f"runtime.cache_dir={store}/cache", MLFLOW_TRACKING_URI=f"sqlite:///{store}/mlflow.db",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (store / "mlflow.db").exists()
    return output, done.stdout


def test_unreadable_and_skipped_files_are_named_with_their_reason(audited: tuple[Path, str]) -> None:
    unreadable = {row["path"]: row["details"] for row in of_kind(audited[0], "unreadable")}
    assert set(unreadable) == {"train/ash/broken.jpg", "train/ash/empty.jpg"}
    assert unreadable["train/ash/empty.jpg"] == "an empty file (0 bytes)"
    skipped = {row["path"]: row["details"] for row in of_kind(audited[0], "skipped")}
    assert skipped["notes.txt"] == "not an image (.txt)"
    assert "hidden" in skipped["train/ash/.hidden.png"]


def test_copies_across_splits_and_under_two_labels_are_found(audited: tuple[Path, str]) -> None:
    (across,) = of_kind(audited[0], "near-duplicate across splits")
    assert across["path"] == "train/ash/ash_00.png"
    assert "val/ash/ash_90.png" in across["details"]
    (conflict,) = of_kind(audited[0], "conflicting labels")
    assert {conflict["label"], conflict["suggested_label"]} == {"birch", "cedar"}


def test_rows_are_sorted_by_kind_and_score(audited: tuple[Path, str]) -> None:
    keys = [(row["kind"], -float(row["score"])) for row in rows_of(audited[0])]
    assert keys == sorted(keys)


def test_the_terminal_says_what_the_page_says_and_names_the_files(audited: tuple[Path, str]) -> None:
    output, printed = audited
    page = (output / "audit.html").read_text("utf-8")
    assert f"audit.html: {output / 'audit.html'}" in printed
    for text in ("2 files are no images", "1 near-equal pair has different labels"):
        assert text in printed
        assert text in page


def test_the_manifest_of_groups_can_be_trained_on(
    thaw: Command, audited: tuple[Path, str], tiny: tuple[str, ...], tmp_path: Path
) -> None:
    table = audited[0] / "manifest.csv"
    (line,) = [line for line in audited[1].splitlines() if "data.manifest=" in line]
    words = shlex.split(line.partition("each group whole: ")[2])
    assert words == ["data=csv", f"data.manifest={table}"]
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert "split" not in rows[0]  # a group is in train and val
    groups = {"/".join(Path(row["path"]).parts[-3:]): row["group"] for row in rows}
    assert groups["val/ash/ash_90.png"] == groups["train/ash/ash_00.png"] != ""
    kept = [each for each in tiny if not each.startswith("data")]
    done = thaw("src.train", *kept, *words, f"hydra.run.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    again = thaw(
        "src.audit", *words, "image_size=32", f"hydra.run.dir={tmp_path}/audit", f"runtime.cache_dir={tmp_path}/cache",
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert not of_kind(tmp_path / "audit", "near-duplicate across splits")


def test_drawn_trees_are_audited(thaw: Command, tmp_path: Path) -> None:
    done = thaw(
        "src.audit", "data=trees", "data.classes=3", "data.train_images=6", "data.val_images=2", "image_size=32",
        f"hydra.run.dir={tmp_path}", f"runtime.cache_dir={tmp_path}/cache",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "The images are drawn at 32 px" in done.stdout
    assert not (tmp_path / "manifest.csv").exists()


def _one_class(root: Path) -> None:
    make_photos(root, {"train": 3, "val": 2}, ("ash",))


def _no_image(root: Path) -> None:
    for name in ("ash", "birch"):
        (root / "train" / name).mkdir(parents=True)
        (root / "train" / name / "a.jpg").write_bytes(b"x")


def _single(root: Path) -> None:
    make_photos(root, {"": 4}, ("ash",))
    make_photos(root, {"": 1}, ("ash", "birch"))


REFUSED = {
    "one class": (_one_class, "found one class (ash)"),
    "no image": (_no_image, "none of 2 files is an image"),
    "a class with one image": (_single, "class 'birch' has 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_audited_is_refused_in_a_line(thaw: Command, tmp_path: Path, case: str) -> None:
    make, says = REFUSED[case]
    make(tmp_path / "photos")
    done = thaw(
        "src.audit", "data=folder", f"data.root={tmp_path}/photos", "image_size=32", f"hydra.run.dir={tmp_path}/out",
        f"runtime.cache_dir={tmp_path}/cache", "runtime.progress=false",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out" / "findings.csv").exists()


def test_a_sweep_of_audits_is_refused(thaw: Command) -> None:
    done = thaw("src.audit", "-m", "seed=0,1")
    assert done.returncode == 1
    assert done.stderr == "thaw: -m sweeps over trials, and an audit is of the data: leave -m out\n"


def test_formulas_in_names_are_text_to_a_spreadsheet() -> None:
    text = as_csv([Row("skipped", path="=1+1", details='a,"b"')])
    (row,) = csv.DictReader(text.splitlines())
    assert (row["path"], row["details"]) == ("'=1+1", 'a,"b"')


def test_suspects_are_the_flipped_labels_of_classes_that_part_well() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 25)
    features = (5 * np.eye(8)[labels] + generator.normal(size=(100, 8))).astype(np.float32)
    given = labels.copy()
    given[[3, 40, 77]] = [1, 2, 0]
    found = find_suspects(features, given, np.arange(100), ignore)
    assert found is not None
    assert {each.position for each in found.suspects[:3]} == {3, 40, 77}
    assert all(each.is_confident and each.suggested == labels[each.position] for each in found.suspects[:3])


def test_a_burst_under_a_wrong_label_does_not_vouch_for_itself() -> None:
    generator = np.random.default_rng(1)
    labels, groups = np.repeat([0, 1], 30), np.arange(60)
    features = (4 * np.eye(16)[labels] + generator.normal(size=(60, 16))).astype(np.float32)
    features[:6], groups[:6] = features[0], 0
    given = labels.copy()
    given[:6] = 1
    found = find_suspects(features, given, groups, ignore)
    assert found is not None
    assert set(range(6)) <= {each.position for each in found.suspects[:8]}


def test_near_pairs_are_those_that_a_slow_loop_finds() -> None:
    hashes = np.random.default_rng(0).integers(0, 2**63, (40, 4)).astype(np.uint64)
    hashes[7] = hashes[3]
    hashes[9] = hashes[5] ^ np.uint64(7)
    expected = [
        (i, j, bits)
        for i, j in combinations(range(40), 2)
        if (bits := sum(int(word).bit_count() for word in hashes[i] ^ hashes[j])) <= RADIUS
    ]
    assert sorted(map(tuple, near_pairs(hashes).tolist())) == expected
    assert len(expected) == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_70_percent_of_flipped_labels_are_among_twice_as_many_suspects(thaw: Command, tmp_path: Path) -> None:
    """17 species of trees, 48 training images each, default difficulty, embedded weights; 5% of all labels flipped."""
    generator, classes, each = np.random.default_rng(0), [species.name for species in SPECIES[:17]], 48
    flipped = set(generator.choice(17 * each, round(0.05 * 17 * each), replace=False).tolist())
    wrong = set()
    for number in range(17 * each):
        species, index = divmod(number, each)
        label = (species + int(generator.integers(1, 17))) % 17 if number in flipped else species
        name = f"train/{classes[label]}/{number:04}.png"
        save_tree(tmp_path / "photos" / name, species, index, size=FORMULA_SIZE)
        wrong |= {name} if number in flipped else set()
    done = thaw(
        "src.audit", "data=folder", f"data.root={tmp_path}/photos", f"hydra.run.dir={tmp_path}/out",
        f"runtime.cache_dir={tmp_path}/cache", seconds=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first = of_kind(tmp_path / "out", "suspected label")[: 2 * len(wrong)]
    assert len(wrong & {row["path"] for row in first}) >= 0.7 * len(wrong)
