"""Where exports belong: nobody's files are removed."""

from pathlib import Path

import pytest

from src.common.errors import ThawError
from src.deployment.export_place import check_place, put_in_place


def saved_model(folder: Path, content: str) -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content)
    return folder


def test_an_earlier_export_is_replaced(tmp_path: Path) -> None:
    earlier, made = saved_model(tmp_path / "saved_model", "old"), saved_model(tmp_path / "new" / "saved_model", "new")
    check_place(earlier, "saved_model")
    put_in_place(made, earlier)
    assert (earlier / "saved_model.pb").read_text() == "new"
    file, other = tmp_path / "a.tflite", tmp_path / "new" / "a.tflite"
    for path in (file, other):
        path.write_text(str(path))
    check_place(file, "litert")
    put_in_place(other, file)
    assert file.read_text() == str(other)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    folder = saved_model(tmp_path / "saved_model", "old")
    (folder / "notes.txt").write_text("precious")
    with pytest.raises(ThawError, match=r"saved_model: holds notes\.txt, which no export is; give another folder"):
        check_place(folder, "saved_model")


def test_a_folder_is_no_place_for_a_file_nor_a_file_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").mkdir()
    with pytest.raises(ThawError, match=r"a\.onnx: is a folder; give another folder with --out"):
        check_place(tmp_path / "a.onnx", "onnx")
    (tmp_path / "saved_model").write_text("precious")
    with pytest.raises(ThawError, match="saved_model: is a file"):
        check_place(tmp_path / "saved_model", "saved_model")
    check_place(tmp_path / "nothing", "onnx")
    with pytest.raises(ThawError, match=r"^--out .*saved_model: is a file; give a folder"):
        check_place(tmp_path / "saved_model" / "onnx.onnx", "onnx")
