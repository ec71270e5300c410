"""Time one trial, all included, beside the same training in plain Keras: ``make bench ARGS="--photos DIR"``.

Both run as whole processes, in turn, on the same photos, weights, sizes and epochs. Without `--photos` and `--weights`
the photos are the generated trees, written out as files first, and the weights are random. Thaw runs once with an empty
cache (photos are decoded) and then with a full one; early ends are switched off, so that both train the same epochs.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from PIL import Image

from src.data.trees import SPECIES, draw_tree

EPOCHS, FINE_TUNE_EPOCHS, SIDE, ALPHA, UNFROZEN = 5, 3, 96, 0.35, 2


def write_trees(root: Path) -> Path:
    """The generated trees as photo files: 25 for training and 12 for validation a species."""
    for split, start, count in (("train", 0, 25), ("val", 1_000_000, 12)):
        for number, species in enumerate(SPECIES):
            folder = root / split / species.name
            folder.mkdir(parents=True)
            for index in range(start, start + count):
                picture = draw_tree(number, index, seed=0, size=160, difficulty=0.5)
                Image.fromarray(picture).save(folder / f"{index}.jpg", quality=90)
    return root


def thaw_command(photos: Path, weights: Path | None, folder: Path) -> list[str]:
    """One trial of Thaw's."""
    source = ["weights=file", f"weights.path={weights}"] if weights else ["weights=random"]
    never_early = [f"schedule.{phase}.patience=null" for phase in ("feature_extraction", "fine_tuning")]
    return [
        sys.executable, "-m", "src.train", "backbone=mobilenetv2", f"weights.alpha={ALPHA}", *source, "data=folder",
        f"data.root={photos}", f"image_size={SIDE}", f"epochs={EPOCHS}", f"fine_tune_epochs={FINE_TUNE_EPOCHS}",
        f"unfrozen={UNFROZEN}", *never_early, f"tracking.uri=sqlite:///{folder}/mlflow.db",
        f"runtime.cache_dir={folder}/cache", f"hydra.run.dir={folder}/{time.time_ns()}",
    ]  # fmt: skip


def keras_command(photos: Path, weights: Path | None) -> list[str]:
    """The same training in plain Keras."""
    numbers = (ALPHA, SIDE, EPOCHS, FINE_TUNE_EPOCHS, UNFROZEN)
    script = Path(__file__).with_name("plain_keras.py")
    return [sys.executable, str(script), str(photos), str(weights or ""), *map(str, numbers)]


def seconds(command: list[str]) -> float:
    """How long `command` takes, start to end."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Run, print and write benchmarks/one_trial.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="folder with train/ and val/ (default: the trees, as files)")
    parser.add_argument("--weights", type=Path, help="weights of MobileNetV2, width 0.35, without its top")
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = given.photos or write_trees(folder / "trees")
        times: dict[str, list[float]] = {"thaw": [], "keras": []}
        first = seconds(thaw_command(photos, given.weights, folder))
        for _ in range(given.runs):
            times["thaw"].append(seconds(thaw_command(photos, given.weights, folder)))
            times["keras"].append(seconds(keras_command(photos, given.weights)))
    results = {
        "epochs": [EPOCHS, FINE_TUNE_EPOCHS], "thaw_first_s": first, "thaw_s": times["thaw"], "keras_s": times["keras"],
        "ratio_keras_to_thaw": median(times["keras"]) / median(times["thaw"]),
    }  # fmt: skip
    text = json.dumps(results, indent=1)
    Path(__file__).with_name("one_trial.json").write_text(text + "\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
