"""The code's English: docstrings say what a function does or returns, and names are the field's words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from src.common.project import PROJECT
from tests.test_rooms import MODULES, words

SOURCE = PROJECT / "src"
CLAUSE = re.compile(r"(What|Whether|How|Where|Who|That|Which|When|Why|If)\b")
NOUN = re.compile(r"`|:|(The|A|An|Each|Every|One|Its|Up|So|All|Some|No|By|In|At|Of|It|They|Those)\b")
"""Openings of a docstring that say neither what a function does nor what it returns."""
OLD_WORDS = {
    "among", "answered", "chunk", "chunks", "claim", "claimed", "companion", "companions", "course", "each", "flattery",
    "found", "frontier", "leg", "lent", "natural", "obedient", "optimism", "own", "pace", "parted", "parting",
    "recalled", "signs", "steadiness", "stock", "stretch", "stretches", "supply", "surroundings", "tally",
    "thawed", "told", "undoing", "workbench", "workplace",
}  # fmt: skip
"""Words that docs/glossary.md has others for: reused, group, freeze boundary, resumed …"""
ROWS = {"row", "rows"}
"""Features and batches have images; tables alone have rows."""

Documented = ast.Module | ast.ClassDef | ast.FunctionDef


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in MODULES:
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
    found = [(f"{path}:{line}", text) for path, tree in modules() for line, text in docstrings(tree)]
    assert len(found) > 800
    assert [place for place, text in found if CLAUSE.match(text)] == []


def test_functions_open_with_a_verb() -> None:
    found = [
        (f"{path}:{node.lineno}", text)
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and (text := ast.get_docstring(node))
    ]
    assert len(found) > 600
    assert [place for place, text in found if NOUN.match(text)] == []


def test_names_are_the_fields_words() -> None:
    found = [(f"{path}:{line} {name}", name) for path, tree in modules() for line, name in names(tree)]
    assert len(found) > 2000
    assert [place for place, name in found if words(name) & OLD_WORDS] == []


def test_features_have_no_rows() -> None:
    found = [
        (f"{path}:{line} {name}", name)
        for path, tree in modules() if path.parts[0] in {"features", "training", "models"}
        for line, name in names(tree)
    ]  # fmt: skip
    assert len(found) > 400
    assert [place for place, name in found if words(name) & ROWS] == []
