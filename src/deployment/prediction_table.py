"""Predictions as text for people, as CSV and as JSON."""

import csv
import io
import json
from collections.abc import Iterator, Sequence

from src.common.errors import one_line, printable
from src.deployment.predict_files import FilePredictions

_LONGEST = 60


def ranked(results: FilePredictions, class_names: Sequence[str], top: int) -> Iterator[list[tuple[str, float]]]:
    """Yield each file's `top` most probable classes with their probabilities, the most probable first."""
    for probabilities, order in zip(results.probabilities, results.order(), strict=True):
        yield [(class_names[k], float(probabilities[k])) for k in order[:top]]


def as_lines(results: FilePredictions, class_names: Sequence[str], top: int, threshold: float) -> Iterator[str]:
    """Yield a line for each file; one whose confidence is below `threshold` has no answer, and says what it may be."""
    names = [_tail(str(path)) for path in results.paths]
    width = max(map(len, names), default=0)
    for name, classes in zip(names, ranked(results, class_names, top), strict=True):
        said = "   ".join(f"{one_line(label, 40)} {100 * probability:.1f}%" for label, probability in classes)
        yield f"{name:<{width}}   {'' if classes[0][1] >= threshold else 'not sure: '}{said}"


def as_csv(results: FilePredictions, class_names: Sequence[str], top: int, threshold: float) -> str:
    """Return a table with a row for each file: whether it is answered, its classes, their probabilities."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    columns = [name for k in range(1, top + 1) for name in (f"class_{k}", f"probability_{k}")]
    table.writerow(["file", "answered", *columns])
    for path, classes in zip(results.paths, ranked(results, class_names, top), strict=True):
        cells = [cell for label, probability in classes for cell in (label, f"{probability:.6f}")]
        table.writerow([path, "yes" if classes[0][1] >= threshold else "no", *cells])
    return text.getvalue()


def as_json(results: FilePredictions, class_names: Sequence[str], top: int, threshold: float) -> str:
    """Return the same as JSON, with the files that cannot be read."""
    predictions = [
        {
            "file": str(path),
            "answered": classes[0][1] >= threshold,
            "classes": [{"class": label, "probability": probability} for label, probability in classes],
        }
        for path, classes in zip(results.paths, ranked(results, class_names, top), strict=True)
    ]
    unreadable = {str(path): reason for path, reason in results.unreadable.items()}
    return json.dumps({"predictions": predictions, "unreadable": unreadable}, indent=1, ensure_ascii=True)


def accuracy_line(results: FilePredictions, class_names: Sequence[str]) -> str:
    """Return how many files are predicted as the folder that holds them is called.

    Files in folders of other names do not count; the line says how many.
    """
    known = set(class_names)
    best = [classes[0][0] for classes in ranked(results, class_names, 1)]
    pairs = [(path.parent.name, label) for path, label in zip(results.paths, best, strict=True)]
    counted = [true == label for true, label in pairs if true in known]
    others = len(pairs) - len(counted)
    rest = f"; {others} in folders of no class's name" if others else ""
    share = f" ({100 * sum(counted) / len(counted):.2f}%)" if counted else ""
    return f"accuracy by folder: {sum(counted)} of {len(counted)}{share}{rest}"


def _tail(name: str) -> str:
    safe = printable(name)
    return safe if len(safe) <= _LONGEST else f"…{safe[1 - _LONGEST :]}"
