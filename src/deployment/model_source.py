"""The model that a command names: a run's, a registered one's, by its alias alone, or a file's."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import mlflow
import yaml
from mlflow.entities import Run as FoundRun
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from src.cli.command import MODEL_HELP
from src.common.errors import ThawError, did_you_mean, one_line
from src.common.project import PROJECT
from src.common.shell import RENDER, shell_line
from src.inference.classifier import Classifier
from src.inference.facts import ModelFacts
from src.tracking import schema
from src.tracking.mlflow_run import model_of
from src.tracking.mlflow_store import existing_store, store_option, store_reason
from src.tracking.study import promotion_hint
from src.tracking.trial_runs import all_pages


@dataclass(frozen=True)
class OpenedModel:
    """A model that is ready to predict.

    Attributes:
        name: what the user typed for it.
        client: of the store; None where the model is a file outside of any.
        run: the run that trained it, if the store has that.
    """

    name: str
    classifier: Classifier
    client: mlflow.MlflowClient | None = None
    run: FoundRun | None = None


@contextmanager
def opened_model(name: str, tracking_uri: str | None) -> Iterator[OpenedModel]:
    """Open the model `name`; its files are there for the block.

    Raises:
        ThawError: no such model, run, version or alias, or files that are no classifier's; its text has one line.
    """
    if os.path.exists(name):  # noqa: PTH110 - says no, rather than fail, where a name is too long
        yield open_file(Path(name))
        return
    client = existing_store(tracking_uri, PROJECT)
    uri = model_uri(client, name)
    with TemporaryDirectory() as folder:
        yield _open_folder(_download(client, uri, Path(folder), name), name, client)


@contextmanager
def opened_models(client: mlflow.MlflowClient, run_ids: Sequence[str]) -> Iterator[list[OpenedModel]]:
    """Open the models of several runs of one store.

    Raises:
        ThawError: as :func:`opened_model`.
    """
    with ExitStack() as stack:
        uri = str(client.tracking_uri)
        yield [stack.enter_context(opened_model(f"runs:/{run_id}", uri)) for run_id in run_ids]


def open_file(path: Path) -> OpenedModel:
    """Open a `.keras` file, or a folder in MLflow's layout."""
    if path.is_dir():
        return _open_folder(path, str(path), None)
    layout = path.parents[1] if len(path.parents) > 1 and (path.parents[1] / "MLmodel").is_file() else None
    return OpenedModel(str(path), Classifier.load(path, _facts_of(layout, None) if layout else None))


def model_uri(client: mlflow.MlflowClient, name: str) -> str:
    """Return the place of the files of the model `name`.

    Raises:
        ThawError: there is none.
    """
    try:
        if run := re.fullmatch(r"runs:/([^/]+)(?:/model)?/?", name):
            return _of_run(client, run[1])
        if alias := re.fullmatch(r"models:/([^/@]+)@([^/@]+)", name):
            return _of_version(client, client.get_model_version_by_alias(alias[1], alias[2]))
        if version := re.fullmatch(r"models:/([^/@]+)/(\d+)", name):
            return _of_version(client, client.get_model_version(version[1], version[2]))
        if re.fullmatch(r"models:/m-[0-9a-f]+", name):
            return str(client.get_logged_model(name.removeprefix("models:/")).artifact_location)
        if not re.search(r"[/\\:]|\.keras$", name):
            return _of_alias(client, name)
    except MlflowException as error:
        where = "mlflow ui shows what the store has, --tracking-uri names another one"
        raise ThawError(f"--model {name}: {store_reason(error).rstrip('.')}; {where}") from error
    raise ThawError(f"--model {name}: no such file; give {MODEL_HELP}")


def _of_run(client: mlflow.MlflowClient, run_id: str) -> str:
    run = client.get_run(run_id)
    if study := promotion_hint(client, run):
        raise ThawError(f"--model runs:/{run_id}: {study}")
    if schema.MODEL.read(run.data.tags) is None:
        command = shell_line([*RENDER, f"runs:/{run_id}", *store_option(client, PROJECT)])
        raise ThawError(f"--model runs:/{run_id}: the run keeps no model, as most of a sweep's; make it: {command}")
    model_id = model_of(run)
    return str(client.get_logged_model(model_id).artifact_location) if model_id else f"{run.info.artifact_uri}/model"


def _of_version(client: mlflow.MlflowClient, version: ModelVersion) -> str:
    if version.model_id:
        return str(client.get_logged_model(version.model_id).artifact_location)
    return str(client.get_model_version_download_uri(version.name, str(version.version)))


def _of_alias(client: mlflow.MlflowClient, alias: str) -> str:
    pages = all_pages(lambda token: client.search_registered_models(page_token=token))
    registered = {entry.name: entry.aliases for entry in pages}
    holders = [name for name, aliases in registered.items() if alias in aliases]
    if len(holders) == 1:
        return _of_version(client, client.get_model_version_by_alias(holders[0], alias))
    if holders:
        choice = ", ".join(f"models:/{name}@{alias}" for name in holders)
        raise ThawError(f"--model {alias}: several models have that alias; give one of {choice}")
    if alias in registered:
        ways = [f"models:/{alias}@{entry}" for entry in sorted(registered[alias])] or [f"models:/{alias}/VERSION"]
        raise ThawError(f"--model {alias}: a registered model; say which version of it: {', '.join(ways)}")
    known = sorted({entry for aliases in registered.values() for entry in aliases})
    hint = did_you_mean(alias, known) if known else "nothing is promoted yet: python -m src.promote --study NAME"
    raise ThawError(f"--model {alias}: neither a file nor an alias of a registered model; {hint}")


def _download(client: mlflow.MlflowClient, uri: str, folder: Path, name: str) -> Path:
    place = urlsplit(uri)
    if place.scheme in {"", "file"} and not os.path.exists(unquote(place.path)):  # noqa: PTH110 - as MLflow says it
        raise ThawError(f"--model {name}: {unquote(place.path)} is gone; put it back, or train the model again")
    try:
        stores = {"tracking_uri": client.tracking_uri, "registry_uri": client.tracking_uri}
        return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder), **stores))
    except Exception as error:  # each kind of store has errors of its own
        raise ThawError(f"--model {name}: its files cannot be had: {store_reason(error)}") from error


def _open_folder(folder: Path, name: str, client: mlflow.MlflowClient | None) -> OpenedModel:
    files = sorted(folder.rglob("*.keras"))
    if not files:
        raise ThawError(f"--model {name}: {'no .keras file in it' if folder.is_dir() else 'no folder of a model'}")
    run = _run_of(client, _description(folder).get("run_id"))
    return OpenedModel(name, Classifier.load(files[0], _facts_of(folder, run)), client, run)


def _run_of(client: mlflow.MlflowClient | None, run_id: object) -> FoundRun | None:
    try:
        return client.get_run(str(run_id)) if client is not None and run_id else None
    except MlflowException:  # deleted since
        return None


def _facts_of(folder: Path, run: FoundRun | None) -> ModelFacts | None:
    """Return what a model of an earlier version, whose file has no facts, is described by: its folder and its run."""
    names = (_description(folder).get("metadata") or {}).get("class_names")
    read = (schema.CONFIGURATION.read(run.data.tags) if run else None) or {}
    if not names:
        return None
    return ModelFacts(
        tuple(map(str, names)), cast("Any", read.get("data.resize", "stretch")), read.get("data.bit_depth")
    )


def _description(folder: Path) -> dict[str, Any]:
    """Return MLflow's description of the model in `folder`; empty where it has none that can be read."""
    try:
        read = yaml.safe_load((folder / "MLmodel").read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ThawError(f"{folder / 'MLmodel'}: {one_line(error, 200)}") from error
    return read if isinstance(read, dict) else {}
