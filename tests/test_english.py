"""The code's English: docstrings say what a function does or returns, and names are the field's words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from src.common.project import PROJECT
from tests.test_rooms import MODULES, words

SOURCE = PROJECT / "src"
UNMENDED = {"statistics", "verdict"}
"""Rooms that are being rebuilt. Remove a room here when its docstrings and names are mended."""
OLD_NAMES_IN = UNMENDED | {"features", "training", "models", "trial"}
"""Rooms whose names still hold OLD_WORDS."""
CLAUSE = re.compile(r"(What|Whether|How|Where|Who|That|Which|When|Why|If)\b")
OLD_WORDS = {
    "answered", "chunk", "chunks", "natural", "obedient", "parting", "recalled", "supply", "undoing", "workbench",
}  # fmt: skip
"""Words that docs/glossary.md has others for: reused, group, freeze boundary, resumed …"""

Documented = ast.Module | ast.ClassDef | ast.FunctionDef


def modules(without: set[str]) -> Iterator[tuple[Path, ast.Module]]:
    for path in MODULES:
        if path.relative_to(SOURCE).parts[0] not in without:
            yield path.relative_to(SOURCE), ast.parse(path.read_text("utf-8"))


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, Documented) and (text := ast.get_docstring(node)):
            yield getattr(node, "lineno", 1), text


def names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield all names that a module gives: to classes, functions, arguments, variables and attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def test_docstrings_open_with_what_is_done_or_returned() -> None:
    found = [(f"{path}:{line}", text) for path, tree in modules(UNMENDED) for line, text in docstrings(tree)]
    assert len(found) > 900
    assert [place for place, text in found if CLAUSE.match(text)] == []


def test_names_are_the_fields_words() -> None:
    found = [(f"{path}:{line} {name}", name) for path, tree in modules(OLD_NAMES_IN) for line, name in names(tree)]
    assert len(found) > 2000
    assert [place for place, name in found if words(name) & OLD_WORDS] == []
