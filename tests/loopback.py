"""A network of its own, which has the loopback interface and nothing else: for what listens on every address."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def loopback_network() -> Iterator[tuple[str, ...]]:
    """Yield the words before a command by which it runs in such a network; skip the test where there can be none.

    It has 127.0.0.2, too: getaddrinfo(3) finds no address to listen on where 127.0.0.1 is the only one.
    """
    if not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
        pytest.skip("unshare, nsenter and ip make networks: NOT TESTED WITHOUT THEM")
    script = "ip link set lo up && ip addr add 127.0.0.2/8 dev lo && echo ready && exec cat"
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            if holder.stdout.readline() != "ready\n":
                pytest.skip("no right to make a network: NOT TESTED WITHOUT IT")
            yield ("nsenter", f"--net=/proc/{holder.pid}/ns/net")
        finally:
            holder.stdin.close()


def processes_inside(inside: tuple[str, ...]) -> dict[int, str]:
    """The command lines of the processes in a network but for its holder's, by process id."""
    network = Path(inside[1].removeprefix("--net="))
    holder, found = network.parts[2], {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if folder.name != holder and (folder / "ns" / "net").readlink() == network.readlink():
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return {pid: command for pid, command in found.items() if command}  # not of those that have ended
