"""Splits: a partition, stratified, by seed, with groups whole."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.common.errors import ThawError
from src.data.listing import Sample
from src.data.split import Splits, split_samples


def _split(samples: list[Sample], **changes: float) -> Splits:
    settings = {"validation": 0.2, "test": 0.2, "fraction": 1.0, "seed": 0} | changes
    return split_samples(samples, **settings)  # type: ignore[arg-type]


def _samples(per_class: dict[str, int]) -> list[Sample]:
    return [Sample(f"{label}/{i}", label) for label, count in per_class.items() for i in range(count)]


@given(st.lists(st.integers(12, 60), min_size=2, max_size=5), st.integers(0, 1000))
def test_a_split_is_a_stratified_partition(counts: list[int], seed: int) -> None:
    samples = _samples({f"class {k}": count for k, count in enumerate(counts)})
    splits = _split(samples, seed=seed)
    together = np.concatenate([splits.train, splits.val, splits.test])
    assert sorted(together) == list(range(len(samples)))
    for part in (splits.val, splits.test):
        held = Counter(samples[i].label for i in part)
        for k, count in enumerate(counts):
            assert abs(held[f"class {k}"] - 0.2 * count) < 2


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), min_size=60, max_size=120),
    st.integers(0, 100),
)
def test_a_group_never_crosses_splits(members: list[tuple[str, int]], seed: int) -> None:
    samples = [Sample(str(i), label, None, f"{label}{burst}") for i, (label, burst) in enumerate(members)]
    try:
        splits = _split(samples, seed=seed)
    except ThawError as refusal:
        assert "groups" in str(refusal)
        return
    homes: dict[str | None, set[str]] = {}
    for name in ("train", "val", "test"):
        for i in splits[name]:  # type: ignore[index]
            homes.setdefault(samples[i].group, set()).add(name)
    assert all(len(home) == 1 for home in homes.values())


def test_a_small_part_of_grouped_images_is_small() -> None:
    samples = [Sample(str(i), "ab"[i % 2], None, f"{'ab'[i % 2]}{i // 6}") for i in range(240)]
    splits = _split(samples, validation=0.04, test=0.04)
    assert 0 < splits.val.size <= 36
    assert 0 < splits.test.size <= 36


def test_stated_splits_are_kept() -> None:
    samples = [Sample(str(i), "ab"[i % 2], ("train", "val", "test")[i % 3]) for i in range(30)]
    splits = _split(samples)
    assert all(samples[i].split == "val" for i in splits.val)
    assert (splits.train.size, splits.val.size, splits.test.size) == (10, 10, 10)


def test_without_val_a_part_of_train_validates_and_no_test_is_made_up() -> None:
    samples = [Sample(str(i), "ab"[i % 2], "train") for i in range(50)]
    splits = _split(samples)
    assert (splits.train.size, splits.val.size, splits.test.size) == (40, 10, 0)


def test_the_seed_decides_and_nothing_else() -> None:
    samples = _samples({"a": 40, "b": 40})
    assert np.array_equal(_split(samples, seed=3).val, _split(samples, seed=3).val)
    assert not np.array_equal(_split(samples, seed=3).val, _split(samples, seed=4).val)


def test_fractions_nest_keep_every_class_and_leave_val_alone() -> None:
    samples = _samples({"a": 100, "b": 20})
    whole, half, tenth = (_split(samples, fraction=f) for f in (1.0, 0.5, 0.1))
    assert set(tenth.train) < set(half.train) < set(whole.train)
    assert {samples[i].label for i in tenth.train} == {"a", "b"}
    assert np.array_equal(whole.val, tenth.val)


@pytest.mark.parametrize(
    ("samples", "changes", "says"),
    [
        (_samples({"a": 20, "b": 1}), {}, "class 'b' has 1"),
        (_samples({"a": 3, "b": 3}), {}, "too few photos"),
        (_samples({"a": 20, "b": 20}), {"validation": 0}, "no validation photos"),
        ([Sample("1", "a", "train", "g"), Sample("2", "b", "val", "g")], {}, "group 'g' is in both"),
        ([Sample(str(i), "ab"[i % 2], None, "one") for i in range(20)], {}, "too few"),
        (_samples({"a": 12, "b": 12}), {"validation": 0.45, "test": 0.5}, "too few photos"),
        ([Sample("1", "a", "val"), Sample("2", "b", "test")], {}, "no photo to train on"),
    ],
)
def test_what_cannot_be_split_is_told(samples: list[Sample], changes: dict[str, float], says: str) -> None:
    with pytest.raises(ThawError, match=says):
        _split(samples, **changes)


def test_the_largest_seed_is_as_good_as_any() -> None:
    assert _split(_samples({"a": 40, "b": 40}), seed=2**32 - 1).val.size == 16
