"""Find what a time budget compares: the depths that a sweep's overrides name, for each backbone from the least on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict

from src.cli.composition import trial_config
from src.cli.overrides import label, plain_key
from src.common.errors import ThawError, one_line
from src.common.override import override_key
from src.config import LearningRate, Section, check
from src.models.layer_table import layer_table
from src.search.checks import check_controllers
from src.search.grid import choices, combinations
from src.search.oracles import EPOCHS_KEY
from src.trial.plan import plan_depths, pretrained_of

RATE_KEY, FRACTION_KEY = "fine_tune_learning_rate", "data.fraction"
RATIONED = ("seed", EPOCHS_KEY, FRACTION_KEY)
"""What a budget decides on."""


@dataclass(frozen=True)
class Candidate:
    """Settings that are compared.

    Attributes:
        overrides: the sweep's, without the rate.
        group: the settings that vary beside the depth, as they would be typed.
        depth: canonical, layers from the end.
        name: the depth, as it would be typed.
    """

    overrides: tuple[str, ...]
    group: str
    depth: int
    name: str


class _Rate(Section):
    fine_tune_learning_rate: LearningRate


def read_rates(overrides: Sequence[Override], default: float) -> list[str]:
    """Return the rates in the order in which they are tried: the middle one, then higher ones, then lower ones.

    Raises:
        ThawError: one is no rate.
    """
    given = [override for override in overrides if plain_key(override) == RATE_KEY]
    values = [value.partition("=")[2] for override in given for value in choices(override)] or [f"{default:g}"]
    rising = sorted(dict.fromkeys(values), key=lambda value: check(_Rate, {RATE_KEY: value}).fine_tune_learning_rate)
    middle = len(rising) // 2
    return [*rising[middle:], *reversed(rising[:middle])]


def read_candidates(
    loader: ConfigLoader, config: DictConfig, overrides: Sequence[Override], warnings: list[str]
) -> list[Candidate]:
    """Return the candidates by group and depth; a depth that a backbone lacks or that stands for another is left out.

    Raises:
        ThawError: none is in order.
    """
    beside = [override for override in overrides if plain_key(override) != RATE_KEY]
    varied = [plain_key(override) for override in beside if override.is_sweep_override()]
    jobs, refused = combinations(beside), []
    by_depth: dict[tuple[str, int], Candidate] = {}
    for job in jobs:
        try:
            candidate = _candidate(loader, config, job, [key for key in varied if key != "unfrozen"])
        except ThawError as error:
            refused.append(error)
            warnings.append(f"{label(job, varied)}: left out: {one_line(error)}")
        else:
            by_depth.setdefault((candidate.group, candidate.depth), candidate)
    if not by_depth:
        raise refused[0]
    return list(_rising(list(by_depth.values())))


def _rising(candidates: Sequence[Candidate]) -> Iterator[Candidate]:
    for group in dict.fromkeys(candidate.group for candidate in candidates):
        members = [candidate for candidate in candidates if candidate.group == group]
        yield from sorted(members, key=lambda candidate: candidate.depth)


def _candidate(loader: ConfigLoader, config: DictConfig, job: Sequence[str], beside: Sequence[str]) -> Candidate:
    composed = loader.load_sweep_config(config, list(job))
    check_controllers(config, composed, job)
    for key in RATIONED:
        if (value := OmegaConf.select(composed, key)) != OmegaConf.select(config, key):
            raise ThawError(f"it sets {key}={value}, which the budget decides on: name {key} on the command line")
    with open_dict(composed):
        del composed["hydra"]
    trial = trial_config(composed)
    spec, weights, image_size = pretrained_of(trial)
    table = layer_table(spec, weights, image_size, trial.runtime.cache_dir, trial.runtime)
    depth = list(plan_depths(trial, table, spec.name).values())[-1]
    group = label([line for line in job if override_key(line) in beside], beside) if beside else ""
    return Candidate(tuple(job), group, depth.canonical, depth.name)
