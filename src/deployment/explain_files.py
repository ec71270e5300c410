"""Image files beside what the network looked at, on one page that opens from disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image as PillowImage

from src.common.errors import one_line, printable
from src.common.files import atomic_write
from src.data.listing import Image
from src.deployment.model_source import OpenedModel
from src.deployment.overlay import as_data_uri, overlaid
from src.deployment.predict_files import decoded
from src.inference.classifier import Classifier
from src.inference.explanation import activation_maps

_TEMPLATES = [Path(__file__).parent, Path(__file__).parent.parent / "reporting"]


@dataclass(frozen=True)
class View:
    """A picture on the page, and the text below."""

    data: str
    caption: str


def explain_files(
    model: OpenedModel, paths: Sequence[Path], true: str | None, out: Path, threads: int
) -> dict[Path, str]:
    """Write a page that shows each image, and where the network looked for the predicted and for the true class.

    Args:
        model: has a head by which places can be weighed.
        paths: the images.
        true: the class of all of them; None: the name of the folder that holds an image, where that is a class.
        out: the page.
        threads: that decode.

    Returns:
        Why, for each file that cannot be read.

    Raises:
        ThawError: the network has another head.
        OSError: the disk takes no file there.
    """
    images, unreadable = [], {}
    for path, square in decoded(model.classifier, paths, threads):
        if isinstance(square, str):
            unreadable[path] = square
        else:
            images.append(views(model.classifier, square, printable(str(path)), true or path.parent.name))
    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)
    page = environment.get_template("explained.html.j2").render(images=images, model=printable(model.name))
    atomic_write(out, page)
    return unreadable


def views(classifier: Classifier, square: Image, name: str, true: str) -> list[View]:
    """Return the image, the map of the predicted class and, where `true` is another class, that of the true one."""
    (probabilities,) = classifier.probabilities([square], calibrated=True)
    names = classifier.facts.class_names
    predicted = int(probabilities.argmax())
    shown = [predicted, *([names.index(true)] if true in names and true != names[predicted] else [])]
    maps = activation_maps(classifier, square, shown)
    photo = PillowImage.fromarray(square.astype("uint8"))
    pictures = [View(as_data_uri(photo), name)]
    for k, activation in zip(shown, maps, strict=True):
        how = "predicted" if k == predicted else "true class"
        caption = f"{how}: {one_line(names[k], 60)} {100 * probabilities[k]:.1f}%"
        pictures.append(View(as_data_uri(overlaid(square, activation)), caption))
    return pictures
