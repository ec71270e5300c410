"""Predictions as text for people, as CSV and as JSON."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from src.common.errors import one_line, printable
from src.data.names import classes_of_folders
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
    """Return the same as JSON, with the files that cannot be read and the words that name none."""
    predictions = [
        {
            "file": str(path),
            "answered": classes[0][1] >= threshold,
            "classes": [{"class": label, "probability": probability} for label, probability in classes],
        }
        for path, classes in zip(results.paths, ranked(results, class_names, top), strict=True)
    ]
    unreadable = {str(path): reason for path, reason in results.unreadable.items()}
    content = {"predictions": predictions, "unreadable": unreadable, "missing": dict(results.missing)}
    return json.dumps(content, indent=1, ensure_ascii=True)


@dataclass(frozen=True)
class FolderAccuracy:
    """Files that are predicted as their folder is called.

    Attributes:
        counted: files in a folder that is called like a class.
        others: files in folders of other names.
        unreadable: files that cannot be read, in folders of any name.
    """

    right: int
    counted: int
    others: int
    unreadable: int

    def line(self) -> str:
        """Return it in a line.

        >>> FolderAccuracy(10, 12, 3, 1).line()
        'accuracy by folder: 10 of 12 (83.33%); 3 in folders of no class; 1 that cannot be read does not count'
        """
        share = f" ({100 * self.right / self.counted:.2f}%)" if self.counted else ""
        others = f"; {self.others:,} in folders of no class" if self.others else ""
        do_not = "do not count" if self.unreadable > 1 else "does not count"
        unreadable = f"; {self.unreadable:,} that cannot be read {do_not}" if self.unreadable else ""
        return f"accuracy by folder: {self.right:,} of {self.counted:,}{share}{others}{unreadable}"


def accuracy_by_folder(results: FilePredictions, class_names: Sequence[str]) -> FolderAccuracy:
    """Return how many files are predicted as the nearest folder above them that is called like a class."""
    true = classes_of_folders(results.paths, class_names)
    best = [classes[0][0] for classes in ranked(results, class_names, 1)]
    counted = [label == named for label, named in zip(best, true, strict=True) if named is not None]
    return FolderAccuracy(sum(counted), len(counted), len(true) - len(counted), len(results.unreadable))


def _tail(name: str) -> str:
    safe = printable(name)
    return safe if len(safe) <= _LONGEST else f"…{safe[1 - _LONGEST :]}"
