"""What a depth comes to, on tables that need no network."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.common.depth_choice import DepthChoice
from src.common.errors import ThawError
from src.models.catalog import find_backbone
from src.models.depth import BatchNormPolicy, resolve_depth
from src.models.layers import LayerInfo


def layer(name: str, *sizes: int, batchnorm: bool = False) -> LayerInfo:
    return LayerInfo(name, tuple((f"{name}/v{i}", size) for i, size in enumerate(sizes)), batchnorm)


TABLE = find_backbone("mobilenetv2").blocks.given_to((
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
))  # fmt: skip


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
    depth = resolve_depth(DepthChoice.read(asked), TABLE, policy, "net")
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
        resolve_depth(DepthChoice.read(asked), TABLE, "inference", "net")


def test_a_backbone_without_block_names_says_so() -> None:
    with pytest.raises(ThawError, match="give a number of layers or `all`"):
        resolve_depth(DepthChoice.read("block_1"), (layer("a", 1), layer("b", 1)), "inference", "net")


@given(st.integers(0, 11), st.integers(0, 11))
def test_equal_variables_are_exactly_equal_canonical_depths(one: int, other: int) -> None:
    first, second = (resolve_depth(DepthChoice.read(n), TABLE, "inference", "net") for n in (one, other))
    assert (first.variables == second.variables) == (first.canonical == second.canonical)
    assert resolve_depth(DepthChoice.read(first.canonical), TABLE, "inference", "net").variables == first.variables


def test_a_depth_tells_what_it_trains_or_that_it_trains_nothing() -> None:
    assert "36 backbone parameters train" in resolve_depth(DepthChoice.read(3), TABLE, "inference", "net").describe(11)
    assert "no variable of the backbone" in resolve_depth(DepthChoice.read(1), TABLE, "inference", "net").describe(11)
    assert "the head alone" in resolve_depth(DepthChoice.read(0), TABLE, "inference", "net").describe(11)


@pytest.mark.parametrize(
    ("backbone", "names", "blocks"),
    [
        ("resnet50", "conv1_conv conv2_block1_1_conv conv2_block1_out", "stem conv2_block1 conv2_block1"),
        ("efficientnetb0", "stem_conv block1a_dwconv block7a_add top_conv", "stem block1a block7a top"),
        ("mobilenetv3small", "conv expanded_conv_project expanded_conv_10_add conv_1",
         "stem expanded_conv expanded_conv_10 top"),
        ("mobilenet", "conv1 conv_dw_1 conv_pw_1_relu conv_pad_2", "stem block_1 block_1 block_2"),
        ("convnexttiny", "x_stem x_stage_0_block_0_a x_downsampling_block_0 x_stage_1_block_0_b layer_normalization",
         "stem stage_0_block_0 stage_1_block_0 stage_1_block_0 top"),
        ("inceptionv3", "conv2d max_pooling2d_1 conv2d_8 mixed0 conv2d_9 mixed9_0 mixed1 relu",
         "stem stem mixed0 mixed0 mixed1 mixed1 mixed1 top"),
        ("inceptionresnetv2",
         "conv2d max_pooling2d_1 conv2d_8 mixed_5b conv2d_200 block8_10_mixed block8_10_conv custom_scale_layer_39 "
         "conv_7b conv_7b_bn",
         "stem stem mixed_5b mixed_5b block8_10 block8_10 block8_10 block8_10 top top"),
        ("nasnetmobile", "stem_bn1 activation reduction_concat_stem_1 normal_conv_1_0 normal_concat_0 activation_9",
         "stem cell_stem_1 cell_stem_1 cell_0 cell_0 top"),
    ],
)  # fmt: skip
def test_each_family_states_its_blocks(backbone: str, names: str, blocks: str) -> None:
    table = find_backbone(backbone).blocks.given_to([layer(name, 1) for name in names.split()])
    assert [info.block for info in table] == blocks.split()
