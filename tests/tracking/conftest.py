"""An MLflow server over PostgreSQL, which the tests of one process share, and a relay before it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.common.errors import ThawError
from src.tracking.mlflow_server import ServerSettings, StoreServer, store_server
from src.tracking.postgres import check_installed
from tests.tracking.relay import Relay


def server_folder() -> Path:
    """A folder that PostgreSQL's user can reach, which pytest's are not."""
    try:
        check_installed()
    except ThawError as missing:
        pytest.skip(f"{missing}: NOT TESTED OVER POSTGRESQL")
    folder = Path(tempfile.mkdtemp(prefix="thaw-server-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT", "/tmp")))
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def served() -> Iterator[StoreServer]:
    folder = server_folder()
    with store_server(ServerSettings(folder, workers=1)) as server:
        yield server
    shutil.rmtree(folder)


@pytest.fixture
def relay(served: StoreServer) -> Iterator[Relay]:
    relay = Relay(int(served.uri.rpartition(":")[2]))
    yield relay
    relay.close()
