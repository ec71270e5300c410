"""Networks: what trains, what stays, and that saved models are the same function."""

import importlib
import inspect
from pathlib import Path

import keras
import numpy as np
import pytest

from src.common.depth_choice import DepthChoice
from src.common.errors import ThawError
from src.models.backbone import build_backbone, preprocess, pretrained
from src.models.catalog import CATALOG, find_backbone
from src.models.depth import BatchNormPolicy, resolve_depth
from src.models.network import Network, build_network
from src.models.normalization import InferenceBatchNorm, TrainableOnlyDropout, adapt_statistics
from src.models.weights import WeightSet

IMAGES = np.random.default_rng(0).uniform(0, 255, (6, 32, 32, 3)).astype(np.float32)


def random_weights(backbone: str, alpha: float = 1.0) -> WeightSet:
    return WeightSet("random", None, alpha, 32, f"random/{backbone}")


def network(
    backbone: str, batchnorm: BatchNormPolicy = "inference", seed: int = 0, dropout: float = 0.2, side: int = 32
) -> Network:
    alpha = 0.35 if backbone == "mobilenetv2" else 1.0
    spec = find_backbone(backbone)
    plain = pretrained(spec, random_weights(backbone, alpha), side, seed)
    net = build_network(plain, spec, classes=3, batchnorm=batchnorm)
    net.begin(plain.get_weights(), seed=seed, dropout=dropout)
    return net


def number(variable: keras.Variable) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable))


def statistics(model: keras.Model) -> list[np.ndarray]:
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    return [number(value) for norm in norms for value in (norm.moving_mean, norm.moving_variance)]


def train_a_step(net: Network, depth: int | str, policy: BatchNormPolicy) -> None:
    planned = resolve_depth(DepthChoice.read(depth), net.table, policy, "net")
    net.unfreeze(planned)
    adam = keras.optimizers.Adam(0.01, epsilon=1e-30)  # moves a variable however small its gradient is
    net.model.compile(adam, "categorical_crossentropy", run_eagerly=True)
    net.check(planned)
    net.model.fit(IMAGES, np.eye(3)[[0, 1, 2, 0, 1, 2]], epochs=1, verbose=0)


@pytest.mark.parametrize("policy", ["inference", "frozen", "adapted", "train"])
@pytest.mark.parametrize("backbone", ["mobilenetv2", "mobilenetv3small", "resnet50", "efficientnetb0"])
def test_statistics_change_only_where_they_are_told_to(backbone: str, policy: BatchNormPolicy) -> None:
    net = network(backbone, policy)
    before = statistics(net.model)
    gammas = [number(norm.gamma) for norm in net.model.layers if isinstance(norm, keras.layers.BatchNormalization)]
    train_a_step(net, "all", policy)
    same = all(np.array_equal(a, b) for a, b in zip(before, statistics(net.model), strict=True))
    assert same == (policy != "train")
    norms = [norm for norm in net.model.layers if isinstance(norm, keras.layers.BatchNormalization)]
    kept = all(np.array_equal(gamma, number(norm.gamma)) for gamma, norm in zip(gammas, norms, strict=True))
    assert kept == (policy == "frozen")


def test_frozen_parts_rest_while_the_head_trains_in_train_mode() -> None:
    net = network("mobilenetv2", "train")
    before = statistics(net.model)
    train_a_step(net, 0, "train")
    assert all(np.array_equal(a, b) for a, b in zip(before, statistics(net.model), strict=True))


def test_only_planned_variables_move() -> None:
    net = network("mobilenetv2")
    before = {v.path: number(v) for v in net.model.weights}
    train_a_step(net, "block_16", "inference")
    planned = set(resolve_depth(DepthChoice.read("block_16"), net.table, "inference", "net").variables)
    moved = {v.path for v in net.model.weights if not np.array_equal(before[v.path], number(v))}
    assert moved <= planned | {"head_dense/kernel", "head_dense/bias"}
    assert "head_dense/kernel" in moved
    assert "block_16_project/kernel" in moved


def test_a_plan_that_keras_did_not_follow_is_noticed() -> None:
    net = network("mobilenetv2")
    net.unfreeze(resolve_depth(DepthChoice.read(0), net.table, "inference", "net"))
    with pytest.raises(AssertionError, match="planned"):
        net.check(resolve_depth(DepthChoice.read("all"), net.table, "inference", "net"))


def test_dropout_in_a_frozen_part_rests() -> None:
    net = network("efficientnetb0", dropout=0.0)
    assert any(isinstance(layer, TrainableOnlyDropout) for layer in net.model.layers)
    net.unfreeze(resolve_depth(DepthChoice.read(0), net.table, "inference", "net"))
    np.testing.assert_array_equal(net.model(IMAGES, training=True), net.model(IMAGES, training=False))
    net.unfreeze(resolve_depth(DepthChoice.read("all"), net.table, "inference", "net"))
    assert not np.array_equal(net.model(IMAGES, training=True), net.model(IMAGES, training=False))


def test_adapting_is_the_same_twice_though_the_network_drops_blocks() -> None:
    net = network("efficientnetb0", "adapted")
    passes = []
    for _ in range(2):
        adapt_statistics(net.model, [keras.ops.convert_to_tensor(IMAGES)])
        passes.append(statistics(net.model))
    assert all(np.array_equal(a, b) for a, b in zip(*passes, strict=True))


def test_a_saved_model_is_keras_own_and_the_same_function(tmp_path: Path) -> None:
    net = network("efficientnetb0")
    net.in_keras_layers().save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert not any(isinstance(layer, (InferenceBatchNorm, TrainableOnlyDropout)) for layer in loaded.layers)
    np.testing.assert_allclose(loaded(IMAGES), net.model(IMAGES), atol=1e-6)


def test_a_model_saved_at_another_depth_says_what_trained_there(tmp_path: Path) -> None:
    net = network("mobilenetv2")
    for depth, dropout in ((0, 0.2), (11, 0.5)):
        net.unfreeze(resolve_depth(DepthChoice.read(depth), net.table, "inference", "net"))
        net.model.get_layer("head_dropout").set_rate(dropout)
        net.in_keras_layers().save(tmp_path / "m.keras")
        loaded = keras.saving.load_model(tmp_path / "m.keras")
        trains = [{layer.name: layer.trainable for layer in model.layers[1:]} for model in (loaded, net.model)]
        assert trains[0] == trains[1]
        assert loaded.get_layer("head_dropout").rate == dropout


def test_images_are_normalised_by_the_statistics_that_weights_bring(tmp_path: Path) -> None:
    plain = build_backbone(find_backbone("efficientnetb0"), random_weights("efficientnetb0"), 32)
    (given,) = [layer for layer in plain.layers if type(layer) is keras.layers.Normalization]
    given.adapt_mean.assign([0.485, 0.456, 0.406])
    given.adapt_variance.assign([0.05, 0.07, 0.02])
    given.finalize_state()
    net = build_network(plain, find_backbone("efficientnetb0"), classes=3, batchnorm="inference")
    net.begin(plain.get_weights(), seed=0, dropout=0.2)
    pooled = keras.Model(net.model.inputs, net.model.get_layer("head_pooling").output)
    np.testing.assert_array_equal(pooled(IMAGES), keras.layers.GlobalAveragePooling2D()(plain(IMAGES)))
    net.in_keras_layers().save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded(IMAGES), net.model(IMAGES), atol=1e-6)


def test_the_seed_decides_the_network() -> None:
    def values(seed: int) -> np.ndarray:
        return np.concatenate([w.ravel() for w in network("mobilenetv2", seed=seed).model.get_weights()])

    np.testing.assert_array_equal(values(1), values(1))
    assert not np.array_equal(values(1), values(2))


def test_adapted_statistics_are_the_target_images_own() -> None:
    net = network("mobilenetv2", "adapted")
    pretrained = {v.path: number(v) for v in net.model.weights if "moving" not in v.path}
    adapt_statistics(
        net.model, iter([keras.ops.convert_to_tensor(IMAGES[:4]), keras.ops.convert_to_tensor(IMAGES[4:])])
    )
    first = net.model.get_layer("bn_Conv1")
    before = keras.Model(net.model.input, first.input)(IMAGES)
    np.testing.assert_allclose(first.moving_mean, np.mean(before, axis=(0, 1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(first.moving_variance, np.var(before, axis=(0, 1, 2)), rtol=2e-3, atol=1e-5)
    assert all(np.array_equal(pretrained[v.path], number(v)) for v in net.model.weights if v.path in pretrained)
    adapted = statistics(net.model)
    train_a_step(net, "all", "adapted")
    assert all(np.array_equal(a, b) for a, b in zip(adapted, statistics(net.model), strict=True))


_OFFICIAL = {
    "minus_one_to_one": keras.applications.mobilenet_v2.preprocess_input,
    "caffe": keras.applications.resnet.preprocess_input,
    "torch": keras.applications.densenet.preprocess_input,
    "inside": lambda images: images,
    "zero_to_one": lambda images: images / 255,
}


@pytest.mark.parametrize("mode", sorted(_OFFICIAL))
def test_preprocessing_inside_the_model_is_keras_own(mode: str) -> None:
    image = keras.Input((32, 32, 3))
    ours = keras.Model(image, preprocess(image, mode))(IMAGES)  # type: ignore[arg-type]
    np.testing.assert_allclose(ours, _OFFICIAL[mode](IMAGES.copy()), rtol=1e-4, atol=1e-3)


def test_the_catalog_lists_every_function_of_keras_applications() -> None:
    functions = {name for name, value in vars(keras.applications).items() if inspect.isfunction(value)}
    assert functions == {spec.class_name for spec in CATALOG.values()} - {"LeNet5"}


ONE_OF_EACH_FAMILY = (
    "mobilenet", "resnet50v2", "efficientnetv2b0", "convnexttiny", "densenet121", "vgg16", "inceptionv3",
    "inceptionresnetv2", "xception", "nasnetmobile",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
def test_every_family_builds_thaws_and_lists_the_layers_that_keras_lists(name: str) -> None:
    spec = CATALOG[name]
    side = max(spec.least_size, 32)
    net = network(name, side=side)
    keras.utils.clear_session()  # unnamed layers are numbered from the start again
    plain = getattr(keras.applications, spec.class_name)(
        include_top=False, weights=None, input_shape=(side, side, 3), **({"alpha": 1.0} if spec.has_width else {})
    )
    assert [info.name for info in net.table[1:]] == [layer.name for layer in plain.layers[1:]]
    half = resolve_depth(DepthChoice.read(len(net.table) // 2), net.table, "inference", name)
    net.unfreeze(half)
    net.check(half)
    assert float(keras.ops.sum(net.model(np.zeros((1, side, side, 3), np.float32)))) == pytest.approx(1)


@pytest.mark.parametrize("name", sorted(set(CATALOG) - {"lenet5"}))
def test_every_backbone_is_preprocessed_as_keras_does_for_its_weights(name: str) -> None:
    spec = CATALOG[name]
    family = importlib.import_module(getattr(keras.applications, spec.class_name).__module__)
    image = keras.Input((32, 32, 3))
    ours = keras.Model(image, preprocess(image, spec.preprocessing))(IMAGES)
    np.testing.assert_allclose(ours, family.preprocess_input(IMAGES.copy()), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_weight_files_are_loaded_as_they_are(tmp_path: Path, suffix: str) -> None:
    spec = find_backbone("mobilenetv2")
    keras.utils.set_random_seed(7)
    source = keras.applications.MobileNetV2(input_shape=(32, 32, 3), alpha=0.35, include_top=False, weights=None)
    path = tmp_path / f"w{suffix}"
    source.save_weights(path) if suffix == ".weights.h5" else source.save(path)
    ours = build_backbone(spec, WeightSet("file", path, 0.35, 32, "x"), 32)
    np.testing.assert_allclose(ours(IMAGES), source(IMAGES / 127.5 - 1), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("backbone", "alpha"), [("mobilenetv2", 1.0), ("resnet50", 1.0)])
def test_weights_that_do_not_fit_are_told(tmp_path: Path, backbone: str, alpha: float) -> None:
    source = keras.applications.MobileNetV2(input_shape=(32, 32, 3), alpha=0.35, include_top=False, weights=None)
    source.save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(ThawError, match=r"does not fit .* of width 1") as refusal:
        build_backbone(find_backbone(backbone), WeightSet("file", tmp_path / "w.weights.h5", alpha, 32, "x"), 32)
    assert len(str(refusal.value)) < 700


def test_damaged_weight_files_are_told(tmp_path: Path) -> None:
    source = keras.applications.MobileNetV2(input_shape=(32, 32, 3), alpha=0.35, include_top=False, weights=None)
    path = tmp_path / "w.weights.h5"
    source.save_weights(path)
    whole = bytearray(path.read_bytes())
    generator = np.random.default_rng(0)
    for _ in range(5):
        damaged = whole.copy()
        for place in generator.integers(0, 60_000, 40):
            damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            build_backbone(find_backbone("mobilenetv2"), WeightSet("file", path, 0.35, 32, "x"), 32)
        except ThawError as refusal:
            assert "does not fit" in str(refusal)


def test_imagenet_weights_are_read_from_keras_cache_at_their_native_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = keras.applications.MobileNetV2(input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=None)
    models = tmp_path / "models"
    models.mkdir()
    source.save_weights(tmp_path / "w.weights.h5")
    cached = models / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5"
    legacy = keras.src.legacy.saving.legacy_h5_format
    import h5py

    with h5py.File(cached, "w") as file:
        legacy.save_weights_to_hdf5_group(file, source)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path), raising=False)
    weights = WeightSet("imagenet", None, 0.35, 96, "imagenet")
    ours = build_backbone(find_backbone("mobilenetv2"), weights, 64)
    assert all(np.array_equal(a, b) for a, b in zip(ours.get_weights(), source.get_weights(), strict=True))
