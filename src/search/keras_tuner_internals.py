"""All that Thaw uses of KerasTuner's private parts; `tests/test_internals.py` says which an upgrade has changed.

An oracle's public extension point is `populate_space`, which decides on a whole trial. What is changed here is inside
of it. KerasTuner starts TensorFlow, so these classes come before one of its oracles as mixins once it is imported.
"""

import math
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.search.space import Space

if TYPE_CHECKING:
    _Oracle = Any
else:
    _Oracle = object

PRIVATE = {
    "Oracle": ("_set_project_dir", "_random_values", "_duplicate"),
    "HyperbandOracle": ("_random_trial", "_get_size"),
}
"""Private methods that are called or overridden here, by the class that has them."""


def keep_files_in(oracle: Any, folder: Path) -> None:
    """Have `oracle` save its trials to `folder`; the public way is a Tuner, which trains Keras models itself."""
    oracle._set_project_dir(folder.parent, folder.name)


class Exhaustive(_Oracle):  # type: ignore[misc]
    """Finds every point of a finite space.

    `_random_values` ends the search after 20 repeats in a row, which the last points of a small space do not survive;
    `_duplicate` knows what was tried, and `_seed_state` is where the draws have come to.
    """

    space: Space

    def _random_values(self) -> dict[str, Any] | None:
        values: dict[str, Any] | None = super()._random_values()
        if values is not None:
            return self.space.nearest(values)
        if self.space.size is None:
            return None
        untried = [point for point in self.space.points() if not self._duplicate(point)]
        return random.Random(self._seed_state).choice(untried) if untried else None  # noqa: S311


class Fresh(Exhaustive):
    """Draws at random where the model would have a point tried again, and keeps integers within their ends."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return KerasTuner's proposal, or a point that was not tried."""
        response: dict[str, Any] = super().populate_space(trial_id)
        values = response["values"] and self.space.nearest(response["values"])
        if values and self._duplicate(values):
            values = self._random_values()
        return {"status": "RUNNING" if values else "STOPPED", "values": values}


class Halving(Exhaustive):
    """Promotes from what there is where the space is too small for a round, or trials failed.

    `_random_trial` and `_get_size` are the two decisions of Hyperband's `populate_space`: whether a round still takes
    new trials, and how many it has. To replace them from outside is to write Hyperband anew.
    """

    _exhausted = False

    def _random_trial(self, trial_id: str, bracket: dict[str, Any]) -> dict[str, Any]:
        """Promote a trial where KerasTuner would wait or stop without looking for one."""
        response: dict[str, Any] = super()._random_trial(trial_id, bracket)
        if response["status"] == "RUNNING":
            return response
        self._exhausted = True
        return self.populate_space(trial_id)  # type: ignore[no-any-return]

    def _get_size(self, bracket_num: int, round_num: int) -> int:
        """Return a round's planned number of trials plus those that failed in the rounds before it.

        KerasTuner promotes while more trials wait than two sizes in a row differ by. A failed trial is one that need
        not be thrown out any more.
        """
        rounds = next(entry["rounds"] for entry in self._brackets if entry["bracket_num"] == bracket_num)
        planned: int = len(rounds[0]) if self._exhausted else super()._get_size(bracket_num, 0)
        all_failed = 0
        for trials in rounds[:round_num]:
            failed = sum(self.trials[entry["id"]].status == "FAILED" for entry in trials)
            planned = min(math.ceil(planned / self.factor), planned - failed)
            all_failed += failed
        return planned + all_failed
