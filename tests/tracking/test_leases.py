"""Leases in the tracking store: one host at a time trains a trial, whatever their clocks say."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest

import src.tracking.leases as leases_module
from src.common.events import Event, Waiting, ignore
from src.tracking import schema
from src.tracking.leases import Leases, LeaseTakenError, _Watch, need_leases, what_locks
from src.tracking.locks import LockFolder

SECONDS = 1
NewHost = Callable[[str], Leases]


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> mlflow.MlflowClient:
    """A store of this test, which is taken for one that several hosts may use."""
    monkeypatch.setattr(leases_module, "need_leases", lambda _: True)
    return mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")


@pytest.fixture
def host(client: mlflow.MlflowClient, tmp_path: Path) -> NewHost:
    """Return a function that makes a host with a lock folder of its own."""
    return lambda name: Leases(client, LockFolder(tmp_path / name), SECONDS)


def new_run(host: Leases, key: str = "k") -> str:
    experiment = host.client.get_experiment_by_name("Default")
    tags = schema.TRIAL_KEY.of(key) | host.lock_folder.tags | host.tags()
    return str(host.client.create_run(experiment.experiment_id, tags=tags).info.run_id)


def status(host: Leases, run_id: str) -> str:
    return str(host.client.get_run(run_id).info.status)


def test_stores_that_are_files_need_none(tmp_path: Path) -> None:
    stores = {
        f"sqlite:///{tmp_path}/m.db": False, "http://127.0.0.1:1": True, "postgresql://h/thaw": True,
        str(tmp_path): False,
    }  # fmt: skip
    locks = LockFolder(tmp_path)
    for uri, is_needed in stores.items():
        client: Any = type("Client", (), {"tracking_uri": uri})
        assert need_leases(client) == is_needed
        assert ("leases in the store (60 s)" in what_locks(client, locks, 60)) == is_needed
        assert str(locks.folder) in what_locks(client, locks, 60)


def test_a_trial_that_nobody_trains_is_free_at_once(host: NewHost) -> None:
    emitted = list[Event]()
    host("a").wait("k", emitted.append, "waiting")
    assert emitted == []


def test_others_wait_while_a_lease_is_renewed_and_come_next(host: NewHost, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = host("a"), host("b")
    run_id, told = new_run(here), list[Event]()
    ended: list[float] = []

    def train() -> None:
        with here.held("k", run_id):
            time.sleep(3 * SECONDS)
        here.client.set_terminated(run_id, "FINISHED")
        ended.append(time.monotonic())

    thread = threading.Thread(target=train)
    thread.start()
    real = time.time
    monkeypatch.setattr(leases_module.time, "time", lambda: real() + 600)  # of all that follows, in both threads
    there.wait("k", told.append, "another host")
    assert ended
    thread.join()
    assert told == [Waiting("another host")]
    assert status(there, run_id) == "FINISHED"
    lease = schema.LEASE.read(here.client.get_run(run_id).data.tags)
    assert lease is not None
    assert lease["seconds"] == SECONDS
    assert lease["renewals"] > 2 * leases_module._RENEWALS


def test_a_dead_hosts_lease_expires_and_its_run_is_closed(host: NewHost) -> None:
    dead, heir = host("a"), host("b")
    run_id, began = new_run(dead), time.monotonic()
    heir.wait("k", ignore, "waiting")
    assert SECONDS <= time.monotonic() - began < 4 * SECONDS
    assert status(heir, run_id) == "KILLED"
    assert "lease expired" in (schema.ERROR.read(heir.client.get_run(run_id).data.tags) or "")


def test_runs_of_the_same_lock_folder_and_of_other_trials_are_no_matter(host: NewHost) -> None:
    here, there = host("a"), host("b")
    new_run(there, "other")
    new_run(here)
    emitted = list[Event]()
    here.wait("k", emitted.append, "waiting")
    assert emitted == []


def closed_meanwhile(host: Leases, *, is_checked: bool) -> None:
    """Train under a lease that another host takes over."""
    run_id = new_run(host)
    with host.held("k", run_id):
        host.client.set_terminated(run_id, "KILLED")
        if is_checked:
            time.sleep(SECONDS)
            host.check()
            pytest.fail("the epoch is logged")


@pytest.mark.parametrize("is_checked", [True, False])
def test_who_was_taken_over_stops_and_does_not_finish(host: NewHost, is_checked: bool) -> None:
    with pytest.raises(LeaseTakenError):
        closed_meanwhile(host("a"), is_checked=is_checked)


def test_a_claim_is_withdrawn_where_another_host_has_begun(host: NewHost) -> None:
    here, there = host("a"), host("b")
    first = new_run(here)
    with here.held("k", first):
        second = new_run(there)
        with pytest.raises(LeaseTakenError), there.held("k", second):
            pytest.fail("two train")
    assert here.client.get_run(second).info.lifecycle_stage == "deleted"


def test_of_many_that_begin_at_once_one_trains(host: NewHost) -> None:
    hosts = [host(str(number)) for number in range(5)]
    begin, inside, most, trained = threading.Barrier(len(hosts)), 0, 0, 0

    def train(each: Leases) -> None:
        nonlocal inside, most, trained
        run_id = new_run(each)
        begin.wait()
        try:
            with each.held("k", run_id):
                inside += 1
                most, trained = max(most, inside), trained + 1
                time.sleep(SECONDS)
                inside -= 1
        except LeaseTakenError:
            pass

    threads = [threading.Thread(target=train, args=(each,)) for each in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (most, trained) == (1, 1)


def look(monkeypatch: pytest.MonkeyPatch, watch: _Watch, at: float, renewals: int) -> bool:
    monkeypatch.setattr(leases_module.time, "monotonic", lambda: at)
    tags = schema.LEASE.of({"renewals": renewals, "seconds": 60})
    run: Any = type("Run", (), {"info": type("Info", (), {"run_id": "r"}), "data": type("Data", (), {"tags": tags})})
    return watch.has_expired(run)


def test_a_lease_expires_where_it_stands_still_for_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = _Watch()
    assert not any(look(monkeypatch, watch, at, 7) for at in range(0, 61, 5))
    assert look(monkeypatch, watch, 65, 7)


def test_a_renewal_starts_its_time_again(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = _Watch()
    assert not any(look(monkeypatch, watch, at, 7 + at // 50) for at in range(0, 400, 5))


def test_a_look_after_an_outage_counts_from_then(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = _Watch()
    assert not look(monkeypatch, watch, 0, 7)
    assert not look(monkeypatch, watch, 500, 7)
    assert not any(look(monkeypatch, watch, at, 7) for at in range(505, 561, 5))
    assert look(monkeypatch, watch, 565, 7)
