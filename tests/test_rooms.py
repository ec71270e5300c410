"""The order of rooms: the core works without the demonstration."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.project import PROJECT

SOURCE = PROJECT / "src"
MODULES = sorted(SOURCE.rglob("*.py"))
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


def test_no_file_of_the_demo_has_the_name_of_another() -> None:
    names = Counter(path.name for path in MODULES)
    in_demo = [path.name for path in (SOURCE / "demo").rglob("*.py") if path.name != "__init__.py"]
    assert len(in_demo) > 10
    assert [name for name in in_demo if names[name] > 1] == []
