"""The schema: what it takes, what it refuses, and that conf/ and it agree."""

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from src.common.depth_choice import DepthChoice
from src.common.errors import ThawError
from src.common.project import CONF
from src.config import TrialConfig, parse
from src.models.catalog import CATALOG
from tests.conftest import Compose

REQUIRED = {
    "data=folder": ("data.root=photos",),
    "data=csv": ("data.manifest=m.csv",),
    "weights=file": ("weights.path=w.h5",),
}
CHOICES = sorted(
    f"{path.parent.name}={path.stem}"
    for path in CONF.glob("*/*.yaml")
    if not path.stem.startswith("_") and path.parent.name != "experiment"
)


@pytest.mark.parametrize("choice", CHOICES)
def test_every_group_composes(composed: Compose, choice: str) -> None:
    group, _, name = choice.partition("=")
    trial = composed(choice, *REQUIRED.get(choice, ()))
    chosen = getattr(trial, group)
    if group == "backbone":
        assert chosen == name
    elif group in {"weights", "optimizer"}:
        assert chosen.name == name
    elif group == "data":
        assert chosen.kind == name.removesuffix("_full")
    else:
        own = yaml.safe_load((CONF / group / f"{name}.yaml").read_text())
        assert list(own) == list(chosen if group == "schedule" else chosen.model_dump())


@pytest.mark.parametrize("experiment", sorted(path.stem for path in CONF.glob("experiment/*.yaml")))
def test_every_experiment_composes_and_changes_something(composed: Compose, experiment: str) -> None:
    assert composed(f"experiment={experiment}") != composed()


@pytest.mark.parametrize("name", [spec.class_name for spec in CATALOG.values()])
def test_every_class_of_keras_applications_is_a_backbone(composed: Compose, name: str) -> None:
    assert composed(f"backbone={name}") == composed(f"backbone={name.lower()}")
    assert composed(f"backbone={name}").backbone == name.lower()


def test_defaults_of_lenet_follow_the_backbone_and_yield_to_the_command_line(composed: Compose) -> None:
    assert (composed("backbone=lenet5").weights.name, str(composed("backbone=lenet5").unfrozen)) == ("random", "all")
    assert list(composed("backbone=lenet5").schedule) == ["training"]
    assert list(composed("backbone=lenet5", "schedule=two_phase").schedule) == ["feature_extraction", "fine_tuning"]


def test_depth_and_rates_reach_the_phases(composed: Compose) -> None:
    trial = composed(
        "unfrozen=11", "learning_rate=0.5", "fine_tune_learning_rate=0.25", "epochs=7", "fine_tune_epochs=8"
    )
    head, tail = trial.schedule.values()
    assert (head.unfrozen.text, head.learning_rate, head.epochs) == (0, 0.5, 7)
    assert (tail.unfrozen.text, tail.learning_rate, tail.epochs) == (11, 0.25, 8)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("dropout=1.5", "dropout=1.5: input should be less than 1"),
        ("dropout=-0.1", "greater than or equal to 0"),
        ("dropout=much", "dropout=much: input should be a valid number"),
        ("dropout=nan", "dropout=nan: input should be a finite number"),
        ("unfrozen=-1", "unfrozen=-1: a number of layers is 0 or more"),
        ("unfrozen=2.5", "unfrozen=2.5: a depth is a number of layers, `all`"),
        ("unfrozen=true", "unfrozen"),
        ("seed=true", "seed=true: neither true nor false"),
        ("runtime.cache_dir=''", "an empty path"),
        ("+data.rooot=1", "did you mean 'root'?"),
        ("unfrozen=null", "unfrozen=null"),
        ("unfrozen='0 blocks'", "needs N of 1 or more"),
        ("learning_rate=0", "learning_rate=0: input should be greater than 0"),
        ("batch_size=0", "batch_size=0"),
        ("seed=-1", "seed=-1"),
        ("epochs=0", "epochs=0"),
        ("image_size=8", "image_size=8: input should be greater than or equal to 32"),
        ("batchnorm=sometimes", "'inference', 'frozen', 'adapted' or 'train'"),
        ("class_weights=heavy", "'balanced'"),
        ("label_smoothing=1", "label_smoothing=1"),
        ("augment.rotation=200", "augment.rotation=200"),
        ("augment.views=0", "augment.views=0"),
        ("+dropuot=0.1", "unknown key 'dropuot': did you mean 'dropout'?"),
        ("+augment.rotaton=1", "did you mean 'rotation'?"),
        (
            "+schedule.Bad-Name={unfrozen:0,epochs:1,learning_rate:1,patience:1,plateau_patience:1,plateau_factor:0.5}",
            "schedule.Bad-Name",
        ),
        ("schedule.fine_tuning.epochs=0", "schedule.fine_tuning.epochs=0"),
        ("+schedule.fine_tuning.momentum=1", "unknown key 'schedule.fine_tuning.momentum'"),
        ("~dropout", "dropout is not set: give dropout=VALUE"),
        ("optimizer.weight_decay=0.1", "weight_decay goes with optimizer=adamw"),
        ("weights=file", "weights=file needs weights.path=FILE"),
        ("weights.path=x.h5", "weights.path goes with weights=file"),
        ("data=folder", "data.root is not set: give data.root=VALUE"),
        ("data.classes=1", "data.classes=1: input should be greater than or equal to 2"),
        ("data.images=9", "data.images=9: the counts say 1127"),
        ("data.kind=film", "data: input tag 'film'"),
    ],
)
def test_bad_values_get_one_clear_line(composed: Compose, override: str, says: str) -> None:
    with pytest.raises(ThawError) as refusal:
        composed(override)
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400


def test_photo_splits_that_leave_nothing_are_refused(composed: Compose) -> None:
    with pytest.raises(ThawError, match="leave nothing to train on"):
        composed("data=folder", "data.root=x", "data.validation=0.5", "data.test=0.5")


def test_a_group_pattern_that_is_none_is_refused(composed: Compose) -> None:
    with pytest.raises(ThawError, match="no regular expression"):
        composed("data=folder", "data.root=x", "data.group_pattern='('")


def test_a_fault_that_reaches_the_phases_is_told_once(composed: Compose) -> None:
    with pytest.raises(ThawError) as refusal:
        composed("learning_rate=-1", "epochs=0")
    assert str(refusal.value).count("=") == 2


@pytest.mark.parametrize(("given", "depth"), [("'3'", 3), ("ALL", "all"), ("3 blocks", "3 blocks"), ("0", 0)])
def test_depths_as_people_spell_them(composed: Compose, given: str, depth: int | str) -> None:
    assert composed(f"unfrozen={given}").unfrozen == DepthChoice.read(depth)
    assert str(composed(f"unfrozen={given}").unfrozen) == str(depth)


def test_paths_expand_the_home_and_may_look_like_numbers(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert composed("data=folder", "data.root='~/photos'").data.root == Path("/home/me/photos")  # type: ignore[union-attr]
    assert composed("data=folder", "data.root=2024").data.root == Path("2024")  # type: ignore[union-attr]
    with pytest.raises(ThawError, match=r"data\.root=: an empty path"):
        composed("data=folder", "data.root=''")


def test_every_fault_is_told_at_once(composed: Compose) -> None:
    with pytest.raises(ThawError) as refusal:
        composed("dropout=2", "batch_size=0")
    assert "dropout" in str(refusal.value)
    assert "batch_size" in str(refusal.value)


@given(st.floats())
def test_dropout_takes_exactly_its_range(value: float) -> None:
    plain = _defaults() | {"dropout": value}
    if math.isfinite(value) and 0 <= value < 1:
        assert parse(plain).dropout == value
    else:
        with pytest.raises(ThawError, match="dropout"):
            parse(plain)


@given(st.text(max_size=30))
def test_any_text_as_a_depth_is_taken_or_told(text: str) -> None:
    try:
        depth = parse(_defaults() | {"unfrozen": text}).unfrozen
        assert str(depth) == text.strip() or depth == "all" or int(text) == depth
    except ThawError as refusal:
        assert "unfrozen" in str(refusal)


def test_every_key_says_what_it_means() -> None:
    sections = [TrialConfig]
    while sections:
        section = sections.pop()
        for name, field in section.model_fields.items():
            kind = field.annotation
            if isinstance(kind, type) and hasattr(kind, "model_fields"):
                sections.append(kind)
            elif name not in {"data", "schedule", "kind"}:
                assert field.description, f"{section.__name__}.{name}"


_SAVED: dict[str, object] = {}


@pytest.fixture(autouse=True)
def _save_defaults(composed: Compose) -> None:
    _SAVED.update(composed().model_dump(mode="json"))


def _defaults() -> dict[str, object]:
    return dict(_SAVED)


def test_the_written_configuration_composes_to_itself(composed: Compose, tmp_path: Path) -> None:
    trial = composed("unfrozen=all", "augment=strong", "schedule=gradual")
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(trial.model_dump(mode="json")))
    assert parse(OmegaConf.to_container(OmegaConf.load(path))) == trial  # type: ignore[arg-type]
