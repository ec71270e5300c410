"""Export a model: write it, check it on test images, refuse what disagrees, and log the check in its run."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from mlflow.entities import Metric

from src.common.errors import ThawError
from src.common.events import EventHandler
from src.common.files import atomic_write, path_in_errors
from src.data.dataset import Dataset
from src.data.listing import Split
from src.deployment.export_check import ExportCheck, check_export
from src.deployment.export_place import check_place, put_in_place
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
        path: of the export; where it was refused, what was there before is still there.
        split: of the images that it was checked on; val where there are no test images.
        refusal: why it was not kept; empty where it was.
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

    An export takes its place, and that of an earlier one, once it has been checked.

    Raises:
        ThawError: the model's run or images are gone, a runtime is not installed, the format does not take the network,
            or other files are where the export belongs.
    """
    if model.client is None or model.run is None:
        raise ThawError(
            f"--model {model.name}: an export is checked on its run's test images; give runs:/ID or an alias"
        )
    for precision in precisions:
        check_place(_target(out, kind, precision)[1], kind)
    dataset = dataset_of(model.client, model.run, emit)
    split: Split = "test" if dataset.splits["test"].size else "val"
    expected = model.classifier.probabilities([dataset.pixels[i] for i in dataset.splits[split]])
    results = []
    for precision in precisions:
        share = LEAST_AGREEMENT[precision] if least is None else least
        results.append(_export(model, kind, precision, out, dataset, split, expected, 0 if force else share))
        _log(model, results[-1])
    if not all(result.refusal for result in results):
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
    least: float,
) -> ExportResult:
    name, path = _target(out, kind, precision)
    train = dataset.splits["train"]
    spread = train[np.linspace(0, train.size - 1, min(_EXAMPLES, train.size)).astype(np.int64)]
    with path_in_errors(path):
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".export-", dir=out) as folder:
            made = Path(folder) / path.name
            write_export(model.classifier.network, made, kind, precision, dataset.pixels[spread])
            check = check_export(made, runtime_of(made, kind), expected, dataset, split)
            refusal = _refusal(name, check, least)
            if not refusal:
                put_in_place(made, path)
    return ExportResult(name, path, split, check, refusal)


def _target(out: Path, kind: Format, precision: Precision) -> tuple[str, Path]:
    name = f"{kind}_{precision}" if kind == "litert" else kind
    return name, out / f"{name}{SUFFIXES[kind]}"


def _refusal(name: str, check: ExportCheck, least: float) -> str:
    if check.agreement >= least:
        return ""
    reason = f"{name}: agrees on {100 * check.agreement:.2f}% of images, less than {100 * least:g}%"
    return f"{reason}: not kept; --force keeps it, --agreement X asks less"


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
    table = json.dumps(asdict(result.check) | {"split": result.split}, indent=1)
    model.client.log_text(model.run.info.run_id, table, f"exports/{result.name}.json")
