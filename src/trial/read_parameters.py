"""A run's record of its trial's configuration: all keys that the trial reads, and the parameters to compare it by."""

from collections.abc import Mapping

from src.config import PHASE_KEYS, changes_numbers
from src.models.depth import Depth
from src.tracking import schema
from src.tracking.idle_keys import Value, idle_keys
from src.tracking.mlflow_run import TrialFacts, flatten, public
from src.trial.origin import Origin
from src.trial.plan import Plan

_SAID_OTHERWISE = {"unfrozen", "no_deeper_than", "image_size", "data.kind", "optimizer.name", "weights.name"}
"""Keys, or their last parts, that another parameter speaks for."""


def trial_facts(plan: Plan, origin: Origin) -> TrialFacts:
    """Return what the run of `plan`, whose configuration came from `origin`, holds of it."""
    configuration = read_configuration(plan)
    return TrialFacts(configuration, _parameters(plan, configuration, origin))


def last_depth(plan: Plan) -> Depth:
    """Return the depth that the trial measures: the last phase's."""
    return list(plan.depths.values())[-1]


def read_configuration(plan: Plan) -> dict[str, Value]:
    """Return the configuration that `plan` reads: dotted keys and their values.

    Backbone and depth are called by one name, however they were typed.
    """
    trial, idle = plan.trial, unread_keys(plan)
    configuration = dict(flatten(public(trial))) | {"backbone": plan.spec.name}
    if trial.unfrozen == list(trial.schedule.values())[-1].unfrozen:
        configuration["unfrozen"] = last_depth(plan).name
    return {name: value for name, value in configuration.items() if name not in idle and changes_numbers(name)}


def unread_keys(plan: Plan) -> set[str]:
    """Return the dotted keys of the configuration that `plan` does not read."""
    configuration = dict(flatten(public(plan.trial)))
    trains = any(depth.canonical for depth in plan.depths.values())
    unread = {name for name in PHASE_KEYS if name not in configuration}
    return idle_keys(configuration, backbone_trains=trains) | plan.dataset.idle | unread


def _parameters(plan: Plan, configuration: Mapping[str, Value], origin: Origin) -> dict[str, Value]:
    """Return the parameters of the schema that `plan` has, and what was typed besides."""
    typed = {key for key in origin.keys if not {key, key.rpartition(".")[2]} & _SAID_OTHERWISE}
    shown = _NAMES | typed
    shown_keys = {name: value for name, value in configuration.items() if name in shown}
    summed_up: dict[str, Value] = {
        "backbone": plan.spec.name, "weights": plan.weights.name, "data": plan.trial.data.kind,
        "optimizer": plan.trial.optimizer.name, schema.IMAGE_SIZE.name: plan.image_size,
        schema.UNFROZEN_LAYERS.name: last_depth(plan).canonical,
    }  # fmt: skip
    chosen = {name: choice for name, choice in origin.groups.items() if name in _NAMES}
    return {**shown_keys, **chosen, **summed_up}


_NAMES = frozenset(parameter.name for parameter in schema.PARAMETERS)
