"""Folders, files and manifests as people have them: what is read, what is refused, and what is said of it."""

import os
import shutil
import struct
import subprocess
import sys
import unicodedata
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from src.common.errors import ThawError
from src.common.project import PROJECT
from src.data.dataset import Dataset
from src.data.decode import read_image
from src.data.listing import UnreadableImageError
from tests.conftest import CLASSES, Command, Compose, make_photos, read_dataset, save_photo

Load = Callable[..., Dataset]
Train = Callable[..., tuple[int, str]]


@pytest.fixture
def load(composed: Compose, tmp_path: Path) -> Load:
    def loaded(*overrides: str, side: int = 32) -> Dataset:
        return read_dataset(composed(*overrides).data, side, tmp_path / "cache")

    return loaded


@pytest.fixture
def folder(load: Load) -> Callable[..., Dataset]:
    return lambda root, *overrides: load("data=folder", f"data.root={root}", *overrides)


@pytest.fixture
def train(thaw: Command, tiny: tuple[str, ...], tmp_path: Path) -> Train:
    """Type a command that trains for an epoch, or is refused; return its status and what it says."""
    kept = tuple(
        each for each in tiny if not each.startswith(("data", "runtime.cache_dir", "epochs", "fine_tune_epochs"))
    )

    def typed(*overrides: str, cwd: Path = tmp_path) -> tuple[int, str]:
        where = (f"runtime.cache_dir={tmp_path}/cache", f"hydra.run.dir={tmp_path}/out")
        flags = [each for each in overrides if each.startswith("-")]
        rest = [each for each in overrides if each not in flags]
        done = thaw("src.train", *flags, *kept, *where, "epochs=1", *rest, cwd=cwd)
        return done.returncode, done.stderr

    return typed


def sizes(dataset: Dataset) -> list[int]:
    return [dataset.splits[split].size for split in ("train", "val", "test")]  # type: ignore[index]


def said(dataset: Dataset) -> str:
    return "\n".join(dataset.warnings)


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(ThawError) as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# HEIC, AVIF


def _corner(path: Path, orientation: int | None = None, **options: object) -> None:
    """An image whose upper left quarter is white."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32, :32] = 255
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif.tobytes(), **options)  # type: ignore[arg-type]


def _bright(path: Path) -> tuple[int, int]:
    image = read_image(path, 64, "stretch")
    quarters = {(r, c): float(image[16 + 32 * r, 16 + 32 * c].mean()) for r in (0, 1) for c in (0, 1)}
    return max(quarters, key=lambda each: quarters[each])


@pytest.mark.parametrize(("orientation", "corner"), [(None, (0, 0)), (3, (1, 1)), (6, (0, 1)), (8, (1, 0))])
@pytest.mark.parametrize("name", ["photo.heic", "photo.avif", "mis-named.jpg"])
def test_heic_and_avif_are_read_and_turned_once(
    tmp_path: Path, name: str, orientation: int | None, corner: tuple[int, int]
) -> None:
    _corner(tmp_path / name, orientation, format="AVIF" if name.endswith("avif") else "HEIF")
    assert _bright(tmp_path / name) == corner


def test_heic_of_10_bits_is_scaled(tmp_path: Path) -> None:
    import pillow_heif

    deep = np.full((64, 64, 3), 200 * 256, np.uint16)
    file = pillow_heif.from_bytes("RGB;16", (64, 64), deep.tobytes())
    file.save(tmp_path / "deep.heic", bit_depth=10)
    assert abs(read_image(tmp_path / "deep.heic", 32, "stretch").mean() - 200) < 3


def test_of_several_images_in_a_heic_file_the_primary_one_is_read(tmp_path: Path) -> None:
    import pillow_heif

    file = pillow_heif.from_pillow(Image.new("RGB", (64, 64), "black"))
    file.add_from_pillow(Image.new("RGB", (64, 64), "white"))
    file.save(tmp_path / "two.heic", primary_index=1)
    assert read_image(tmp_path / "two.heic", 32, "stretch").mean() > 250


def test_a_folder_of_heic_trains(train: Train, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "phone", {"train": 4, "val": 2})
    for path in list(root.rglob("*.png")):
        Image.open(path).resize((64, 64)).save(path.with_suffix(".HEIC"), format="HEIF")
        path.unlink()
    status, errors = train("data=folder", f"data.root={root}")
    assert status == 0, errors
    assert "3 classes, 12 train, 6 val" in errors


# layouts


def test_a_data_set_zipped_once_too_deep_is_descended_into_and_said(train: Train, tmp_path: Path) -> None:
    make_photos(tmp_path / "pets" / "pets", {"train": 4, "val": 2})
    make_photos(tmp_path / "pets" / "__MACOSX" / "pets", {"train": 1})
    (tmp_path / "pets" / ".hidden").mkdir()
    status, errors = train("data=folder", "data.root=pets")
    assert status == 0, errors
    assert "3 classes, 12 train, 6 val" in errors
    assert errors.count("the class folders are below pets/") == 1


@pytest.mark.parametrize("below", ["images", "a/b/Flowers"])
def test_one_folder_with_the_class_folders_is_descended_into(
    folder: Callable[..., Dataset], tmp_path: Path, below: str
) -> None:
    make_photos(tmp_path / "p" / below, {"": 10})
    dataset = folder(tmp_path / "p")
    assert sizes(dataset) == [18, 6, 6]
    assert f"the class folders are below {below}/" in said(dataset)


def test_splits_below_classes_are_splits(train: Train, tmp_path: Path) -> None:
    for name in CLASSES:
        for split, count in (("train", 4), ("valid", 2)):
            for i in range(count):
                save_photo(tmp_path / "p" / name / split / f"{i}.png", (200, 40, 40), seed=i)
    status, errors = train("data=folder", "data.root=p")
    assert status == 0, errors
    assert "3 classes, 12 train, 6 val, 0 test" in errors


def test_a_split_zipped_too_deep_is_descended_into(folder: Callable[..., Dataset], tmp_path: Path) -> None:
    make_photos(tmp_path / "p", {"seg_train/seg_train": 4, "seg_test/seg_test": 2, "seg_pred/seg_pred": 1})
    dataset = folder(tmp_path / "p")
    assert [*sizes(dataset)][2] == 6
    assert "no split (train, val, test), so it plays no part: seg_pred/" in said(dataset)
    assert "train: the class folders are below" in said(dataset)


AMBIGUOUS = {
    "two data sets": (
        ["a/train", "a/val", "b/train", "b/val"],
        "holds several data sets, a/, b/: point data.root at one",
    ),
    "a data set beside others": (["data/train", "data/val", "docs"], "holds data/ (with train/, val/) beside docs/"),
    "images beside masks": (["images", "trimaps"], "holds images/ (with ash/, birch/, cedar/) beside trimaps/"),
    "unknown splits": (["first", "second"], "which are the classes? Name splits train/ val/"),
    "unknown splits in train": (["train/first", "train/second"], "which are the classes?"),
    "no train": (["val", "other"], "has val/ but no train/"),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_an_ambiguous_layout_is_refused_before_anything_is_decoded(
    folder: Callable[..., Dataset], tmp_path: Path, case: str
) -> None:
    parents, says = AMBIGUOUS[case]
    make_photos(tmp_path / "p", dict.fromkeys(parents, 2))
    assert says in refusal(lambda: folder(tmp_path / "p"))
    assert not (tmp_path / "cache").exists()


def test_folders_that_are_not_the_classes_are_refused_by_the_command(train: Train, tmp_path: Path) -> None:
    make_photos(tmp_path / "p", {"foo": 2, "bar": 2}, CLASSES[:2])
    status, errors = train("data=folder", "data.root=p")
    assert (status, errors.count("\n")) == (1, 1)
    assert "p holds bar/, foo/, and each of them ash/, birch/: which are the classes?" in errors


def test_classes_with_one_folder_each_stay_classes(folder: Callable[..., Dataset], tmp_path: Path) -> None:
    for name in CLASSES:
        for i in range(10):
            save_photo(tmp_path / "p" / name / "images" / f"{i}.png", (1, 2, 3), seed=i)
    assert folder(tmp_path / "p").class_names == CLASSES


@pytest.mark.parametrize(
    ("train_name", "val_name", "test_name"),
    [
        ("Training", "dev", "Testing"), ("training_set", "validation_set", "test_set"),
        ("seg_train", "eval", "seg_test"),
        ("Train Data", "valid", "Test Data"), ("train_images", "val_images", "test_images"), ("TRAIN", "VAL", "TEST"),
    ],
)  # fmt: skip
def test_splits_have_the_names_that_people_use(
    folder: Callable[..., Dataset], load: Load, tmp_path: Path, train_name: str, val_name: str, test_name: str
) -> None:
    make_photos(tmp_path / "p", {train_name: 4, val_name: 2, test_name: 1})
    assert sizes(folder(tmp_path / "p")) == [12, 6, 3]
    rows = [
        f"p/{path.relative_to(tmp_path / 'p')},{path.parent.name},{path.parent.parent.name}"
        for path in (tmp_path / "p").rglob("*.png")
    ]
    (tmp_path / "m.csv").write_text("path,label,split\n" + "\n".join(rows))
    assert sizes(load("data=csv", f"data.manifest={tmp_path}/m.csv")) == [12, 6, 3]


def test_what_is_no_split_is_named_once_and_plays_no_part(train: Train, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "p", {"train": 4, "val": 2, "extra": 3, "unlabelled": 1})
    save_photo(root / "loose.png", (1, 2, 3), 0)
    save_photo(root / "train" / "stray.png", (1, 2, 3), 0)
    status, errors = train("data=folder", "data.root=p")
    assert status == 0, errors
    assert "3 classes, 12 train, 6 val, 0 test" in errors
    assert errors.count("no split (train, val, test), so it plays no part: extra/, unlabelled/") == 1
    assert errors.count("in no split, so it plays no part: loose.png") == 1
    assert errors.count("in no class folder, so it plays no part: stray.png") == 1


def test_two_folders_for_one_split_are_refused(train: Train, tmp_path: Path) -> None:
    make_photos(tmp_path / "p", {"train": 2, "dev": 2, "Validation_Set": 2})
    status, errors = train("data=folder", "data.root=p")
    assert (status, errors.count("\n")) == (1, 1)
    assert "p has both Validation_Set/ and dev/: keep one" in errors


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_split_with_loose_images_says_that_it_lacks_class_folders(train: Train, tmp_path: Path, split: str) -> None:
    root = make_photos(tmp_path / "p", {"train": 3, "val": 2})
    shutil.rmtree(root / split, ignore_errors=True)
    save_photo(root / split / "1.png", (1, 2, 3), 0)
    status, errors = train("data=folder", "data.root=p")
    assert (status, errors.count("\n")) == (1, 1)
    assert f"p/{split}/ lacks class folders: it holds 1 loose images (1.png, …)" in errors


def test_links_to_nothing_are_named(folder: Callable[..., Dataset], tmp_path: Path) -> None:
    root = make_photos(tmp_path / "p", {"train": 3, "val": 2})
    (root / "train" / "ash" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    assert "no files (links to nothing or back, pipes), so they play no part: train/ash/gone.jpg" in said(folder(root))


# names of classes


def _renamed(root: Path, split: str, name: str) -> None:
    (root / split / CLASSES[0]).rename(root / split / name)


def test_a_class_composed_in_train_and_decomposed_in_val_is_one_class(train: Train, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "p", {"train": 4, "val": 2})
    _renamed(root, "train", unicodedata.normalize("NFC", "Äsche"))
    _renamed(root, "val", unicodedata.normalize("NFD", "Äsche"))
    status, errors = train("data=folder", "data.root=p")
    assert status == 0, errors
    assert "3 classes, 12 train, 6 val" in errors
    assert "warning" not in errors


def test_one_class_in_two_forms_of_unicode_within_a_split_is_merged_and_said(
    folder: Callable[..., Dataset], tmp_path: Path
) -> None:
    root = make_photos(tmp_path / "p", {"train": 4, "val": 2})
    _renamed(root, "val", "é")
    _renamed(root, "train", "e\u0301")
    save_photo(root / "train" / "é" / "more.png", (200, 40, 40), 99)
    dataset = folder(root)
    assert dataset.class_names == ("birch", "cedar", "é")
    assert sizes(dataset) == [13, 6, 0]
    assert r"train: 'e\u0301' and '\xe9' are one class, whose name is written in two ways" in said(dataset)


@pytest.mark.parametrize("name", ["Ash", " ash", "ash ", "ASH "])
def test_case_and_blanks_that_differ_between_splits_are_matched_and_said(
    train: Train, tmp_path: Path, name: str
) -> None:
    root = make_photos(tmp_path / "p", {"train": 4, "val": 2})
    _renamed(root, "val", name)
    status, errors = train("data=folder", "data.root=p")
    assert status == 0, errors
    assert "3 classes, 12 train, 6 val" in errors
    assert errors.count(f"val: class {name!a} is taken as train's 'ash'") == 1


def test_a_match_that_is_not_safe_is_refused_and_shows_the_difference(train: Train, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "p", {"train": 4, "val": 2})
    make_photos(root, {"train": 4}, ("Ash",))
    _renamed(root, "val", "ASH ")
    status, errors = train("data=folder", "data.root=p")
    assert (status, errors.count("\n")) == (1, 1)
    assert "val has classes that train lacks: ASH (this is 'ASH ', train has 'Ash', 'ash')" in errors
    (root / "val" / "ASH ").rename(root / "val" / "\u0430sh")
    assert r"'\u0430sh', train has 'ash'" in train("data=folder", "data.root=p")[1]


def test_classes_that_differ_in_case_alone_are_kept_apart_and_said(
    folder: Callable[..., Dataset], tmp_path: Path
) -> None:
    make_photos(tmp_path / "p", {"": 8}, ("ash", "Ash", "birch"))
    dataset = folder(tmp_path / "p")
    assert dataset.class_names == ("Ash", "ash", "birch")
    assert "classes 'Ash' and 'ash' differ in letter case or blanks alone; they are kept apart" in said(dataset)


def test_labels_of_a_manifest_are_matched_as_folders_are(load: Load, tmp_path: Path) -> None:
    make_photos(tmp_path, {"": 8}, ("a", "b"))
    rows = [f"a/a_{i:02}.png,Äsche,{'train' if i < 6 else 'dev'}" for i in range(8)]
    rows += [f"b/b_{i:02}.png,{'birch' if i < 6 else 'Birch'},{'train' if i < 6 else 'dev'}" for i in range(8)]
    text = "path,label,split\n" + "\n".join(rows)
    text = text.replace("Äsche,dev", unicodedata.normalize("NFD", "Äsche") + ",dev")
    (tmp_path / "m.csv").write_text(text, encoding="utf-8")
    dataset = load("data=csv", f"data.manifest={tmp_path}/m.csv")
    assert dataset.class_names == ("birch", "Äsche")
    assert sizes(dataset) == [12, 4, 0]
    assert "val: class 'Birch' is taken as train's 'birch'" in said(dataset)


# permissions


def _without_root(*command: str) -> list[str]:
    """`command` as a user without root's right to read all: tests may run as root."""
    if os.geteuid() != 0:
        return list(command)
    if shutil.which("setpriv") is None:
        pytest.skip("runs as root and there is no setpriv: FOLDERS WITHOUT PERMISSION ARE NOT TESTED")
    dropped = "-dac_override,-dac_read_search"
    return ["setpriv", f"--bounding-set={dropped}", f"--inh-caps={dropped}", *command]


@pytest.mark.parametrize("level", ["", "train", "train/ash", "train/ash/more", "val/birch"])
def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, level: str) -> None:
    root = make_photos(tmp_path / "p", {"train": 3, "val": 2})
    save_photo(root / "train" / "ash" / "more" / "1.png", (1, 2, 3), 0)
    closed = root / level
    closed.chmod(0)
    try:
        done = subprocess.run(
            _without_root(sys.executable, "-m", "src.train", "data=folder", f"data.root={root}"),
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        closed.chmod(0o755)
    assert done.returncode == 1, done.stderr
    assert f"{closed}: Permission denied" in done.stderr
    assert done.stderr.count("\n") == 1


# deep images


def _mean(path: Path, bit_depth: int | None = None) -> float:
    return float(read_image(path, 16, "stretch", bit_depth).mean())


def _why(path: Path, bit_depth: int | None = None) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        read_image(path, 16, "stretch", bit_depth)
    return str(caught.value)


def _png_16(path: Path, values: np.ndarray, colour: int = 0, sbit: bytes = b"") -> Path:
    """Write a PNG of 16 bits, which Pillow writes in grey only, and without sBIT."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", values.shape[1] // (3 if colour else 1), values.shape[0], 16, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"sBIT", sbit) if sbit else b"", chunk(b"IDAT", zlib.compress(rows))]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b""))
    return path


def _ramp(greatest: int, dtype: type = np.uint16) -> np.ndarray:
    return np.linspace(0, greatest, 256).reshape(16, 16).round().astype(dtype)


def _tiff(path: Path, values: np.ndarray, tags: dict[int, object] | None = None) -> Path:
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in (tags or {}).items():
        info[tag] = value
    Image.fromarray(values).save(path, tiffinfo=info)
    return path


def test_16_bits_in_full_are_scaled_as_ever(tmp_path: Path) -> None:
    values = _ramp(65535)
    expected = (values >> 8).mean()
    assert _mean(_png_16(tmp_path / "a.png", values)) == expected
    assert _mean(_tiff(tmp_path / "a.tif", values)) == expected


@pytest.mark.parametrize("greatest", [200, 1023, 4095, 16383])
def test_fewer_bits_in_a_file_of_16_are_refused_until_somebody_says_how_many(tmp_path: Path, greatest: int) -> None:
    for path in (_png_16(tmp_path / "a.png", _ramp(greatest)), _tiff(tmp_path / "a.tif", _ramp(greatest))):
        assert f"values up to {greatest}, and the file does not say which is white: give data.bit_depth=12" in _why(
            path
        )
        bits = max(9, int(greatest).bit_length())
        assert abs(_mean(path, bits) - (_ramp(greatest).astype(int) * 256 // 2**bits).mean()) < 0.01
    assert "beyond 0 to 511" in _why(_png_16(tmp_path / "a.png", _ramp(1023)), 9)
    assert _mean(_png_16(tmp_path / "black.png", np.zeros((16, 16)))) == 0


def test_what_a_png_says_of_its_significant_bits_counts(tmp_path: Path) -> None:
    low = _png_16(tmp_path / "low.png", _ramp(4095), sbit=b"\x0c")
    assert _mean(low) == (_ramp(4095) >> 4).mean()
    high = _png_16(tmp_path / "high.png", _ramp(4095) << 4, sbit=b"\x0c")
    assert _mean(high) == (_ramp(4095) >> 4).mean()


def test_what_a_tiff_says_of_its_values_counts(tmp_path: Path) -> None:
    low = _ramp(4095)
    assert _mean(_tiff(tmp_path / "max.tif", low, {281: 4095})) == (low >> 4).mean()
    assert "does not say" in _why(_tiff(tmp_path / "statistic.tif", low, {281: 4000}))
    assert "does not say" in _why(_tiff(tmp_path / "default.tif", low, {281: 65535}))
    full = _ramp(65535)
    inverted = _tiff(tmp_path / "inverted.tif", full)
    data = bytearray(inverted.read_bytes())
    place = data.find(struct.pack("<HHIH", 262, 3, 1, 1))
    assert place > 0
    data[place + 8] = 0
    inverted.write_bytes(data)
    assert _mean(inverted) == (255 - (full >> 8).astype(int)).mean()


def test_32_bits_signed_and_floating_point_are_scaled_or_refused(tmp_path: Path) -> None:
    deep = _tiff(tmp_path / "deep.tif", _ramp(51200, np.int32))
    assert "signed values" in _why(deep)
    unsigned = tmp_path / "unsigned.tif"
    content = bytearray(deep.read_bytes())
    place = content.find(struct.pack("<HHIH", 339, 3, 1, 2))
    content[place + 8] = 1
    unsigned.write_bytes(content)
    assert "32-bit values up to 51200" in _why(unsigned)
    assert _mean(unsigned, 16) == (_ramp(51200).astype(int) >> 8).mean()
    assert "no agreed range" in _why(_tiff(tmp_path / "f.tif", _ramp(1, np.float32)))
    ranged = _tiff(tmp_path / "g.tif", np.full((16, 16), 0.5, np.float32), {340: 0.0, 341: 1.0})
    assert abs(_mean(ranged) - 127) <= 1
    around_zero = _tiff(tmp_path / "h.tif", np.full((16, 16), 0.0, np.float32), {340: -512.0, 341: 511.0})
    assert abs(_mean(around_zero) - 127) <= 1
    pfm = tmp_path / "i.pfm"
    pfm.write_bytes(b"Pf\n4 4\n-1.0\n" + np.full((4, 4), 0.5, "<f4").tobytes())
    assert "no agreed range" in _why(pfm)


def test_lack_of_memory_is_no_damaged_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _png_16(tmp_path / "a.png", _ramp(65535))

    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.ImageOps.exif_transpose", exhausted)
    with pytest.raises(ThawError, match="not enough memory"):
        read_image(path, 8, "stretch")


def test_colour_of_16_bits_is_never_nearly_black(tmp_path: Path) -> None:
    full, dark = (np.repeat(_ramp(greatest), 3, axis=1) for greatest in (65535, 4095))
    assert _mean(_png_16(tmp_path / "full.png", full, colour=2)) == (_ramp(65535) >> 8).mean()
    path = _png_16(tmp_path / "dark.png", dark, colour=2)
    assert "16-bit colour with values up to 4095" in _why(path)
    assert _mean(path, 16) < 16
    assert "data.bit_depth=12 cannot be met" in _why(path, 12)


def test_12_bit_files_are_refused_by_the_command_and_trained_with_their_depth(train: Train, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "p", {"train": 4, "val": 2})
    for path in root.rglob("*.png"):
        grey = np.asarray(Image.open(path).convert("L"), np.uint16)
        Image.fromarray(grey * 8).save(path)
    status, errors = train("data=folder", "data.root=p")
    assert (status, errors.splitlines()[-1].count("does not say which is white")) == (1, 5)
    assert train("data=folder", "data.root=p", "data.bit_depth=12")[0] == 0


# decoders' warnings, damaged weights, chdir


def test_decoder_warnings_carry_the_files_name_once(
    train: Train, folder: Callable[..., Dataset], tmp_path: Path
) -> None:
    root = make_photos(tmp_path / "p", {"train": 4, "val": 2})
    exif = b"Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x05\x01\x12"
    Image.new("RGB", (40, 40), "red").save(root / "train" / "ash" / "odd.jpg", exif=exif)
    for _ in range(2):  # decoded, and from the cache
        status, errors = train("data=folder", "data.root=p")
        assert status == 0, errors
        assert errors.count("Corrupt EXIF data") == errors.count("train/ash/odd.jpg (Corrupt EXIF data") == 1, errors
        assert "UserWarning" not in errors
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (remark,) = folder(root).remarks
    assert remark.startswith("train/ash/odd.jpg: Corrupt EXIF data")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("w.keras", b"\x89HDF\r\n\x1a\nrubbish"),
        ("w.h5", b"PK\x03\x04rubbish"),
        ("w.weights.h5", b""),
        ("w.keras", b"text"),
    ],
)
def test_a_damaged_or_mislabelled_weights_file_says_so(
    train: Train, tmp_path: Path, photos: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    status, errors = train("data=folder", f"data.root={photos}", "weights=file", f"weights.path={name}")
    assert (status, errors.count("\n")) == (1, 1)
    assert f"weights.path={name}: damaged or not a Keras file" in errors


RELATIVE = {
    "root": ("data=folder", "data.root=p"),
    "manifest": ("data=csv", "data.manifest=tables/m.csv", "data.image_folder=../p"),
    "weights": ("data=folder", "data.root=p", "weights=file", "weights.path=tables/w.weights.h5"),
}


@pytest.mark.parametrize("mode", [(), pytest.param(("-m", "seed=1,2"), marks=pytest.mark.slow)])
@pytest.mark.parametrize("place", RELATIVE)
def test_relative_places_start_where_the_command_was_typed_also_with_chdir(
    train: Train, tmp_path: Path, mode: tuple[str, ...], place: str
) -> None:
    root = make_photos(tmp_path / "p", {"train": 4, "val": 2})
    (tmp_path / "tables").mkdir()
    rows = [(path.relative_to(root), path.parts[-2], path.parts[-3]) for path in sorted(root.rglob("*.png"))]
    text = "".join(f"{path},{label},{split}\n" for path, label, split in rows)
    (tmp_path / "tables" / "m.csv").write_text(f"path,label,split\n{text}")
    if place == "weights":
        from src.models.lenet import LeNet5, layers

        LeNet5(layers.Input((32, 32, 3))).save_weights(tmp_path / "tables" / "w.weights.h5")
    sweep = (f"hydra.sweep.dir={tmp_path}/sweep",)
    status, errors = train(*mode, *RELATIVE[place], "hydra.job.chdir=true", *sweep)
    assert status == 0, errors
    outputs = [tmp_path / "sweep" / str(number) for number in range(2)] if mode else [tmp_path / "out"]
    assert all((output / "summary.json").exists() for output in outputs)


# manifests


def _table(tmp_path: Path, text: str, *, encoding: str = "utf-8") -> str:
    make_photos(tmp_path / "images", {"": 8})
    (tmp_path / "m.csv").write_bytes(text.encode(encoding))
    return f"data.manifest={tmp_path}/m.csv"


def _lines(row: Callable[[str, int], str]) -> str:
    return "".join(row(name, i) + "\n" for name in CLASSES for i in range(8))


def test_a_manifest_as_kaggle_writes_it_trains(train: Train, tmp_path: Path) -> None:
    text = "image_id,breed,width,rating\n" + _lines(lambda n, i: f"{n}/{n}_{i:02},{n},48,5")
    status, errors = train("data=csv", _table(tmp_path, text), "data.image_folder=images", "data.extension=png")
    assert status == 0, errors
    assert errors.count("takes path from 'image_id', label from 'breed'") == 1
    assert errors.count("columns that are not used: width, rating") == 1


@pytest.mark.parametrize("given", [(), ("data.label_columns=[ash,birch,cedar]",)])
def test_one_hot_columns_are_labels(load: Load, tmp_path: Path, given: tuple[str, ...]) -> None:
    ones = {name: ",".join(str(float(name == other)) for other in CLASSES) for name in CLASSES}
    text = "image,ash,birch,cedar\n" + _lines(lambda n, i: f"{n}/{n}_{i:02}.png,{ones[n]}")
    dataset = load("data=csv", _table(tmp_path, text), "data.image_folder=images", *given)
    assert dataset.class_names == CLASSES
    assert ("labels from the one-hot columns ash, birch, cedar" in said(dataset)) == (not given)
    several = text.replace("ash/ash_01.png,1.0,0.0", "ash/ash_01.png,1.0,1.0")
    manifest = _table(tmp_path, several)
    says = refusal(lambda: load("data=csv", manifest, "data.image_folder=images", *given))
    assert "line 3: 2 of the columns ash, birch, cedar are 1; exactly one must be" in says


@pytest.mark.parametrize("separator", [";", "\t", ","])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_separators_byte_order_marks_quotes_and_blank_lines(
    load: Load, tmp_path: Path, separator: str, encoding: str
) -> None:
    text = "\r\npath,label\r\n" + _lines(lambda n, i: f'images/{n}/{n}_{i:02}.png,"Ä {n}"\r').replace(
        "\r\n", "\r\n,\r\n\r\n"
    )
    dataset = load("data=csv", _table(tmp_path, text.replace(",", separator), encoding=encoding))
    assert dataset.class_names == ("Ä ash", "Ä birch", "Ä cedar")
    assert len(dataset.names) == 24


def test_columns_can_be_named(load: Load, tmp_path: Path) -> None:
    text = "no,where,what,part,burst no,id\n" + _lines(
        lambda n, i: f"{i},{n}/{n}_{i:02}.png,{n},{'train' if i < 6 else 'dev'},{n}{i // 2},{i}"
    )
    named = ("path", "where"), ("label", "WHAT"), ("split", "part"), ("group", "burst no")
    keys = [f"data.{role}_column='{name}'" for role, name in named]
    dataset = load("data=csv", _table(tmp_path, text), "data.image_folder=images", *keys)
    assert sizes(dataset) == [18, 6, 0]
    assert said(dataset) == f"{tmp_path}/m.csv: columns that are not used: no, id"


BAD_TABLES = {
    "two for the path": ("filename,image,label\na,b,c\n", "path may be 'filename' and 'image': give data.path_column"),
    "two for the label": ("id,class,target\na,b,c\n", "label may be 'class' and 'target': give data.label_column"),
    "no label": (
        "id,has_cactus\na,1\n",
        "it says id,has_cactus: none is a usual name for label; give data.label_column",
    ),
    "no path": ("where,label\na,b\n", "none is a usual name for path; give data.path_column=NAME"),
    "too many cells": ("path,label\na,b,c\n", "line 2: 3 cells, but 2 columns in the first line"),
    "no extension": ("id,label\nimages/ash/ash_00,ash\n", "ash_00.png is there: give data.extension=.png"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_table_that_may_be_read_in_two_ways_is_refused(load: Load, tmp_path: Path, case: str) -> None:
    text, says = BAD_TABLES[case]
    manifest = _table(tmp_path, text)
    assert says in refusal(lambda: load("data=csv", manifest))


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("data.path_column=lable", "no column 'lable' (data.path_column): did you mean 'label'?"),
        ("data.image_folder=nowhere", "data.image_folder=nowhere is no folder"),
    ],
)
def test_a_column_or_folder_that_is_not_there_is_named(train: Train, tmp_path: Path, override: str, says: str) -> None:
    status, errors = train("data=csv", _table(tmp_path, "path,label\nash/1.png,ash\n"), override)
    assert (status, errors.count("\n")) == (1, 1)
    assert says in errors


def test_a_manifest_in_thaws_own_form_keeps_its_meaning(load: Load, tmp_path: Path) -> None:
    plain = "path,label\n" + _lines(lambda n, i: f"images/{n}/{n}_{i:02}.png,{n}")
    before = load("data=csv", _table(tmp_path, plain)).fingerprint
    more = "path,label,subset,image,class,patient_id\n" + _lines(
        lambda n, i: f"images/{n}/{n}_{i:02}.png,{n},train,x,y,1"
    )
    dataset = load("data=csv", _table(tmp_path, more))
    assert dataset.fingerprint == before
    assert "columns that are not used: subset, image, class, patient_id" in said(dataset)
