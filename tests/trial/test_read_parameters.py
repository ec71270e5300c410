"""What MLflow compares trials by: few parameters, none twice, and all that a study varies."""

from collections.abc import Callable
from pathlib import Path

import pytest

from src.common.clock import Clock
from src.reporting.terminal import Terminal
from src.tracking import schema
from src.tracking.mlflow_run import TrialFacts
from src.trial.origin import Origin
from src.trial.plan import make_plan
from src.trial.read_parameters import trial_facts
from tests.conftest import Compose

GROUPS = {"schedule": "two_phase", "augment": "light", "backbone": "lenet5", "tracking": "default"}
FactsOf = Callable[..., TrialFacts]


@pytest.fixture
def facts_of(composed: Compose, tiny: tuple[str, ...], tmp_path: Path) -> FactsOf:
    """Return the facts of a trial with settings of a tiny network, of which `typed` are said to be typed."""

    def facts(*typed: str) -> TrialFacts:
        trial = composed(*tiny, "schedule=two_phase", "augment=light", f"runtime.cache_dir={tmp_path}", *typed)
        with Terminal(progress=False) as terminal:
            return trial_facts(make_plan(trial, terminal, Clock()), Origin(typed, GROUPS))

    return facts


def test_a_default_trial_has_few_parameters_all_of_the_schema(facts_of: FactsOf) -> None:
    facts = facts_of("unfrozen=2", "fine_tune_learning_rate=0.001")
    assert set(facts.parameters) <= {parameter.name for parameter in schema.PARAMETERS}
    assert 15 < len(facts.parameters) <= 25
    assert len(facts.configuration) > 35
    of_the_machine = {name for name in facts.configuration if name.startswith(("tracking", "runtime", "force"))}
    assert of_the_machine == {"runtime.precision"}  # the one that counts as what is measured


@pytest.mark.parametrize(
    ("typed", "layers", "configured"), [("0", 0, "0"), ("2", 1, "1"), ("all", 5, "all"), ("5", 5, "5"), ("1", 1, "1")]
)
def test_depth_is_a_number_among_the_parameters(facts_of: FactsOf, typed: str, layers: int, configured: str) -> None:
    facts = facts_of(f"unfrozen={typed}")
    assert facts.parameters["unfrozen_layers"] == layers
    assert facts.parameter_texts()["unfrozen_layers"] == str(layers)
    assert facts.configuration["unfrozen"] == configured
    assert [name for name in facts.parameters if "unfrozen" in name] == ["unfrozen_layers"]


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("schedule.fine_tuning.patience=3", {"schedule.fine_tuning.patience": 3}),
        ("augment.rotation=7", {"augment.rotation": 7.0, "augment": "light"}),
        ("data.split_seed=4", {}),  # the folder has its splits: nothing reads it
        ("optimizer.momentum=0.5", {"optimizer.momentum": 0.5}),
        ("schedule.fine_tuning.unfrozen=1", {"unfrozen_layers": 1}),
        ("image_size=40", {"image_size": 40}),
    ],
)
def test_what_is_typed_is_a_parameter_beside_them(facts_of: FactsOf, typed: str, values: dict[str, object]) -> None:
    usual, facts = facts_of(), facts_of(typed)
    assert {name: facts.parameters[name] for name in values} == values
    assert set(facts.parameters) - set(usual.parameters) <= set(values)


@pytest.mark.parametrize("typed", ["optimizer.name=sgd", "weights.name=random", "data.kind=folder"])
def test_a_groups_name_is_one_parameter(facts_of: FactsOf, typed: str) -> None:
    assert set(facts_of(typed).parameters) == set(facts_of().parameters)


def test_a_backbone_is_called_by_one_name(facts_of: FactsOf) -> None:
    assert facts_of("backbone=LeNet5").parameters["backbone"] == facts_of("backbone=lenet5").parameters["backbone"]


def test_what_changes_no_number_is_no_parameter(facts_of: FactsOf) -> None:
    assert set(facts_of("runtime.progress=false", "tracking.run_name=x").parameters) == set(facts_of().parameters)
