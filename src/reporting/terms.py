"""Terms that a page explains: where a reader points at them, and in a list."""

import re

from markupsafe import Markup, escape

TERMS = {
    "layers": "layers of the pre-trained network that are trained on, counted from its end",
    "validation accuracy": "share of the validation images classified correctly; the network did not train on them",
    "best mean": "highest average over seeds",
    "seeds": "repetitions of a training that differ in their random numbers alone",
    "95% CI": "confidence interval: a range that holds the true value in 95% of studies",
    "points": "percentage points: 80% is 5 points more than 75%",
    "clearly worse": "worse than the depth with the best mean by more than images and seeds explain",
    "may be as good": "this study does not show whether it is worse than the best or not",
    "training mode": "as while training: with dropout, and BatchNorm's statistics of each batch",
    "inference mode": "as for new images: without dropout, and with BatchNorm's stored statistics",
    "learning rate": "size of the steps by which training changes the weights",
    "overfitting": "classifying the training images better than new ones",
    "gap": "accuracy while training, minus accuracy on validation images",
    "dropout": "leaving out random features while training, so that the network relies on none alone",
    "augmentation": "training on changed copies of the images: mirrored, shifted, in other colours",
}
_MEANINGS = {term.lower(): meaning for term, meaning in TERMS.items()}
_ANY = re.compile(rf"\b({'|'.join(sorted(TERMS, key=len, reverse=True))})\b", re.IGNORECASE)


def explained(text: str) -> Markup:
    """Return `text` for a page; the first mention of each term has its meaning where a reader points at it.

    >>> print(explained("3 seeds & 4 seeds"))
    3 <abbr title="repetitions of a training that differ in their random numbers alone">seeds</abbr> &amp; 4 seeds
    """
    seen = set()

    def explain(match: re.Match[str]) -> str:
        term = match[0].lower()
        if term in seen:
            return match[0]
        seen.add(term)
        return f'<abbr title="{escape(_MEANINGS[term])}">{match[0]}</abbr>'

    return Markup(_ANY.sub(explain, str(escape(text))))  # noqa: S704 - escaped before
