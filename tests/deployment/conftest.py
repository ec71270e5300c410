"""A study of tiny trials in a store of its own, and its recommended trial promoted."""

from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.entities import Run

from src.common.predictions import ImagePredictions
from tests.conftest import Command


@dataclass(frozen=True)
class Deployed:
    """A study whose recommended trial is champion.

    Attributes:
        said: what the command that promoted it printed.
    """

    uri: str
    study: str
    said: str
    photos: Path

    @property
    def client(self) -> mlflow.MlflowClient:
        """Of the store."""
        return mlflow.MlflowClient(self.uri)

    @property
    def name(self) -> str:
        """Of the registered model, the only one with a champion."""
        (name,) = [each.name for each in self.client.search_registered_models() if "champion" in each.aliases]
        return str(name)

    @property
    def run_id(self) -> str:
        """The champion's."""
        return str(self.client.get_model_version_by_alias(self.name, "champion").run_id)


def predictions(right: list[bool], images: range | None = None) -> ImagePredictions:
    places = np.arange(len(right)) if images is None else np.array(images)
    labels = np.zeros(len(right), np.uint16)
    hashes = places.astype(np.uint64)
    return ImagePredictions(
        hashes, hashes, labels, np.where(right, 0, 1).astype(np.uint16), np.ones(len(right), np.float32)
    )


@dataclass(frozen=True)
class Rivals:
    """The champion's run and two without models, one worse than the other, with predictions that say so."""

    first: Run
    worse: Run
    better: Run

    def predictions(self, run: Run) -> ImagePredictions:
        """Return those of a run on ten images: the champion is right on 7, the others on 8 and 9."""
        right = {self.first.info.run_id: 7, self.worse.info.run_id: 8, self.better.info.run_id: 9}[run.info.run_id]
        return predictions([True] * right + [False] * (10 - right))


@pytest.fixture
def rivals(deployed: Deployed) -> Rivals:
    first = deployed.client.get_run(deployed.run_id)
    worse, better = (deployed.client.create_run(first.info.experiment_id) for _ in range(2))
    return Rivals(first, worse, better)


@pytest.fixture(scope="session")
def deployed(thaw: Command, tiny: tuple[str, ...], photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """Sweep without a model, then promote, which makes it."""
    top = tmp_path_factory.mktemp("deployed")
    uri = f"sqlite:///{top / 'mlflow.db'}"
    places = (f"tracking.uri={uri}", f"hydra.sweep.dir={top / 'sweep'}", "tracking.artifacts=none", "study=winner")
    swept = thaw("src.train", "-m", *tiny, "force=false", *places, "unfrozen=1,all", "seed=0,1")
    assert swept.returncode == 0, swept.stderr
    promoted = thaw("src.promote", "--study", "winner", "--tracking-uri", uri)
    assert promoted.returncode == 0, promoted.stderr
    return Deployed(uri, "winner", promoted.stdout + promoted.stderr, photos)
