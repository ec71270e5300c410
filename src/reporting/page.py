"""A study on one page that opens from disk, with its figures inside and everything that a stranger named as text."""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from src.errors import printable
from src.files import write_whole
from src.verdict.diagnosis import Finding
from src.verdict.records import TrialRecord
from src.verdict.verdict import Verdict


@dataclass(frozen=True)
class Picture:
    """A figure on the page: a PNG file, its heading, and what it shows for those who cannot see it."""

    path: Path
    title: str
    alt: str

    @property
    def name(self) -> str:
        """What the page calls it."""
        return self.path.stem

    @property
    def data(self) -> str:
        """The file in base64."""
        return base64.b64encode(self.path.read_bytes()).decode("ascii")


@dataclass(frozen=True)
class Recommended:
    """The trial that the verdict recommends: how to train it, and what the test photos say of it alone."""

    run_id: str
    command: str
    test: str
    flattery: str


def write_page(
    path: Path,
    name: str,
    trials: Sequence[TrialRecord],
    verdicts: Sequence[Verdict],
    findings: Sequence[Finding],
    pictures: Sequence[Picture],
    recommended: Recommended | None,
) -> None:
    """Write the study `name` to `path`, self-contained."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("page.html.j2").render(
        name=printable(name),
        state=state_of(trials),
        trials=trials,
        verdicts=verdicts,
        findings=findings,
        figures=pictures,
        recommended=recommended,
    )
    write_whole(path, page)


def state_of(trials: Sequence[TrialRecord]) -> str:
    """How many trials there are, and in what state.

    >>> state_of([])
    'No trial yet.'
    """
    if not trials:
        return "No trial yet."
    counts = Counter(trial.status.lower() for trial in trials)
    parts = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    still = " The study is still running: what follows is of what has finished." if counts["running"] else ""
    return f"{len(trials)} trial{'s' * (len(trials) != 1)}: {parts}.{still}"
