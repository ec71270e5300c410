"""The same trials by KerasTuner's own GridSearch, with the model and the pipeline of `plain_keras.py` and XLA off.

Run as ``python -m benchmarks.keras_tuner_grid PHOTOS WEIGHTS``; prints the seconds of the sample as JSON.
"""

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from benchmarks.plain_keras import build, load, two_phases, warm_up
from benchmarks.sweep import DEPTHS, DROPOUTS, FINE_TUNE_RATES, SAMPLE, SEEDS, Trial


class TwoPhases(keras_tuner.HyperModel):  # type: ignore[misc]
    """A classifier whose fitting is the two phases."""

    def __init__(self, weights: str) -> None:
        super().__init__()
        self.weights = weights

    def build(self, hp: Any) -> keras.Model:
        """A classifier with the dropout that `hp` says."""
        keras.utils.set_random_seed(hp.Choice("seed", SEEDS[:1]))
        model, self.base = build(self.weights, hp.Choice("dropout", DROPOUTS[:1]))
        hp.Choice("depth", DEPTHS)
        hp.Choice("fine_tune_rate", FINE_TUNE_RATES[:1])
        return model

    def fit(self, hp: Any, model: keras.Model, *data: Any, **settings: Any) -> Any:
        """Train both phases; returns the second one's history."""
        trial = Trial(hp.get("depth"), hp.get("dropout"), hp.get("fine_tune_rate"), hp.get("seed"))
        return two_phases(
            model, self.base, trial, False, lambda epochs: model.fit(*data, **settings | {"epochs": epochs})
        )


def run(photos: Path, weights: str, folder: str) -> float:
    """Seconds that the tuner takes for the sample."""
    train, val = load(photos, "train"), load(photos, "val")
    warm_up(weights, train, False)
    began = time.perf_counter()
    tuner = keras_tuner.GridSearch(TwoPhases(weights), "val_accuracy", directory=folder, project_name="grid")
    with contextlib.redirect_stdout(sys.stderr):
        tuner.search(train, validation_data=val, verbose=0)
    assert len(tuner.oracle.trials) == len(SAMPLE)
    return time.perf_counter() - began


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({"search": run(Path(sys.argv[1]), sys.argv[2], folder)}))
