"""Image files beside what the network looked at, on one page that opens from disk."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from PIL import Image as PillowImage

from src.common.errors import one_line, printable
from src.common.files import atomic_write
from src.common.jpeg import jpeg_uri
from src.data.listing import Image
from src.data.names import classes_of_folders
from src.deployment.model_source import OpenedModel
from src.deployment.overlay import overlaid
from src.deployment.predict_files import DecodedFile, decoded
from src.inference.classifier import BATCH
from src.inference.explanation import Explainer, Explanation
from src.reporting.templates import environment


@dataclass(frozen=True)
class View:
    """A picture on the page, and the text below."""

    data: str
    caption: str


@dataclass(frozen=True)
class ExplainedFiles:
    """Reasons why files cannot be read, and the decoders' warnings on others."""

    unreadable: Mapping[Path, str]
    warnings: Mapping[Path, str]


def explain_files(
    model: OpenedModel, paths: Sequence[Path], true: str | None, out: Path, threads: int
) -> ExplainedFiles:
    """Write a page that shows each image, and where the network looked for the predicted and for the true class.

    Args:
        model: of one network, not of an ensemble.
        paths: the images.
        true: the class of all of them; None: that of the nearest folder above an image that is called like a class.
        out: the page; it is not written if no image can be read.
        threads: that decode.

    Raises:
        ThawError: the network has another head.
        OSError: the disk takes no file there.
    """
    explainer, names = Explainer.of(model.classifier), model.classifier.facts.class_names
    trues = dict(zip(paths, [true] * len(paths) if true else classes_of_folders(paths, names), strict=True))
    images: list[list[View]] = []
    unreadable: dict[Path, str] = {}
    warnings: dict[Path, str] = {}
    for batch in _batches(decoded(model.classifier, paths, threads)):
        unreadable |= {file.path: file.reason for file in batch if file.image is None}
        warnings |= {file.path: "; ".join(file.warnings) for file in batch if file.warnings}
        read = [(file.path, file.image) for file in batch if file.image is not None]
        for (path, image), explanation in zip(read, explainer.explain([image for _, image in read]), strict=True):
            images.append(views(names, image, explanation, printable(str(path)), trues[path]))
    if images:
        template = environment(escapes=True, folder=Path(__file__).parent).get_template("explained.html.j2")
        atomic_write(out, template.render(images=images, model=printable(model.name)))
    return ExplainedFiles(unreadable, warnings)


def _batches(files: Iterator[DecodedFile]) -> Iterator[list[DecodedFile]]:
    while batch := list(islice(files, BATCH)):
        yield batch


def views(names: Sequence[str], image: Image, explanation: Explanation, caption: str, true: str | None) -> list[View]:
    """Return the image, the map of the predicted class and, where `true` is another class, that of the true one.

    Args:
        names: of the classes, in the order of the network's outputs.
        image: at the network's size.
        explanation: of its prediction.
        caption: below the image.
        true: its class; None where that is not known.
    """
    probabilities = explanation.probabilities
    predicted = int(probabilities.argmax())
    shown = [predicted, *([names.index(true)] if true in names and true != names[predicted] else [])]
    pictures = [View(jpeg_uri(PillowImage.fromarray(image.astype("uint8"))), caption)]
    for k, activation in zip(shown, explanation.maps(shown), strict=True):
        how = "predicted" if k == predicted else "true class"
        text = f"{how}: {one_line(names[k], 60)} {100 * probabilities[k]:.1f}%"
        pictures.append(View(jpeg_uri(overlaid(image, activation)), text))
    return pictures
