"""The verdict in one sentence, with its numbers."""

from collections.abc import Sequence

from src.verdict.confounding import going_with_depth
from src.verdict.facet import Facet
from src.reporting.wording import layers, listed, probability, seeds, spoken, trials


def headline(kind: str, depth: int | None) -> str:
    """The verdict in a few words.

    >>> headline("shown", 11), headline("shown", 0), headline("tie", 1), headline("nothing", None)
    ('Unfreeze 11 layers', 'Unfreeze nothing', 'No difference shown; 1 layer by the rule', 'Nothing has finished yet')
    """
    if depth is None:
        return "Nothing has finished yet"
    named = layers([depth])
    return {
        "shown": f"Unfreeze {named}" if depth else "Unfreeze nothing",
        "tie": f"No difference shown; {named} by the rule",
        "confounded": f"Depth not told from other settings; {named} by the rule",
        "one seed": f"Not known with one seed; {named} did best",
        "one depth": f"Only {named} tried",
    }[kind]


def sentence_of_one_depth(facet: Facet) -> str:
    """One depth alone was trained."""
    return (
        f"Only {facet.name(0)} trained: validation {facet.metric.words} {facet.said(facet.mean(0))} over "
        f"{seeds(facet.counts)}, and nothing to compare it with."
    )


def sentence_of_one_seed(facet: Facet) -> str:
    """No depth was repeated."""
    best = facet.comparison.best
    lowest = min(facet.mean(place) for place in range(len(facet.depths)))
    begin = "No depth was trained with a second seed, so luck cannot be told from depth"
    count, highest = len(facet.depths), facet.mean(best)
    if facet.said(lowest) == facet.said(highest):
        return f"{begin}: all {count} validation {_plural(facet)} were {facet.said(highest)}."
    return (
        f"{begin}: {facet.name(best)} had the highest of {count} validation {_plural(facet)}, {facet.said(highest)}, "
        f"and the lowest was {facet.said(lowest)}."
    )


def sentence_of_confounded(facet: Facet) -> str:
    """A difference may be of settings that went with depth."""
    better, worse = facet.comparison.clearest_withheld
    names = going_with_depth(facet.reduction.trials)
    return (
        f"{facet.name(better)} did better than {facet.name(worse)}, {facet.said(facet.mean(better))} against "
        f"{facet.said(facet.mean(worse))} over {_repeats(facet)}, but their trials differed in {listed(names)} as "
        f"well: what depth does and what {'that does' if len(names) == 1 else 'those do'} cannot be told apart. "
        f"Until it is, the one-standard-error rule names {facet.with_block(facet.comparison.named)}, "
        f"{facet.said(facet.mean(facet.comparison.named))}, {_rule(facet)}."
    )


def sentence_of_tie(facet: Facet) -> str:
    """No difference could be shown."""
    named = facet.comparison.named
    return (
        f"No difference between {facet.name(*range(len(facet.depths)))} could be shown with {_repeats(facet)} "
        f"(clearest: {_versus(facet, *facet.comparison.clearest)}); until one is, the one-standard-error rule names "
        f"{facet.with_block(named)}, {facet.said(facet.mean(named))}, {_rule(facet)}."
    )


def sentence_of_shown(facet: Facet) -> str:
    """A difference was shown."""
    named = facet.comparison.named
    return (
        f"Unfreeze {facet.with_block(named)}: validation {facet.metric.words} {facet.said(facet.mean(named))} over "
        f"{_repeats(facet)}, {_rule(facet)}; {_claim(facet)}."
    )


def sentence_for_new_images(facet: Facet) -> str:
    """Return which depths are worse than the best for new images; empty where nothing can be said of them."""
    found = facet.new_images
    if found is None:
        return ""
    worse = [place for place in range(len(facet.depths)) if found.is_worse(place)]
    others = [place for place in range(len(facet.depths)) if place not in (*worse, found.best)]
    only = "" if found.estimate.design.freedom else ", with these trained networks (one seed says nothing of others)"
    begin, best = f"For new images of the same kind{only}", f"the best mean, {facet.name(found.best)}"
    if not worse:
        farthest = min(others, key=lambda place: float(found.estimate.means[place]))
        gap = spoken(found.difference(farthest), facet.metric)
        return f"{begin}, no depth is clearly worse than {best}: {facet.name(farthest)} {gap}."
    claims = "; ".join(f"{facet.name(place)} {spoken(found.difference(place), facet.metric)}" for place in worse)
    rest = f" {facet.name(*others)} may be as good." if others else ""
    return f"{begin}, {facet.name(*worse)} {_is(worse)} clearly worse than {best} ({claims}).{rest}"


def _is(places: Sequence[int]) -> str:
    return "is" if len(places) == 1 else "are"


def sentence_of_guessing(facet: Facet) -> str:
    """Return a sentence if the named depth is not better than always predicting the largest class, else nothing."""
    if not facet.is_no_better_than_guessing:
        return ""
    of_accuracy = "objective=balanced_accuracy or " if facet.metric.objective == "accuracy" else ""
    return (
        f" That is not better than always predicting the largest class ({facet.said(facet.baseline or 0)}): try "
        f"class_weights=balanced or {of_accuracy}another learning rate."
    )


def _plural(facet: Facet) -> str:
    words = facet.metric.words
    return f"{words.removesuffix('y')}ies" if words.endswith("y") else f"{words} values"


def _repeats(facet: Facet) -> str:
    return trials(facet.counts) if facet.reduction.pooled else seeds(facet.counts)


def _claim(facet: Facet) -> str:
    """What was shown: the named depth over others, where it was; otherwise the clearest pair."""
    named = facet.comparison.named
    worse = [place for place in range(len(facet.depths)) if facet.comparison.shown(named, place)]
    if not worse:
        return f"shown is {_versus(facet, *facet.comparison.clearest)}"
    closest = max(worse, key=facet.mean)
    text = f"shown to be better than {facet.name(*worse)} ({_versus(facet, named, closest)})"
    return f"{text}, not told apart from {facet.name(*facet.unresolved)}" if facet.unresolved else text


def _rule(facet: Facet) -> str:
    """Why the one-standard-error rule names what it names."""
    named, best = facet.comparison.named, facet.comparison.best
    if named == best == 0:
        return "the best mean, at the least depth tried"
    error = facet.apart(facet.comparison.standard_error)
    if named == best:
        return f"the best mean, and no lesser depth within one standard error ({error}) of it"
    found = f"{facet.name(best)}, {facet.said(facet.mean(best))}"
    return f"the least depth within one standard error ({error}) of the best mean ({found})"


def _versus(facet: Facet, better: int, worse: int) -> str:
    p = facet.comparison.p(better, worse)
    gap = spoken(facet.comparison.difference(better, worse), facet.metric)
    return f"{facet.depths[better]} over {facet.depths[worse]} {gap}, adjusted {probability(1.0 if p is None else p)}"
