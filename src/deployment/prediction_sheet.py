"""Predictions as a contact sheet: one page that opens from disk, the least confident image first."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from src.common.errors import one_line, printable
from src.common.files import atomic_write
from src.deployment.predict_files import FilePredictions
from src.deployment.prediction_table import ranked
from src.reporting.templates import environment


def write_sheet(
    path: Path,
    results: FilePredictions,
    class_names: Sequence[str],
    model: str,
    lines: Sequence[str],
    *,
    top: int,
    threshold: float,
) -> None:
    """Write the page to `path`, its images inside.

    Args:
        path: the page.
        results: the predictions, with thumbnails.
        class_names: in the order of the probabilities.
        model: what the user typed for it.
        lines: sentences above the images.
        top: classes below each image.
        threshold: an image whose confidence is below it has no answer.

    Raises:
        OSError: the disk takes no file there.
    """
    photos = sorted(_photos(results, class_names, top, threshold), key=lambda photo: photo["confidence"])
    unreadable = {printable(str(file)): reason for file, reason in results.unreadable.items()}
    template = environment(escapes=True, folder=Path(__file__).parent).get_template("predictions.html.j2")
    atomic_write(path, template.render(photos=photos, model=printable(model), lines=lines, unreadable=unreadable))


def _photos(
    results: FilePredictions, class_names: Sequence[str], top: int, threshold: float
) -> Iterator[dict[str, Any]]:
    """Yield an image on the page for each file that was read."""
    files = zip(results.paths, results.thumbnails, ranked(results, class_names, top), strict=True)
    for file, thumbnail, classes in files:
        confidence = classes[0][1]
        yield {
            "data": thumbnail,
            "name": printable(str(file)),
            "answered": confidence >= threshold,
            "confidence": confidence,
            "lines": [f"{one_line(label, 60)} {100 * probability:.1f}%" for label, probability in classes],
        }
