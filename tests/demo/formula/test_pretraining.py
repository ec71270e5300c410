"""Targets describe pixels, the rate decays, and the command writes weights that load."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from src import pretrain
from src.demo.formula import pretraining, targets
from src.models.embedded_weights import load_embedded_weights


def flat(images: np.ndarray, kind: str) -> np.ndarray:
    """One kind of descriptors of every place, (GRID, GRID, bins), for one image."""
    return np.asarray(getattr(targets, kind)(tf.constant(images, tf.float32))[0])


@pytest.mark.parametrize("size", [64, 96])
def test_descriptors_do_not_depend_on_the_size_in_number(size: int) -> None:
    described = targets.describe(tf.random.stateless_uniform((2, size, size, 3), (0, 1), -1, 1))
    assert described.shape == (2, targets.DESCRIPTORS)


def test_colours_tell_red_from_blue_and_where() -> None:
    image = np.full((1, 64, 64, 3), -1.0)
    image[0, :, :32, 0] = 1
    image[0, :, 32:, 2] = 1
    shares = flat(image, "colours") ** 2
    assert (shares[:, :2].argmax(axis=-1) == 48).all()
    assert (shares[:, 2:].argmax(axis=-1) == 3).all()
    assert np.allclose(shares.sum(axis=-1), 1, atol=0.02)


def test_gradients_know_direction_but_not_sign() -> None:
    ramp = np.broadcast_to(np.linspace(-1, 1, 64)[None, None, :, None], (1, 64, 64, 3))
    across, back, down = (flat(image, "gradients")[1, 1, :8] for image in (ramp, -ramp, ramp.transpose(0, 2, 1, 3)))
    assert np.allclose(across, back, atol=1e-3)
    assert across.argmax() == 0
    assert down.argmax() == targets.DIRECTIONS // 2


def test_whitened_descriptors_are_uncorrelated_and_equally_large() -> None:
    images = tf.random.stateless_normal((40, 64, 64, 3), (0, 2), 0, 0.5)
    whitening = targets.Whitening(targets.describe(images).numpy(), components=10)
    white = whitening(images).numpy()
    assert white.shape == (40, whitening.components) == (40, 10)
    assert np.allclose(np.cov(white.T, bias=True), np.eye(10), atol=1e-2)
    assert targets.Whitening(targets.describe(images[:5]).numpy(), components=10).components == 4


def test_rate_warms_up_and_decays_to_zero() -> None:
    recipe = pretraining.Recipe()
    rates = [pretraining.learning_rate(recipe, progress) for progress in np.linspace(0, 1, 101)]
    top = int(np.argmax(rates))
    assert rates[0] == 0
    assert np.isclose(rates[top], recipe.learning_rate)
    assert all(a >= b for a, b in zip(rates[top:], rates[top + 1 :], strict=False))
    assert rates[-1] < 1e-9


def test_augmented_images_keep_their_range_and_follow_the_generator() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3), np.uint8)
    one, two = (pretraining.augment(images, 64, tf.random.Generator.from_seed(1)).numpy() for _ in range(2))
    assert one.shape == (4, 64, 64, 3)
    assert -1 <= one.min() < one.max() <= 1
    assert np.array_equal(one, two)


def test_backbone_has_the_stock_networks_variables() -> None:
    stock = keras.applications.MobileNetV2(input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=None)
    ours = pretraining.new_backbone()
    assert [tuple(v.shape) for v in ours.weights] == [tuple(v.shape) for v in stock.weights]


@pytest.mark.slow
def test_command_writes_weights_that_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(variable, "1")  # so that what the command sets does not outlive it
    file = tmp_path / "short.npz"
    assert pretrain.main(["--output", str(file), "--images", "24", "--batch", "8", "--pool", "16"]) == 0
    stock = keras.applications.MobileNetV2(input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=None)
    load_embedded_weights(stock, file)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--images", "0", "must be above 0"),
        ("--minutes", "0", "must be above 0"),
        ("--batch", "-1", "must be above 0"),
        ("--threads", "0", "must be above 0"),
        ("--seed", "-1", "--seed 0 or more"),
        ("--pool", "1", "--pool must be 2 or more"),
    ],
)
def test_command_refuses_values_out_of_range(
    option: str, value: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        pretrain.main(["--output", "none.npz", option, value])
    assert message in capsys.readouterr().err
