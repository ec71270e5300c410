"""What tests of reports share."""

import functools
from collections.abc import Callable

import mlflow
import pytest

from src.tracking.study import Study
from tests.reporting.runs import Trials, make_study

Fill = Callable[[str, Trials], Study]


@pytest.fixture
def client(store_uri: str) -> mlflow.MlflowClient:
    """Of the store that the tests of one process share."""
    return mlflow.MlflowClient(store_uri)


@pytest.fixture
def fill(client: mlflow.MlflowClient) -> Fill:
    """Make a study of a name and trials."""
    return functools.partial(make_study, client)
