"""The log of a search, kept as a file, so that one that is run again starts neither its oracle nor TensorFlow.

A search follows from its settings, its space and the scores of its trials. While those do not change, it asks for
the same trials; once one changes, the oracle is made, given all scores so far, and asked.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from src.common.errors import ThawError
from src.common.files import atomic_write
from src.common.metrics import Metric
from src.search.oracles import Proposal, Search
from src.search.settings import SearchSettings
from src.search.space import Space

LAYOUT_VERSION = 1
"""Raise it when the same search would propose otherwise."""

_PROPOSING = ("keras-tuner", "keras", "numpy", "scipy", "scikit-learn")
"""Libraries whose other versions may propose other trials."""


@dataclass(frozen=True)
class _Round:
    """Trials that were asked for together, and what came of them; none, at a search's end.

    Attributes:
        jobs: each trial's overrides.
        scores: the objective's values on validation, 0–1; None where the trial failed.
        pruned: configurations that were not taken further, by then.
    """

    jobs: list[list[str]]
    scores: list[float | None]
    pruned: int


class SearchLog:
    """A search that asks for several trials at a time, and remembers how it went the last time."""

    def __init__(self, settings: SearchSettings, space: Space, folder: Path, judged: Metric) -> None:
        """Make it ready to be asked; `settings` are complete, and `folder` holds what it and KerasTuner keep.

        `judged` names the scores. What is proposed follows from their values alone, so the log does not depend on it.
        """
        self._settings, self._space, self._folder, self._judged = settings, space, folder, judged
        self._together = settings.batch_size
        self._path = folder / "course.json"
        self._facts = _facts(settings, space)
        self._known = _load(self._path, self._facts)
        self._rounds: list[_Round] = []
        self._search: Search | None = None
        self._proposals: list[Proposal] = []
        self._jobs: list[list[str]] = []

    @property
    def pruned(self) -> int:
        """Return the number of configurations that Hyperband has stopped early so far."""
        return self._rounds[-1].pruned if self._rounds else 0

    def ask(self) -> list[list[str]]:
        """Return the overrides of trials that may run side by side; none once the search is over.

        Raises:
            ThawError: the oracle proposes otherwise than before.
        """
        if self._search is None and len(self._rounds) < len(self._known):
            self._jobs = self._known[len(self._rounds)].jobs
            return self._jobs
        self._search = self._search or self._caught_up(self._rounds)
        self._proposals = self._search.ask(self._together)
        self._jobs = [proposal.overrides for proposal in self._proposals]
        if not self._jobs:
            self._save(_Round([], [], self.pruned))
        return self._jobs

    def tell(self, scores: Sequence[float | None]) -> None:
        """Report that the trials asked for last have ended with `scores` (higher is better); None: it failed.

        Raises:
            ThawError: the oracle proposes otherwise than before.
        """
        done = _Round(self._jobs, list(scores), 0)
        if self._search is not None:
            for proposal, score in zip(self._proposals, scores, strict=True):
                self._search.tell(proposal, score)
        elif done.scores == self._known[len(self._rounds)].scores:
            self._rounds.append(self._known[len(self._rounds)])
            return
        else:
            self._search = self._caught_up([*self._rounds, done])
        self._rounds.append(replace(done, pruned=self._search.pruned))
        self._save()

    def _caught_up(self, rounds: Sequence[_Round]) -> Search:
        """Return a new oracle that has been given the scores of `rounds`."""
        search = Search(self._settings, self._space, self._folder, self._judged)
        for round_ in rounds:
            proposals = search.ask(self._together)
            if [proposal.overrides for proposal in proposals] != round_.jobs:
                self._path.unlink(missing_ok=True)
                raise ThawError("the search proposes otherwise than it did before, on another machine? Run it again")
            for proposal, score in zip(proposals, round_.scores, strict=True):
                search.tell(proposal, score)
        return search

    def _save(self, *last: _Round) -> None:
        rounds = [asdict(round_) for round_ in (*self._rounds, *last)]
        atomic_write(self._path, json.dumps({"facts": self._facts, "rounds": rounds}))


def _facts(settings: SearchSettings, space: Space) -> dict[str, Any]:
    """Return all that determines a search, without its scores."""
    versions = {name: version(name) for name in _PROPOSING}
    return {"version": LAYOUT_VERSION, "settings": settings.model_dump(), "space": repr(space), "libraries": versions}


def _load(path: Path, facts: Mapping[str, Any]) -> list[_Round]:
    """Return the rounds of a search with these `facts` from `path`; none where the file is another's or damaged."""
    try:
        content = json.loads(path.read_text("utf-8"))
        return [_Round(**round_) for round_ in content["rounds"]] if content["facts"] == facts else []
    except (OSError, ValueError, TypeError, KeyError):
        return []
