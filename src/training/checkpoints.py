"""Phases under way or done, on disk: a killed trial goes on from its last epoch, and trials share what they share.

A phase is kept under its key, which names what it trains from which weights but not how long. So the head that many
depths start from is trained once, and a phase asked to go on longer continues. What a killed process left unfinished,
and what a disk has damaged, is not trusted but trained anew.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.common.events import EpochRecord, EventHandler
from src.common.file_store import Arrays, FileStore, as_array, from_array
from src.training.early_stopping import EarlyStopping

LAYOUT_VERSION = 3
"""Raise it when epochs hold more than before: a phase that lacks a metric is not known, and trains anew."""


_USUAL_GB, _PHASES_AT_LEAST = 0.25, 8


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


class CheckpointStore(FileStore):
    """A store of phases.

    Phases that another `device` trained are not loaded: numbers may differ in the last digits. Between two savings of a
    phase under way, `least_seconds` pass: saving must not take longer than training again. Without `max_gb`, the bound
    is small, for what is not kept can be trained again, but has room for some phases of any size.
    """

    def __init__(
        self, folder: Path, max_gb: float | None, emit: EventHandler, device: str = "", least_seconds: float = 2.0
    ) -> None:
        super().__init__(folder, _USUAL_GB if max_gb is None else max_gb, emit, "phases", "going on without")
        self.grows = max_gb is None
        self.device = device
        self.least_seconds, self.saved_at = least_seconds, time.monotonic()

    def is_due(self) -> bool:
        """Return whether a phase under way should be saved again."""
        return self.works and time.monotonic() - self.saved_at >= self.least_seconds

    def load(self, key: str) -> Checkpoint | None:
        """Return what is known of the phase, or None."""
        try:
            return _checkpoint(self.open(key) or {}, self.device)
        except (KeyError, TypeError, ValueError):  # of another version
            return None

    def save(self, key: str, state: Checkpoint) -> None:
        """Keep `state` in place of what was known of the phase."""
        arrays = _arrays(state, self.device)
        size = sum(array.nbytes for array in arrays.values())
        self.max_bytes = max(self.max_bytes, _PHASES_AT_LEAST * size) if self.grows else self.max_bytes
        self.write({key: size}, lambda files: files[key].add(arrays))
        self.saved_at = time.monotonic()


def _arrays(state: Checkpoint, device: str) -> Arrays:
    groups = {"last": state.last, "best": state.best, "optimizer": state.optimizer}
    by_name = {f"{group}:{name}": array for group, arrays in groups.items() for name, array in arrays.items()}
    facts = {
        "version": LAYOUT_VERSION, "device": device, "names": sorted(by_name), "stopped": state.stopped,
        "epochs": [asdict(record) for record in state.epochs],
        "pace": asdict(state.early_stopping), "train": list(state.train.items()),
    }  # fmt: skip
    return {"facts": as_array(facts), **by_name}


def _checkpoint(stored: Arrays, device: str) -> Checkpoint:
    facts = from_array(stored["facts"])
    if (facts["version"], facts["device"]) != (LAYOUT_VERSION, device):
        raise ValueError("a checkpoint of another version or device")
    groups: dict[str, dict[str, NDArray[Any]]] = {"last": {}, "best": {}, "optimizer": {}}
    for name in facts["names"]:
        group, _, variable = name.partition(":")
        groups[group][variable] = np.array(stored[name])
    return Checkpoint(
        tuple(EpochRecord(**record) for record in facts["epochs"]),
        facts["stopped"],
        EarlyStopping(**facts["pace"]),
        {int(epoch): values for epoch, values in facts["train"]},
        **groups,
    )
