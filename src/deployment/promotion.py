"""MLflow's registry: a trial's model as a version of a registered model, and the alias that names the best one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import mlflow
from mlflow.entities import Run as FoundRun
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from src.common.errors import ThawError, one_line
from src.common.events import EventHandler, ignore
from src.common.project import PROJECT
from src.common.shell import shell_line
from src.deployment.paired import compare_predictions, points
from src.deployment.paired_by_file import by_file
from src.statistics.intervals import Interval
from src.tracking import schema
from src.tracking.locks import made_lock_folder
from src.tracking.mlflow_run import model_of
from src.tracking.mlflow_store import as_default_store, store_option, store_reason
from src.tracking.prediction_files import read_class_names, read_predictions
from src.tracking.trial_runs import MODEL_FOLDER, all_pages


@dataclass(frozen=True)
class Promotion:
    """The outcome of a promotion.

    Attributes:
        has_alias: whether the alias is its own now.
        lines: what happened, with numbers.
    """

    version: ModelVersion
    has_alias: bool
    lines: tuple[str, ...]


def promote(
    client: mlflow.MlflowClient,
    run: FoundRun,
    name: str,
    alias: str,
    tags: Mapping[str, str],
    *,
    force: bool,
    emit: EventHandler = ignore,
) -> Promotion:
    """Register the model of `run` as a version of `name`, and give it `alias` unless that is of a better one.

    The alias moves if the new model is not worse on the test images of both: its accuracy is at least equal. Promotions
    at the same time that share the work folder wait for each other, so that the better model has the alias in the end.
    MLflow cannot move an alias on a condition: where they share just the store, the alias is read again before it
    moves, and one that moves within that instant is overwritten.

    Args:
        client: of the store that has the run.
        run: keeps its model.
        name: of the registered model, which is made where it is missing.
        alias: such as "champion".
        tags: of the version, also of one that was there.
        force: move the alias in any case.
        emit: receives the progress of images that are decoded to compare the two.

    Raises:
        ThawError: the registry refuses a name, or the version.
    """
    try:
        with made_lock_folder(PROJECT).lock("promotion"):
            version = _tagged(client, _version_of(client, run, name), tags) or _create(client, run, name, tags)
            return _move(client, run, version, alias, force=force, emit=emit)
    except MlflowException as error:
        raise ThawError(f"MLflow's registry: {store_reason(error)}") from error


def _move(
    client: mlflow.MlflowClient, run: FoundRun, version: ModelVersion, alias: str, *, force: bool, emit: EventHandler
) -> Promotion:
    name, holder = version.name, _holder(client, version.name, alias)
    while _number(holder) != _number(version):
        allowed, line = _judged(client, run, holder, version, alias, emit)
        if not (allowed or force):
            return Promotion(version, False, (line, f"{alias} stays as it is; --force moves it in any case"))
        latest = _holder(client, name, alias)
        if _number(latest) == _number(holder):
            client.set_registered_model_alias(name, alias, str(version.version))
            return Promotion(version, True, (line, f"{alias} is {name} version {version.version} now"))
        holder = latest  # of a promotion from elsewhere
    return Promotion(version, True, (f"{name} version {version.version} is {alias} already",))


def promotion_lines(client: mlflow.MlflowClient, done: Promotion, alias: str) -> tuple[str, ...]:
    """Return the lines of a promotion and, where it has the alias, the command that uses it."""
    if not done.has_alias:
        return done.lines
    words = ["python", "-m", "src.predict", "--model", f"models:/{done.version.name}@{alias}"]
    return (*done.lines, f"use it: {shell_line([*words, *store_option(client, PROJECT)])} IMAGES")


def version_tags(client: mlflow.MlflowClient, run: FoundRun) -> dict[str, str]:
    """Return what a version says of its run: data, classes, calibration."""
    prefix = schema.TEMPERATURE.partition("/")[0] + "/"
    calibration = {
        name.removeprefix(prefix): value for name, value in run.data.metrics.items() if name.startswith(prefix)
    }
    return {
        **schema.OUTPUT_CLASSES.of(read_class_names(client, run)),
        **schema.CALIBRATION.of(calibration),
        **schema.DATA_FINGERPRINT.of(schema.DATA_FINGERPRINT.read(run.data.tags) or ""),
    }


def registered_name(run: FoundRun) -> str:
    """Return the name of the registered model by default: that of the trial's images, which champions compete on.

    >>> from types import SimpleNamespace as S
    >>> registered_name(S(inputs=S(dataset_inputs=[S(dataset=S(name="my photos: 2"))])))
    'my photos- 2'
    """
    inputs = run.inputs.dataset_inputs if run.inputs else []
    name = str(inputs[0].dataset.name) if inputs else "model"
    return re.sub(r"[/:.\\]", "-", name).strip() or "model"


def name_by_alias(client: mlflow.MlflowClient, run: FoundRun, alias: str) -> str:
    """Return the registered model to promote a run into by default.

    It is one that has a version of the run and a holder of `alias`, so that there is no second model with the alias;
    else that of :func:`registered_name`.
    """
    versions = client.search_model_versions(f"run_id = '{run.info.run_id}'")
    names = (version.name for version in versions if _holder(client, version.name, alias))
    return next(names, registered_name(run))


def _holder(client: mlflow.MlflowClient, name: str, alias: str) -> ModelVersion | None:
    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:  # no model, no such alias
            return None
        raise


def _version_of(client: mlflow.MlflowClient, run: FoundRun, name: str) -> ModelVersion | None:
    """Return the version that was made of the run before; make the registered model where it is missing."""
    if not any(entry.name == name for entry in all_pages(lambda t: client.search_registered_models(page_token=t))):
        client.create_registered_model(name)
        return None
    versions = client.search_model_versions(f"run_id = '{run.info.run_id}'")
    return next((entry for entry in versions if entry.name == name), None)


def _tagged(client: mlflow.MlflowClient, version: ModelVersion | None, tags: Mapping[str, str]) -> ModelVersion | None:
    """Set the tags of a version that was there, whose verdict may be of an earlier report; return it with them."""
    if version is None:
        return None
    for key, text in tags.items():
        client.set_model_version_tag(version.name, str(version.version), key, text)
    return client.get_model_version(version.name, str(version.version))


def _create(client: mlflow.MlflowClient, run: FoundRun, name: str, tags: Mapping[str, str]) -> ModelVersion:
    model_id = model_of(run)
    source = f"models:/{model_id}" if model_id else f"{run.info.artifact_uri}/{MODEL_FOLDER}"
    with as_default_store(client):
        return client.create_model_version(name, source, run.info.run_id, tags=dict(tags), model_id=model_id)


def _judged(
    client: mlflow.MlflowClient,
    run: FoundRun,
    holder: ModelVersion | None,
    version: ModelVersion,
    alias: str,
    emit: EventHandler,
) -> tuple[bool, str]:
    """Return whether the run's model may take the alias of `holder`, and why."""
    if holder is None:
        return True, f"no model is {alias} yet"
    who, old = f"{alias}, version {holder.version}", _run_of(client, holder)
    classes = _classes(client, holder, old)
    if not classes:
        return False, f"{who}, does not say its classes: the two cannot be compared"
    if classes != _classes(client, version, run):
        return False, f"{who}, has other classes: the two cannot be compared; --name registers the new one by itself"
    try:
        difference = _difference(client, run, old, emit) if old else None
    except ThawError as error:
        return False, f"{who}, was tested on images that cannot be matched: {one_line(error, 300)}"
    if difference is None:
        return False, f"{who}, was not tested on the same images: the two cannot be compared"
    how = "not worse" if difference.estimate >= 0 else "worse"
    return difference.estimate >= 0, f"{how} than {who}: {points(difference)} on the same test images"


def _number(version: ModelVersion | None) -> str | None:
    return None if version is None else str(version.version)


def _run_of(client: mlflow.MlflowClient, version: ModelVersion) -> FoundRun | None:
    try:
        return client.get_run(version.run_id) if version.run_id else None
    except MlflowException:  # deleted since
        return None


def _classes(client: mlflow.MlflowClient, version: ModelVersion, run: FoundRun | None) -> tuple[str, ...]:
    """Return the classes of a version; one that was registered by hand has no tags, and its run says them."""
    return schema.OUTPUT_CLASSES.read(version.tags) or (read_class_names(client, run) if run else ())


def _difference(client: mlflow.MlflowClient, run: FoundRun, other: FoundRun, emit: EventHandler) -> Interval | None:
    """Return how much better the run is than the other on the same test images, which are matched by file if need be.

    Raises:
        ThawError: they need be, and the files of one are gone, or are other ones now.
    """
    new, old = (read_predictions(client, entry, "test") for entry in (run, other))
    if new is None or old is None:
        return None
    by_pixels = compare_predictions(new, old)
    if by_pixels is not None or new.images.shape != old.images.shape:
        return by_pixels
    new, old = by_file(client, run, new, emit), by_file(client, other, old, emit)
    return None if new is None or old is None else compare_predictions(new, old)
