"""Terms are explained where they are first used, and a stranger's text stays text."""

import re

from src.reporting.terms import TERMS, explained


def test_each_term_is_explained_once() -> None:
    text = explained("Validation accuracy 80% (95% CI 75–85). Clearly worse: 0 layers; 2 layers may be as good.")
    explained_terms = re.findall(r'<abbr title="([^"]+)">([^<]+)</abbr>', text)
    assert [term for _, term in explained_terms] == [
        "Validation accuracy", "95% CI", "Clearly worse", "layers", "may be as good",
    ]  # fmt: skip
    assert all(meaning == TERMS.get(term, TERMS.get(term.lower())) for meaning, term in explained_terms)


def test_a_stranger_names_nothing_that_a_browser_runs() -> None:
    assert explained("<script>seeds</script>").startswith("&lt;script&gt;<abbr")


def test_meanings_are_short_and_plain() -> None:
    assert all(20 < len(meaning) < 130 and '"' not in meaning for meaning in TERMS.values())
