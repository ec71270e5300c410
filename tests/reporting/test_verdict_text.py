"""What a verdict says, word for word."""

from dataclasses import replace

import pytest

from src.reporting.verdict_text import answer, headline, limits, note
from src.verdict.trials import TrialRecord
from src.verdict.verdict import judge
from tests.verdict.studies import TIE, WINNER, grid, predicted, trial


def texts(records: list[TrialRecord], margin: float = 0.0) -> tuple[str, str]:
    (verdict,) = judge(records, margin=margin)
    return headline(verdict), answer(verdict)


@pytest.mark.parametrize(
    ("records", "short", "beginning", "end"),
    [
        (grid(WINNER), "Unfreeze 11 layers", "Validation accuracy 70.7% (95% CI ",
         "Clearly worse: 0 layers (−10.3 points, 95% CI "),
        (grid(WINNER, whole=True), "Unfreeze all 11 layers", "Validation accuracy 70.7%", ""),
        (grid({0: (0.7, 0.71, 0.7), 2: (0.6, 0.61, 0.6)}), "Unfreeze nothing", "Validation accuracy 70.3%",
         "Clearly worse: 2 layers"),
        (grid(TIE), "Unfreeze 20 layers; others may be as good", "Validation accuracy 58.2%",
         "0 and 2 layers may be as good."),
        (grid({0: (0.5,), 2: (0.6,)}), "Unfreeze 2 layers, by one seed", "Validation accuracy 60.0% (1 seed).",
         "luck cannot be separated from depth."),
        (grid({2: (0.5, 0.6)}), "Only 2 layers tried", "Validation accuracy 55.0% (95% CI ", "2 seeds)."),
        ([], "Nothing has finished yet", "No finished trial to judge.", ""),
    ],
)  # fmt: skip
def test_headline_and_answer(records: list[TrialRecord], short: str, beginning: str, end: str) -> None:
    found, long = texts(records)
    assert found == short
    assert long.startswith(beginning)
    assert end in long


def test_a_lesser_depth_has_a_price() -> None:
    timed = [
        replace(each, metrics={**each.metrics, "time/phase/fine_tuning": 5.0 + 10 * each.depth})
        for each in predicted({0: 0.3, 11: 0.6, 29: 0.62})
    ]
    _, text = texts(timed)
    assert "11 layers trains 2.6× faster and costs an estimated " in text
    assert "(95% CI −" in text


def test_a_margin_is_named_with_the_best() -> None:
    _, text = texts(predicted({0: 0.3, 11: 0.79, 29: 0.8}), margin=0.05)
    assert "It is the least depth that is expected to lose at most 5.0 points; the best mean is at 29 layers." in text


def test_guessing_is_named() -> None:
    skewed = [replace(each, metrics={**each.metrics, "baseline/val_accuracy": 0.75}) for each in grid(WINNER)]
    _, text = texts(skewed)
    assert "not better than always predicting the largest class (75.0%): try class_weights=balanced" in text


@pytest.mark.parametrize(
    ("records", "limit"),
    [
        ([*grid(WINNER), trial(11, 3, None, status="RUNNING"), trial(11, 4, None), trial(2, 3, status="FAILED")],
         "Left out: 1 FAILED, 1 RUNNING, 1 without best/val_accuracy."),
        (grid({0: WINNER[0], 2: WINNER[2], 11: WINNER[11][:2]}),
         "Depths have unequal numbers of trials: 0 layers 3, 2 layers 3, 11 layers 2."),
        ([trial(d, 10 * d + s, v) for d, row in WINNER.items() for s, v in enumerate(row)],
         "The depths share too few seeds to be compared seed by seed: what a seed does counts as noise."),
        (grid(WINNER, val_images=480), "Intervals are for new seeds on the same 480 validation images:"),
        (predicted({0: 0.5, 11: 0.8}), "Intervals are for new images of the same kind and new seeds;"),
        (predicted({0: 0.5, 11: 0.8}, seeds=1), "one seed says nothing of other seeds."),
        (grid(WINNER), "One learning rate of fine-tuning served all depths"),
    ],
)  # fmt: skip
def test_limits(records: list[TrialRecord], limit: str) -> None:
    (verdict,) = judge(records)
    assert limit in " ".join(limits(verdict))


def test_that_facets_claim_each_by_itself_is_said_where_one_claims() -> None:
    modes = ("train", "frozen", "inference")
    records = [each for mode in modes for each in grid(WINNER if mode == "train" else TIE, factors={"batchnorm": mode})]
    shown, *ties = judge([*records, trial(0, 0, 0.5, {"batchnorm": "adapted"})])
    assert "3 facets are judged, each at 95% by itself" in limits(shown)[-1]
    assert "would still claim a difference in 14% of studies" in limits(shown)[-1]
    assert not any("facets are judged" in text for tie in ties for text in limits(tie))


def test_what_was_reduced_is_said() -> None:
    low, high = ({depth: [value - step for value in row] for depth, row in WINNER.items()} for step in (0, 0.1))
    (verdict,) = judge([*grid(low, factors={"dropout": 0.2}), *grid(high, factors={"dropout": 0.5})])
    assert (
        "dropout also varied: each depth stands with its best of 2 configurations (0 layers: dropout=0.2;"
        in " ".join(limits(verdict))
    )


def test_the_note_is_markdown_with_a_row_a_depth() -> None:
    (verdict,) = judge(predicted({0: 0.4, 2: 0.5, 11: 0.8}))
    lines = note(verdict).splitlines()
    assert lines[0].startswith("**Unfreeze 11 layers.** Validation accuracy ")
    assert lines[2].startswith("| layers | parameters |")
    assert [line.split("|")[1].strip() for line in lines[4:]] == ["0", "2", "11"]
    assert lines[-1].endswith("| best mean |")
