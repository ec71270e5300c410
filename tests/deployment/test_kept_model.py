"""A trial's model that is made when it is needed: shown while it is made, and compared with what the trial was."""

import json
import os
import sys
from pathlib import Path

import mlflow
import pytest

from src.common.errors import ThawError
from src.common.events import Event, Noted, Warned, ignore
from src.common.shell import text_override
from src.deployment.kept_model import run_showing, run_with_model
from tests.conftest import Command
from tests.deployment.conftest import Deployed

SAYS = "import sys; print('out'); [print(line, file=sys.stderr, flush=True) for line in sys.argv[1:]]; sys.exit(3)"


def test_a_commands_lines_are_shown_as_they_come_but_for_its_reason() -> None:
    shown: list[Event] = []
    words = [sys.executable, "-c", SAYS, "training: 25 of 100", "", "training: 50 of 100", "thaw: no such folder"]
    assert run_showing(words, os.environ, shown.append) == (3, "no such folder")
    assert shown == [Noted("training: 25 of 100"), Noted("training: 50 of 100")]


def test_a_command_that_says_nothing_has_no_message() -> None:
    assert run_showing([sys.executable, "-c", SAYS], os.environ, ignore) == (3, "no message")


def test_a_command_ends_with_the_process_that_shows_it(tmp_path: Path) -> None:
    code = (
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path(sys.argv[1]).touch(), sys.exit(1)))\n"
        "print('here', file=sys.stderr, flush=True)\n"
        "time.sleep(100)\n"
    )

    def interrupt(_: Event, /) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_showing([sys.executable, "-c", code, str(tmp_path / "ended")], os.environ, interrupt)
    assert (tmp_path / "ended").exists()


def test_making_a_model_is_shown_and_its_trials_numbers_are_the_same(deployed: Deployed) -> None:
    after = deployed.said.partition("keeps no model: making it")[2]
    assert "\nphase " in after
    assert "has other numbers" not in deployed.said


def test_a_run_of_an_earlier_version_says_how_to_train_it(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = mlflow.MlflowClient(uri)
    run = client.create_run("0", tags={"trial_key": "k", "command": "python -m src.train unfrozen=2"})
    client.set_terminated(run.info.run_id)
    events: list[Event] = []
    with pytest.raises(ThawError) as error:
        run_with_model(client, run.info.run_id, events.append)
    again = f"python -m src.train unfrozen=2 tracking.save_model=true tracking.uri={uri}"
    assert str(error.value).endswith(f"it keeps no model; train it again with its model: {again}")
    assert events == []


@pytest.mark.slow
def test_the_model_of_a_trial_in_an_experiment_with_quotes_is_made(
    thaw: Command, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    name, uri = 'it\'s "mine", ${really}', f"sqlite:///{tmp_path}/mlflow.db"
    client = mlflow.MlflowClient(uri)
    client.create_experiment(name, artifact_location=(tmp_path / "artifacts").as_uri())
    done = thaw("src.train", *tiny, text_override("tracking.experiment", name), f"tracking.uri={uri}",
                f"hydra.run.dir={tmp_path / 'run'}")  # fmt: skip
    assert done.returncode == 0, done.stderr
    run_id = json.loads((tmp_path / "run" / "summary.json").read_text())["run_id"]
    events: list[Event] = []
    kept = run_with_model(client, run_id, events.append)
    assert kept.info.run_id == run_id
    assert client.get_experiment(kept.info.experiment_id).name == name
    assert not any(isinstance(event, Warned) for event in events)
    assert any(isinstance(event, Noted) for event in events)
