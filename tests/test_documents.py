"""Every promise of the documents, typed: commands, settings, backbones, files and links that they name.

A command that is added to a document is typed here from then on. Where it would take minutes as it stands, SHORTER says
what is put behind it and why; what cannot be typed in a test is in UNTYPED, with the test that shows it.
"""

import re
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from src.cli.command_line import as_hydra_reads
from src.common.project import PROJECT
from src.config import CsvData, FolderData
from src.models.catalog import CATALOG
from tests.conftest import Compose
from tests.data.test_docs import page_data
from tests.typist import Typed, Typist

PAGES = {
    str(path.relative_to(PROJECT)): path.read_text("utf-8")
    for path in [PROJECT / "README.md", PROJECT / "benchmarks/README.md", *sorted((PROJECT / "docs").glob("*.md"))]
}
WRITTEN = {page: text for page, text in PAGES.items() if page != "docs/odd_inputs.md"}  # made from a table of its own


def commands(text: str) -> list[str]:
    """The commands in blocks of a page: a line each, without comments and prompts."""
    text = re.sub(r"\\\n\s*", "", text)
    fenced = re.findall(r"^```(?:bash|sh|shell|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    plain = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [*"\n".join(fenced).splitlines(), *re.findall(r"^    (\S.*)$", plain, re.MULTILINE)]
    found = [shlex.join(shlex.split(line, comments=True)) for line in lines if _is_command(line)]
    return list(dict.fromkeys(found))


def _is_command(line: str) -> bool:
    return re.match(r"(?:\$ )?(?:python|make|mlflow|pip|\.venv/bin|\. )", line) is not None


ALL = sorted({command for text in PAGES.values() for command in commands(text)})
TYPED = [command for command in ALL if command.startswith("python -m src.")]
UNTYPED = {
    "make train": "tests/test_train.py types what it runs; it sets up .venv first",
    "make test": "this is it",
    **{
        command: "a minute: tests/auditing/test_label_errors.py types it with few images"
        for command in ALL
        if "benchmarks.label_errors" in command
    },
    "python -m src.pretrain --output src/models/formula/mobilenetv2_035_96.npz": "an hour, and it would replace the "
    "weights: tests/test_keras_setup.py types it with 64 images",
    "mlflow artifacts download --artifact-uri runs:/ID/model --dst-path best": "tests/deployment/"
    "test_use_page.py types it with a run's id",
    "python -m src.render runs:/ID": "tests/trial/test_rendering.py types it with a run's id",
    "python -m src.demo --model champion": "it serves until Ctrl-C: tests/deployment/test_demo_page.py opens the page",
    "mlflow models serve --model-uri models:/photos@champion --env-manager local --port 5001": "tests/deployment/"
    "test_serving.py asks it, on a free port",
    "python -m src.train -m hydra/launcher=ray unfrozen=0,2 seed=0,1": "Ray listens on all addresses: "
    "tests/search/test_launchers.py types it in a network of its own",
    "python -m src.train -m hydra/launcher=submitit_slurm hydra.launcher.partition=gpu unfrozen=0,2 seed=0,1": "a "
    "cluster: tests/search/test_slurm.py types it where Slurm is installed",
    **dict.fromkeys(
        ["make server", "python -m src.server --artifacts s3://BUCKET/thaw"],
        "tests/test_server.py types what it runs, on a free port; a bucket is not at hand",
    ),
    **dict.fromkeys(
        [
            "python -m src.train backbone=lenet5 tracking.uri=http://127.0.0.1:5000",
            "python -m src.migrate --from sqlite:///mlflow.db --to http://127.0.0.1:5000",
        ],
        "tests/tracking/test_served.py types it with the port of a server of its own",
    ),
    "python -m benchmarks.store_load --runs 80 --processes 4 --epochs 5": "tests/tracking/test_served.py types it with "
    "few runs",
    "python -m src.sync": "tests/tracking/test_outbox.py types it after an outage",
    "python -m src.probe --photos DIR --weights mobilenetv2_035.weights.h5 --part test": "tests/demo/formula/"
    "test_linear_probe.py holds its numbers; the weights are a download",
}
SHORTER = [
    (r"src\.train(?!.* experiment=quick)", "epochs=1 fine_tune_epochs=1", "training takes minutes"),
    (r"src\.train(?!.* data=)", "data.classes=3 data.train_images=8 data.val_images=4", "as drawing does"),
    (r"weights=imagenet|=resnet50|=DenseNet121|=ConvNeXtTiny", "weights=random image_size=32", "a download"),
    (r"=InceptionResNetV2", "weights=random image_size=75", "a download"),
    (r"-cn ", "unfrozen=0,11 seed=0", "six depths and three seeds take nine times as long"),
    (r"src\.advise", "weights=random image_size=32 epochs=1 fine_tune_epochs=1 minutes=0.7", "twenty minutes"),
    (r"hydra\.sweeper\.minutes", "weights=random image_size=32 hydra.sweeper.minutes=0.7", "twenty minutes"),
    (r"keras_tuner", "hydra.sweeper.max_trials=2", "twenty trials"),
    (r"src\.train -m unfrozen", "dropout=0.2 seed=0", "eighteen trials"),
    (r"hydra/launcher=(joblib|submitit_local)", "seed=0 backbone=lenet5", "each process starts TensorFlow"),
    (r"src\.export", "--force", "a few noisy images agree less"),
    (r"--target-accuracy", "--target-accuracy 0", "a few validation images show little"),
]  # fmt: skip
"""What is put behind a command that matches a pattern, and why."""


def shortened(command: str) -> list[str]:
    """Return the words of `command`, with what SHORTER puts behind it."""
    more = [word for pattern, words, _ in SHORTER if re.search(pattern, command) for word in words.split()]
    return [*shlex.split(command)[2:], *more]


def test_every_command_of_the_documents_is_typed_or_named_with_its_reason() -> None:
    assert len(TYPED) > 20
    assert set(ALL) - set(TYPED) <= set(UNTYPED)
    assert set(UNTYPED) <= set(ALL)
    for pattern, _, _ in SHORTER:
        assert any(re.search(pattern, command) for command in TYPED), pattern


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the documents' commands read."""
    from src.common.keras_setup import keras

    folder = tmp_path_factory.mktemp("documents")
    page_data(folder)
    network = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, include_top=False, weights=None)
    network.save_weights(folder / "my.weights.h5")
    return folder


@pytest.fixture(scope="module")
def typist(heavy_typist: Typist, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Typed]:
    top = tmp_path_factory.mktemp("store")
    return partial(heavy_typist, MLFLOW_TRACKING_URI=f"sqlite:///{top}/mlflow.db", THAW_CACHE_DIR=str(top / "cache"))


STUDY = "python -m src.train -cn unfreezing data=folder data.root=photos weights=imagenet"


def away(words: list[str], folder: Path) -> list[str]:
    """`words` with the places that a test keeps apart from the project's own."""
    if words[0] in ("src.report", *OF_THE_CHAMPION):
        return words
    places = [f"hydra.run.dir={folder}/out", f"hydra.sweep.dir={folder}/sweep", f"runtime.work_dir={folder}/work"]
    return [*words, *places]


@pytest.fixture(scope="module")
def study(typist: Callable[..., Typed], here: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The study that reports are made of, trained by the documents' command."""
    assert STUDY in TYPED
    done = typist(*away(shortened(STUDY), tmp_path_factory.mktemp("study")), cwd=here)
    assert done.status == 0, done.said
    return done.out


@pytest.fixture(scope="module")
def champion(study: str, typist: Callable[..., Typed], here: Path) -> None:
    """The model that the study recommends, as the documents promote it."""
    assert "train it: " in study
    assert "promote it: python -m src.promote --study unfreezing\n" in study
    done = typist("src.promote", "--study", "unfreezing", cwd=here)
    assert done.status == 0, done.said


OF_THE_CHAMPION = ("src.promote", "src.predict", "src.explain", "src.export", "src.ensemble")
SAYS = {
    "src.audit": "audit.html: ", "src.promote": "champion", "src.predict": "", "src.explain": "page: ",
    "src.export": "agreement", "src.ensemble": "single model",
}  # fmt: skip
"""What a command says when it is done."""


def module_of(command: str) -> str:
    return command.split()[2]


@pytest.mark.slow
@pytest.mark.parametrize("command", sorted(set(TYPED) - set(UNTYPED) - {STUDY}))
def test_a_command_of_the_documents_does_what_it_says(
    command: str, typist: Callable[..., Typed], here: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if "src.report" in command:
        request.getfixturevalue("study")
    if module_of(command) in OF_THE_CHAMPION:
        request.getfixturevalue("champion")
    done = typist(*away(shortened(command), tmp_path), cwd=here)
    assert done.status == 0, done.said
    assert "Traceback" not in done.said
    assert "changes nothing" not in done.err.replace("epochs=1 changes nothing", "")
    if "src.report" in command:
        assert (here / "report" / "report.html").is_file()
    else:
        assert SAYS.get(module_of(command), "run ") in done.out + done.err


@pytest.mark.slow
def test_a_study_of_the_documents_recommends_a_command_that_runs(
    study: str, typist: Callable[..., Typed], here: Path, tmp_path: Path
) -> None:
    (line,) = [line for line in study.splitlines() if line.startswith("train it: ")]
    words = shlex.split(line.removeprefix("train it: "))
    assert words[:3] == ["python", "-m", "src.train"]
    done = typist(*away(words[2:], tmp_path), cwd=here)
    assert done.status == 0, done.said


# settings, as `key=value` within a sentence

PLACEHOLDERS = {
    "experiment=": "experiment=quick",
    "backbone=": "backbone=lenet5", "tracking.uri=": "tracking.uri=x", "unfrozen=N": "unfrozen=3",
    "backbone=mobilenetv2,efficientnetb0": "backbone=efficientnetb0",
    "runtime.precision=float32,bfloat16": "runtime.precision=bfloat16",
    "unfrozen=N blocks": "unfrozen='3 blocks'", "unfrozen=3 blocks": "unfrozen='3 blocks'",
}  # fmt: skip
NOT_OURS = {
    "include_top=False": "Keras' argument", "color=(128, 128, 128)": "Pillow's argument",
    'jit_compile="auto"': "Keras' argument", "jit_compile=True": "Keras' argument",
    "minutes=20": "an option of src.advise; its command is typed",
    "MLFLOW_S3_ENDPOINT_URL=https://…": "a variable of MLflow's",
    "THAW_BACKBONES_TABLE=FILE": "a variable of a test's",
    "THAW_BENCH_SIDE=224": "a variable of the benchmark's",
}  # fmt: skip
BESIDE = {"weights=file": ["weights.path=w.h5"], "data=folder": ["data.root=x"], "data=csv": ["data.manifest=x"],
          "augment.views": ["augment=light"], "data.root": ["data=folder"], "data.manifest": ["data=csv"]}  # fmt: skip


PLUGINS = {
    "launcher.ray.": "hydra/launcher=ray", "launcher.n_jobs": "hydra/launcher=joblib",
    "max_batch_size": "hydra/sweeper=grid",
    "launcher": "hydra/launcher=submitit_slurm",
}  # fmt: skip
"""The plugin whose setting it is, by a part of the key."""


def settings() -> list[str]:
    found: list[str] = []
    for text in WRITTEN.values():
        prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        for code in re.findall(r"`([^`\n]+)`", prose):
            words = [] if code in NOT_OURS else shlex.split(code)
            found += [word for word in words if re.match(r"[\w./]+=", word) and word not in NOT_OURS]
    return sorted(set(found))


def beside(word: str) -> list[str]:
    """What else is needed for a setting to mean something."""
    key = word.partition("=")[0]
    leaf = key.removeprefix("data.")
    needed = [each for name, words in BESIDE.items() if name in (word, key) for each in words]
    if key.startswith("data.") and not needed and leaf in FolderData.model_fields:
        return ["data=folder", *([] if leaf == "root" else ["data.root=x"])]
    if key.startswith("data.") and not needed and leaf in CsvData.model_fields:
        return ["data=csv", *([] if leaf == "manifest" else ["data.manifest=x"])]
    return needed


def test_settings_are_found() -> None:
    assert {"features.store=false", "weights=imagenet", "objective=macro_f1"} <= set(settings())


@pytest.mark.parametrize("word", settings())
def test_a_setting_that_the_documents_name_composes(
    composed: Compose, heavy_typist: Typist, word: str, tmp_path: Path
) -> None:
    if word.startswith("hydra"):
        plugin = next((plugin for part, plugin in PLUGINS.items() if part in word), "hydra/sweeper=keras_tuner")
        group = [] if word.startswith("hydra/launcher=") else [plugin]
        done = heavy_typist("src.train", *group, word, "--cfg", "hydra", cwd=tmp_path)
        assert done.status == 0, done.said
        return
    (readable,) = as_hydra_reads([PLACEHOLDERS.get(word, word)])
    composed(*beside(word), readable)


def test_the_keys_of_the_table_are_keys(composed: Compose) -> None:
    rows = PAGES["docs/configuration.md"].split("| key | meaning |\n|---|---|\n")[1].split("\n\n")[0].splitlines()
    keys = [key for row in rows for key in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert len(keys) > 12
    for key in keys:
        value: object = composed()
        for part in key.split("."):
            assert hasattr(value, part), key
            value = getattr(value, part)


def test_the_backbones_of_the_page_are_those_of_the_catalog() -> None:
    table = PAGES["docs/backbones.md"].split("| backbone |")[1].split("\n\n")[0].splitlines()[2:]
    assert [row.split("|")[1].strip() for row in table] == [spec.class_name for spec in CATALOG.values()]


# files, links, targets

DEVELOPERS = {page: (PROJECT / page).read_text("utf-8") for page in ("ARCHITECTURE.md", "CONTRIBUTING.md")}


@pytest.mark.parametrize("page", [*PAGES, *DEVELOPERS])
def test_files_and_links_that_a_page_names_are_there(page: str) -> None:
    text, folder = (PAGES | DEVELOPERS)[page], (PROJECT / page).parent
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        assert target.startswith("http") or (folder / target).exists(), target
    for name in re.findall(r"`((?:src|conf|tests|docs|sweeps|benchmarks)/[\w./]*)`", text):
        assert (PROJECT / name).exists() or "NAME" in name, name


@pytest.mark.parametrize("page", PAGES)
def test_modules_targets_and_studies_that_a_page_names_are_there(page: str) -> None:
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    for module in re.findall(r"python -m ((?:src|benchmarks)(?:\.\w+)+)", PAGES[page]):
        place = PROJECT / module.replace(".", "/")
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), module
    for target in re.findall(r"`make (\w+)|^    make (\w+)", PAGES[page], re.MULTILINE):
        assert re.search(rf"^{''.join(target)}:", makefile, re.MULTILINE), target
    for name in re.findall(r"-cn (\w+)", PAGES[page]):
        assert (PROJECT / "sweeps" / f"{name}.yaml").exists(), name


def test_files_hold_what_is_to_be_edited_there() -> None:
    table = DEVELOPERS["CONTRIBUTING.md"].split("| to add | edit | then |\n|---|---|---|\n")[1].split("\n\n")[0]
    cells = [cell for row in table.splitlines() for cell in row.split("|")[2:4]]
    checked = 0
    for cell in cells:
        files = [PROJECT / name for name in re.findall(r"`([\w/]+\.\w+)`", cell) if (PROJECT / name).is_file()]
        for name in re.findall(r"`([A-Za-z_.]+)`", cell):
            if files and not (PROJECT / name).exists() and not name.endswith(".yaml"):
                checked += 1
                assert any(name.rpartition(".")[2] in file.read_text("utf-8") for file in files), (name, cell)
    assert checked > 15


def test_the_studies_of_the_page_are_those_of_sweeps() -> None:
    listed = re.search(r"state their question in their first lines:\n`([^`]+)`", PAGES["docs/sweeps.md"])
    assert listed is not None
    assert sorted(listed[1].split()) == sorted(path.stem for path in (PROJECT / "sweeps").glob("*.yaml"))
