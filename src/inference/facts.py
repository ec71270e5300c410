"""The facts about a saved classifier: an entry of its `.keras` file, which Keras leaves alone."""

import json
import zipfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from src.common.errors import ThawError
from src.data.decode import Resize

_ENTRY = "classifier.json"


@dataclass(frozen=True)
class ModelFacts:
    """The facts that turn a network into a classifier of image files.

    Attributes:
        class_names: in the order of the outputs.
        resize: how an image became square in training.
        bit_depth: of deep images whose file does not say, as in training; see :mod:`src.data.deep_images`.
        temperature: what logits are divided by, fitted on validation images; None where nothing was fitted.
    """

    class_names: tuple[str, ...]
    resize: Resize = "stretch"
    bit_depth: int | None = None
    temperature: float | None = None

    def write(self, file: Path) -> None:
        """Add the facts to the `.keras` file `file`, which has none yet."""
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(_ENTRY, json.dumps(asdict(self), ensure_ascii=False))

    @classmethod
    def read(cls, file: Path) -> "ModelFacts | None":
        """Return the facts of a `.keras` file; None where it has none, as files of earlier versions.

        Raises:
            ThawError: it is no `.keras` file, or its facts are damaged.
        """
        try:
            with zipfile.ZipFile(file) as archive:
                if _ENTRY not in archive.namelist():
                    return None
                facts = cls(**json.loads(archive.read(_ENTRY)))
        except (zipfile.BadZipFile, EOFError, ValueError, TypeError, NotImplementedError) as error:
            raise ThawError(f"{file}: no .keras file, or a damaged one ({error})") from error
        return replace(facts, class_names=tuple(facts.class_names))
