"""A folder of images may have any name: it travels whole from what is typed to what a report says to type."""

import shlex
import uuid

import mlflow
import pytest
from hydra import compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.entities import Metric

from src.cli.command_line import as_hydra_reads
from src.cli.overrides import that_change_numbers
from src.common.shell import setting
from src.features.cache_plan import SharedFeatures
from src.reporting.recommendation import recommend
from src.reporting.verdict_text import next_steps
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


pytestmark = pytest.mark.usefixtures("composed")


def jobs(*typed: str) -> list[tuple[str, ...]]:
    """Return the jobs of a sweep that is typed in a shell."""
    words = as_hydra_reads(["-m", *(word for line in typed for word in shell_words(line))])
    parsed = OverridesParser.create().parse_overrides(words[1:])
    (batch,) = BasicSweeper.split_arguments(parsed, None)
    return [tuple(job) for job in batch]


def trained(client: mlflow.MlflowClient, study: Study, job: tuple[str, ...], root: str, depth: int) -> None:
    """Leave a run as a trial would: by the study's context and its origin."""
    context, own = study.study_context(SharedFeatures()), that_change_numbers(job)
    member = StudyContext(context.study_key, context.parent_run_id, own)
    read = {
        "data.root": root,
        "seed": 0,
        "schedule.fine_tuning.epochs": 1,
        "data.kind": "folder",
        "unfrozen": str(depth),
    }
    tags = schema.TRIAL_KEY.of(uuid.uuid4().hex) | member.tags() | Origin(own).tags() | schema.CONFIGURATION.of(read)
    run_id = client.create_run(study.experiment_id, tags=tags | schema.DEPTH.of(depth)).info.run_id
    client.log_batch(run_id, [Metric("best/val_accuracy", 0.5 + depth / 10, 1, 0)])
    client.set_terminated(run_id)


def roots(command: str) -> set[str]:
    """Return `data.root` of the trials that a command trains, typed in a shell."""
    words = command.partition("python -m src.train")[2].replace(" -m ", " ", 1)
    own = [[line for line in job if not line.startswith("study=")] for job in jobs(words)]
    return {compose("config", job).data.root for job in own[:1]}


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NAMES)
def test_a_folders_name_arrives_in_the_command_that_a_verdict_asks_for(store_uri: str, name: str) -> None:
    client, study_name, root = mlflow.MlflowClient(store_uri), uuid.uuid4().hex, f"photos/{name}/here"
    study = Study.open(client, "0", study_name, {})
    for job, depth in zip(jobs("data=folder", setting("data.root", root), "unfrozen=0,2"), (0, 2), strict=True):
        trained(client, study, job, root, depth)
    records = read_records(study.to_frame(), TrialRuns(client).history, "accuracy")
    assert [record.depth for record in records] == [0, 2]
    (verdict,) = judge(records, study_name)
    recommended = recommend([verdict])
    assert recommended is not None
    assert roots(next_steps(verdict)[0][1]) == roots(recommended.command) == {root}


@settings(max_examples=15)
@given(NAMES)
def test_a_folders_name_arrives_in_the_command_that_a_run_keeps(name: str) -> None:
    root = f"photos/{name}"
    (job,) = jobs("data=folder", setting("data.root", root), "unfrozen=2")
    tags = Origin(that_change_numbers(job)).tags()
    words = shlex.split(tags["command"])
    assert tuple(words[3:]) == schema.ARGUMENTS.read(tags) == job
    assert compose("config", words[3:]).data.root == root
