"""Export a model: write it, check it on test images, refuse what disagrees, and log the check in its run."""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from mlflow.entities import Metric

from src.common.errors import ThawError
from src.common.events import EventHandler
from src.common.files import atomic_write
from src.data.dataset import Dataset
from src.data.listing import Split
from src.deployment.export_check import ExportCheck, check_export
from src.deployment.exporters import SUFFIXES, Format, Precision, runtime_of, write_export
from src.deployment.model_source import OpenedModel
from src.deployment.paired import points
from src.deployment.trial_data import dataset_of
from src.inference.temperature import Probabilities
from src.tracking import schema

_EXAMPLES = 400
"""Training images by which int8 keeps the features' means."""

LEAST_AGREEMENT: dict[Precision, float] = {"float32": 0.99, "float16": 0.99, "int8": 0.97}


@dataclass(frozen=True)
class ExportResult:
    """An export and what it is worth.

    Attributes:
        name: format and precision.
        path: of the export; it is not there if it was refused.
        refusal: why it was removed; empty where it was not.
    """

    name: str
    path: Path
    split: Split
    check: ExportCheck
    refusal: str

    def lines(self) -> list[str]:
        """Return the check for people."""
        check = self.check
        return [
            f"{self.name}: {check.megabytes:.1f} MB, {check.milliseconds:.1f} ms an image",
            f"  accuracy {100 * check.accuracy:.2f}% on {check.images:,} {self.split} images, "
            f"{points(check.difference)} against the model",
            f"  agreement {100 * check.agreement:.2f}%, probabilities differ by {check.farthest:.1e} at most",
            *([] if self.refusal else [f"  {self.path}"]),
        ]


def export_model(
    model: OpenedModel,
    kind: Format,
    precisions: Sequence[Precision],
    out: Path,
    emit: EventHandler,
    *,
    least: float | None,
    force: bool,
) -> list[ExportResult]:
    """Write exports of `model` to the folder `out`, with the facts that a program needs beside them.

    Raises:
        ThawError: the model's run or images are gone, or a runtime is not installed.
    """
    if model.client is None or model.run is None:
        raise ThawError(
            f"--model {model.name}: an export is checked on its run's test images; give runs:/ID or an alias"
        )
    dataset = dataset_of(model.client, model.run, emit)
    split: Split = "test" if dataset.splits["test"].size else "val"
    squares = [dataset.pixels[i] for i in dataset.splits[split]]
    expected = model.classifier.probabilities(squares)
    results = []
    for precision in precisions:
        result = _export(model, kind, precision, out, dataset, split, expected)
        share = LEAST_AGREEMENT[precision] if least is None else least
        if result.check.agreement < share and not force:
            result = _refused(result, share)
        results.append(result)
        _log(model, result)
    _write_facts(model, out)
    return results


def _export(
    model: OpenedModel,
    kind: Format,
    precision: Precision,
    out: Path,
    dataset: Dataset,
    split: Split,
    expected: Probabilities,
) -> ExportResult:
    name = f"{kind}_{precision}" if kind == "litert" else kind
    path = out / f"{name}{SUFFIXES[kind]}"
    train = dataset.splits["train"]
    spread = train[np.linspace(0, train.size - 1, min(_EXAMPLES, train.size)).astype(np.int64)]
    write_export(model.classifier.network, path, kind, precision, dataset.pixels[spread])
    return ExportResult(name, path, split, check_export(path, runtime_of(path, kind), expected, dataset, split), "")


def _refused(result: ExportResult, share: float) -> ExportResult:
    if result.path.is_dir():
        shutil.rmtree(result.path)
    else:
        result.path.unlink()
    reason = f"{result.name}: agrees on {100 * result.check.agreement:.2f}% of images, less than {100 * share:g}%"
    return ExportResult(
        result.name,
        result.path,
        result.split,
        result.check,
        f"{reason}: removed; --force keeps it, --agreement X asks less",
    )


def _write_facts(model: OpenedModel, out: Path) -> None:
    classifier = model.classifier
    facts = asdict(classifier.facts) | {"image_size": classifier.side, "input": "RGB, 0–255, float32"}
    atomic_write(out / "model.json", json.dumps(facts, indent=1, ensure_ascii=False))


def _log(model: OpenedModel, result: ExportResult) -> None:
    """Log the check with the model's run, also that of an export that was refused."""
    assert model.client is not None
    assert model.run is not None
    now = int(time.time() * 1000)
    measures = ("accuracy", "agreement", "megabytes", "milliseconds")
    values = {schema.of_export(result.name, measure): getattr(result.check, measure) for measure in measures}
    model.client.log_batch(model.run.info.run_id, [Metric(name, value, now, 0) for name, value in values.items()])
    table = json.dumps(asdict(result.check), indent=1)
    model.client.log_text(model.run.info.run_id, table, f"exports/{result.name}.json")
