"""The order of rooms: imports run down only, and the core works without the demonstration."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.common.project import PROJECT

SOURCE = PROJECT / "src"
MODULES = sorted(SOURCE.rglob("*.py"))
SCHEMA = "src.tracking.schema"
"""A room of its own at the bottom: every room calls metrics by its names."""

ORDER = (
    "schema", "common", "config", "statistics", "advice", "data", "inference", "models", "features", "verdict",
    "diagnosis", "training", "tracking", "reporting", "trial", "cli", "search", "auditing", "deployment", "demo",
    "entries",
)  # fmt: skip
DEMO_ENTRIES = {"gallery.py", "pretrain.py", "probe.py"}


def imported(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports anywhere, also inside functions and for type checking."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def core_modules() -> list[Path]:
    """Return all modules but those of the demonstration and its entries."""
    return [path for path in MODULES if path.relative_to(SOURCE).parts[0] not in {"demo", *DEMO_ENTRIES}]


def imports_demo(path: Path) -> bool:
    return any(f"{name}.".startswith("src.demo.") for name in imported(path))


def test_no_module_of_the_core_imports_the_demo() -> None:
    assert len(core_modules()) > 50
    assert [path for path in core_modules() if imports_demo(path)] == []


@pytest.mark.parametrize("name", sorted(DEMO_ENTRIES))
def test_the_entries_of_the_demo_import_it(name: str) -> None:
    assert imports_demo(SOURCE / name)


def room(path: Path) -> str:
    """Return the folder in src/ that a file lies in, or the place of one beside them."""
    if path == SOURCE / "tracking" / "schema.py":
        return "schema"
    first, *rest = path.relative_to(SOURCE).parts
    return first if rest else "config" if first == "config.py" else "entries"


def rooms_imported(path: Path) -> set[str]:
    own = [name for name in imported(path) if name.startswith("src.")]
    names = {"schema" if f"{name}.".startswith(f"{SCHEMA}.") else name.split(".")[1] for name in own}
    return {name for name in names if name in ORDER}


def test_imports_run_down_only() -> None:
    found = {room(path) for path in MODULES}
    assert found == {*ORDER, "hydra_plugins"}
    up = [
        f"{path.relative_to(SOURCE)} imports {other}"
        for path in MODULES
        if room(path) in ORDER
        for other in rooms_imported(path)
        if ORDER.index(other) > ORDER.index(room(path))
    ]
    assert up == []


def test_a_file_name_is_used_once() -> None:
    names = Counter(path.name for path in MODULES if path.name not in {"__init__.py", "__main__.py"})
    assert [name for name, count in names.items() if count > 1] == []


PRIVATE_WORDS = {
    "board", "companions", "course", "keeping", "leg", "legs", "membership", "obedient", "optimism", "pace",
    "parting", "passage", "passages", "placements", "settling", "steadiness", "stock", "supply", "surroundings",
    "tails", "tally", "thawed", "undoing", "workbench", "workplace",
}  # fmt: skip
"""Words that users of Keras, MLflow and scikit-learn do not guess; docs/glossary.md has the ones to use."""


def words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def test_classes_functions_and_files_have_the_fields_names() -> None:
    defined = [
        (path.relative_to(SOURCE), node.name)
        for path in core_modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    ]
    assert len(defined) > 800
    named = [*defined, *((path.relative_to(SOURCE), path.stem) for path in core_modules())]
    assert [f"{path}: {name}" for path, name in named if words(name) & PRIVATE_WORDS] == []
