"""What messages say to type for a folder of class folders, typed."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose

from src.cli.command_line import as_hydra_reads
from src.cli.composition import trial_config
from src.common.errors import ThawError, one_line
from src.common.shell import setting
from src.data.dataset import list_samples
from src.data.listing import Listing
from tests.conftest import make_photos, shell_words

ODD_NAMES = ["photos", "my photos (2024)", "a,b", "it's = [1]", "a,'b\"", "New  Folder", "${x} $y", "été 📷"]


def listed(*words: str) -> Listing:
    """The samples that the command's words name, as the command reads them."""
    return list_samples(trial_config(compose("config", as_hydra_reads(words))).data, 32)


def two_sets(top: Path) -> None:
    for name in ("birds", "trees"):
        make_photos(top / name, {"train": 2, "val": 1})


def beside_others(top: Path) -> None:
    make_photos(top / "images", {"train": 2, "val": 1})
    make_photos(top / "more", {"": 1})


def same_folders(top: Path) -> None:
    for name in ("first", "second"):
        make_photos(top / name, {"": 2})


def as_a_table(top: Path) -> None:
    make_photos(top, {"train": 2, "val": 1})


@pytest.mark.usefixtures("composed")
@pytest.mark.parametrize("make", [two_sets, beside_others, same_folders, as_a_table])
@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_setting_that_a_message_tells_can_be_typed_whatever_the_folder_is_called(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    top = tmp_path / name
    make(top)
    key = "data.manifest" if make is as_a_table else "data.root"
    with pytest.raises(ThawError) as refusal:
        listed(f"data={'csv' if make is as_a_table else 'folder'}", *shell_words(setting(key, top)))
    told = one_line(refusal.value, 2000)
    remedy = re.search(r"(?:as in|give data=folder) (.*?)(?:, or use data=csv)?$", told)
    assert remedy is not None, told
    assert len(listed("data=folder", *shell_words(remedy[1])).samples) >= 6
