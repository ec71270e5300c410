"""Find idle keys: keys that a trial does not read, and that its name and parameters leave out.

The same function serves a trial's key, the parameters of its run, and runs as a verdict reads them, also those that an
earlier version logged with all keys.
"""

import re
import shlex
from collections.abc import Collection, Mapping, Sequence

from mlflow.entities import Run as FoundRun

from src.config import PHASE_KEYS, AugmentConfig

_AUGMENTS = tuple(name for name in AugmentConfig.model_fields if name != "views")
_OFF = {"false", "0", "0.0"}


def idle_keys(parameters: Mapping[str, str], *, backbone_trains: bool) -> set[str]:
    """Return the dotted keys that a trial does not read, of its `parameters` as `flatten` gives them.

    >>> sorted(idle_keys({"epochs": "15", "schedule.a.epochs": "3", "batchnorm": "train"}, backbone_trains=False))
    ['batchnorm', 'epochs']
    """
    found = {name for name in PHASE_KEYS if name in parameters and not _is_in_a_phase(name, parameters)}
    found |= {
        name for name in parameters
        if name.endswith(".plateau_factor") and name.replace("plateau_factor", "plateau_patience") not in parameters
    }  # fmt: skip
    if all(parameters.get(f"augment.{name}", "0") in _OFF for name in _AUGMENTS):
        found |= {name for name in parameters if name.startswith("augment.")}
    if not backbone_trains and parameters.get("batchnorm") in {"inference", "frozen", "train"}:
        found.add("batchnorm")  # these differ only where the backbone trains
    if "image_size" in parameters:
        found |= {"weights.image_size"} & set(parameters)
    return found


def _is_in_a_phase(name: str, parameters: Mapping[str, str]) -> bool:
    """Return whether a phase has the value of the key `name`; True where no phase is known."""
    phases = [key for key in parameters if key.startswith("schedule.")]
    values = [parameters[key] for key in phases if key.endswith(f".{PHASE_KEYS[name]}")]
    return not phases or parameters[name] in values


def idle_keys_of(run: FoundRun, typed: Sequence[str]) -> set[str]:
    """Return what the trial of a described `run` does not read: of its parameters, and of the overrides `typed` for it.

    Runs log what they read, so that an override is idle where its key is no parameter. Those of earlier versions logged
    all keys.
    """
    parameters = run.data.params
    overrides = [line for line in typed if "=" in line or line.startswith("~")]  # a command has other words as well
    keys = {override_key(line) for line in overrides if not line.endswith("=null")}
    may_be_idle = {key for key in keys if key in {*PHASE_KEYS, "batchnorm"} or ("." in key and key[:6] != "hydra.")}
    unknown = {key for key in may_be_idle if not any(f"{name}.".startswith(f"{key}.") for name in parameters)}
    is_described = any(name.startswith("schedule.") for name in parameters)
    idle = idle_keys(parameters, backbone_trains=backbone_trains(run))
    if parameters.get("unfrozen") == run.data.tags.get("depth"):  # logged as the layers that train, not as typed
        idle.discard("unfrozen")
    return idle | (unknown if is_described else set())


def backbone_trains(run: FoundRun) -> bool:
    """Return whether a phase of the trial of `run` trains variables of the backbone."""
    phases = [text for name, text in run.data.tags.items() if name.startswith("depth.")]
    depth = run.data.metrics.get("depth/canonical", run.data.tags.get("depth", 0))
    return any("backbone parameters train" in text for text in phases) if phases else float(depth) > 0


def as_trained(run: FoundRun, typed: Sequence[str]) -> list[str]:
    """Return the overrides `typed` for the trial of `run` as it follows them: no idle keys, the depth that trains."""
    return followed(typed, idle_keys_of(run, typed), run.data.params.get("unfrozen"))


def spelled_as_trained(run: FoundRun, line: str) -> str:
    """Return a line of overrides, or a command, typed for the trial of `run`, as the trial follows it."""
    try:
        return shlex.join(as_trained(run, shlex.split(line))) if run.data.params else line
    except ValueError:  # cut to what a tag holds, within quotes
        return line


def followed(typed: Sequence[str], idle: Collection[str], depth: str | None) -> list[str]:
    """Return the overrides `typed` without `idle` keys, and with `depth` for `unfrozen` where it is known.

    >>> followed(["schedule=head_only", "unfrozen=11", "epochs=3"], {"unfrozen"}, None)
    ['schedule=head_only', 'epochs=3']
    >>> followed(["unfrozen=1", "fine_tune_epochs=3"], {"fine_tune_epochs"}, "0")
    ['unfrozen=0']
    """
    read = [line for line in typed if override_key(line) not in idle]
    return [f"unfrozen={depth}" if depth and override_key(line) == "unfrozen" else line for line in read]


def override_key(line: str) -> str:
    """Return the key that an override sets, without what says how (`+`, `++`, `~`) and without a package.

    >>> override_key("++augment.views=2"), override_key("~dropout"), override_key("optimizer@x=sgd")
    ('augment.views', 'dropout', 'optimizer')
    """
    return re.sub(r"^[+~]+", "", line).partition("=")[0].partition("@")[0]
