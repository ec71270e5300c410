"""Nodes of a Ray cluster on this machine."""

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

PASSWORD = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
_AS_OTHERS = {"RAY_worker_niceness": "0"}
"""Ray's workers would give way to all that the machine does besides."""
ADDRESS = "127.0.0.1:6379"
OTHER = (f"--address={ADDRESS}",)


def head(folder: str) -> tuple[str, ...]:
    """The options of the first node, which keeps its files below `folder`.

    In a folder of its own: one that was used before names an address, which Ray takes for used while any process of
    this machine has it, in another network too.
    """
    own = tempfile.mkdtemp(dir=folder, prefix="")
    return ("--head", "--port=6379", "--include-dashboard=false", f"--temp-dir={own}")


@contextmanager
def ray_cluster(inside: tuple[str, ...]) -> Iterator[None]:
    """Run two nodes in the network that the words `inside` name."""
    with (
        tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder,
        ExitStack() as nodes,
    ):
        for options in (head(folder), OTHER):
            node = nodes.enter_context(started_node(inside, *options))
            nodes.callback(node.terminate)
        yield


def started_node(inside: tuple[str, ...], *options: str) -> "subprocess.Popen[str]":
    """Start a node with one core; return its process once it runs."""
    command = (
        *inside, sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1",
        "--node-ip-address=127.0.0.1", "--disable-usage-stats", "--object-store-memory=80000000", *options,
    )  # fmt: skip
    process = subprocess.Popen(
        command, env=os.environ | PASSWORD | _AS_OTHERS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "--block" in line:
            return process
    pytest.fail("".join(said))
