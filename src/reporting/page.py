"""A study on one page that opens from disk, with its figures inside and everything that a stranger named as text."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from src.common.errors import ThawError, printable
from src.common.files import atomic_write
from src.common.metrics import METRICS, Metric
from src.common.shell import shell_word
from src.diagnosis.diagnose import Finding
from src.diagnosis.rules import RULES
from src.reporting.diagnosis_text import describe, describe_rule
from src.reporting.gap_text import gap_text
from src.reporting.recommendation import Recommended, why_none
from src.reporting.study_figures import Gallery
from src.reporting.templates import environment
from src.reporting.terms import TERMS
from src.reporting.verdict_text import answer, headline, limits, next_steps
from src.tracking import schema
from src.verdict.gaps import WORTH_NAMING
from src.verdict.trials import TrialRecord, judged_by, once
from src.verdict.verdict import Verdict

_MARK = b'<meta name="generator" content="Thaw">'
_COPY = (
    "const box = this.previousElementSibling; getSelection().selectAllChildren(box); "
    "this.textContent = document.execCommand('copy') ? 'Copied' : 'Selected'"
)
"""What a copy button does. It selects as well, and needs no permission, so that it works on a page opened from disk."""


_SAME_FOR_ALL: Mapping[str, object] = {
    "headline": headline, "answer": answer, "next_steps": next_steps, "limits": limits, "gap_text": gap_text,
    "worth": WORTH_NAMING, "copy": _COPY, "terms": TERMS,
}  # fmt: skip
"""What every page is written with."""


def spare_others(where: str, folder: Path, page: str, beside: Sequence[str]) -> None:
    """Refuse a folder that has files of Thaw's names, `page` and `beside`, and no page of Thaw's.

    Raises:
        ThawError: it is one, or a file; `where` is what the user typed for it.
    """
    if folder.exists() and not folder.is_dir():
        raise ThawError(f"{where}: is a file; give a folder")
    others = [name for name in (*beside, page) if (folder / name).exists()]
    if others and not _is_thaws(folder / page):
        raise ThawError(f"{where}: {others[0]} lies there, and Thaw did not write it; give another folder")


def _is_thaws(page: Path) -> bool:
    try:
        with page.open("rb") as file:
            return _MARK in file.read(1000)
    except OSError:
        return False


def write_page(
    path: Path,
    name: str,
    trials: Sequence[TrialRecord],
    verdicts: Sequence[Verdict],
    findings: Sequence[Finding],
    gallery: Gallery,
    recommended: Recommended | None,
    budget: Sequence[str] = (),
) -> None:
    """Write the study `name` to `path`, self-contained; `budget`: how its time was spent, if it had one."""
    judged = judged_by(trials)
    rows, (alike, different) = once(trials), _typed(trials)
    page = (
        environment(judged, escapes=True)
        .get_template("page.html.j2")
        .render(
            name=printable(name),
            state=state_of(trials),
            trials=list(zip(rows, different, strict=True)),
            alike=alike,
            verdicts=sorted(verdicts, key=lambda verdict: not recommended or verdict.label != recommended.facet),
            findings=describe(findings, recommended.run_id if recommended else None),
            rules=[describe_rule(rule) for rule in RULES],
            pictures=gallery.pictures,
            anchors={picture.name for picture in gallery.pictures},
            missing=gallery.missing,
            recommended=recommended,
            why_none=why_none(verdicts),
            budget=budget,
            judged=judged,
            columns=_columns(trials),
            **_SAME_FOR_ALL,
        )
    )
    atomic_write(path, page)


def state_of(trials: Sequence[TrialRecord]) -> str:
    """Return the number of trials in each state.

    >>> state_of([])
    'No trial yet.'
    """
    if not trials:
        return "No trial yet."
    runs = once(trials)
    counts = Counter(trial.status.lower() for trial in runs)
    parts = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    still = " The study is still running: what follows is of what has finished." if counts["running"] else ""
    shared = sum(trial.answers > 1 for trial in runs)
    jobs = f" {shared} of them are the trial of several jobs each, and count once." if shared else ""
    return f"{len(runs)} trial{'s' * (len(runs) != 1)}: {parts}.{jobs}{still}"


def _columns(trials: Sequence[TrialRecord]) -> list[tuple[str, str, Metric]]:
    """Return heading, name in MLflow and metric of what the table of trials shows, where a trial has it."""
    accuracy = METRICS["accuracy"]
    columns = [(split, schema.best(split), accuracy) for split in (schema.FIT, schema.TRAIN, schema.VAL)]
    columns += [(f"val {metric.short}", metric.best, metric) for metric in METRICS.values() if metric is not accuracy]
    return [column for column in columns if any(column[1] in trial.metrics for trial in trials)]


def _typed(trials: Sequence[TrialRecord]) -> tuple[str, list[str]]:
    """Return the overrides that all trials share, and the others of each run, in each of its spellings.

    >>> from types import SimpleNamespace as Trial
    >>> given = [("a", ["seed=0", "dropout=0"]), ("b", ["seed=1", "dropout=0"]), ("b", ["seed=1"])]
    >>> _typed([Trial(run_id=run, overrides=["data=x", *typed]) for run, typed in given])
    ('data=x', ['seed=0 dropout=0', 'seed=1 dropout=0 | seed=1'])
    >>> _typed([Trial(run_id=run, overrides=["seed=0", f"data.root=my {run}"]) for run in ("trees", "shrubs")])
    ('seed=0', ["'data.root=my trees'", "'data.root=my shrubs'"])
    """
    words = [[shell_word(override) for override in trial.overrides] for trial in trials]
    alike = [word for word in words[0] if all(word in line for line in words)] if len(words) > 1 else []
    by_run: dict[str, list[str]] = {}
    for trial, line in zip(trials, words, strict=True):
        by_run.setdefault(trial.run_id, []).append(" ".join(word for word in line if word not in alike) or "the same")
    return " ".join(alike), [" | ".join(dict.fromkeys(spellings)) for spellings in by_run.values()]
