"""An audit from its checked configuration to its files: findings.csv, manifest.csv and audit.html."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from src.auditing.audit_page import page_text
from src.auditing.findings import FINDINGS, MANIFEST, PAGE, Audit, all_findings, as_csv, manifest
from src.auditing.frozen_features import frozen_features
from src.auditing.groups import Groups, find_groups
from src.auditing.image_facts import AuditedImages, load_images
from src.auditing.labels import Suspicion, find_suspects
from src.auditing.statements import Statement, statements
from src.common.errors import DownloadError, one_line
from src.common.events import EventHandler, Warned
from src.common.files import atomic_write, exclusive_lock
from src.config import TrialConfig
from src.data.duplicates import near_pairs
from src.models.catalog import BackboneSpec
from src.models.weights import WeightSet
from src.reporting.page import spare_others
from src.reporting.terminal import Terminal
from src.trial.plan import pretrained_of


def run_audit(trial: TrialConfig, output: Path) -> list[str]:
    """Audit the images of `trial`, write the files to `output`, and return the lines for the terminal.

    Nothing is written to MLflow: an audit is of the data, and has no trial's numbers.

    Raises:
        ThawError: bad input, as for a trial; an image set that cannot be audited; others' files in `output`.
    """
    spare_others(f"hydra.run.dir={output}", output, PAGE, (FINDINGS, MANIFEST))
    spec, weights, image_size = pretrained_of(trial)
    with Terminal(trial.runtime.progress) as terminal:
        images = load_images(trial.data, image_size, trial.runtime, terminal)
        groups = find_groups(images, _pairs(images))
        suspicion = _suspicion(trial, spec, weights, images, groups, terminal)
        audit = Audit(images, image_size, output, groups, suspicion)
        all_statements = statements(audit)
        paths = _write(audit, all_statements)
    return [one_line(statement.text, 2000) for statement in all_statements] + [f"{path.name}: {path}" for path in paths]


def _pairs(images: AuditedImages) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Return near-equal pairs among the readable images, by their indices in the listing."""
    readable = images.readable
    pairs = near_pairs(images.store.hashes[readable])
    return np.column_stack([readable[pairs[:, :2]], pairs[:, 2]])


def _suspicion(
    trial: TrialConfig,
    spec: BackboneSpec,
    weights: WeightSet,
    images: AuditedImages,
    groups: Groups,
    emit: EventHandler,
) -> Suspicion | None:
    readable = images.readable
    numbers = {name: k for k, name in enumerate(images.class_names)}
    labels = np.array([numbers[images.samples[i].label] for i in readable], np.int64)
    if weights.name == "random":
        emit(Warned("weights=random: frozen random layers know little, so suspected label errors are mostly chance"))
    try:
        features = frozen_features(images.store.pixels, readable, spec, weights, trial.runtime, emit)
    except DownloadError as error:
        raise DownloadError(
            f"{error}; or audit with the embedded weights: backbone=mobilenetv2 weights=formula"
        ) from error
    return find_suspects(features, labels, groups.of[readable], emit)


def _write(audit: Audit, all_statements: Sequence[Statement]) -> list[Path]:
    """Write the audit's files, and remove an earlier audit's that this one does not have; return their paths."""
    findings = all_findings(audit)
    texts = {
        PAGE: page_text(audit, all_statements, findings),
        FINDINGS: as_csv(findings),
        MANIFEST: manifest(audit),
    }
    paths = [audit.output / name for name in texts]
    with exclusive_lock(audit.output / ".audit.lock"):  # files of two audits would not agree
        _remove(paths)
        try:
            for path in paths:
                if texts[path.name]:
                    atomic_write(path, texts[path.name])
        except OSError:
            _remove(paths)
            raise
    return [path for path in paths if texts[path.name]]


def _remove(paths: Sequence[Path]) -> None:
    for path in reversed(paths):  # the page last: it marks the others as an audit's
        path.unlink(missing_ok=True)
