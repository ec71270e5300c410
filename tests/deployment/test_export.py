"""Exports: each is run by its own runtime on the test images, and one that disagrees is not left behind."""

import json
from pathlib import Path

import mlflow
import numpy as np
import pytest

from src.common.errors import ThawError
from src.common.events import ignore
from src.deployment.combined_networks import ensemble, flipped
from src.deployment.export_check import ExportCheck
from src.deployment.export_model import ExportResult, export_model
from src.deployment.exporters import SUFFIXES, Format, Precision, runtime_of, write_export
from src.deployment.model_source import opened_model
from src.tracking.artifacts import fetch
from tests.conftest import Command, make_photos
from tests.deployment.conftest import Deployed
from tests.inference.test_classifier import SIDE, network

pytest.importorskip("ai_edge_litert")
PIXELS = np.random.default_rng(0).integers(0, 256, (30, SIDE, SIDE, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("kind", "precision", "name", "farthest"),
    [
        ("litert", "float32", "a.tflite", 1e-5),
        ("litert", "float16", "b.tflite", 5e-3),
        ("litert", "int8", "c.tflite", 5e-2),
        ("onnx", "float32", "d.onnx", 1e-5),
        ("saved_model", "float32", "e", 1e-5),
    ],
)
def test_every_format_gives_the_networks_probabilities_by_its_own_runtime(
    tmp_path: Path, kind: Format, precision: Precision, name: str, farthest: float
) -> None:
    own = network()
    write_export(own, tmp_path / name, kind, precision, PIXELS)
    found = runtime_of(tmp_path / name, kind)(PIXELS.astype(np.float32))
    np.testing.assert_allclose(found, np.asarray(own(PIXELS.astype(np.float32))), atol=farthest)


def test_an_export_is_checked_logged_and_described(thaw: Command, deployed: Deployed, tmp_path: Path) -> None:
    out = tmp_path / "out"
    where = ("--model", "champion", "--tracking-uri", deployed.uri, "--out", str(out))
    done = thaw("src.export", *where, "--format", "litert", "--precision", "float32", "float16")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} == {"litert_float32.tflite", "litert_float16.tflite", "model.json"}
    assert "agreement 100.00%" in done.stdout
    metrics = deployed.client.get_run(deployed.run_id).data.metrics
    assert metrics["export/litert_float32/accuracy"] == pytest.approx(metrics["test/accuracy"])
    assert metrics["export/litert_float32/agreement"] == 1


def export_asking_more_than_all(deployed: Deployed, out: Path, *, force: bool = False) -> list[ExportResult]:
    """Export with a least agreement that nothing reaches; the option takes none."""
    with opened_model("champion", deployed.uri) as model:
        return export_model(model, "litert", ["float32"], out, ignore, least=1.01, force=force)


def test_an_export_that_disagrees_is_not_kept_unless_forced(deployed: Deployed, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (result,) = export_asking_more_than_all(deployed, out)
    assert result.refusal.startswith("litert_float32: agrees on 100.00% of images, less than 101%: not kept")
    assert list(out.iterdir()) == []
    (forced,) = export_asking_more_than_all(deployed, out, force=True)
    assert forced.refusal == ""
    assert {path.name for path in out.iterdir()} == {"litert_float32.tflite", "model.json"}


def test_an_export_that_disagrees_leaves_the_earlier_one(deployed: Deployed, tmp_path: Path) -> None:
    earlier = tmp_path / "litert_float32.tflite"
    earlier.write_bytes(b"a good one")
    export_asking_more_than_all(deployed, tmp_path)
    assert earlier.read_bytes() == b"a good one"
    assert [path.name for path in tmp_path.iterdir()] == ["litert_float32.tflite"]


def test_an_interrupted_check_leaves_nothing(
    deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> ExportCheck:
        raise KeyboardInterrupt

    monkeypatch.setattr("src.deployment.export_model.check_export", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_asking_more_than_all(deployed, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("least", ["98", "nan", "-0.1", "1.01", "most"])
def test_an_agreement_that_is_no_share_is_refused_at_once(thaw: Command, deployed: Deployed, least: str) -> None:
    done = thaw("src.export", "--model", "champion", "--tracking-uri", deployed.uri, "--format", "onnx",
                f"--agreement={least}")  # fmt: skip
    assert done.returncode == 2
    assert "argument --agreement" in done.stderr.splitlines()[-1]


def test_a_network_that_a_converter_does_not_take_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = network()

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("cannot convert\nOdd operation")

    monkeypatch.setattr(type(own), "export", fail)
    for kind in ("litert", "onnx", "saved_model"):
        with pytest.raises(ThawError, match=rf"--format {kind}: .*RuntimeError: cannot convert Odd operation"):
            write_export(own, tmp_path / "a", kind, "float32", PIXELS)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["ensemble", "flip"])
@pytest.mark.parametrize(("form", "precision", "farthest"), [("litert", "int8", 0.05), ("onnx", "float32", 1e-5)])
def test_combinations_are_exported_as_any_network(
    tmp_path: Path, kind: str, form: Format, precision: Precision, farthest: float
) -> None:
    combined = flipped(network()) if kind == "flip" else ensemble([network(), network()])
    path = tmp_path / f"a{SUFFIXES[form]}"
    write_export(combined, path, form, precision, PIXELS)
    found = runtime_of(path, form)(PIXELS.astype(np.float32))
    np.testing.assert_allclose(found, np.asarray(combined(PIXELS.astype(np.float32))), atol=farthest)


@pytest.mark.slow
def test_without_test_images_an_export_is_checked_on_validation_images_and_says_so(
    thaw: Command, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    photos, uri = make_photos(tmp_path / "photos", {"train": 8, "val": 4}), f"sqlite:///{tmp_path}/mlflow.db"
    places = (f"data.root={photos}", f"tracking.uri={uri}", f"hydra.run.dir={tmp_path / 'run'}")
    done = thaw("src.train", *tiny, *places, "tracking.save_model=true")
    assert done.returncode == 0, done.stderr
    run_id = json.loads((tmp_path / "run" / "summary.json").read_text())["run_id"]
    done = thaw("src.export", "--model", f"runs:/{run_id}", "--tracking-uri", uri, "--format", "litert",
                "--out", str(tmp_path / "out"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "on 12 val images" in done.stdout
    check = json.loads(fetch(mlflow.MlflowClient(uri), run_id, "exports/litert_float32.json") or b"{}")
    assert check["split"] == "val"


def test_a_file_without_a_run_is_not_exported(thaw: Command, tmp_path: Path) -> None:
    from tests.inference.test_classifier import save

    done = thaw("src.export", "--model", str(save(tmp_path)), "--format", "onnx")
    assert (done.returncode, "checked on its run's test images" in done.stderr) == (1, True)
