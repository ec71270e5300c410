"""The report that a study has kept, given again where nothing that it is made from has changed since."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from mlflow.exceptions import MlflowException

from src.common.project import PROJECT
from src.tracking.mlflow_store import store_option
from src.tracking.schema import as_json
from src.tracking.study import Study
from src.tracking.study_table import to_csv
from src.tracking.trial_runs import Artifact

FOLDER, PAGE = "report", "report.html"
_CODE = (".py", ".j2", ".css", ".html")


def report_key(study: Study, margin: float, artifacts: Artifact) -> str:
    """Return the key of all that the report of `study` follows from: its trials, what was asked, and this code.

    Args:
        study: as it is in the store now.
        margin: the loss at which a lesser depth is still recommended, 0–1.
        artifacts: what the recommended trial is given.
    """
    asked = [study.objective, margin, artifacts.value, study.budget(), store_option(study.client, PROJECT)]
    content = as_json([to_csv(study.to_frame()), *asked, _code()])
    return hashlib.blake2b(content.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def kept_report(study: Study, key: str, folder: Path) -> list[str] | None:
    """Put the report that is kept under `key` in place of `folder`, and return what it says; None where none is kept.

    `folder` has the name of the artifacts' folder, :data:`FOLDER`.
    """
    known = study.report()
    if known.get("key") != key:
        return None
    shutil.rmtree(folder, ignore_errors=True)
    try:
        study.client.download_artifacts(study.run_id, FOLDER, str(folder.parent))
    except (MlflowException, OSError):  # the files were moved or deleted
        return None
    return [str(text) for text in known["texts"]] if (folder / PAGE).exists() else None


def keep_report(study: Study, key: str, folder: Path, texts: Sequence[str]) -> None:
    """Keep the files of `folder` as the study's report under `key`, and the `texts` that it says on the terminal."""
    study.keep_report({})  # while its files are replaced, there is none
    study.keep(folder, FOLDER)
    study.keep_report({"key": key, "texts": list(texts)})


def _code() -> list[tuple[str, int, int]]:
    """Return name, size and time of this code's files: a report of other code is made anew."""
    files = sorted(path for path in (PROJECT / "src").rglob("*") if path.suffix in _CODE)
    return [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
