"""Claims: one at a time, free once a process has ended in whatever way, and told apart by lock folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from src.common.errors import ThawError
from src.common.project import PROJECT
from src.tracking.locks import LockFolder
from tests.conftest import check_that_the_second_waits

HOLD = """
import sys, time
from pathlib import Path
from src.tracking.locks import LockFolder
with LockFolder(Path(sys.argv[1])).lock("key"):
    print("claimed", flush=True)
    time.sleep(60)
"""


def is_free(lock_folder: LockFolder, name: str) -> bool:
    with lock_folder.lock_if_free(name) as free:
        return free


def test_a_claim_is_free_once_its_process_is_killed(tmp_path: Path) -> None:
    lock_folder = LockFolder(tmp_path)
    assert is_free(lock_folder, "key")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "claimed\n"
        assert not is_free(lock_folder, "key")
        assert is_free(lock_folder, "other")
        holder.send_signal(signal.SIGKILL)
    assert is_free(lock_folder, "key")


def test_a_second_claim_waits_and_says_so(tmp_path: Path) -> None:
    check_that_the_second_waits(lambda emit: LockFolder(tmp_path).lock("key", emit))


def test_a_workplace_keeps_its_id(tmp_path: Path) -> None:
    assert LockFolder(tmp_path / "a").id == LockFolder(tmp_path / "a").id != LockFolder(tmp_path / "b").id


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe\x00", b"x' or 'a' = 'a", b"abc", b"0" * 4096, "ü".encode()])
def test_a_damaged_id_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    before = LockFolder(tmp_path).id
    (tmp_path / "locks" / "workplace").write_bytes(damage)
    after = LockFolder(tmp_path).id
    assert after != before
    assert len(after) == 32
    assert LockFolder(tmp_path).id == after


def test_an_error_lets_go(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), LockFolder(tmp_path).lock("key", pytest.fail):
        raise RuntimeError
    assert is_free(LockFolder(tmp_path), "key")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ThawError, match=r"runtime\.work_dir="):
        LockFolder(tmp_path / "file")
    if os.geteuid():
        tmp_path.chmod(0o500)
        with pytest.raises(ThawError, match="Permission"):
            LockFolder(tmp_path / "new")
