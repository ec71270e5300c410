"""The command that draws the contact sheet of trees."""

from pathlib import Path

import pytest
from PIL import Image

from src import gallery


def test_the_sheet_shows_every_species(tmp_path: Path) -> None:
    assert gallery.main(["--out", str(tmp_path / "new" / "sheet.png"), "--each", "1", "--size", "32"]) == 0
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        assert sheet.size == (3 * 42 + 10, 8 * 60 + 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "20"], "thaw: size must be 32..512 pixels, not 20\n"),
        (["--difficulty", "2"], "thaw: difficulty must be 0..1, not 2.0\n"),
        ([], "thaw: unknown file extension: .xyz\n"),
    ],
)
def test_a_value_out_of_range_is_refused_in_a_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / ("sheet.xyz" if "xyz" in message else "sheet.png")
    assert gallery.main(["--out", str(out), "--each", "1", "--size", "32", *arguments]) == 1
    assert capsys.readouterr().err == message
    assert not out.exists()
