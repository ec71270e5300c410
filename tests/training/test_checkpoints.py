"""Phases on disk: taken up where they were left, to the same numbers; never trusted when damaged."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common import file_store
from src.common.depth_choice import DepthChoice
from src.common.errors import Interrupted
from src.common.events import EpochRecord, Event, Warned
from src.config import TrialConfig
from src.data.listing import Split
from src.models import runtime  # noqa: F401 - sets TensorFlow up as trials do
from src.training import phase
from src.training.batch_loader import BatchLoader
from src.training.checkpoints import LAYOUT_VERSION, Checkpoint, CheckpointStore
from src.training.early_stopping import EarlyStopping
from src.training.phase import evaluate
from src.training.schedule import ScheduleResult
from src.training.trainable_segment import TrainableSegment
from tests.conftest import Compose, check_that_the_second_waits
from tests.training.test_schedule import Diary, run

STATE = Checkpoint(
    epochs=(EpochRecord(3, 1, {"val/accuracy": 0.1 + 0.2, "fit/loss": float("nan")}, 1.5),),
    stopped=False,
    early_stopping=EarlyStopping(rate=1e-3, best=0.1 + 0.2, best_epoch=0),
    train={3: {"train/accuracy": 0.5}},
    last={"dense/kernel": np.arange(6, dtype=np.float32).reshape(2, 3)},
    best={"dense/kernel": np.ones((2, 3), np.float32)},
    optimizer={"0": np.array(7), "1": np.array(1e-3, np.float32)},
)


@pytest.fixture
def memory(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path / "phases", 1.0, pytest.fail)


def test_a_state_comes_back_as_it_was(memory: CheckpointStore) -> None:
    memory.save("key", STATE)
    known = memory.load("key")
    assert known is not None
    for name in ("last", "best", "optimizer"):
        ours, theirs = getattr(STATE, name), getattr(known, name)
        assert ours.keys() == theirs.keys()
        for variable, array in ours.items():
            np.testing.assert_array_equal(array, theirs[variable], strict=True)
    assert repr(replace(known, last={}, best={}, optimizer={})) == repr(replace(STATE, last={}, best={}, optimizer={}))
    assert memory.load("other") is None


def flipped(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def test_what_is_damaged_is_not_known(memory: CheckpointStore) -> None:
    memory.save("key", STATE)
    path = memory.path("key")
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    for cut in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert memory.load("key") is None
    array = whole.index(STATE.last["dense/kernel"].tobytes())
    path.write_bytes(flipped(whole, 8 * array + int(generator.integers(192))))
    assert memory.load("key") is None
    for bit in generator.integers(8 * len(whole), size=2000):
        path.write_bytes(flipped(whole, int(bit)))
        file_store._SOUND.clear()  # a file is replaced, never changed
        known = memory.load("key")
        assert known is None or known.last.keys() == STATE.last.keys()


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    told: list[Event] = []
    (tmp_path / "phases").write_text("no folder")
    memory = CheckpointStore(tmp_path / "phases", 1.0, told.append)
    with memory.exclusive("key"):
        memory.save("key", STATE)
        memory.save("key", STATE)
    (warned,) = told
    assert isinstance(warned, Warned)
    assert "phases cannot be kept" in warned.text


def test_nothing_is_kept_in_no_space(tmp_path: Path) -> None:
    memory = CheckpointStore(tmp_path / "phases", 0.0, pytest.fail)
    memory.save("key", STATE)
    assert memory.load("key") is None


def test_one_at_a_time_trains_a_phase(memory: CheckpointStore) -> None:
    check_that_the_second_waits(lambda emit: CheckpointStore(memory.folder, 1.0, emit).exclusive("key"))


class Killed(Diary):
    """Ends the training after so many epochs, as a signal would."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.left = epochs

    def epoch(self, record: EpochRecord) -> None:
        super().epoch(record)
        self.left -= 1
        if self.left < 0:
            raise Interrupted(15)


def histories(outcome: ScheduleResult) -> list[Any]:
    return [(p.name, p.best_epoch, p.train, [(r.epoch, r.metrics) for r in p.epochs]) for p in outcome.phases]


@pytest.fixture(scope="module")
def demanding(composed: Compose, tiny: tuple[str, ...]) -> TrialConfig:
    """Everything that has a state: BatchNorm's statistics, Dropout, views, a falling rate, patience."""
    return composed(
        *tiny, "force=false", "backbone=mobilenetv2", "weights=random", "weights.alpha=0.35", "unfrozen=block_16",
        "batchnorm=train", "dropout=0.5", "augment=strong", "epochs=2", "fine_tune_epochs=4", "learning_rate=0.01",
        "fine_tune_learning_rate=0.05", "schedule.fine_tuning.plateau_patience=1", "batch_size=8",
    )  # fmt: skip


@pytest.fixture(scope="module")
def unbroken(demanding: TrialConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], list[Any]]:
    outcome, model_cache, _, _ = run(demanding, tmp_path_factory.mktemp("unbroken"))
    return histories(outcome), model_cache.network.model.get_weights()


@pytest.mark.parametrize("after", [0, 1, 3, 5])
def test_a_killed_trial_goes_on_to_the_same_numbers(
    demanding: TrialConfig, unbroken: tuple[list[Any], list[Any]], tmp_path: Path, after: int
) -> None:
    with pytest.raises(Interrupted):
        run(demanding, tmp_path, Killed(after))
    outcome, model_cache, _, diary = run(demanding, tmp_path)
    assert histories(outcome) == unbroken[0]
    for ours, theirs in zip(model_cache.network.model.get_weights(), unbroken[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert trained(diary) == 6 - after  # the epoch that was cut off is trained again


def test_a_known_phase_is_not_trained_again(
    demanding: TrialConfig, unbroken: tuple[list[Any], list[Any]], tmp_path: Path
) -> None:
    run(demanding, tmp_path)
    outcome, model_cache, _, diary = run(demanding, tmp_path)
    assert histories(outcome) == unbroken[0]
    assert trained(diary) == 0
    assert [phase.resumed for phase in outcome.phases] == [2, 4]
    for ours, theirs in zip(model_cache.network.model.get_weights(), unbroken[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.fixture(scope="module")
def small(composed: Compose, tiny: tuple[str, ...]) -> TrialConfig:
    overrides = ("force=false", "schedule=two_phase", "unfrozen=1", "dropout=0.5", "epochs=2", "fine_tune_epochs=4")
    return composed(*tiny, *overrides)


def longer(trial: TrialConfig, epochs: int) -> TrialConfig:
    return with_fine_tuning(trial, epochs=epochs)


def with_fine_tuning(trial: TrialConfig, **settings: Any) -> TrialConfig:
    phase = trial.schedule["fine_tuning"].model_copy(update=settings)
    return trial.model_copy(update={"schedule": {**trial.schedule, "fine_tuning": phase}})


def test_a_longer_phase_killed_while_it_is_measured_is_not_over(
    demanding: TrialConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(longer(demanding, 1), tmp_path)
    with monkeypatch.context() as killed:
        killed.setattr(phase, "evaluate", _killed_on_train)
        with pytest.raises(Interrupted):
            run(longer(demanding, 3), tmp_path)
    outcome, _, _, _ = run(longer(demanding, 3), tmp_path)
    assert histories(outcome) == histories(run(longer(demanding, 3), tmp_path / "alone")[0])


def _killed_on_train(tail: TrainableSegment, loader: BatchLoader, index: int, split: Split) -> dict[str, float]:
    if split == "train":
        raise Interrupted(15)
    return evaluate(tail, loader, index, split)


def trained(diary: Diary) -> int:
    return len([told for told in diary.told if told[0] == "epoch"])


def test_a_phase_that_is_to_go_on_longer_continues(small: TrialConfig, tmp_path: Path) -> None:
    at_once = histories(run(small, tmp_path / "at once")[0])
    run(longer(small, 1), tmp_path)
    outcome, _, _, diary = run(small, tmp_path)
    assert histories(outcome) == at_once
    assert trained(diary) == 3


def test_a_shorter_phase_is_trained_by_itself(small: TrialConfig, tmp_path: Path) -> None:
    alone = histories(run(longer(small, 2), tmp_path / "alone")[0])
    run(small, tmp_path)
    assert histories(run(longer(small, 2), tmp_path)[0]) == alone


def test_a_phase_that_stopped_by_itself_is_no_answer_to_a_shorter_one(
    composed: Compose, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    stuck = ("force=false", "learning_rate=1e-9", "schedule.training.patience=2")
    assert len(run(composed(*tiny, *stuck, "epochs=20"), tmp_path)[0].last.epochs) == 3
    assert len(run(composed(*tiny, *stuck, "epochs=2"), tmp_path)[0].last.epochs) == 2


@pytest.mark.parametrize(("max_gb", "kept"), [(None, 8), (0.9e-3, 3)])
def test_without_a_bound_there_is_room_for_eight_of_the_largest_phases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_gb: float | None, kept: int
) -> None:
    monkeypatch.setattr("src.training.checkpoints._USUAL_GB", 1e-6)
    store, large = CheckpointStore(tmp_path, max_gb, pytest.fail), {"kernel": np.zeros(60_000, np.float32)}
    for number in range(12):
        store.save(f"key{number}", replace(STATE, best=large))
    assert sum(store.load(f"key{number}") is not None for number in range(12)) in {kept, kept - 1}


def test_what_another_device_trained_is_not_known(tmp_path: Path) -> None:
    CheckpointStore(tmp_path, 1.0, pytest.fail, "CPU").save("key", STATE)
    assert CheckpointStore(tmp_path, 1.0, pytest.fail, "CPU").load("key") is not None
    assert CheckpointStore(tmp_path, 1.0, pytest.fail, "GPU").load("key") is None


def of_version(folder: Path, version: int | None) -> None:
    """Rewrite the phases in `folder` as another version may have left them: fewer metrics, and values of its own."""
    for path in (folder / "phases").glob("*.npz"):
        with np.load(path) as stored:
            arrays = {name: np.zeros_like(array) for name, array in stored.items()}
            facts = json.loads(stored["facts"].tobytes())
        del facts["version"]
        facts |= {"version": version} if version is not None else {}
        for record in facts["epochs"]:
            record["metrics"] = {name: 0.125 for name in record["metrics"] if name.endswith(("loss", "/accuracy"))}
        np.savez(path, **arrays | {"facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)})


@pytest.mark.parametrize("version", [None, 1, LAYOUT_VERSION - 1, LAYOUT_VERSION + 1])
def test_what_another_version_left_is_trained_anew(small: TrialConfig, tmp_path: Path, version: int | None) -> None:
    fresh, model_cache, _, _ = run(small, tmp_path)
    weights = model_cache.network.model.get_weights()
    of_version(tmp_path, version)
    outcome, model_cache, _, diary = run(small, tmp_path)
    assert trained(diary) == 6
    assert histories(outcome) == histories(fresh)
    for ours, theirs in zip(model_cache.network.model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert trained(run(small, tmp_path)[3]) == 0  # this version's own phases are in their place


def test_phases_rewritten_in_this_version_are_known(small: TrialConfig, tmp_path: Path) -> None:
    """The version alone keeps the test above from reading them."""
    run(small, tmp_path)
    of_version(tmp_path, LAYOUT_VERSION)
    outcome, _, _, diary = run(small, tmp_path)
    assert trained(diary) == 0
    assert outcome.last.epochs[0].metrics["val/accuracy"] == 0.125


def test_force_trains_what_is_known(small: TrialConfig, tmp_path: Path) -> None:
    run(small, tmp_path)
    assert trained(run(small.model_copy(update={"force": True}), tmp_path)[3]) == 6


def test_depths_share_the_head(small: TrialConfig, tmp_path: Path) -> None:
    run(small, tmp_path)
    outcome, _, _, _ = run(with_fine_tuning(small, unfrozen=DepthChoice.read("all")), tmp_path)
    assert [phase.resumed for phase in outcome.phases] == [2, 0]


def test_a_phase_that_ended_by_itself_is_done_however_long_it_may_be(
    composed: Compose, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    stuck = ("force=false", "learning_rate=1e-9", "schedule.training.patience=2")
    run(composed(*tiny, *stuck, "epochs=20"), tmp_path)
    outcome, _, _, diary = run(composed(*tiny, *stuck, "epochs=30"), tmp_path)
    assert len(outcome.last.epochs) == 3
    assert trained(diary) == 0
