"""Read a search's settings from `hydra.sweeper`."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field

from src.config import Count, Section, check

Kind = Literal["random", "bayesian", "hyperband"]
_DEFAULT_TRIALS = 20


class SearchSettings(Section):
    """`hydra.sweeper.*` of a search."""

    oracle: Kind = Field(description="who proposes")
    max_trials: Count | None = Field(description="in all, however often it is run; null: 20, or hyperband's own end")
    batch_size: Count = Field(description="trials launched together: with several processes, their number")
    seed: int = Field(ge=0, description="of the search; each trial has its own")
    max_epochs: Count | None = Field(description="hyperband's most epochs; null: the trial's fine_tune_epochs")
    factor: int = Field(ge=2, description="hyperband keeps one of so many, and trains it so many times longer")

    @property
    def rations(self) -> bool:
        """Return whether the search decides the number of epochs of a trial."""
        return self.oracle == "hyperband"

    def completed(self, fine_tune_epochs: int) -> "SearchSettings":
        """Return the settings with defaults for missing values; `fine_tune_epochs` is the trials'."""
        trials = self.max_trials or (None if self.rations else _DEFAULT_TRIALS)
        return self.model_copy(update={"max_trials": trials, "max_epochs": self.max_epochs or fine_tune_epochs})

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """Check what `hydra.sweeper` holds."""
        return check(cls, given, "hydra.sweeper.")


class BudgetSettings(Section):
    """`hydra.sweeper.*` of a time budget."""

    minutes: float = Field(gt=0, description="for everything, the start and the report included")

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """Check what `hydra.sweeper` holds."""
        return check(cls, given, "hydra.sweeper.")
