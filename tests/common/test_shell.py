"""Settings that messages tell, copied into a shell: the command reads the very text, whatever characters it has."""

import shlex
from pathlib import Path

import pytest
from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from src.cli.command_line import as_hydra_reads
from src.common.errors import one_line
from src.common.shell import setting, shell_word
from tests.conftest import Compose, shell_words

ODD = [
    "photos", "my photos (2024)", "it's", 'say "x"', "a,b", "a=b", "[1] {x: y}", "$HOME", "${x}", "\\${x}", "a\\",
    "~x", "'", "\"'a", " a ", "null", "True", "007", "2024_05", "choice(a)", "glob(*)", "été", "фото📷", "#a", "!",
    "`ls`", "*", "New  Folder", "a\u3000b", "a\nb", "\u202eabc", "a\u00a0", "caf\udce9", "a,'b", "a,\"b'c",
]  # fmt: skip
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1) | st.text(
    "ab ,='\"\\${}[]()~#\n", min_size=1
)


def read_by_hydra(words: list[str], *options: str) -> str:
    """What the command takes for `data.root`, of its words as the shell gives them."""
    *_, override = as_hydra_reads([*options, *words])
    return str(compose("config", ["data=folder", override]).data.root)


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("options", [(), ("-m",)])
def test_an_odd_folder_is_read_as_it_is(composed: Compose, text: str, options: tuple[str, ...]) -> None:
    typed = setting("data.root", text)
    assert read_by_hydra(shell_words(typed), *options) == text
    assert one_line(typed, 10_000) == typed  # messages fold blanks and escape what a terminal would obey


@settings(max_examples=200)
@given(text=TEXTS)
def test_what_fits_on_a_line_is_read_as_it_is(text: str) -> None:
    typed = setting("data.root", text)
    assert one_line(typed, 10_000) == typed
    if not typed.startswith("$") and text != "???":  # OmegaConf's word for a value that is missing
        (override,) = as_hydra_reads(shlex.split(typed))
        read = OmegaConf.create({"data": {"root": None}})  # what Hydra's loader does, in a hundredth of its time
        OmegaConf.update(read, "data.root", OverridesParser.create().parse_override(override).value())
        assert str(read.data.root) == text


@settings(max_examples=50)
@given(texts=st.lists(TEXTS, max_size=20))
def test_words_are_words_to_a_shell(texts: list[str]) -> None:
    assert shell_words(" ".join(map(shell_word, texts))) == (texts or [""])


def test_paths_are_settings_too() -> None:
    assert setting("data.root", Path("a/b c")) == "'data.root=a/b c'"
