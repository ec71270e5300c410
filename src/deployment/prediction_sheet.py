"""Predictions as a contact sheet: one page that opens from disk, the least confident image first."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image as PillowImage

from src.common.errors import one_line, printable
from src.common.files import atomic_write
from src.data.decode import read_image
from src.deployment.predict_files import FilePredictions
from src.deployment.prediction_table import ranked

_THUMBNAIL = 160
_TEMPLATES = [Path(__file__).parent, Path(__file__).parent.parent / "reporting"]


def write_sheet(
    path: Path,
    results: FilePredictions,
    class_names: Sequence[str],
    model: str,
    lines: Sequence[str],
    *,
    top: int,
    threshold: float,
    bit_depth: int | None,
) -> None:
    """Write the page to `path`, its images inside.

    Args:
        path: the page.
        results: the predictions.
        class_names: in the order of the probabilities.
        model: what the user typed for it.
        lines: sentences above the images.
        top: classes below each image.
        threshold: an image whose confidence is below it has no answer.
        bit_depth: of deep images whose file does not say.

    Raises:
        OSError: the disk takes no file there.
    """
    photos = [
        {
            "data": _thumbnail(file, bit_depth),
            "name": printable(str(file)),
            "answered": classes[0][1] >= threshold,
            "confidence": classes[0][1],
            "lines": [f"{one_line(label, 60)} {100 * probability:.1f}%" for label, probability in classes],
        }
        for file, classes in zip(results.paths, ranked(results, class_names, top), strict=True)
    ]
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("predictions.html.j2").render(
        photos=sorted(photos, key=lambda photo: photo["confidence"]),
        model=printable(model),
        lines=lines,
        unreadable={printable(str(file)): reason for file, reason in results.unreadable.items()},
    )
    atomic_write(path, page)


def _thumbnail(file: Path, bit_depth: int | None) -> str:
    content = io.BytesIO()
    PillowImage.fromarray(read_image(file, _THUMBNAIL, "crop", bit_depth)).save(content, "JPEG", quality=80)
    return base64.b64encode(content.getvalue()).decode()
