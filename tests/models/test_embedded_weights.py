"""The embedded weights are small, verified, and fit one network only."""

from pathlib import Path

import keras
import numpy as np
import pytest

from src.demo.formula import formula_images
from src.demo.formula.pretraining import save_weights
from src.models.embedded_weights import EMBEDDED_WEIGHTS, digest_file, load_embedded_weights


def tiny(units: int = 3) -> keras.Model:
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(units), keras.layers.BatchNormalization()])


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    save_weights(tiny(), tmp_path / "tiny.npz")
    return tmp_path / "tiny.npz"


@pytest.fixture(scope="module")
def backbone() -> keras.Model:
    return keras.applications.MobileNetV2(input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=None)


def test_what_is_saved_is_loaded_as_float32(stored: Path) -> None:
    one, two = tiny(), tiny()
    load_embedded_weights(one, stored)
    load_embedded_weights(two, stored)
    assert all(variable.dtype == "float32" for variable in one.weights)
    assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), two.get_weights(), strict=True))


def test_same_weights_make_the_same_file(tmp_path: Path) -> None:
    model = tiny()
    for name in ("a.npz", "b.npz"):
        save_weights(model, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty"])
def test_damaged_file_is_refused(stored: Path, damage: str) -> None:
    content = bytearray(stored.read_bytes())
    content[len(content) // 2] ^= 1
    stored.write_bytes({"flip": bytes(content), "truncate": bytes(content[:-9]), "empty": b""}[damage])
    model = tiny()
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"^[^\n]*tiny\.npz is damaged[^\n]*$"):
        load_embedded_weights(model, stored)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_missing_file_or_digest_is_refused(stored: Path) -> None:
    digest_file(stored).unlink()
    with pytest.raises(ValueError, match=r"tiny\.npz or its \.sha256 is missing"):
        load_embedded_weights(tiny(), stored)
    with pytest.raises(ValueError, match="is missing"):
        load_embedded_weights(tiny(), stored.with_name("none.npz"))


def test_other_models_are_refused(stored: Path) -> None:
    with pytest.raises(ValueError, match=r"tiny\.npz does not fit"):
        load_embedded_weights(tiny(units=4), stored)
    with pytest.raises(ValueError, match=r"does not fit .*: it is for MobileNetV2, width 0\.35, without top"):
        load_embedded_weights(tiny())


def test_embedded_file_is_small_and_finite() -> None:
    assert EMBEDDED_WEIGHTS.stat().st_size <= 1_500_000
    with np.load(EMBEDDED_WEIGHTS, allow_pickle=False) as arrays:
        assert all(arrays[name].dtype == np.float16 and np.isfinite(arrays[name]).all() for name in arrays.files)


def test_embedded_weights_tell_images_apart(backbone: keras.Model) -> None:
    load_embedded_weights(backbone)
    variances = [v.numpy() for v in backbone.weights if v.path.endswith("moving_variance")]
    assert all((variance >= 0).all() for variance in variances)
    rng = np.random.default_rng(0)
    images = np.stack([formula_images.draw(label, rng) for label in [50, 150] * 8]).astype(np.float32) / 127.5 - 1
    features = backbone.predict(images, verbose=0).mean(axis=(1, 2))
    assert features.shape == (16, 1280)
    alike = np.corrcoef(features)
    same = np.equal.outer(np.arange(16) % 2, np.arange(16) % 2) & ~np.eye(16, dtype=bool)
    assert alike[same].mean() > alike[~same & ~np.eye(16, dtype=bool)].mean() + 0.1
