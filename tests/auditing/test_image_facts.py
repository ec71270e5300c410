"""What an audit says of files that play no part, wherever they lie and however their names are written."""

import unicodedata
from pathlib import Path

import pytest

from src.auditing.groups import below_class
from src.auditing.image_facts import load_images
from src.common.events import ignore
from tests.conftest import Compose, machine, make_photos

SKIPPED = {
    "train/ash/@eaDir/a.png": "in a system's folder (@eaDir)",
    "__MACOSX/train/ash/a.png": "in a system's folder (__MACOSX)",
    "train/ash/.ipynb_checkpoints/a.png": "in a system's folder (.ipynb_checkpoints)",
    ".thumbnails/a.png": "in a system's folder (.thumbnails)",
    "train/ash/.cache/a.png": "hidden (its name, or its folder's, starts with a dot)",
    "train/ash/._a.png": "hidden (its name, or its folder's, starts with a dot)",
    "train/ash/a.xmp": "not an image (.xmp)",
    "train/birch/IMG_1.AAE": "not an image (.aae)",
    "train/birch/Thumbs.db": "not an image (.db)",
    "train/.DS_Store": "not an image (.DS_Store)",
    "stray.png": "in no class folder",
}


@pytest.mark.parametrize(("form", "other"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFC", "NFC")])
def test_files_that_play_no_part_are_told_with_their_reason(
    composed: Compose, tmp_path: Path, form: str, other: str
) -> None:
    """Also where the root is typed in another form of Unicode than it has on the disk."""
    root = make_photos(tmp_path / unicodedata.normalize(form, "été"), {"train": 4, "val": 2})
    for name in SKIPPED:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    typed = tmp_path / unicodedata.normalize(other, "été")
    config = composed("data=folder", f"data.root='{typed}'").data
    images = load_images(config, 32, machine(tmp_path / "cache"), ignore)
    assert {each.name: each.why for each in images.skipped} == SKIPPED
    assert len(images.samples) == 18


def test_a_class_folder_is_found_in_either_form_of_unicode() -> None:
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "train/Äsche/2024/a.jpg")
        assert below_class(name, unicodedata.normalize("NFC", "Äsche")) == "2024/a.jpg"
