"""The sentences on the gap between fit and validation, and where it comes from."""

import itertools
from collections.abc import Mapping, Sequence

from src.reporting.wording import layers, listed, points
from src.verdict.gaps import Doubt, GapRow
from src.verdict.verdict import Verdict

_MOST_NUMBERS = 3
_OF_ACCURACY = "These gaps are of accuracy: while training, nothing else is measured."
_SAID: Mapping[Doubt, str] = {
    "": "mainly {part} at {depths}",
    "not told apart": "more {part} than {other} at {depths}, though the {unit}s do not tell them apart",
    "one seed": "more {part} than {other} at {depths}, though one {unit} cannot tell how surely",
}
_PARTS = (("mode", "generalization"), ("generalization", "mode"))


def gap_text(verdict: Verdict) -> str:
    """Return where the gap of a verdict's trials comes from; empty where they have none."""
    text = describe_gaps(verdict.gaps, pooled=verdict.is_pooled)
    return f"{text} {_OF_ACCURACY}" if text and verdict.metric.objective != "accuracy" else text


def describe_gaps(rows: Sequence[GapRow], *, pooled: bool = False) -> str:
    """Return the rows, of `pooled` trials or not, in a few sentences; empty where there is none."""
    stands, added = ([row for row in rows if row.counted == what] for what in ("gap", "added"))
    unit = "trial" if pooled else "seed"
    said = (
        f"The gap between fit and validation is {_claims(stands, unit)}." if stands else "",
        f"What unfreezing adds to it is {_claims(added, unit)}." if added else "",
        "What unfreezing adds to it is not known: other settings differ between the depths." if pooled and rows else "",
    )
    return " ".join(text for text in said if text)


def _claims(rows: Sequence[GapRow], unit: str) -> str:
    """Return which part it is at which depths, as surely as the seeds (the `unit`) say, with the numbers."""
    texts = []
    for (doubt, said), (part, other) in itertools.product(_SAID.items(), _PARTS):
        some = [row for row in rows if (row.mainly, row.doubt) == (part, doubt)]
        if some:
            text = said.format(part=part, other=other, unit=unit, depths=layers([row.depth for row in some]))
            texts.append(f"{text} ({_numbers(some)})")
    small = [row for row in rows if row.mainly == "neither"]
    if small:
        texts.append(f"not worth naming at {layers([row.depth for row in small])} ({_numbers(small)})")
    return ", ".join(texts)


def _numbers(rows: Sequence[GapRow]) -> str:
    whole = [(row.mode.estimate, row.generalization.estimate) for row in rows]
    added = [row.added for row in rows if row.added and row.counted == "added"]
    return f"{_both(added)} points; in all {_both(whole)}" if added else f"{_both(whole)} points"


def _both(parts: Sequence[tuple[float, float]]) -> str:
    mode, generalization = zip(*parts, strict=True)
    return f"mode {_listed(mode)}, generalization {_listed(generalization)}"


def _listed(shares: Sequence[float]) -> str:
    """Return shares one by one where they are few, else from the least to the most."""
    few = len(shares) <= _MOST_NUMBERS
    shown = [points(share, signed=True).removesuffix(" points") for share in (shares if few else sorted(shares))]
    if not few:
        return f"{shown[0]} to {shown[-1]}"
    return listed(shown)
