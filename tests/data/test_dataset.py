"""From folders and manifests to aligned labels, a fingerprint, and one clear line for what is wrong."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import ThawError
from src.data.dataset import Dataset
from tests.conftest import CLASSES, Compose, make_photos, read_dataset, save_photo

Load = Callable[..., Dataset]


@pytest.fixture
def load(composed: Compose, tmp_path: Path) -> Load:
    def loaded(*overrides: str, side: int = 32) -> Dataset:
        config = composed(*overrides).data
        return read_dataset(config, side, tmp_path / "cache")

    return loaded


def test_a_folder_with_splits(load: Load, photos: Path) -> None:
    dataset = load("data=folder", f"data.root={photos}")
    assert dataset.class_names == CLASSES
    assert [dataset.splits[s].size for s in ("train", "val", "test")] == [24, 12, 12]  # type: ignore[index]
    assert np.bincount(dataset.labels[dataset.splits.train]).tolist() == [8, 8, 8]
    assert dataset.describe() == f"{photos}: 3 classes, 24 train, 12 val, 12 test"
    assert all(dataset.names[i].split("/")[1] == CLASSES[dataset.labels[i]] for i in range(48))


def test_a_folder_of_classes_is_split(load: Load, tmp_path: Path) -> None:
    make_photos(tmp_path / "p", {"": 10})
    dataset = load("data=folder", f"data.root={tmp_path / 'p'}")
    assert [dataset.splits[s].size for s in ("train", "val", "test")] == [18, 6, 6]  # type: ignore[index]


def test_splits_are_known_by_what_people_call_them(load: Load, tmp_path: Path) -> None:
    make_photos(tmp_path / "p", {"Train": 6, "Validation": 3})
    dataset = load("data=folder", f"data.root={tmp_path / 'p'}")
    assert (dataset.splits.train.size, dataset.splits.val.size) == (18, 9)


def test_pipes_loops_and_links_do_not_hold_it_up(load: Load, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "p", {"train": 6, "val": 3})
    os.mkfifo(root / "train" / "ash" / "pipe.jpg")
    (root / "train" / "ash" / "loop").symlink_to(root / "train" / "ash")
    assert load("data=folder", f"data.root={root}").splits.train.size == 18


def test_no_tolerance_means_none(load: Load, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "p", {"train": 20, "val": 3})
    (root / "train" / "ash" / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(ThawError, match="1 of 70 files are no image"):
        load("data=folder", f"data.root={root}", "data.max_unreadable=0")


def test_classes_are_aligned_by_name_not_position(load: Load, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "p", {"train": 6, "val": 3})
    shutil.rmtree(root / "val" / CLASSES[0])
    dataset = load("data=folder", f"data.root={root}")
    assert {CLASSES[k] for k in dataset.labels[dataset.splits.val]} == set(CLASSES[1:])
    assert any("val has no photo of 1 of 3 classes: ash" in line for line in dataset.warnings)


def test_a_photo_rewritten_with_its_old_size_and_time_is_another_photo(load: Load, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "p", {"train": 6, "val": 3})
    photo = root / "train" / "ash" / "one.bmp"
    save_photo(photo, (200, 40, 40), seed=0)
    before, status = load("data=folder", f"data.root={root}"), photo.stat()
    save_photo(photo, (40, 40, 200), seed=1)
    os.utime(photo, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (photo.stat().st_size, photo.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert load("data=folder", f"data.root={root}").fingerprint != before.fingerprint


def test_groups_from_names_stay_together(load: Load, tmp_path: Path) -> None:
    for k, name in enumerate(CLASSES):
        for i in range(12):
            save_photo(tmp_path / "p" / name / f"burst{i // 3}_{i}.png", (9 * k, 99, 9), seed=i)
    dataset = load("data=folder", f"data.root={tmp_path / 'p'}", r"data.group_pattern='(burst\d+)_'")
    homes = {
        split: {dataset.names[i].rsplit("_", 1)[0] for i in dataset.splits[split]}  # type: ignore[index]
        for split in ("train", "val", "test")
    }
    assert not homes["train"] & homes["val"]
    assert not homes["train"] & homes["test"]
    assert not homes["val"] & homes["test"]


def test_the_fingerprint_is_of_content_labels_and_split_not_of_place(load: Load, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "p", {"train": 4, "val": 2})
    first = load("data=folder", f"data.root={root}").fingerprint
    moved = shutil.copytree(root, tmp_path / "elsewhere")
    assert load("data=folder", f"data.root={moved}").fingerprint == first
    assert load("data=folder", f"data.root={root}", "data.fraction=0.5").fingerprint != first
    shutil.move(moved / "train" / "ash" / "ash_00.png", moved / "train" / "birch" / "ash_00.png")
    assert load("data=folder", f"data.root={moved}").fingerprint != first
    save_photo(root / "val" / "ash" / "ash_00.png", (1, 2, 3), seed=99)
    assert load("data=folder", f"data.root={root}").fingerprint != first


def _manifest(folder: Path, text: str) -> str:
    make_photos(folder, {"": 8})
    (folder / "m.csv").write_text(text, encoding="utf-8")
    return f"data.manifest={folder / 'm.csv'}"


def _rows(extra: Callable[[str, int], str] = lambda name, i: "") -> str:
    return "".join(f"{name}/{name}_{i:02}.png,{name}{extra(name, i)}\n" for name in CLASSES for i in range(8))


def test_a_manifest_with_splits_and_groups(load: Load, tmp_path: Path) -> None:
    text = "path,label,split,group\n" + _rows(lambda n, i: f",{'train' if i < 6 else 'validation'},{n}{i // 2}")
    dataset = load("data=csv", _manifest(tmp_path, text))
    assert [dataset.splits[s].size for s in ("train", "val", "test")] == [18, 6, 0]  # type: ignore[index]


def test_a_manifest_names_labels_that_no_folder_has(load: Load, tmp_path: Path) -> None:
    text = "path,label\n" + _rows().replace(",ash", ',"<b>Äsche, „alt“</b>"')
    dataset = load("data=csv", _manifest(tmp_path, "\ufeff" + text))
    assert "<b>Äsche, „alt“</b>" in dataset.class_names


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must name path,label.* it says nothing"),
        ("where,class\na,b\n", "it says where,class"),
        ("path:label\na:b\n", "it says path:label"),
        ("path,label,label\na,b,c\n", "it says path,label,label"),
        ("path,label,split\nash/ash_00.png,ash,val\n", "the train split is empty"),
        ("path,label\n", "no rows"),
        ("path,label\nash/none.png,ash\n", "line 2: no such file 'ash/none.png'"),
        ("path,label\n,ash\n", "line 2: no path"),
        ("path,label\nash/ash_00.png,\n", "line 2: no label"),
        ("path,label,split\nash/ash_00.png,ash,fold1\n", "split 'fold1' is none of train, val, test"),
        ("path,label\nash/ash_00.png,ash\nash/../ash/ash_00.png,ash\n", "is named twice"),
        ("path,label,split\nash/ash_00.png,ash,train\nash/ash_01.png,ash,\n", "1 of 2 rows have no split"),
    ],
)
def test_bad_manifests(load: Load, tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ThawError, match=says):
        load("data=csv", _manifest(tmp_path, text))


def _empty(root: Path) -> None:
    root.mkdir()


def _one_class(root: Path) -> None:
    make_photos(root, {"": 20}, ("ash",))


def _val_only(root: Path) -> None:
    make_photos(root, {"val": 3})


def _stranger(root: Path) -> None:
    make_photos(root, {"train": 5, "val": 2})
    save_photo(root / "val" / "zelkova\x1b[31m" / "1.png", (1, 1, 1), 0)


def _empty_class(root: Path) -> None:
    make_photos(root, {"train": 5, "val": 2})
    (root / "train" / "zelkova").mkdir()


def _empty_val(root: Path) -> None:
    make_photos(root, {"train": 5})
    (root / "val").mkdir()


def _two_vals(root: Path) -> None:
    make_photos(root, {"train": 5, "val": 2, "validation": 2})


def _many_broken(root: Path) -> None:
    make_photos(root, {"train": 5, "val": 2})
    for i in range(4):
        (root / "train" / "ash" / f"notes{i}.jpg").write_text("no image")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda root: None, "no such folder"),
        (_empty, "no photos; expected"),
        (_one_class, "found one class (ash)"),
        (_val_only, "has val/ but no train/"),
        (_stranger, r"val has classes that train lacks: zelkova\x1b[31m"),
        (_empty_class, "train/zelkova/ is empty"),
        (_empty_val, "val/ is empty"),
        (_two_vals, "has both val/ and validation/"),
        (_many_broken, "4 of 25 files are no image: train/ash/notes0.jpg"),
    ],
)
def test_bad_folders(load: Load, tmp_path: Path, make: Callable[[Path], None], says: str) -> None:
    root = tmp_path / "p"
    make(root)
    with pytest.raises(ThawError) as refusal:
        load("data=folder", f"data.root={root}")
    assert says in str(refusal.value)


def test_a_few_files_that_are_no_image_are_skipped_listed_and_never_trained_on(load: Load, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "p", {"train": 8, "val": 4})
    (root / "train" / "ash" / "broken.jpg").write_bytes(b"\xff\xd8\xff rubbish")
    (root / "train" / "ash" / ".DS_Store").write_bytes(b"hidden")
    (root / "train" / "ash" / "Thumbs.db").write_bytes(b"hidden")
    dataset = load("data=folder", f"data.root={root}")
    broken = dataset.names.index("train/ash/broken.jpg")
    assert broken not in np.concatenate([dataset.splits.train, dataset.splits.val])
    skipped, unreadable = dataset.warnings
    assert skipped == "skipped: not images: 1 .DS_Store, 1 .db"
    assert "train/ash/broken.jpg" in unreadable
    assert len(dataset.names) == 37
