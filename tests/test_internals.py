"""What Thaw uses of other libraries: declared, bounded, and their private parts in one file for each of them."""

import ast
import itertools
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from src.common.project import PROJECT
from src.models import runtime  # noqa: F401 - KerasTuner would start TensorFlow loudly
from src.search.keras_tuner_internals import PRIVATE

SOURCE = PROJECT / "src"
INTERNALS = {
    "hydra-core": SOURCE / "cli" / "hydra_internals.py",
    "keras": SOURCE / "models" / "keras_internals.py",
    "keras-tuner": SOURCE / "search" / "keras_tuner_internals.py",
    "mlflow": SOURCE / "tracking" / "mlflow_internals.py",
}
OF_PYTHON = {"_exit", "_replace"}
"""Public for all their underscore: of the module os, and of named tuples."""


def requirements() -> dict[str, str]:
    """Return what pyproject.toml says of each dependency, by name."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = (lines for extra, lines in project["optional-dependencies"].items() if extra != "dev")
    lines = [*project["dependencies"], *itertools.chain.from_iterable(extras)]
    return {re.split(r"[<>=!~]", line)[0]: line for line in lines}


def modules_of(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def private_uses(path: Path) -> Iterator[str]:
    """Yield the private modules that a file imports, and the private attributes that it does not define itself."""
    yield from (name for name in modules_of(path) if "._" in name)
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    own = OF_PYTHON | {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    for node in nodes:
        if isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr) and node.attr not in own:
            is_self = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
            if not is_self:
                yield node.attr


def test_private_parts_of_libraries_are_used_in_one_file_for_each() -> None:
    uses = {path: list(private_uses(path)) for path in SOURCE.rglob("*.py")}
    assert {path for path, found in uses.items() if found} <= set(INTERNALS.values())
    assert uses[INTERNALS["keras"]]
    assert uses[INTERNALS["hydra-core"]]


def test_mlflows_stores_are_used_in_one_file() -> None:
    users = {path for path in SOURCE.rglob("*.py") if any(name.startswith("mlflow.store") for name in modules_of(path))}
    assert users == {INTERNALS["mlflow"]}


@pytest.mark.parametrize("library", INTERNALS)
def test_a_library_whose_private_parts_are_used_has_an_upper_bound(library: str) -> None:
    assert "<" in requirements()[library]


def test_everything_that_is_imported_is_declared() -> None:
    distributions = packages_distributions()
    tops = {name.partition(".")[0] for path in SOURCE.rglob("*.py") for name in modules_of(path)}
    others = tops - sys.stdlib_module_names - {"src", "hydra_plugins"}
    assert others > {"keras", "yaml", "cachetools"}
    declared = set(requirements())
    undeclared = {
        name
        for name in others
        if not declared & {each.lower().replace("_", "-") for each in distributions.get(name, [name])}
    }
    assert undeclared == set()


@pytest.mark.parametrize(("owner", "name"), [(owner, name) for owner, names in PRIVATE.items() for name in names])
def test_keras_tuner_has_what_is_used_of_it(owner: str, name: str) -> None:
    oracles = import_module("keras_tuner.oracles")
    cls = oracles.RandomSearchOracle.__mro__[1] if owner == "Oracle" else getattr(oracles, owner)
    assert callable(getattr(cls, name, None)), f"keras-tuner's {owner} lacks {name}: {INTERNALS['keras-tuner']}"


def test_keras_tuner_has_the_state_that_is_read() -> None:
    oracles = import_module("keras_tuner.oracles")
    oracle = oracles.HyperbandOracle(objective=import_module("keras_tuner").Objective("val", "max"), seed=1)
    for name in ("_seed_state", "_brackets"):
        assert hasattr(oracle, name), f"keras-tuner's oracles lack {name}: {INTERNALS['keras-tuner']}"
    assert oracle._brackets[0].keys() >= {"bracket_num", "rounds"}


def test_keras_has_what_is_used_of_it() -> None:
    keras = import_module("keras")
    image = keras.Input((4,))
    tensor = keras.layers.Dense(2, name="dense")(image)
    mended = f"Keras keeps its graph otherwise: {INTERNALS['keras']}"
    assert len(getattr(tensor, "_keras_history", ())) == 3, mended
    internals = import_module("src.models.keras_internals")
    node = internals.node_of(tensor)
    assert (node.operation.name, node.input_tensors, node.outputs[0]) == ("dense", [image], tensor), mended
    assert internals.output_of(tensor)[1] == 0, mended


def test_hydra_has_what_is_used_of_it() -> None:
    try:
        parser = import_module("src.cli.hydra_internals").options_parser()
    except ImportError as error:
        pytest.fail(f"Hydra keeps its options otherwise ({error}): {INTERNALS['hydra-core']}")
    known = parser.parse_known_args(["-m", "a=1"])[0]
    assert (known.multirun, known.overrides) == (True, ["a=1"]), "Hydra's options have other names"


def test_mlflow_has_what_is_used_of_it(tmp_path: Path) -> None:
    mlflow, internals = import_module("mlflow"), import_module("src.tracking.mlflow_internals")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    (tmp_path / "mlflow.db").touch()
    try:
        internals.create_database(tmp_path / "mlflow.db", uri, tmp_path.as_uri())
        client = mlflow.MlflowClient(uri)
        run = client.create_run("0").info.run_id
        client.log_text(run, "text", "folder/file.txt")
        internals.delete_artifacts(client, run, "folder")
        client.log_metric(run, "loss", 0.5, step=2)
        (found,) = internals.metric_histories(client, [run], "loss")
    except (ImportError, AttributeError, TypeError) as error:
        pytest.fail(f"MLflow's stores are used otherwise now ({error}): {INTERNALS['mlflow']}")
    assert client.list_artifacts(run) == []
    assert (found.run_id, found.step, found.value) == (run, 2, 0.5)
    assert mlflow.utils.mlflow_tags.MLFLOW_PARENT_RUN_ID == "mlflow.parentRunId"
