"""Texts reach Hydra as they were typed, whatever characters they have."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from src.cli.command_line import as_hydra_reads
from src.common.shell import hydra_override


@pytest.mark.parametrize("text", ["2024_05", "1e5", "3.10", "007", "true", "null-ish", "it's", "a\\'b", "é", "a=b"])
def test_a_folders_name_is_a_text(text: str) -> None:
    (override,) = as_hydra_reads([f"data.root={text}"])
    assert str(OverridesParser.create().parse_override(override).value()) == text


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1))
def test_what_is_quoted_is_read_back(text: str) -> None:
    assert OverridesParser.create().parse_override(hydra_override("data.root", text)).value() == text
