"""Every name that runs have in MLflow: tags, parameters and metrics, each once, with its type, unit and meaning.

Runs are written and read through these names. ``python -m src.tracking.schema`` prints docs/run_schema.md.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

LONGEST_TAG = 5000
"""Characters: MLflow's limit, of its earlier servers too. A structured value that is longer goes on in further tags."""


@dataclass(frozen=True, eq=False)
class Kind(Generic[T]):
    """A type's text: writes a value and reads it; `parse` raises ValueError or TypeError for other text."""

    name: str
    parse: Callable[[str], T]
    write: Callable[[T], str] = str
    is_structured: bool = False


def encodable(text: str) -> str:
    """Return `text` without the surrogates that stand for undecodable bytes in file names."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def as_json(value: Any) -> str:
    """Return `value` as JSON that people can read and any encoding takes: only surrogates are escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"[\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text)


def _decimal(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)


def _words(text: str) -> tuple[str, ...]:
    return tuple(str(word) for word in json.loads(text))


def _counts(text: str) -> dict[str, int]:
    return {str(name): int(count) for name, count in json.loads(text).items()}


def _spellings(text: str) -> tuple[tuple[str, ...], ...]:
    """Return the spellings of a trial; earlier versions wrote a line for each, as it would be typed in a shell."""
    if text.startswith("["):
        return tuple(tuple(str(word) for word in words) for words in json.loads(text))
    return tuple(_shell_words(line) for line in text.split("\n"))


def _shell_words(line: str) -> tuple[str, ...]:
    if line == "the defaults":
        return ()
    try:
        return tuple(shlex.split(line))
    except ValueError:  # cut to what a tag holds, within quotes
        return tuple(line.split(" "))


TEXT = Kind("text", str, encodable)
INTEGER = Kind("integer", _decimal)
NUMBER = Kind("number", float)
YES_NO = Kind("yes or no", "yes".__eq__, lambda value: "yes" if value else "no")
WORDS = Kind("JSON list of texts", _words, as_json, is_structured=True)
COUNTS = Kind("JSON object of integers", _counts, as_json, is_structured=True)
MAPPING: Kind[Mapping[str, Any]] = Kind("JSON object", lambda text: dict(json.loads(text)), as_json, is_structured=True)
SPELLINGS = Kind("JSON list of lists of texts", _spellings, as_json, is_structured=True)
SHELL_WORDS = Kind("words of a shell", _shell_words, lambda words: encodable(shlex.join(words)))
LISTS: Kind[list[Any]] = Kind("JSON list of lists", lambda text: list(json.loads(text)), as_json, is_structured=True)


@dataclass(frozen=True)
class Name(Generic[T]):
    """A name in MLflow. `{part}` in it stands for what :meth:`at` fills in."""

    name: str
    kind: Kind[T]
    meaning: str
    unit: str = ""

    def __str__(self) -> str:
        return self.name

    def at(self, part: str) -> "Name[T]":
        """Return the name with `part` in place of its `{…}`."""
        return replace(self, name=re.sub(r"\{\w+\}", lambda _: part, self.name))

    def of(self, value: T) -> dict[str, str]:
        """Return `value` as the tag of this name, and as further ones where one does not hold it all."""
        text = self.kind.write(value)
        if not self.kind.is_structured:
            return {self.name: text[:LONGEST_TAG]}
        pieces = [text[start : start + LONGEST_TAG] for start in range(0, len(text), LONGEST_TAG)]
        return {self._piece(number): piece for number, piece in enumerate(pieces)}

    def text(self, tags: Mapping[str, str]) -> str | None:
        """Return the whole text that `tags` hold; None where they lack it."""
        text, number = tags.get(self.name), 1
        while text is not None and self.kind.is_structured and self._piece(number) in tags:
            text, number = text + tags[self._piece(number)], number + 1
        return text

    def read(self, tags: Mapping[str, str]) -> T | None:
        """Return the value that `tags` hold; None where they lack it, or hold what is no such value."""
        text = self.text(tags)
        try:
            return None if text is None else self.kind.parse(text)
        except (ValueError, TypeError, AttributeError):
            return None

    def every(self, tags: Mapping[str, str]) -> dict[str, T]:
        """Return the values of all names of this form in `tags`, by what stands for the `{…}`."""
        before, _, after = re.sub(r"\{\w+\}", "{}", self.name).partition("{}")
        parts = [name.removeprefix(before).removesuffix(after) for name in tags if name.startswith(before)]
        return {part: value for part in parts if (value := self.at(part).read(tags)) is not None}

    def _piece(self, number: int) -> str:
        return f"{self.name}.{number}" if number else self.name


# Tags of a trial's run.

TRIAL_KEY = Name("trial_key", TEXT, "names all that can change the trial's numbers; finished trials are found by it")
CONFIGURATION = Name(
    "configuration", MAPPING, "every key that the trial reads of its configuration, with its value; `unfrozen` as it "
    "trains, under the word typed for it",
)  # fmt: skip
ARGUMENTS = Name("arguments", WORDS, "what follows `python -m src.train` in the command")
COMMAND = Name("command", SHELL_WORDS, "the command that trains it, for people; cut where it is long")
GROUP = Name("group.{group}", TEXT, "the file chosen in a group of conf/, such as `group.schedule`")
MEMBER = Name("study.{study_key}", SPELLINGS, "marks a trial of that study: its overrides, in each way in which the "
              "study spells it")  # fmt: skip
DATA_FINGERPRINT = Name("data_fingerprint", TEXT, "digest of the decoded images, their classes and splits")
WEIGHTS_DIGEST = Name("weights_digest", TEXT, "digest of the pre-trained weights")
IMAGE_SIDE = Name("image_side", INTEGER, "side of the images", "px")
DEPTH = Name("depth", INTEGER, "canonical depth of the last phase", "layers")
DEPTH_TEXT = Name("depth.{phase}", TEXT, "what trains in a phase, in a sentence")
BLOCK = Name("block", TEXT, "the first block that trains in the last phase; empty where none does")
WHOLE = Name("whole", YES_NO, "whether all layers train that can")
IMAGES = Name("photos.{split}", INTEGER, "size of a split: train, val or test", "images")
CLASSES = Name("classes", COUNTS, "the largest and the smallest class of train", "images")
NEAR_DUPLICATES = Name("near_duplicates", INTEGER, "near-duplicates in different splits", "pairs")
NEAR_DUPLICATE_IMAGES = Name("near_duplicates.photos", INTEGER, "images of val or test that they concern", "images")
NEAR_DUPLICATE_EXAMPLES = Name("near_duplicates.named", LISTS, "the first few of these pairs, with file names")
RESUMED_EPOCHS = Name("epochs_recalled", INTEGER, "epochs that an earlier trial had trained already", "epochs")
MODEL = Name("model", TEXT, "`kept` where the trained network is an artifact")
COMMIT = Name("mlflow.source.git.commit", TEXT, "commit of the code")
GIT_STATE = Name("git.state", TEXT, "`clean`, or `changed` where files differ from the commit")
DEVICE = Name("device", TEXT, "what it was trained on")
HOST = Name("host", TEXT, "the machine's name")
PYTHON = Name("python", TEXT, "Python's version")

# Tags of trials and studies.

NOTE = Name("mlflow.note.content", TEXT, "a study's answer in Markdown, which MLflow's page shows as its description")

PARENT = Name("mlflow.parentRunId", TEXT, "run of the study that trained it")
LOCK_FOLDER_ID = Name("workplace", TEXT, "id of the lock folder that its process works in")
LOCK_FOLDER_PATH = Name("workplace.locks", TEXT, "path of that folder")
LEASE = Name("lease", COUNTS, "in a store that several hosts may use, the `renewals` that its process counts while it "
             "trains, and after how many `seconds` without one the run's process is taken to be dead")  # fmt: skip
ERROR = Name("error", TEXT, "why it did not finish")

# Tags of a copy that `python -m src.migrate` made.

MIGRATED_FROM = Name("migrated_from", TEXT, "run of another store that this one is a copy of")
MIGRATED = Name("migrated", YES_NO, "`yes` once the copy is complete")

# Tags of a study's run.

STUDY_KEY = Name("study_key", TEXT, "digest of the study's name; studies are found by it")
STUDY_NAME = Name("study", TEXT, "the study's name")
OBJECTIVE = Name("objective", TEXT, "metric that judges its trials, as its latest sweep has it")
VARIES = Name("varies", TEXT, "what its latest sweep varied, over what; for people")
BEST_RUN = Name("best_run_id", TEXT, "run of the trial with the best `best/val_…` of the objective")
BUDGET = Name("budget", MAPPING, "of a time budget: the rounds of trials that it decided on, with scores and seconds")
REPORT = Name("report", MAPPING, "of the kept report: the key of what it was made from, and what it says")
UNPLANNED = Name("unplanned", TEXT, "marks a trial that failed before it had a run of its own")

# Tags of a registered model's version, beside `study` and `data_fingerprint`.

VERDICT = Name("verdict", TEXT, "the verdict that recommended its trial")
OUTPUT_CLASSES = Name("output_classes", WORDS, "its classes in the order of its outputs")
CALIBRATION = Name("calibration", MAPPING, "the metrics `calibration/*` of its trial, by what follows the `/`")

MEMBERS = Name("members", WORDS, "runs of the networks that it combines")

TAGS: Mapping[str, tuple[Name[Any], ...]] = {
    "Tags of a trial": (
        TRIAL_KEY, CONFIGURATION, ARGUMENTS, COMMAND, GROUP, MEMBER, DATA_FINGERPRINT, WEIGHTS_DIGEST, IMAGE_SIDE,
        DEPTH, DEPTH_TEXT, BLOCK, WHOLE, IMAGES, CLASSES, NEAR_DUPLICATES, NEAR_DUPLICATE_IMAGES,
        NEAR_DUPLICATE_EXAMPLES, RESUMED_EPOCHS, MODEL, COMMIT, GIT_STATE, DEVICE, HOST, PYTHON,
    ),
    "Tags of trials and studies": (PARENT, LOCK_FOLDER_ID, LOCK_FOLDER_PATH, LEASE, ERROR),
    "Tags of a study": (STUDY_KEY, STUDY_NAME, OBJECTIVE, VARIES, BEST_RUN, BUDGET, REPORT, UNPLANNED),
    "Tags of a copy": (MIGRATED_FROM, MIGRATED),
    "Tags of a combination's run": (MEMBERS,),
    "Tags of a registered model's version": (VERDICT, OUTPUT_CLASSES, CALIBRATION),
}  # fmt: skip

# Parameters of a trial's run, few enough to compare.

UNFROZEN_LAYERS = Name("unfrozen_layers", INTEGER, "canonical depth of the last phase, for any spelling", "layers")
IMAGE_SIZE = Name("image_size", INTEGER, "side of the images", "px")

PARAMETERS: tuple[Name[Any], ...] = (
    Name("backbone", TEXT, "the pre-trained network"),
    Name("weights", TEXT, "where its weights come from"),
    Name("data", TEXT, "where the images come from: folder, csv or trees"),
    Name("data.root", TEXT, "the folder of images, with data=folder"),
    Name("data.manifest", TEXT, "the table of images, with data=csv"),
    Name("data.fraction", NUMBER, "part of the training split that is used", "0–1"),
    IMAGE_SIZE,
    UNFROZEN_LAYERS,
    Name("batchnorm", TEXT, "BatchNorm policy; absent where no variable of the backbone trains"),
    Name("schedule", TEXT, "the phases"),
    Name("learning_rate", NUMBER, "feature extraction's learning rate"),
    Name("fine_tune_learning_rate", NUMBER, "fine-tuning's learning rate"),
    Name("epochs", INTEGER, "feature extraction's epochs at the most", "epochs"),
    Name("fine_tune_epochs", INTEGER, "fine-tuning's epochs at the most", "epochs"),
    Name("batch_size", INTEGER, "images in a step", "images"),
    Name("optimizer", TEXT, "Keras' optimizer"),
    Name("dropout", NUMBER, "part of the pooled features that is dropped", "0–1"),
    Name("augment", TEXT, "random views of training images"),
    Name("class_weights", TEXT, "how classes are weighed in the loss"),
    Name("label_smoothing", NUMBER, "part of the target that is spread over all classes", "0–1"),
    Name("objective", TEXT, "metric that the trial is monitored and judged by"),
    Name("monitor", TEXT, "what the best epoch is best in"),
    Name("seed", INTEGER, "seed of the head, dropout, order and views"),
)

# Columns of a study's table, before those of the configuration (dotted keys) and of the metrics (names in MLflow).


@dataclass(frozen=True)
class Column:
    """A column of a study's table, with pandas' name of its type."""

    name: str
    dtype: str
    meaning: str
    unit: str = ""

    def __str__(self) -> str:
        return self.name


STUDY = Column("study", "string", "the study's name")
OVERRIDES = Column("overrides", "object", "a tuple of what was typed for the trial, without what it does not read")
SPELLED = Column("spellings", "object", "a tuple of such tuples: each way in which the study's sweeps have typed it")
STATUS = Column("status", "string", "MLflow's: FINISHED, FAILED, KILLED or RUNNING")
TRAINED_BY = Column("trained_by", "string", '"this study", or "another" whose run was reused')
RUN_ID = Column("run_id", "string", "the trial's run in MLflow")
COMMAND_WORDS = Column("command", "object", "what trains the trial, as it follows it: a tuple of words")
READS_DEPTH = Column("reads_depth", "boolean", "whether `unfrozen` decides its depth; a schedule may fix it")
NEAR_DUPLICATES_COLUMN = Column("near_duplicates", "object", "near-duplicates across splits: pairs, images, examples")

_DTYPES = {INTEGER: "Int64", YES_NO: "boolean", TEXT: "string", COUNTS: "object"}
READ_FROM_TAGS: tuple[Name[Any], ...] = (
    TRIAL_KEY, DEPTH, BLOCK, WHOLE, DATA_FINGERPRINT, WEIGHTS_DIGEST, IMAGE_SIDE,
    *(IMAGES.at(split) for split in ("train", "val", "test")), CLASSES, RESUMED_EPOCHS,
    *(GROUP.at(group) for group in ("data", "weights", "augment", "schedule", "optimizer")),
)  # fmt: skip
COLUMNS: tuple[Column, ...] = (
    OVERRIDES, SPELLED, STATUS, TRAINED_BY, RUN_ID,
    *(Column(tag.name, _DTYPES[tag.kind], tag.meaning, tag.unit) for tag in READ_FROM_TAGS),
    COMMAND_WORDS, READS_DEPTH, NEAR_DUPLICATES_COLUMN,
)  # fmt: skip

# Metrics. Those of splits and of times are families: `{split}` is fit, train, val or test.

FIT: Final = "fit"
TRAIN: Final = "train"
VAL: Final = "val"
TEST: Final = "test"


_METRICS: list[Name[float]] = []


def _metric(name: str, unit: str, meaning: str) -> str:
    _METRICS.append(Name(name, NUMBER, meaning, unit))
    return name


_FIT = _metric("fit/{measure}", "nats or 0–1", "loss and accuracy over an epoch's batches, in training mode, while the "
               "weights change; each epoch")  # fmt: skip
_TRAIN = _metric("train/{measure}", "nats or 0–1", "of the training images in inference mode; a phase's last epoch and "
                 "its best")  # fmt: skip
_VAL = _metric("val/{measure}", "nats or 0–1", "of the validation images in inference mode; each epoch")
_TEST = _metric("test/{measure}", "nats or 0–1", "of the test images, once, with the weights that are kept")
_BEST = _metric("best/{split}_{measure}", "nats or 0–1", "of the last phase's best epoch, whose weights are kept")
BEST_EPOCH = _metric("best/epoch", "epochs", "that epoch, counted over all phases from 0")
GAP_MODE = _metric("gap/mode", "difference, −1 to 1", "fit − train at the best epoch: what training mode changes")
GAP_GENERALIZATION = _metric("gap/generalization", "difference, −1 to 1", "train − val at the best epoch: overfitting")
_BASELINE = _metric("baseline/{split}_{measure}", "0–1", "what always predicting the largest training class reaches")
CHANCE = _metric("baseline/chance", "0–1", "1 / classes")
TEMPERATURE = _metric("calibration/temperature", "", "fitted on validation: logits are divided by it; above 1 where "
                      "the network is too confident")  # fmt: skip
TEST_ECE = _metric("calibration/test_ece", "0–1", "expected calibration error on test, in 15 bins of confidence")
TEST_ECE_SCALED = _metric("calibration/test_ece_scaled", "0–1", "the same with the temperature applied")
_EXPORT = _metric("export/{format}/{measure}", "0–1, MB or ms", "of an export, run by its own runtime on the test "
                  "images (validation images where there are none): accuracy, agreement with the model, megabytes, "
                  "milliseconds an image")  # fmt: skip
DEPTH_LAYERS = _metric("depth/layers", "layers", "layers from the end that `unfrozen` names in the last phase")
DEPTH_CANONICAL = _metric("depth/canonical", "layers", "canonical depth of the last phase")
DEPTH_PARAMETERS = _metric("depth/parameters", "values", "how many values of the backbone train in the last phase")
TRAINABLE = _metric("trainable_parameters", "values", "how many values train in the last phase, the head's included")
LEARNING_RATE = _metric("learning_rate", "", "the learning rate; each epoch")
PHASE = _metric("phase", "", "the phase's number from 0; each epoch")
_TIME = _metric("time/{part}", "s", "where the trial's time went; `time/phase/NAME` is a phase's training")
TIME_TOTAL = _metric("time/total", "s", "from the trial's start to its end")
_TRIALS = _metric("trials/{count}", "trials", "of a study's run: finished, failed, killed, reused or pruned")

METRICS = tuple(_METRICS)
PER_EPOCH_ONLY = (LEARNING_RATE, PHASE)
"""They say nothing of a whole trial."""

PHASE_TIME_PREFIX = "time/phase/"

# Files of runs; a folder's name ends in a slash.

FILES: Mapping[str, tuple[Name[str], ...]] = {
    "Files of a trial": (
        Name("config.yaml", TEXT, "the resolved configuration, as Hydra reads it"),
        Name("packages.txt", TEXT, "every installed package with its version"),
        Name("summary.json", TEXT, "the trial's metrics, and those of each epoch"),
        Name("warnings.txt", TEXT, "warnings on the data, where there are any"),
        Name("traceback.txt", TEXT, "the error of a trial that failed"),
        Name("figures/", TEXT, "per_class.csv; on demand learning curves, confusion matrix, mistakes, near-duplicates"),
        Name("predictions/", TEXT, "val.npz, and test.npz where there are test images: a prediction for each image"),
        Name("model/", TEXT, "the trained network, where it is kept: `mlflow.keras.load_model`"),
    ),
    "Files of a study": (
        Name("config.yaml", TEXT, "the configuration below what varies"),
        Name("study.txt", TEXT, "what its latest sweep varied and fixed"),
        Name("trials.csv", TEXT, "the table below"),
        Name("predictions/", TEXT, "val.npz of all trials together"),
        Name("report/", TEXT, "report.html, its figures, trials.csv and verdict.json"),
    ),
}


def of_split(split: str, measure: str = "accuracy") -> str:
    """Return the metric `measure` ("loss", or an objective) of a split.

    >>> of_split("val"), of_split("fit", "loss")
    ('val/accuracy', 'fit/loss')
    """
    return {FIT: _FIT, TRAIN: _TRAIN, VAL: _VAL, TEST: _TEST}[split].format(measure=measure)


def best(split: str, measure: str = "accuracy") -> str:
    """Return the metric of the best epoch.

    >>> best("val")
    'best/val_accuracy'
    """
    return _BEST.format(split=split, measure=measure)


def baseline(split: str, measure: str) -> str:
    """Return what always predicting the largest training class reaches.

    >>> baseline("test", "macro_f1")
    'baseline/test_macro_f1'
    """
    return _BASELINE.format(split=split, measure=measure)


def seconds(part: str) -> str:
    """Return the metric of the time that `part` took."""
    return _TIME.format(part=part)


ONCE_A_PROCESS = (seconds("tensorflow"), seconds("network"))
"""Parts of a trial's time that each process spends once."""
ONCE_FOR_ALL = (seconds("data"), seconds("features"))
"""Parts most of which one process spends for all trials of its data and network."""


def of_export(name: str, measure: str) -> str:
    """Return a metric of the export `name`, such as "litert_int8"."""
    return _EXPORT.format(format=name, measure=measure)


def parts_of_time(metrics: Iterable[str]) -> list[str]:
    """Return the names in `metrics` that are times."""
    return [name for name in metrics if name.startswith(seconds(""))]


def study_count(of: str) -> str:
    """Return the metric that counts a study's trials that are `of`, such as "finished"."""
    return _TRIALS.format(count=of)


_TOTALS = re.compile("|".join(
    re.sub(r"\{\w+\}", "[a-z0-9_/]+", metric.name) for metric in METRICS if metric.name not in PER_EPOCH_ONLY
))  # fmt: skip


def is_metric(name: str) -> bool:
    """Return whether `name` is a metric of a whole trial or study.

    >>> is_metric("best/val_loss"), is_metric("time/phase/fine_tuning"), is_metric("learning_rate")
    (True, True, False)
    """
    return _TOTALS.fullmatch(name) is not None


def as_markdown() -> str:
    """Return docs/run_schema.md."""
    sections: dict[str, Iterable[tuple[str, str, str, str]]] = {
        **{heading: [_kind_of(tag) for tag in tags] for heading, tags in TAGS.items()},
        "Parameters of a trial": map(_kind_of, PARAMETERS),
        "Metrics": map(_kind_of, METRICS),
        **{heading: [(file.name, "file", "", file.meaning) for file in files] for heading, files in FILES.items()},
        "Columns of a study's table": ((it.name, it.dtype, it.unit, it.meaning) for it in (STUDY, *COLUMNS)),
    }
    return "\n".join([_INTRODUCTION, *(line for section in sections.items() for line in _section(*section))])


def _kind_of(name: Name[Any]) -> tuple[str, str, str, str]:
    return name.name, name.kind.name, name.unit, name.meaning


def _section(heading: str, rows: Iterable[tuple[str, str, str, str]]) -> Iterator[str]:
    yield from (f"## {heading}", "", *([_NOTES[heading], ""] if heading in _NOTES else []))
    yield from ("| name | type | unit | meaning |", "|---|---|---|---|")
    yield from (f"| `{name}` | {kind} | {unit} | {meaning} |" for name, kind, unit, meaning in rows)
    yield ""


_INTRODUCTION = """# What runs hold in MLflow

Every tag, parameter, metric and file that Thaw writes, and the columns of a study's table. Words in braces stand
for a name. This page is made by `python -m src.tracking.schema > docs/run_schema.md`.
"""
_NOTES = {
    "Tags of a trial": f"""JSON of more than {LONGEST_TAG} characters goes on in the tags `NAME.1`, `NAME.2` and so on.
Runs of earlier versions have neither `configuration` nor `arguments`; parameters and `command` are read instead.""",
    "Parameters of a trial": """MLflow compares runs by these, so they are few. A key beyond them is a parameter of the
runs for which it was typed. The tag `configuration` holds all keys that a trial reads.""",
    "Metrics": """`{measure}` is `loss`, `accuracy`, `balanced_accuracy` or `macro_f1`; `fit` has the first two, a
baseline has no loss. `{split}` is `fit`, `train` or `val`, of a baseline `val` or `test`. `{part}` is `data`, `layers`,
`tracking`, `tensorflow`, `network`, `features`, `phase/NAME`, `evaluation`, `figures` or `model`. `{count}` is
`finished`, `failed`, `killed`, `reused` or `pruned`.""",
    "Columns of a study's table": """`Study.load(NAME).to_frame()` returns the table, a row for each trial. The report's
trials.csv holds the same, with overrides and commands as they are typed in a shell; there, `study` names each
trial's study. After these columns come the keys that trials read of their [configuration](configuration.md), by their
dotted names (Int64, float64, boolean or string), then the metrics above that are of whole trials (float64). A value
that a trial does not have is missing.""",
}

if __name__ == "__main__":
    print(as_markdown(), end="")
