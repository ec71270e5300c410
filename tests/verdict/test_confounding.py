"""Settings that go with depth in a search: nothing is laid to depth that they may have done."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from src.reporting.gap_text import gap_text
from src.reporting.verdict_text import answer, limits, next_steps
from src.statistics.design import Floats
from src.verdict.confounding import going_with_depth
from src.verdict.facet import make_facet
from src.verdict.trials import Factor, TrialRecord
from src.verdict.verdict import judge
from tests.verdict.studies import trial

Draw = Callable[[np.random.Generator, Floats], Floats]
Rows = Sequence[tuple[int, float, Mapping[str, Factor]]]


def searched(rows: Rows) -> list[TrialRecord]:
    """Trials of one seed from depth, accuracy and settings."""
    return [trial(depth, 0, val, settings, run_id=str(k)) for k, (depth, val, settings) in enumerate(rows)]


def rates(values: Mapping[int, Sequence[tuple[float, float]]]) -> list[TrialRecord]:
    """Trials by depth, each with its rate and accuracy."""
    return searched([(depth, val, {"rate": rate}) for depth, row in values.items() for rate, val in row])


APART = rates({2: ((8e-5, 0.337), (7e-5, 0.338), (4e-4, 0.344)), 11: ((3e-3, 0.406), (7e-3, 0.43), (8e-3, 0.41))})
MIXED = rates({2: ((8e-5, 0.337), (7e-3, 0.338), (4e-4, 0.344)), 11: ((1e-4, 0.406), (6e-3, 0.43), (9e-3, 0.41))})


def test_a_difference_that_may_be_the_rates_is_not_laid_to_depth() -> None:
    (verdict,) = judge(APART)
    assert verdict.kind == "confounded"
    assert answer(verdict).startswith("Validation accuracy 41.5% (95% CI ")
    assert (
        "The depths' trials also differed in rate: what depth does and what that does cannot be separated."
        in answer(verdict)
    )
    (text, command), *_ = next_steps(verdict)
    assert text.startswith("A grid separates depth from rate, here with the settings of each depth's best trial")
    assert command == "-m unfrozen=2,11 seed=0,1,2 rate=0.0004,0.007"
    assert verdict.rows[0].to_best.low is None


def test_where_depths_had_like_rates_the_difference_stands() -> None:
    (verdict,) = judge(MIXED)
    assert (verdict.kind, verdict.depth) == ("shown", 11)
    assert [step.aim for step in verdict.next_steps] == ["grid", "between", "deeper"]


def test_words_go_with_depth_as_numbers_do() -> None:
    for names, kind in ((("a", "a", "a", "b", "b", "b"), "confounded"), (("a", "a", "b", "a", "b", "b"), "shown")):
        vals = (0.50, 0.51, 0.505, 0.60, 0.61, 0.605)
        rows = [(2 if k < 3 else 11, val, {"optimizer": name, "rate": 1e-3 + k % 3 * 1e-4 + k // 3 * 1e-5})
                for k, (name, val) in enumerate(zip(names, vals, strict=True))]  # fmt: skip
        (verdict,) = judge(searched(rows))
        assert verdict.kind == kind
        assert going_with_depth(searched(rows))[0] == "optimizer"


def test_where_settings_leave_no_freedom_nothing_is_claimed() -> None:
    rows = [(depth, 0.5 + depth / 100 + k / 1000, {f"x{j}": float((k * 7 + j * 3 + depth) % 11) for j in range(3)})
            for depth in (2, 11) for k in range(3)]  # fmt: skip
    assert judge(searched(rows))[0].kind == "confounded"


def by_chance(rng: np.random.Generator, depth: Floats) -> Floats:
    return rng.random(depth.size)


def leaning(rng: np.random.Generator, depth: Floats) -> Floats:
    lean = depth / depth.max()
    return rng.beta(1 + 2 * lean, 3 - 2 * lean)


EFFECTS: dict[str, Callable[[float], float]] = {
    "evenly": lambda rate: rate,
    "with an optimum": lambda rate: 1 - 4 * (rate - 0.5) ** 2,
    "by a step": lambda rate: float(rate > 0.5),
}


def claimed(draw: Draw, effect: str, depths: int, count: int, gain: float = 0.0) -> float:
    """Share of 60 searches that claim a difference; the deepest is better by `gain`, the noise's deviation is 0.1."""
    rng = np.random.default_rng([depths, count])
    found = 0
    for _ in range(60):
        depth = np.arange(count) % depths
        rate = draw(rng, depth)
        noise = 0.1 * rng.standard_normal(count)
        values = [EFFECTS[effect](each) for each in rate] + noise + gain * (depth == depths - 1)
        rows = [(int(d), float(v), {"rate": float(r)}) for d, v, r in zip(depth, values, rate, strict=True)]
        found += bool(make_facet(searched(rows)).worse)
    return found / 60


@pytest.mark.slow
@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize(
    ("draw", "depths", "count"), [(by_chance, 2, 12), (leaning, 2, 8), (leaning, 2, 40), (leaning, 3, 12)]
)
def test_equal_depths_with_other_rates_are_told_apart_in_one_search_of_twenty(
    draw: Draw, effect: str, depths: int, count: int
) -> None:
    assert claimed(draw, effect, depths, count) <= 0.1


def test_what_depth_does_is_shown_where_rates_cameby_chance() -> None:
    assert claimed(by_chance, "evenly", 2, 20, gain=1.0) >= 0.9


def test_a_search_is_told_in_trials() -> None:
    metrics = {"gap/mode": 0.1, "gap/generalization": 0.3}
    records = [replace(each, val_images=500, metrics={**each.metrics, **metrics}) for each in MIXED]
    (verdict,) = judge(records)
    assert "3 trials" in answer(verdict)
    assert "Intervals are for new seeds on the same 500 validation images" in " ".join(limits(verdict))
    assert gap_text(verdict).endswith("is not known: other settings differ between the depths.")


def longer(record: TrialRecord, epochs: int, val: float) -> TrialRecord:
    history = [
        {"epoch": float(k), "val/accuracy": record.metrics["best/val_accuracy"] + 0.01 * k} for k in range(epochs)
    ]
    return trial(record.depth, record.seed, val, {**record.factors, "fine_tune_epochs": epochs}, history=history,
                 run_id=f"{record.run_id} {epochs}")  # fmt: skip


def test_a_trial_that_another_went_on_from_counts_once() -> None:
    rungs = [longer(record, 2, record.metrics["best/val_accuracy"]) for record in MIXED]
    best = longer(MIXED[4], 6, 0.44)
    (verdict,) = judge([*rungs, best])
    assert [row.score.count for row in verdict.rows] == [3, 3]
    assert best in verdict.trials
    assert rungs[4] not in verdict.trials
    assert "1 trial from which another went on for longer, left out." in " ".join(limits(verdict))
