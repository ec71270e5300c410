"""The schema: every key that a trial knows, with its type, range, unit and meaning.

`conf/` holds the values; this file says what they may be. Hydra composes, :func:`parse` checks. A key that is
missing here, or a value out of its range, is refused before anything is read, trained or written.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from src.common.depth_choice import DepthChoice
from src.common.errors import ThawError, did_you_mean, one_line
from src.common.metrics import Monitor, Objective
from src.common.override import override_key


class Section(BaseModel):
    """A part of the configuration: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_no_truth_values(cls, values: Any) -> Any:
        for name, value in values.items() if isinstance(values, Mapping) else ():
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field and bool not in (field.annotation, *get_args(field.annotation)):
                meaning = f" ({field.description})" if field.description else ""
                raise ValueError(f"{name}={str(value).lower()}: neither true nor false is meant there{meaning}")
        return values


def _read_path(value: object) -> object:
    """Return a path, `~` expanded. Hydra reads a folder called 2024 as a number."""
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if isinstance(text, str) and not text.strip():
        raise ValueError("an empty path")
    return os.path.expanduser(text) if isinstance(text, str) else text  # noqa: PTH111 - Path's raises for unknown users


def _read_name(value: object) -> object:
    """Return a name. Hydra reads a column called 2024 as a number."""
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if isinstance(text, str) and not text.strip():
        raise ValueError("an empty name")
    return text.strip() if isinstance(text, str) else text


Depth = Annotated[DepthChoice, BeforeValidator(DepthChoice.read), PlainSerializer(lambda depth: depth.text)]
Name = Annotated[str, BeforeValidator(_read_name)]
UserPath = Annotated[Path, BeforeValidator(_read_path)]
PhaseName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
LearningRate = Annotated[float, Field(gt=0, le=10)]
Count = Annotated[int, Field(ge=1)]


class WeightsConfig(Section):
    """The backbone's weights."""

    name: Literal["formula", "imagenet", "random", "file"] = Field(
        description="formula: generated images (mobilenetv2 only); imagenet: Keras' download; random; file"
    )
    path: UserPath | None = Field(description="weight file (.weights.h5, .h5 or .keras), with name=file")
    alpha: float | None = Field(gt=0, le=4, description="width multiplier; null: the weight set's own")
    image_size: int | None = Field(ge=32, le=1024, description="native size, px; null: the weight set's own")

    @model_validator(mode="after")
    def _path_goes_with_file(self) -> "WeightsConfig":
        if self.name == "file" and self.path is None:
            raise ValueError("weights=file needs weights.path=FILE")
        if self.name != "file" and self.path is not None:
            raise ValueError(f"weights.path goes with weights=file, not with weights={self.name}")
        if self.name == "formula" and (self.alpha or self.image_size):
            raise ValueError("weights=formula has one width and size; leave weights.alpha and image_size null")
        return self


class _Data(Section):
    fraction: float = Field(gt=0, le=1, description="part of the training split that is used, stratified")
    split_seed: int = Field(ge=0, lt=2**32, description="of splits and `fraction`; trials with other seeds share it")


class _PhotoData(_Data):
    validation: Fraction = Field(description="part of the training photos held out where there is no val split")
    test: Fraction = Field(description="part held out for the test where no split is given at all")
    resize: Literal["crop", "stretch", "pad"] = Field(description="how a photo becomes square")
    bit_depth: int | None = Field(
        ge=9,
        le=32,
        description="bits of deep images whose file does not say what is white; null: such files are no image",
    )
    max_unreadable: Fraction = Field(description="part of the files that may be no image before all is refused")
    near_duplicates: Literal["keep", "drop"] = Field(
        description="drop: leave out photos of train with a near-duplicate in val or test, and of val with one in test"
    )

    @model_validator(mode="after")
    def _something_remains_to_train_on(self) -> "_PhotoData":
        if self.validation + self.test >= 1:
            raise ValueError("data.validation and data.test together leave nothing to train on")
        return self


class FolderData(_PhotoData):
    """train/ val/ test/ with a folder per class, a folder per class with those in it, or just a folder per class."""

    kind: Literal["folder"]
    root: UserPath = Field(description="the folder")
    group_pattern: str | None = Field(
        description="regular expression on a photo's path below its class; what it captures (or matches) names "
        "a group, such as a burst, that never crosses splits"
    )

    @model_validator(mode="after")
    def _pattern_compiles(self) -> "FolderData":
        try:
            re.compile(self.group_pattern or "")
        except re.error as error:
            raise ValueError(f"data.group_pattern is no regular expression: {error}") from error
        return self


class CsvData(_PhotoData):
    """A manifest: a table of images and their classes, with path,label[,split][,group] or columns of other names."""

    kind: Literal["csv"]
    manifest: UserPath = Field(description="the table (CSV); relative paths in it start from its own folder")
    path_column: Name | None = Field(description="column of files; null: found by a usual name (docs/data.md)")
    label_column: Name | None = Field(description="column of classes; null: found by a usual name, or one-hot columns")
    label_columns: list[Name] | None = Field(
        min_length=2,
        description="a column of 0 and 1 for each class, one 1 a row; null: found where no column has labels",
    )
    split_column: Name | None = Field(description="column of splits; null: found by a usual name, if there")
    group_column: Name | None = Field(description="column of groups; null: found by a usual name, if there")
    image_folder: UserPath | None = Field(
        description="folder that file names start from, itself relative to the manifest"
    )
    extension: Annotated[str, Field(pattern=r"^\.?\w+$")] | None = Field(
        description="appended to files that are named without, such as .jpg"
    )

    @model_validator(mode="after")
    def _labels_have_one_source(self) -> "CsvData":
        if self.label_column and self.label_columns:
            raise ValueError("data.label_column and data.label_columns: give one of them")
        return self


class TreesData(_Data):
    """The generated set: species of trees drawn by formula."""

    lister: ClassVar[str] = "src.demo.trees.trees_listing:list_trees"  # imported when used: the core needs no demo
    validation: ClassVar[float] = 0.0  # drawn images come with their splits, none is damaged, and none is left out
    test: ClassVar[float] = 0.0
    max_unreadable: ClassVar[float] = 0.0
    near_duplicates: ClassVar[str] = "keep"
    kind: Literal["trees"]
    classes: int = Field(ge=2, le=23, description="species, of 23")
    train_images: Count = Field(le=100_000, description="training images a species")
    val_images: Count = Field(le=100_000, description="validation images a species")
    test_images: int = Field(ge=0, le=100_000, description="test images a species")
    images: Count | None = Field(
        le=1_000_000, description="all images: the last species draw a training image fewer; null: as the counts say"
    )
    difficulty: float = Field(ge=0, le=1, description="how far light, distance, clutter and noise vary")
    draw_seed: int = Field(ge=0, description="seed of the drawing")

    @property
    def reduced_species(self) -> int:
        """Return how many species, from the last on, draw a training image fewer."""
        counted = self.classes * (self.train_images + self.val_images + self.test_images)
        return 0 if self.images is None else counted - self.images

    @model_validator(mode="after")
    def _images_are_what_the_counts_say(self) -> "TreesData":
        if not 0 <= self.reduced_species < self.classes:
            counted = self.classes * (self.train_images + self.val_images + self.test_images)
            raise ValueError(
                f"data.images={self.images}: the counts say {counted}, and up to {self.classes - 1} fewer do"
            )
        return self


DataConfig = Annotated[FolderData | CsvData | TreesData, Field(discriminator="kind")]


class AugmentConfig(Section):
    """Random views of a training image: a pure function of seed, image and view."""

    flip: bool = Field(description="mirror half of the views left to right")
    rotation: float = Field(ge=0, le=180, description="up to so many degrees either way")
    zoom: Fraction = Field(description="scale between 1 - zoom and 1 + zoom, each axis alike")
    crop: Fraction = Field(description="cut out a window whose side is down to 1 - crop of the image's")
    shift: Fraction = Field(description="move by up to this part of the side, each axis")
    brightness: Fraction = Field(description="multiply all values by 1 - brightness to 1 + brightness")
    views: Count | None = Field(description="different views an image has; null: a new one each epoch")

    @property
    def is_identity(self) -> bool:
        """Return whether every view equals the image."""
        return not (self.flip or self.rotation or self.zoom or self.crop or self.shift or self.brightness)


class OptimizerConfig(Section):
    """Keras' optimizer; the rate is the phase's."""

    name: Literal["adam", "sgd", "adamw"] = Field(description="adam, sgd, adamw")
    momentum: Fraction = Field(description="sgd's momentum, Nesterov off; adam's and adamw's beta_1")
    weight_decay: float = Field(ge=0, le=1, description="adamw's decoupled weight decay")

    @model_validator(mode="after")
    def _decay_is_adamws(self) -> "OptimizerConfig":
        if self.weight_decay and self.name != "adamw":
            raise ValueError(f"weight_decay goes with optimizer=adamw, not with optimizer={self.name}")
        return self


class PhaseConfig(Section):
    """One phase of the schedule: what trains, how long, how fast."""

    unfrozen: Depth = Field(description="the backbone's depth that trains in this phase")
    epochs: int = Field(ge=1, le=10_000, description="epochs at the most")
    learning_rate: LearningRate = Field(description="initial rate")
    patience: Count | None = Field(description="epochs without a better monitor before the phase ends; null: never")
    plateau_patience: Count | None = Field(description="such epochs before the rate falls; null: never")
    plateau_factor: float = Field(gt=0, lt=1, description="what the rate is then multiplied by")
    no_deeper_than: Depth | None = Field(default=None, description="a depth that `unfrozen` is cut to; null: none")


class FeaturesConfig(Section):
    """Features of the frozen layers, computed once for each image and view rather than at each epoch."""

    store: bool = Field(description="keep it in runtime.cache_dir; false: compute it each epoch, to the same numbers")
    dtype: Literal["float32", "float16"] = Field(
        description="what it is rounded to: float16 takes half the space and changes numbers"
    )
    max_gb: float = Field(ge=0, description="what is kept there may hold; the least recently used goes first")


class TrackingConfig(Section):
    """The MLflow store of the run. Cannot change a number."""

    uri: str | None = Field(description="MLflow server or store; null: MLFLOW_TRACKING_URI, else the project's own")
    experiment: str = Field(min_length=1, max_length=200, description="MLflow experiment")
    run_name: str | None = Field(max_length=200, description="null: backbone, depth and seed")
    artifacts: Literal["all", "best", "none"] = Field(
        default="best",
        description="trials that get figures and a model: all; best: single trials, and of a sweep the recommended one",
    )
    save_model: bool | None = Field(description="log the kept weights as a Keras model; null: where figures are drawn")
    lease_seconds: Count = Field(
        default=60,
        description="on a server, a trial whose process is silent for so long may be trained by another host",
    )


class ReportConfig(Section):
    """The report at a sweep's end. Cannot change a number of a trial."""

    margin: float | None = Field(
        ge=0, le=100, description="points: the least depth that is expected to lose no more is recommended; null: 0"
    )


Precision = Literal["float32", "bfloat16", "float16"]
"""What a backbone computes in; its variables are float32 throughout."""


class RuntimeConfig(Section):
    """The use of the machine. Cannot change a metric's meaning, nor more of a number than its last digits.

    `precision` may change more: it counts as what a trial measures.
    """

    cache_dir: UserPath = Field(description="folder of decoded photos; safe to delete at any time")
    work_dir: UserPath = Field(
        description="folder of locks and of phases under way or done; deleting it while nothing runs costs only time"
    )
    images_max_gb: float = Field(
        ge=0, description="what decoded photos may hold; the least recently used go first, those in use stay"
    )
    phases_max_gb: float | None = Field(
        ge=0, description="what phases kept there may hold, least recently used go first; null: 0.25, or eight phases"
    )
    threads: Count | None = Field(
        le=1024, description="TensorFlow's and the decoder's threads; another number rounds otherwise; null: all cores"
    )
    inter_op_threads: Count | None = Field(
        default=None,
        le=1024,
        description="photos decoded, and batches of frozen layers run, at a time; null: as many as threads",
    )
    progress: bool = Field(description="bars on a terminal, lines elsewhere; false: the result only")
    precision: Precision = Field(
        default="float32", description="what the backbone computes in, frozen and unfrozen layers alike; not the head"
    )

    @property
    def decoding_threads(self) -> int:
        """Return the number of images that are decoded at once."""
        return self.inter_op_threads or self.threads or os.cpu_count() or 1


PHASE_KEYS = {
    "unfrozen": "unfrozen", "epochs": "epochs", "fine_tune_epochs": "epochs", "learning_rate": "learning_rate",
    "fine_tune_learning_rate": "learning_rate",
}  # fmt: skip
"""Keys that matter only through the schedule, each with the phase's key that may refer to it."""

CANNOT_CHANGE_NUMBERS = frozenset({"tracking", "runtime", "report", "study", "force", "fail_fast"})
"""Sections and keys that have no part in what a trial measures, but for :data:`PRECISION`."""

PRECISION = "runtime.precision"


def section_of(key: str) -> str:
    """Return the first part of a dotted key, also of an override's with `+`, `~` or a package."""
    return re.split(r"[./@=]", key.lstrip("+~"), maxsplit=1)[0]


def changes_numbers(key: str) -> bool:
    """Return whether the key `key`, or an override of it, has a part in what a trial measures."""
    return section_of(key) not in CANNOT_CHANGE_NUMBERS | {"hydra"} or override_key(key) == PRECISION


class TrialConfig(Section):
    """One trial. Keys that people sweep stand at the top. Of `PHASE_KEYS`, those that no phase refers to are null."""

    backbone: str = Field(min_length=1, description="a name in conf/backbone, or a class of keras.applications")
    weights: WeightsConfig
    data: DataConfig
    unfrozen: Depth | None = Field(description="layers from the end, `all`, a block's name, or `3 blocks`")
    batchnorm: Literal["inference", "frozen", "adapted", "train"] = Field(
        description="inference: pre-trained statistics, gamma and beta of unfrozen layers train; frozen: those "
        "fixed too; adapted: statistics taken once from the training images; train: Keras' default"
    )
    dropout: Fraction = Field(description="part of the pooled features dropped before the dense layer")
    learning_rate: LearningRate | None = Field(description="feature extraction's rate")
    fine_tune_learning_rate: LearningRate | None = Field(description="fine-tuning's rate")
    batch_size: int = Field(ge=1, le=65_536, description="images a step")
    seed: int = Field(ge=0, lt=2**32, description="of the head, dropout, order and views")
    schedule: dict[PhaseName, PhaseConfig] = Field(min_length=1, description="the phases by name, in order")
    augment: AugmentConfig
    features: FeaturesConfig
    image_size: int | None = Field(ge=32, le=1024, description="side, px; null: the weight set's native size")
    epochs: int | None = Field(ge=1, le=10_000, description="feature extraction's epochs at the most")
    fine_tune_epochs: int | None = Field(ge=1, le=10_000, description="fine-tuning's epochs at the most")
    optimizer: OptimizerConfig
    objective: Objective = Field(
        description="what trials are monitored, searched and judged by: accuracy; balanced_accuracy, the mean recall "
        "over classes; macro_f1, the mean F1 over classes"
    )
    monitor: Monitor = Field(description="what the best epoch is best in; null: val_ and the objective")
    class_weights: Literal["balanced"] | None = Field(description="weigh classes by 1 / frequency, or null")
    label_smoothing: Fraction = Field(description="part of the target spread over all classes")
    tracking: TrackingConfig
    runtime: RuntimeConfig
    report: ReportConfig
    study: str | None = Field(
        min_length=1, max_length=200, description="name that a sweep's trials are found under; null: what it varies"
    )
    force: bool = Field(description="train anew what is already known")
    fail_fast: bool = Field(description="a sweep stops at its first failure")

    @field_validator("monitor", mode="before")
    @classmethod
    def _follows_the_objective(cls, value: object, info: ValidationInfo) -> object:
        """Return the monitor that null stands for; where the objective itself is wrong, its own line says so."""
        return f"val_{info.data.get('objective', 'accuracy')}" if value is None else value


def parse(composed: Mapping[str, Any]) -> TrialConfig:
    """Check a composed configuration (plain containers, interpolations resolved).

    Raises:
        ThawError: with one line that names every key at fault, what it was given and what it takes.
    """
    return check(TrialConfig, composed)


Checked = TypeVar("Checked", bound=Section)


def check(section: type[Checked], values: Mapping[str, Any], under: str = "") -> Checked:
    """Check `values` against `section`; messages name its keys with `under` before them.

    Raises:
        ThawError: as :func:`parse`.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        details = sorted(error.errors(), key=lambda detail: len(detail["loc"]))
        once = {(detail["msg"], repr(detail["input"])): dict(detail) for detail in reversed(details)}
        lines = (_explain(detail, section, under) for detail in reversed(once.values()))
        raise ThawError("; ".join(lines)) from error


def _explain(detail: dict[str, Any], section: type[Section], under: str) -> str:
    """Return one of pydantic's findings as ``key=value: what is wrong``."""
    key = ".".join(str(part) for part in detail["loc"] if part not in _KINDS)
    message = str(detail["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    given = detail["input"]
    if detail["type"] == "extra_forbidden":
        return unknown_key(one_line(under + key, 80), _fields_beside(key, section))
    if detail["type"] == "missing":
        return f"{under}{key} is not set: give {under}{key}=VALUE"
    if isinstance(given, Mapping | Section):
        return under + (f"{key}: {message}" if detail["type"] != "value_error" else message)
    if detail["type"] == "list_type":
        message += f", in brackets: {under}{key}=[A,B]"
    shown = "null" if given is None else given
    return f"{under}{key}={one_line(shown, 80)}: {message}{_meaning(key, section)}"


def _fields_beside(key: str, root: type[Section]) -> list[str]:
    group, _, below = key.partition(".")
    if not below:
        return list(root.model_fields)
    if group == "data":
        return list(dict.fromkeys(name for kind in _KINDS.values() for name in kind.model_fields))
    return list(_SECTIONS[group].model_fields) if group in _SECTIONS else []


_KINDS: dict[str, type[BaseModel]] = {"folder": FolderData, "csv": CsvData, "trees": TreesData}
_SECTIONS: dict[str, type[BaseModel]] = {
    "weights": WeightsConfig, "augment": AugmentConfig, "optimizer": OptimizerConfig, "features": FeaturesConfig,
    "schedule": PhaseConfig, "tracking": TrackingConfig, "runtime": RuntimeConfig,
}  # fmt: skip


def type_of(key: str) -> type[int] | type[float] | type[bool] | type[str] | None:
    """Return the type of a dotted key's values: str for all that is no number or truth value, None for an unknown key.

    >>> type_of("dropout"), type_of("schedule.fine_tuning.epochs"), type_of("data.root"), type_of("nothing")
    (<class 'float'>, <class 'int'>, <class 'str'>, None)
    """
    section, _, leaf = key.rpartition(".")
    models = [*_KINDS.values()] if section == "data" else [_SECTIONS.get(section.partition(".")[0], TrialConfig)]
    fields = [model.model_fields[leaf] for model in models if leaf in model.model_fields]
    if not fields:
        return None
    annotation = fields[0].annotation
    types = {getattr(part, "__origin__", part) for part in get_args(annotation) or (annotation,)}
    return next((kind for kind in (bool, int, float) if types <= {kind, type(None)}), str)


def unknown_key(key: str, beside: Iterable[str]) -> str:
    """Return what is said of a `key` that the configuration does not have; `beside`: the keys where it would be.

    >>> unknown_key("data.root", ["classes"])
    "key 'data.root' is not read with this data: it goes with data=folder"
    >>> unknown_key("root", ["dropout"])
    "unknown key 'root': did you mean 'data.root'?"
    >>> unknown_key("fine_tune_lr", ["fine_tune_epochs", "fine_tune_learning_rate"])
    "unknown key 'fine_tune_lr': did you mean 'fine_tune_learning_rate'?"
    """
    section, _, leaf = key.rpartition(".")
    kinds = [f"data={kind}" for kind, fields in _KINDS.items() if section == "data" and leaf in fields.model_fields]
    if kinds:
        return f"key {key!r} is not read with this data: it goes with {' or '.join(kinds)}"
    names = {**{f"data.{name}": name for fields in _KINDS.values() for name in fields.model_fields}}
    names |= {f"{part}.{name}": name for part, fields in _SECTIONS.items() for name in fields.model_fields}
    elsewhere = next((dotted for dotted, name in names.items() if name == leaf and not section), None)
    if elsewhere is not None and leaf not in {"name", "kind"}:
        return f"unknown key {key!r}: did you mean {elsewhere!r}?"
    spelled = re.sub(r"(?<![^_])lr(?![^_])", "learning_rate", leaf)
    return f"unknown key {key!r}: {did_you_mean(spelled, beside)}"


def _meaning(key: str, section: type[Section]) -> str:
    field = section.model_fields.get(key)
    return f" ({field.description})" if field is not None and field.description else ""
