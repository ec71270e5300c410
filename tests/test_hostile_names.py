"""A folder of images may be called as it likes: its name travels whole from what is typed to what a report says to type."""

import shlex
import uuid
from collections.abc import Iterator

import mlflow
import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.entities import Metric

from src.cli.command_line import as_hydra_reads
from src.cli.composition import prepare
from src.cli.overrides import that_change_numbers
from src.common.project import CONF
from src.common.shell import setting
from src.features.cache_plan import SharedFeatures
from src.tracking import schema
from src.tracking.study import Study, StudyContext
from src.tracking.study_trials import read_records
from src.tracking.trial_runs import TrialRuns
from src.trial.origin import Origin
from src.verdict.verdict import judge
from tests.conftest import shell_words

NAMES = st.text(st.sampled_from(" ,='\"\\$(){}[]#~&;|*é🌲日ab1"), min_size=1, max_size=12).filter(
    lambda name: name.strip()
)


@pytest.fixture(scope="module", autouse=True)
def hydra() -> Iterator[None]:
    prepare()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def jobs(*typed: str) -> list[tuple[str, ...]]:
    """Return the jobs of a sweep that is typed in a shell."""
    words = as_hydra_reads(["-m", *(word for line in typed for word in shell_words(line))])
    parsed = OverridesParser.create().parse_overrides(words[1:])
    (batch,) = BasicSweeper.split_arguments(parsed, None)
    return [tuple(job) for job in batch]


def trained(client: mlflow.MlflowClient, study: Study, job: tuple[str, ...], root: str) -> None:
    """Leave a run of a trial as it would: by the study's context and its origin."""
    context = study.study_context(SharedFeatures())
    own = that_change_numbers(job)
    member = StudyContext(context.study_key, context.parent_run_id, own)
    read = {
        "data.root": root,
        "seed": 0,
        "schedule.fine_tuning.epochs": 1,
        "data.kind": "folder",
        "unfrozen": own[-1][9:],
    }
    depth = {"0": 0, "2": 2}[own[-1][9:]]
    tags = schema.TRIAL_KEY.of(uuid.uuid4().hex) | member.tags() | Origin(own).tags() | schema.CONFIGURATION.of(read)
    run_id = client.create_run(study.experiment_id, tags=tags | schema.DEPTH.of(depth)).info.run_id
    client.log_batch(run_id, [Metric("best/val_accuracy", 0.5 + depth / 10, 1, 0)])
    client.set_terminated(run_id)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NAMES)
def test_a_folders_name_arrives_in_the_command_that_a_verdict_asks_for(store_uri: str, name: str) -> None:
    client, study_name, root = mlflow.MlflowClient(store_uri), uuid.uuid4().hex, f"photos/{name}/here"
    study = Study.open(client, "0", study_name, {})
    for job in jobs("data=folder", setting("data.root", root), "unfrozen=0,2"):
        trained(client, study, job, root)
    records = read_records(study.to_frame(), TrialRuns(client).history, "accuracy")
    assert [record.factors["schedule.fine_tuning.epochs"] for record in records if False] == []
    assert [record.depth for record in records] == [0, 2]
    (verdict,) = judge(records, study_name)
    command = verdict.settle[0].partition("python -m src.train")[2]
    assert command, verdict.settle
    again = jobs(" ".join(line for line in [command.replace(" -m ", " ", 1)]))
    assert len(again) >= 2
    for job in again[:1]:
        kept = [line for line in job if not line.startswith("study=")]
        assert compose("config", kept).data.root == root


@settings(max_examples=25)
@given(NAMES)
def test_a_folders_name_arrives_in_the_command_that_a_run_keeps(name: str) -> None:
    root = f"photos/{name}"
    (job,) = jobs("data=folder", setting("data.root", root), "unfrozen=2")
    tags = Origin(that_change_numbers(job)).tags()
    words = shlex.split(tags["command"])
    assert tuple(words[3:]) == schema.ARGUMENTS.read(tags) == job
    assert compose("config", words[3:]).data.root == root
