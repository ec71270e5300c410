"""Exports: each is run by its own runtime on the test images, and one that disagrees is not left behind."""

from pathlib import Path

import numpy as np
import pytest

from src.deployment.exporters import Format, Precision, runtime_of, write_export
from tests.conftest import Command
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


def test_an_export_that_disagrees_is_removed_unless_forced(thaw: Command, deployed: Deployed, tmp_path: Path) -> None:
    where = ("--model", "champion", "--tracking-uri", deployed.uri, "--out", str(tmp_path / "out"))
    asked = (*where, "--format", "litert", "--agreement", "1.01")
    done = thaw("src.export", *asked)
    assert done.returncode == 1
    assert "agrees on 100.00% of images, less than 101%: removed" in done.stderr
    assert not (tmp_path / "out" / "litert_float32.tflite").exists()
    assert thaw("src.export", *asked, "--force").returncode == 0
    assert (tmp_path / "out" / "litert_float32.tflite").exists()


def test_a_file_without_a_run_is_not_exported(thaw: Command, tmp_path: Path) -> None:
    from tests.inference.test_classifier import save

    done = thaw("src.export", "--model", str(save(tmp_path)), "--format", "onnx")
    assert (done.returncode, "checked on its run's test images" in done.stderr) == (1, True)
