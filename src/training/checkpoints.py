"""Phases under way or done, on disk: a killed trial goes on from its last epoch, and trials share what they share.

A phase is kept under its key, which names what it trains from which weights but not how long. So the head that many
depths start from is trained once, and a phase asked to go on longer continues. What a killed process left unfinished,
and what a disk has damaged, is not trusted but trained anew.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.common.errors import one_line
from src.common.files import atomic_file, exclusive_lock_where_possible, prune
from src.training.early_stopping import EarlyStopping
from src.training.history import EpochRecord

Arrays = dict[str, NDArray[Any]]
LAYOUT_VERSION = 3
"""Raise it when epochs hold more than before: a phase that lacks a metric is not known, and trains anew."""


@dataclass(frozen=True)
class Checkpoint:
    """A phase after its last epoch so far.

    Attributes:
        epochs: the records of all its epochs.
        stopped: whether it ended by itself: patience, or a loss that is no number.
        early_stopping: the state that the next epoch continues from.
        train: what was measured at its end, by epoch; empty while it is under way.
        last: the variables that the phase changes, by path, after the last epoch.
        best: the same after the best epoch.
        optimizer: the optimizer's variables, in its order, by number.
    """

    epochs: tuple[EpochRecord, ...]
    stopped: bool
    early_stopping: EarlyStopping
    train: dict[int, dict[str, float]]
    last: Arrays
    best: Arrays
    optimizer: Arrays

    def is_result_of(self, epochs: int) -> bool:
        """Return whether a phase of at most `epochs` epochs is complete."""
        return bool(self.train) and (self.stopped or len(self.epochs) == epochs)

    def leads_to(self, epochs: int) -> bool:
        """Return whether a phase of at most `epochs` epochs passes through this state."""
        return len(self.epochs) <= epochs


class CheckpointStore:
    """The folder of phases. `max_gb` bounds it; `warn` is told, once, when it cannot be written.

    What another `device` trained is not known: its numbers may differ in the last digits. Between two savings of a
    phase under way lie `least_seconds`: saving must not take longer than training again.
    """

    def __init__(
        self, folder: Path, max_gb: float, warn: Callable[[str], None], device: str = "", least_seconds: float = 2.0
    ) -> None:
        self.folder = folder
        self.max_bytes = max_gb * 1e9
        self.warn = warn
        self.device = device
        self.works = max_gb > 0
        self.least_seconds, self.saved_at = least_seconds, time.monotonic()

    def is_due(self) -> bool:
        """Return whether a running phase should be saved again."""
        return self.works and time.monotonic() - self.saved_at >= self.least_seconds

    @contextlib.contextmanager
    def exclusive(self, key: str, waits: Callable[[], None]) -> Iterator[None]:
        """One process at a time may train the phase `key`; `waits` is told when another one does."""
        if not self.works:
            yield
            return
        with exclusive_lock_where_possible(self.folder / f"{key}.lock", waits, self._give_up):
            yield

    def load(self, key: str) -> Checkpoint | None:
        """Return the phase's checkpoint, or None."""
        path = self._path(key)
        try:
            state = _read(path, self.device)
        except Exception:  # a damaged archive fails in every way; whatever cannot be read is not known
            return None
        with contextlib.suppress(OSError):  # it may be another user's
            os.utime(path)
        return state

    def save(self, key: str, state: Checkpoint) -> None:
        """Keep `state` in place of what was known of the phase."""
        if not self.works:
            return
        try:
            with atomic_file(self._path(key)) as file:
                np.savez(file, allow_pickle=False, **_arrays(state, self.device))
            self.saved_at = time.monotonic()
            if state.train:  # at a phase's end: during it the same file is replaced
                prune(self.folder, "*.npz", self.max_bytes)
        except OSError as error:
            self._give_up(error)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npz"

    def _give_up(self, error: OSError) -> None:
        self.works = False
        self.warn(f"phases cannot be kept in {self.folder}: {one_line(error.strerror or error)}; going on without")


def _arrays(state: Checkpoint, device: str) -> Arrays:
    groups = {"last": state.last, "best": state.best, "optimizer": state.optimizer}
    named = {f"{group}:{name}": array for group, arrays in groups.items() for name, array in arrays.items()}
    facts = {
        "version": LAYOUT_VERSION, "device": device, "names": sorted(named), "stopped": state.stopped,
        "epochs": [asdict(record) for record in state.epochs],
        "pace": asdict(state.early_stopping), "train": list(state.train.items()),
    }  # fmt: skip
    return {"facts": np.frombuffer(json.dumps(facts).encode(), np.uint8), **named}


def _read(path: Path, device: str) -> Checkpoint:
    with np.load(path, allow_pickle=False) as stored:
        facts = json.loads(stored["facts"].tobytes())
        if (facts["version"], facts["device"]) != (LAYOUT_VERSION, device):
            raise ValueError(f"{path}: of another version or device")
        groups: dict[str, Arrays] = {"last": {}, "best": {}, "optimizer": {}}
        for name in facts["names"]:
            group, _, variable = name.partition(":")
            groups[group][variable] = stored[name]
    return Checkpoint(
        tuple(EpochRecord(**record) for record in facts["epochs"]),
        facts["stopped"],
        EarlyStopping(**facts["pace"]),
        {int(epoch): values for epoch, values in facts["train"]},
        **groups,
    )
