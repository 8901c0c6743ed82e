"""`alexnet export` as people and programs call it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime

Alexnet = Callable[..., Any]


def test_json_tells_what_was_written_and_how_it_was_checked(
    alexnet: Alexnet, trained: Path, pictures: Path, tmp_path: Path
) -> None:
    arguments = ("-o", tmp_path / "net.onnx", "--input", "picture", "--weights", trained, "--check", pictures)

    found = alexnet("export", *arguments, "--json").document

    assert found["files"] == [str(tmp_path / "net.onnx")]
    assert found["bytes"] == (tmp_path / "net.onnx").stat().st_size
    assert (found["format"], found["input"], found["int8"], found["pictures"]) == ("onnx", "picture", False, 18)
    assert found["relative_error"] <= 1e-5
    assert found["same_top1"] == found["same_top5"] == 1
    assert onnxruntime.InferenceSession(str(tmp_path / "net.onnx")).get_inputs()[0].name == "pictures"


def test_people_are_told_ok_and_where(alexnet: Alexnet, trained: Path, tmp_path: Path) -> None:
    for name, files in (("a.onnx", ["a.onnx"]), ("b.py", ["b.py", "b.onnx"]), ("c", ["c/model.safetensors"])):
        lines = alexnet("export", "-o", tmp_path / name, "--weights", trained).out.splitlines()

        assert lines[0].startswith("ok on 7 pictures: largest relative error")
        assert all(f"  {tmp_path / file}" in lines for file in files)
        assert all((tmp_path / file).exists() for file in files)


def test_mistakes_are_told_in_one_message(alexnet: Alexnet, trained: Path, tmp_path: Path) -> None:
    suffix = alexnet("export", "-o", tmp_path / "net.pb", "--weights", trained)
    check = alexnet("export", "-o", tmp_path / "n.onnx", "--weights", trained, "--check", tmp_path / "none.jpg")

    assert (suffix.code, check.code) == (2, 2)
    assert "net.pb names no format of export" in suffix.err
    assert "Name others with --check" in check.err
