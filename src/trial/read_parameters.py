"""The parameters that a trial reads of its configuration, as its run logs them."""

from src.config import PHASE_KEYS
from src.tracking.idle_keys import idle_keys
from src.tracking.mlflow_run import flatten, public
from src.trial.plan import Plan


def read_parameters(plan: Plan) -> dict[str, str]:
    """Return the configuration that `plan` reads, as a run's parameters: dotted keys and their values as text.

    Backbone and depth are called by one name, however they were typed.
    """
    trial, idle = plan.trial, unread_keys(plan)
    parameters = dict(flatten(public(trial))) | {"backbone": plan.spec.name}
    if trial.unfrozen == list(trial.schedule.values())[-1].unfrozen:
        parameters["unfrozen"] = list(plan.depths.values())[-1].name
    return {name: value for name, value in parameters.items() if name not in idle}


def unread_keys(plan: Plan) -> set[str]:
    """Return the dotted keys of the configuration that `plan` does not read."""
    parameters = dict(flatten(public(plan.trial)))
    trains = any(depth.canonical for depth in plan.depths.values())
    unread = {name for name in PHASE_KEYS if name not in parameters}
    return idle_keys(parameters, backbone_trains=trains) | plan.dataset.idle | unread
