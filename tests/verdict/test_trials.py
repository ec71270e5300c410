"""How trials are told apart."""

import math

from src.verdict.trials import Factor, facets, measured, once, tuned, validated_on, varying
from tests.verdict.studies import trial


def test_only_finished_trials_with_a_number_are_measured() -> None:
    whole = trial(2, 0, 0.5)
    others = [
        trial(2, 1, 0.5, status="FAILED"),
        trial(2, 2, 0.5, status="RUNNING"),
        trial(2, 3, None),
        trial(2, 4, math.nan),
    ]
    assert measured([whole, *others]) == [whole]


def test_the_last_of_trials_run_again_counts() -> None:
    again = trial(2, 0, 0.6, run_id="again")
    assert measured([trial(2, 0, 0.5), again]) == [again]
    assert len(measured([trial(2, 0, 0.5, {"dropout": 0.2}), trial(2, 0, 0.5, {"dropout": 0.5})])) == 2


def test_what_varies_is_a_facet_or_tuned() -> None:
    one: dict[str, Factor] = {"batchnorm": "train", "schedule": "post", "data.fraction": 1.0, "dropout": 0.2}
    other: dict[str, Factor] = {"batchnorm": "frozen", "schedule": "two_phase", "data.fraction": 0.5, "dropout": 0.5}
    one["schedule.fine_tuning.epochs"] = 5
    records = [trial(factors=one), trial(factors=other)]
    assert varying(records) == ["batchnorm", "data.fraction", "dropout", "schedule", "schedule.fine_tuning.epochs"]
    assert tuned(records) == ["dropout", "schedule.fine_tuning.epochs"]
    assert list(facets(records)) == [
        "batchnorm=train data.fraction=1 schedule=post",
        "batchnorm=frozen data.fraction=0.5 schedule=two_phase",
    ]


def test_a_trial_of_which_nothing_is_known_makes_no_facet() -> None:
    unplanned = trial(0, 0, None, status="FAILED")
    one, other = (trial(factors={"backbone": name}) for name in ("lenet5", "mobilenetv2"))
    assert list(facets([one, unplanned])) == [""]
    assert facets([one, unplanned, other]) == {"backbone=lenet5": [one], "backbone=mobilenetv2": [other]}
    assert list(facets([unplanned])) == [""]


def test_nothing_varies_nothing_is_apart() -> None:
    assert list(facets([trial(2), trial(11)])) == [""]
    assert facets([]) == {}


def test_a_run_is_one_record() -> None:
    one = trial(0, 0, factors={"batchnorm": "train"}, run_id="a")
    other = trial(0, 0, factors={"batchnorm": "frozen"}, run_id="a")
    assert once([one, other, trial(2)]) == [one, trial(2)]


def test_fewer_training_photos_are_validated_on_the_same() -> None:
    half, whole, others = (
        trial(factors={"dropout": 0.2, "data.root": root, "data.fraction": fraction})
        for root, fraction in (("pets", 0.5), ("pets", 1.0), ("trees", 1.0))
    )
    assert validated_on(half) == validated_on(whole) == "data.root=pets"
    assert validated_on(others) == "data.root=trees"
