"""The texts of verdict.j2, rendered with the numbers of a verdict."""

from src.reporting.next_commands import command, overrides
from src.reporting.templates import render, say
from src.verdict.next_steps import NextStep
from src.verdict.verdict import Verdict

_LIMITS = ("of_images", "of_counts", "of_rates", "of_baseline", "of_reduction", "of_left_out", "of_alike")


def headline(verdict: Verdict) -> str:
    """Return the verdict in a few words."""
    return _text("headline", verdict)


def answer(verdict: Verdict) -> str:
    """Return what is known of the recommended depth and of the others, with numbers."""
    return _text("answer", verdict)


def next_steps(verdict: Verdict) -> list[tuple[str, str]]:
    """Return what to train next: a sentence, and the command or the overrides."""
    return [_next_step(verdict, step) for step in verdict.next_steps]


def limits(verdict: Verdict) -> list[str]:
    """Return what limits the verdict, a few sentences each."""
    names = _LIMITS if verdict.rows else ("of_left_out",)
    return [text for name in names if (text := _text(name, verdict))]


def note(verdict: Verdict) -> str:
    """Return the verdict in Markdown."""
    return render("verdict.j2", "note", verdict.metric, verdict).strip()


def _next_step(verdict: Verdict, step: NextStep) -> tuple[str, str]:
    text, typed = _text("next_step", verdict, step), command(verdict, step)
    if typed:
        return text, typed
    return f"{text.rstrip(':')}, with the study's name and other settings:", overrides(verdict, step)


def _text(macro: str, verdict: Verdict, *arguments: NextStep) -> str:
    return say("verdict.j2", macro, verdict.metric, verdict, *arguments)
