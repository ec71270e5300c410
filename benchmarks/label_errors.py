"""How many wrong labels an audit finds: ``python -m benchmarks.label_errors SEEDS KEY=VALUE …``.

For each of SEEDS seeds, 5% of the training labels are flipped to a random other class; printed is the share of them
that is among the first 2 × as many suspects, and the accuracy of a linear head on clean test images.
"""

import sys

import numpy as np
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray

from src.auditing.frozen_features import Features, frozen_features
from src.auditing.image_facts import AuditedImages, load_images
from src.auditing.labels import find_suspects
from src.cli.command_line import as_hydra_reads
from src.cli.composition import prepare, trial_config
from src.common.events import ignore
from src.common.project import CONF
from src.config import TrialConfig
from src.trial.plan import pretrained_of

_FLIPPED = 0.05


def main(arguments: list[str]) -> None:
    """Print a line for each seed, and their mean."""
    seeds, typed = int(arguments[0]), as_hydra_reads(arguments[1:])
    prepare()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        trial = trial_config(compose("config", typed))
    features, images = seen(trial)
    labels = np.unique([sample.label for sample in images.samples], return_inverse=True)[1]
    train, test = images.splits.train, images.splits.test
    print(f"{train.size} training images, accuracy on test {accuracy(features, labels, train, test):.3f}")
    shares = [found(features[train], labels[train], seed) for seed in range(seeds)]
    print(f"found {np.mean(shares):.1%} ({min(shares):.1%} to {max(shares):.1%}) of the flipped labels, {seeds} seeds")


def seen(trial: TrialConfig) -> tuple[Features, AuditedImages]:
    """Return the frozen features of all images of `trial`, zero where one is unreadable, and the images."""
    spec, weights, side = pretrained_of(trial)
    machine = trial.runtime
    images = load_images(trial.data, side, machine, ignore)
    readable = frozen_features(images.store.pixels, images.readable, spec, weights, machine, ignore)
    features = np.zeros((len(images.samples), readable.shape[1]), np.float32)
    features[images.readable] = readable
    return features, images


def found(features: Features, labels: NDArray[np.int64], seed: int) -> float:
    """Return the share of flipped labels among the first 2 × as many suspects."""
    generator, classes = np.random.default_rng(seed), int(labels.max()) + 1
    flipped = generator.choice(labels.size, round(_FLIPPED * labels.size), replace=False)
    given = labels.copy()
    given[flipped] = (labels[flipped] + generator.integers(1, classes, flipped.size)) % classes
    suspicion = find_suspects(features, given, np.arange(labels.size), ignore)
    suspects = suspicion.suspects[: 2 * flipped.size] if suspicion else ()
    return len({suspect.position for suspect in suspects} & set(flipped.tolist())) / flipped.size


def accuracy(features: Features, labels: NDArray[np.int64], train: NDArray[np.int64], test: NDArray[np.int64]) -> float:
    """Return the accuracy on `test` of logistic regression on the standardised features of `train`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    head = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
    return float(head.fit(features[train], labels[train]).score(features[test], labels[test]))


if __name__ == "__main__":
    main(sys.argv[1:])
