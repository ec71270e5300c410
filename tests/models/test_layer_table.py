"""Layer tables on disk: the same as the network's, and planned on without TensorFlow."""

import subprocess
import sys
from pathlib import Path

import pytest

from src.common.project import PROJECT
from src.models.backbone import pretrained
from src.models.catalog import find_backbone
from src.models.layer_table import layer_table
from src.models.network import build_network
from src.models.weights import WeightSet

RANDOM = WeightSet("random", None, 0.35, 96, "random")


@pytest.mark.parametrize(
    ("backbone", "alpha"), [("mobilenetv2", 0.35), ("lenet5", 1.0), ("mobilenetv3small", 1.0), ("convnexttiny", 1.0)]
)
def test_the_table_is_the_networks(tmp_path: Path, backbone: str, alpha: float) -> None:
    spec, weights = find_backbone(backbone), WeightSet("random", None, alpha, 96, "random")
    built = layer_table(spec, weights, 32, tmp_path)
    network = build_network(pretrained(spec, weights, 32, 0), spec, classes=3, batchnorm="inference")
    assert built == network.table
    assert layer_table(spec, weights, 32, tmp_path) == built


READ = """
import sys
from pathlib import Path
from src.models.catalog import find_backbone
from src.models.layer_table import layer_table
from src.models.weights import WeightSet
table = layer_table(find_backbone("mobilenetv2"), WeightSet("random", None, 0.35, 96, "random"), 32, Path(sys.argv[1]))
print(len(table), "tensorflow" in sys.modules)
"""


def test_a_second_process_reads_it_without_tensorflow(tmp_path: Path) -> None:
    table = layer_table(find_backbone("mobilenetv2"), RANDOM, 32, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path)], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(len(table)), "False"]


@pytest.mark.parametrize("damage", ["", "{", "[[1]]", '[["a", [["b", "x"]], true]]', "null"])
def test_a_damaged_table_is_made_anew(tmp_path: Path, damage: str) -> None:
    whole = layer_table(find_backbone("lenet5"), RANDOM, 32, tmp_path)
    (path,) = (tmp_path / "layers").iterdir()
    path.write_text(damage)
    assert layer_table(find_backbone("lenet5"), RANDOM, 32, tmp_path) == whole
    assert len(path.read_text()) > 100
