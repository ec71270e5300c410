"""A cluster of Ray whose head is started anew under a sweep: Ray itself would wait forever."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.loopback import loopback_network, processes_inside
from tests.processes import started_processes, wait_for
from tests.search import ray_nodes
from tests.search.launched import NUMBER, numbers, runs, surroundings, sweep_words
from tests.search.test_launchers import is_installed


class Head:
    """The one node of a cluster, in a network of its own."""

    def __init__(self, inside: tuple[str, ...], folder: str) -> None:
        self.inside, self.folder = inside, folder
        self.start()

    def start(self) -> None:
        self.node = ray_nodes.started_node(self.inside, *ray_nodes.head(self.folder))

    def kill(self) -> None:
        """Kill all processes of the node, whichever Ray started them."""
        for pid, line in processes_inside(self.inside).items():
            if "src.train" not in line:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.node.communicate()


@pytest.fixture
def head() -> Iterator[Head]:
    with (
        tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder, loopback_network() as inside
    ):  # fmt: skip
        started = Head(inside, folder)
        yield started
        started.kill()


@pytest.mark.slow
@pytest.mark.skipif(not is_installed("ray"), reason="ray is not installed: NOT TESTED")
@pytest.mark.parametrize("is_anew", [True, False])
def test_a_sweep_goes_on_where_the_head_is_started_anew_and_ends_where_it_is_gone(
    head: Head, by_basic: Any, photos: Path, tmp_path: Path, is_anew: bool
) -> None:
    words = (*head.inside, *sweep_words("ray", photos, tmp_path))
    patience = {"RAY_gcs_rpc_server_reconnect_timeout_s": "60" if is_anew else "5"}
    environment = surroundings("ray", tmp_path) | patience
    with started_processes() as start:
        sweep = start(words, tmp_path, environment)
        wait_for(lambda: runs(tmp_path, "attributes.status = 'RUNNING' and tags.trial_key != ''"), 200)
        head.kill()
        if is_anew:
            head.start()
        _, errors = sweep.communicate(timeout=150)
        assert sweep.returncode == 1, errors
        if is_anew:
            assert errors.count("KILLED: its process ended without an error message") == 1
            assert len(numbers(tmp_path)) == NUMBER - 1, errors
        else:
            head.start()
        again = start(words, tmp_path, environment)
        out, errors = again.communicate(timeout=150)
    assert (again.returncode, f"{NUMBER} of {NUMBER} trials done" in out) == (0, True), errors
    assert numbers(tmp_path) == by_basic
