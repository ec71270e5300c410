"""How often a budget's final comparison calls a depth clearly worse, though all depths are equal.

`python -m benchmarks.false_claims` simulates studies of equal depths through the very decisions of `src.advice`: short
schedules at several rates, early dropping, full schedules, fresh seeds. Images differ in difficulty, depths in which
images they get right, rates in how good they are, seeds in all of it. A budget's time is drawn, so that studies end at
every stage, and in some of them further seeds choose. Beside it, the same studies judged by the seeds that selected,
and by sets of real predictions (the rows of benchmarks/sets), whose depths have changed places for each image at
random.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from src.advice.cost_model import MeasuredTime
from src.advice.rounds import (
    CHOOSING_SEEDS,
    MOST_SEEDS,
    Options,
    Outcome,
    PlannedTrial,
    Round,
    State,
    compared,
    next_round,
)
from src.statistics.best import BestComparison, compare_with_best
from src.statistics.mrmc import Scores, estimate

SETS = Path(__file__).parent / "sets"
STUDIES = 200
_RATES = 3
Hits = NDArray[np.bool_]
Floats = NDArray[np.float64]
Place = tuple[int, int]
"""A depth and a rate, by their numbers."""
Claim = tuple[Place, Place]
"""What is called worse, and the best."""
Predict = Callable[[PlannedTrial], Hits]


@dataclass(frozen=True)
class Study:
    """A study at its end: its state, each trial's hits, and how good depths and rates are in truth."""

    state: State
    hits: Mapping[PlannedTrial, Hits]
    truth: Floats

    def claims(self, trials: list[PlannedTrial]) -> list[Claim]:
        """Return the depths that a comparison of `trials` calls clearly worse than the best, each with its rate."""
        places = sorted({(trial.candidate, trial.rate) for trial in trials})
        if len(places) < 2:
            return []
        found = self.comparison(trials)
        return [(place, places[found.best]) for k, place in enumerate(places) if found.is_worse(k)]

    def is_wrong(self, claim: Claim) -> bool:
        """Return whether the depth called worse is as good in truth as the best, each at its rate."""
        worse, best = claim
        return bool(self.truth[worse] >= self.truth[best])

    def comparison(self, trials: list[PlannedTrial]) -> BestComparison:
        """Return the depths of `trials` compared as a verdict compares them."""
        hits = np.array([self.hits[trial] for trial in trials], np.float64)
        values = hits.mean(axis=1)
        depths, seeds = (np.array([getattr(each, name) for each in trials]) for name in ("candidate", "seed"))
        influences = (hits - values[:, None]) / hits.shape[1]
        return compare_with_best(estimate(Scores(depths, seeds, values, influences, 1 / hits.shape[1])), draws=2000)


def conduct(options: Options, world: tuple[Predict, Floats], seconds: float, rng: np.random.Generator) -> Study:
    """Spend `seconds` on a simulated study of a world: its networks, and how good depths and rates are in truth."""
    predict, truth = world
    hits: dict[PlannedTrial, Hits] = {}
    known: dict[PlannedTrial, Outcome] = {}
    session: tuple[Round, ...] = ()
    while found := next_round(State(options, known, session), seconds):
        for trial in (each for each in found.trials if each not in known):
            epoch = 0.3 * (1 + trial.candidate) * rng.uniform(0.9, 1.3)
            hits[trial] = predict(trial)
            time = MeasuredTime(1.5 + epoch * trial.epochs, epoch, trial.epochs)
            known[trial] = Outcome(float(hits[trial].mean()), hits[trial].size, time)
            seconds -= time.seconds
        session = (*session, found)
    return Study(State(options, known, session), hits, truth)


@dataclass(frozen=True)
class World:
    """Equal depths: each is right on other images, but at its best rate as often over all images there are.

    Attributes:
        images: that validate.
        seeds: how far seeds scatter beyond images, in logits; 0.05 is about a point of accuracy.
        rates: by how much each further rate is worse than the best one, in logits.
        own: whether each depth has its own best rate; else all share one.
    """

    images: int
    seeds: float = 0.05
    rates: float = 0.0
    own: bool = False


WORLDS = {
    "rates alike, 100 images": World(100),
    "rates alike, 250 images": World(250),
    "rates alike, 500 images": World(500),
    "rates alike, seeds scatter twice as far": World(250, seeds=0.1),
    "one best rate, others 2 points worse a step": World(250, rates=0.1),
    "one best rate, others 6 points worse a step": World(250, rates=0.3),
    "each depth has its best rate, others 2 points worse a step": World(250, rates=0.1, own=True),
    "each depth has its best rate, others 6 points worse a step": World(250, rates=0.3, own=True),
}


def equal_depths(
    rng: np.random.Generator, world: World, depths: int = 6, rates: int = _RATES
) -> tuple[Predict, Floats]:
    """Return a predictor of the networks of a world, and how good depths and rates are in truth."""
    images = world.images
    difficulty = rng.normal(0, 1.5, images)
    of_depth = rng.normal(0, 0.5, (depths, images))
    good = np.tile(-world.rates * rng.permutation(rates), (depths, 1))
    good = rng.permuted(good, axis=1) if world.own else good
    shared = {seed: rng.normal(0, 0.3, images) for seed in range(max(CHOOSING_SEEDS) + 1)}

    def predict(trial: PlannedTrial) -> Hits:
        own = np.random.default_rng([trial.candidate, trial.rate, trial.seed, int(abs(difficulty[0]) * 1e6)])
        logit = difficulty + of_depth[trial.candidate] + shared[trial.seed] + good[trial.candidate, trial.rate]
        logit = logit + own.normal(0, world.seeds) + own.normal(0, 0.5, images)
        late = np.random.default_rng([trial.epochs, *own.integers(0, 2**31, 2)])
        return np.asarray(logit + late.normal(0, 0.3, images) - 1.0 / trial.epochs > 0)

    return predict, good


def of_set(rng: np.random.Generator, path: Path, images: int) -> tuple[Predict, Floats]:
    """Return a predictor that repeats a set's networks on some of its images, and how good depths and rates are: alike.

    For each image, the depths have changed places, so that all are equal. Other rates are other seeds' networks; where
    a set has fewer than a study asks for, the depths of known ones change places anew.
    """
    stored = np.load(path)
    chosen = rng.permutation(stored["labels"].size)[:images]
    hits = (stored["predicted"] == stored["labels"])[:, :, chosen]
    depths, networks = hits.shape[:2]
    order = rng.permutation(networks)
    wanted = len(CHOOSING_SEEDS) * _RATES + MOST_SEEDS
    mixed = [_exchanged(hits, rng) for _ in range(-(-wanted // networks))]

    def predict(trial: PlannedTrial) -> Hits:
        times, network = divmod(network_number(trial), networks)
        return np.asarray(mixed[times][trial.candidate, order[network]])

    return predict, np.zeros((depths, _RATES))


def network_number(trial: PlannedTrial) -> int:
    """Return a number for each network of a depth: those of the seed that chooses and five fresh ones come first.

    Sets have eight at least, so that these have changed places in the same way: depths keep what images they get right.
    """
    order = (0, *range(1, 6), *CHOOSING_SEEDS[1:], *range(6, MOST_SEEDS + 1))
    before = order[: order.index(trial.seed)]
    return sum(_RATES if seed in CHOOSING_SEEDS else 1 for seed in before) + trial.rate * (trial.seed in CHOOSING_SEEDS)


def _exchanged(hits: Hits, rng: np.random.Generator) -> Hits:
    """Return hits, [depths, networks, images], with depths that have changed places for each image."""
    places = rng.permuted(np.tile(np.arange(hits.shape[0])[:, None], (1, hits.shape[2])), axis=0)
    return np.asarray(np.take_along_axis(hits, places[:, None, :], axis=0))


@dataclass(frozen=True)
class Shares:
    """Shares of studies.

    Attributes:
        further: in which further seeds chose.
        compared: with a comparison.
        fresh: that claim, by fresh seeds.
        wrong: that claim what is not so of the depths at the rates that they are compared at.
        selected: that would claim by what selected.
    """

    further: float
    compared: float
    fresh: float
    wrong: float
    selected: float

    @classmethod
    def of(cls, studies: list[Study]) -> Self:
        """Count `studies`."""
        verdicts = [(study, *compared(study.state)) for study in studies]
        fresh = [(study, study.claims(trials)) for study, trials, is_fresh in verdicts if is_fresh]
        counts = (
            sum(any(trial.seed in CHOOSING_SEEDS[1:] for trial in study.hits) for study in studies),
            len(fresh),
            sum(bool(claims) for _, claims in fresh),
            sum(any(map(study.is_wrong, claims)) for study, claims in fresh),
            sum(bool(study.claims(_selected(study))) for study in studies),
        )
        return cls(*(count / len(studies) for count in counts))


def _selected(study: Study) -> list[PlannedTrial]:
    """Return the trials that selected, which no verdict rests on: each depth's with seed 0, on the longest schedule."""
    return [study.state.chosen_rung(number) for number in study.state.measured()]


def main() -> None:
    """Print the tables."""
    print("| studies | further seeds | compared | fresh seeds claim | wrong claims | what selected would claim |")
    print("|---|---|---|---|---|---|")
    for name, world in WORLDS.items():
        rng, options = np.random.default_rng(0), Options(("",) * 6, _RATES, 10)
        _print(name, [conduct(options, equal_depths(rng, world), seconds(rng), rng) for _ in range(STUDIES)])
    for path in sorted(SETS.glob("*.npz")):
        rng, found = np.random.default_rng(0), []
        for _ in range(STUDIES):
            predict, truth = of_set(rng, path, 250)
            found.append(conduct(Options(("",) * len(truth), _RATES, 10), (predict, truth), seconds(rng), rng))
        _print(path.stem.replace("_", " "), found)


def seconds(rng: np.random.Generator) -> float:
    """Draw a budget's time, s: each of its orders of magnitude is as likely."""
    return float(np.exp(rng.uniform(np.log(60), np.log(6000))))


def _print(name: str, found: list[Study]) -> None:
    shares = Shares.of(found)
    print(
        f"| {name} | {shares.further:.0%} | {shares.compared:.0%} | {shares.fresh:.1%} | {shares.wrong:.1%} | "
        f"{shares.selected:.1%} |", flush=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
