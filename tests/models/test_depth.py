"""What a depth comes to, on tables that need no network."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import ThawError
from src.models.depth import BatchNormPolicy, resolve_depth
from src.models.layers import LayerInfo, block_names


def layer(name: str, *sizes: int, batchnorm: bool = False) -> LayerInfo:
    return LayerInfo(name, tuple((f"{name}/v{i}", size) for i, size in enumerate(sizes)), batchnorm)


TABLE = (
    layer("input"),
    layer("Conv1", 100),
    layer("bn_Conv1", 4, 4, batchnorm=True),
    layer("block_1_expand", 50),
    layer("block_1_BN", 2, 2, batchnorm=True),
    layer("block_1_add"),
    layer("block_2_expand", 60),
    layer("block_2_relu"),
    layer("Conv_1", 30),
    layer("Conv_1_bn", 3, 3, batchnorm=True),
    layer("out_relu"),
)


@pytest.mark.parametrize(
    ("asked", "policy", "unfrozen", "canonical", "parameters", "blocks"),
    [
        (0, "inference", 0, 0, 0, ()),
        (1, "inference", 1, 0, 0, ()),
        (2, "inference", 2, 2, 6, ("top",)),
        (2, "frozen", 2, 0, 0, ()),
        (3, "inference", 3, 3, 36, ("top",)),
        (3, "frozen", 3, 3, 30, ("top",)),
        (4, "train", 4, 3, 36, ("top",)),
        (5, "adapted", 5, 5, 96, ("block_2", "top")),
        ("block_2", "inference", 5, 5, 96, ("block_2", "top")),
        ("1 block", "inference", 5, 5, 96, ("block_2", "top")),
        ("2 blocks", "inference", 8, 8, 150, ("block_1", "block_2", "top")),
        ("top", "inference", 3, 3, 36, ("top",)),
        ("all", "inference", 11, 10, 258, ("stem", "block_1", "block_2", "top")),
        (11, "frozen", 11, 10, 240, ("stem", "block_1", "block_2", "top")),
    ],
)
def test_depths(
    asked: int | str, policy: BatchNormPolicy, unfrozen: int, canonical: int, parameters: int, blocks: tuple[str, ...]
) -> None:
    depth = resolve_depth(asked, TABLE, policy, "net")
    assert (depth.unfrozen, depth.canonical, depth.parameters, depth.blocks) == (
        unfrozen, canonical, parameters, blocks,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (12, "unfrozen=12: net has 11 layers"),
        ("block_3", "net has no block 'block_3': did you mean"),
        ("everything", "known: stem, block_1, block_2, top"),
        ("3 blocks", "net has 2 blocks"),
        ("-1 blocks", "no block '-1 blocks'"),
    ],
)
def test_depths_that_are_not_there(asked: int | str, says: str) -> None:
    with pytest.raises(ThawError, match=says):
        resolve_depth(asked, TABLE, "inference", "net")


def test_a_backbone_without_block_names_says_so() -> None:
    with pytest.raises(ThawError, match="give a number of layers or `all`"):
        resolve_depth("block_1", (layer("a", 1), layer("b", 1)), "inference", "net")


@given(st.integers(0, 11), st.integers(0, 11))
def test_equal_variables_are_exactly_equal_canonical_depths(one: int, other: int) -> None:
    first, second = (resolve_depth(n, TABLE, "inference", "net") for n in (one, other))
    assert (first.variables == second.variables) == (first.canonical == second.canonical)
    assert resolve_depth(first.canonical, TABLE, "inference", "net").variables == first.variables


def test_a_depth_tells_what_it_trains_or_that_it_trains_nothing() -> None:
    assert "36 backbone parameters train" in resolve_depth(3, TABLE, "inference", "net").describe(11)
    assert "no variable of the backbone" in resolve_depth(1, TABLE, "inference", "net").describe(11)
    assert "the head alone" in resolve_depth(0, TABLE, "inference", "net").describe(11)


@pytest.mark.parametrize(
    ("names", "blocks"),
    [
        (["conv1_conv", "conv2_block1_1_conv", "conv2_block1_out"], ["stem", "conv2_block1", "conv2_block1"]),
        (["stem_conv", "block1a_dwconv", "block7a_add", "top_conv"], ["stem", "block1a", "block7a", "top"]),
        (["conv", "expanded_conv_project", "expanded_conv_10_add", "conv_1"],
         ["stem", "expanded_conv", "expanded_conv_10", "top"]),
        (["conv1", "conv_dw_1", "conv_pw_1_relu", "conv_pad_2"], ["stem", "block_1", "block_1", "block_2"]),
        (["x_stage_0_block_0_a", "x_stage_3_block_2_b"], ["stage_0_block_0", "stage_3_block_2"]),
        (["conv2d", "mixed0", "conv2d_9", "mixed1", "conv2d_99"], ["mixed0", "mixed0", "mixed1", "mixed1", "top"]),
        (["dense", "other"], ["", ""]),
    ],
)  # fmt: skip
def test_blocks_are_read_from_the_names_of_each_family(names: list[str], blocks: list[str]) -> None:
    assert block_names([layer(name, 1) for name in names]) == blocks
