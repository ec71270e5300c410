"""The tutorial runs as it is, and shows in git what it shows when it runs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from src.common.project import PROJECT

TUTORIAL = PROJECT / "docs" / "tutorial.ipynb"


def outputs(notebook: NotebookNode) -> list[list[tuple[str, ...]]]:
    """The kinds of each code cell's outputs: numbers and pixels differ between machines."""
    return [
        [(output.output_type, *sorted(output.get("data", {}))) for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def printed(notebook: NotebookNode) -> str:
    return "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))


@pytest.mark.slow
def test_the_tutorial_runs_and_its_outputs_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("THAW_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("THAW_WORK_DIR", str(tmp_path / "work"))
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    kept, run = (nbformat.read(TUTORIAL, as_version=4) for _ in range(2))
    NotebookClient(run, timeout=200, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert len(outputs(run)) > 5
    assert outputs(kept) == outputs(run)
    assert "Clearly worse" in printed(kept)
    for notebook in (kept, run):
        assert "9 trials" in printed(notebook)
        assert "layers" in printed(notebook)
