"""The same training as a user writes it after the Keras guide: no store, no plan, Keras' own input pipeline."""

import sys
from pathlib import Path

import keras


def train(root: Path, weights: str, alpha: float, side: int, epochs: int, fine_tune_epochs: int, unfrozen: int) -> None:
    """Feature extraction, then fine-tuning of the last `unfrozen` layers, on `root`/train and `root`/val."""

    def split(name: str) -> object:
        # Labels are numbered by folder, split by split: where val lacks a class they are silently wrong. Time is not.
        return keras.utils.image_dataset_from_directory(
            root / name, image_size=(side, side), batch_size=32, shuffle=name == "train"
        )

    base = keras.applications.MobileNetV2(
        input_shape=(side, side, 3), alpha=alpha, include_top=False, weights=weights or None or None
    )
    base.trainable = False
    image = keras.Input((side, side, 3))
    x = base(keras.layers.Rescaling(1 / 127.5, offset=-1)(image), training=False)
    x = keras.layers.Dropout(0.2)(keras.layers.GlobalAveragePooling2D()(x))
    classes = sum(1 for _ in (root / "train").iterdir())
    model = keras.Model(image, keras.layers.Dense(classes, activation="softmax")(x))
    for rate, many in ((1e-3, epochs), (1e-4, fine_tune_epochs)):
        adam = keras.optimizers.Adam(rate)
        model.compile(adam, "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
        model.fit(split("train"), validation_data=split("val"), epochs=many, verbose=0)
        base.trainable = True
        for layer in base.layers[: len(base.layers) - unfrozen]:
            layer.trainable = False


if __name__ == "__main__":
    train(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), *map(int, sys.argv[5:8]))
