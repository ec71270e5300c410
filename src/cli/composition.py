"""Compose and check a trial's configuration, with the resolvers that `conf/` uses."""

from collections.abc import Iterable

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src.cli.error_messages import explain
from src.common.errors import ThawError, one_line
from src.common.override import override_key
from src.common.project import CONF, PROJECT
from src.config import PHASE_KEYS, TrialConfig, parse
from src.models.catalog import CATALOG


def prepare() -> None:
    """Make what `conf/` refers to known to Hydra: the project's folder, and every class of keras.applications."""
    known = Plugins.instance()  # before ours are imported: Hydra's scan makes the classes that they build on anew
    from hydra_plugins.thaw import PLUGINS

    for plugin in PLUGINS:
        known.register(plugin)
    registered = ConfigStore.instance().repo["hydra"]["launcher"]
    for path in (CONF / "hydra" / "launcher").glob("*.yaml"):
        registered.pop(path.name, None)  # the plugin's own: Hydra takes it for the schema of a file with the same name
    OmegaConf.register_new_resolver("project", lambda path: str(PROJECT / path), replace=True)
    in_conf = {path.stem for path in (CONF / "backbone").glob("*.yaml")}
    for spec in CATALOG.values():
        node = {"defaults": [spec.name]} if spec.name in in_conf else {"backbone": spec.name}
        for name in {spec.name, spec.class_name} - in_conf:
            ConfigStore.instance().store(
                group="backbone", name=name, node=node, package="_global_", provider="keras.applications"
            )


def trial_config(composed: DictConfig) -> TrialConfig:
    """Return the checked configuration of one trial; keys that no phase of its schedule reads are null in it.

    Raises:
        ThawError: with one line for every key at fault.
    """
    try:
        plain = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ThawError(explain(error)) from error
    if not isinstance(plain, dict):
        raise TypeError(f"composed configuration is a {type(plain).__name__}")
    trial = parse({str(key): value for key, value in plain.items()})
    unread = [name for name in PHASE_KEYS if not is_read_by_phases(composed, name)]
    return trial.model_copy(update=dict.fromkeys(unread))


def is_read_by_phases(composed: DictConfig, name: str) -> bool:
    """Return whether a phase of the schedule refers to the key `name`."""
    return f"${{{name}}}" in str(OmegaConf.to_container(composed.schedule, resolve=False))


def idle(composed: DictConfig, overrides: Iterable[str]) -> list[str]:
    """Return a line for each of the `overrides` that changes nothing because no phase of the schedule reads it."""
    lines = []
    for line in overrides:
        name = override_key(line)
        if name in PHASE_KEYS and not is_read_by_phases(composed, name):
            key = f"schedule.{list(composed.schedule)[-1]}.{PHASE_KEYS[name]}"
            lines.append(f"{one_line(line, 100)} changes nothing: no phase of this schedule reads it, but see {key}")
    return lines
