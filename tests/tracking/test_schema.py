"""Names are written once, read by their types, and the page on them is true."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.common.metrics import METRICS
from src.common.project import PROJECT
from src.tracking import schema

SOURCE = PROJECT / "src"
OWN = [tag for own in schema.TAGS.values() for tag in own]
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "tracking" / "schema.py")


def test_the_page_is_made_from_the_schema() -> None:
    assert (PROJECT / "docs" / "run_schema.md").read_text("utf-8") == schema.as_markdown()


def test_the_page_has_every_name_once() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", schema.as_markdown().partition("## Columns")[0], re.MULTILINE)
    files = [file for own in schema.FILES.values() for file in own]
    known = [*(tag.name for tag in OWN), *(each.name for each in (*schema.PARAMETERS, *schema.METRICS, *files))]
    assert rows == known
    assert len({tag.name for tag in OWN}) == len(OWN) > 30
    assert len({each.name for each in schema.METRICS}) == len(schema.METRICS) > 15


def test_the_page_says_what_measures_and_parts_there_are() -> None:
    note = schema.as_markdown().partition("## Metrics")[2].partition("| name")[0]
    measures = note.partition("`{measure}` is ")[2].partition(";")[0]
    assert re.findall(r"`(\w+)`", measures) == ["loss", *METRICS]
    clocked = {name for path in MODULES for name in re.findall(r'clock\.part\("(\w+)"\)', path.read_text("utf-8"))}
    parts = re.findall(r"`(\w+)`", note.partition("`{part}` is ")[2].partition(".")[0])
    assert clocked == set(parts)


def texts(path: Path) -> Iterator[str]:
    """Yield the texts of a module but for its docstrings; what is put into one reads `0`."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "0" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (inside | docstrings):
            yield node.value


def read_by_literals(path: Path) -> Iterator[str]:
    """Yield the texts that a module reads or writes tags, parameters or metrics of a run by."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Subscript):
            of, key = node.value, node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            of, key = node.func.value, node.args[0]
        else:
            continue
        name = getattr(of, "attr", getattr(of, "id", ""))
        if name in {"tags", "params", "metrics"} and isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value


def literal_names(path: Path) -> list[str]:
    """Return the names of the schema that a module spells itself: those with a mark that no other text has."""
    forms = [*(tag.name for tag in OWN), *(each.name for each in schema.METRICS)]
    own = [re.sub(r"\{\w+\}", r"\\w+", re.escape(form).replace(r"\{", "{").replace(r"\}", "}")) for form in forms]
    marked = re.compile("|".join(form for form in own if re.search(r"[/_]|\\\.", re.sub(r"\\w", "", form))))
    return [*(text for text in texts(path) if marked.fullmatch(text)), *read_by_literals(path)]


NOT_RUNS = {"learning_rate", "near_duplicates", "study.json", "study.txt"}
"""Keys of the configuration, and files."""


def test_no_module_spells_a_name_itself() -> None:
    found = {str(path.relative_to(SOURCE)): {*literal_names(path)} - NOT_RUNS for path in MODULES}
    assert len(found) > 100
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "line", ['x = run.data.tags["depth"]', 'x = tags.get("model")', 'y = f"best/val_{name}"', 'z = "gap/mode"']
)
def test_a_spelled_name_is_found(tmp_path: Path, line: str) -> None:
    (tmp_path / "module.py").write_text(line)
    assert literal_names(tmp_path / "module.py")


SPELLED = st.lists(st.lists(st.text(st.characters(codec=None)), max_size=4).map(tuple), max_size=3).map(tuple)


@given(SPELLED)
def test_spellings_come_back_whatever_they_hold(spelled: tuple[tuple[str, ...], ...]) -> None:
    tag = schema.MEMBER.at("k")
    written = tag.of(spelled)
    assert tag.read(written) == spelled
    assert all(text.encode() is not None for text in written.values())


@pytest.mark.parametrize("length", [0, schema.LONGEST_TAG - 6, schema.LONGEST_TAG, 3 * schema.LONGEST_TAG])
def test_what_is_longer_than_a_tag_comes_back_whole(length: int) -> None:
    written = schema.ARGUMENTS.of(("data.root=" + "x" * length, "seed=0"))
    assert max(map(len, written.values())) <= schema.LONGEST_TAG
    assert schema.ARGUMENTS.read(written) == ("data.root=" + "x" * length, "seed=0")
    assert len(written) == 1 + (length > schema.LONGEST_TAG - 30) + 2 * (length > 2 * schema.LONGEST_TAG)


def test_earlier_spellings_are_read() -> None:
    tags = {"study.k": "seed=0 'data.root=my photos'\nthe defaults", "command": "python -m src.train 'a=b c'"}
    assert schema.MEMBER.at("k").read(tags) == (("seed=0", "data.root=my photos"), ())
    assert schema.COMMAND.read(tags) == ("python", "-m", "src.train", "a=b c")


@pytest.mark.parametrize("tag", [tag for tag in OWN if tag.kind not in {schema.TEXT, schema.YES_NO}], ids=str)
def test_a_damaged_tag_reads_as_none_or_as_an_earlier_one(tag: schema.Name[object]) -> None:
    read = tag.read({tag.name: "[1, 'x"})
    assert read is None or tag.kind is schema.SHELL_WORDS


def test_numbers_and_yes_are_typed() -> None:
    assert schema.DEPTH.read(schema.DEPTH.of(11)) == 11
    assert [schema.WHOLE.read(schema.WHOLE.of(whole)) for whole in (True, False)] == [True, False]
    assert schema.DEPTH_TEXT.every({"depth": "3", "depth.a": "x", "depth.b": "y"}) == {"a": "x", "b": "y"}
