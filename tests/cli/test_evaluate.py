"""`alexnet evaluate` as people and programs call it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Alexnet = Callable[..., Any]


def test_json_has_the_fields_of_the_contract(alexnet: Alexnet, trained: Path, pictures: Path) -> None:
    document = alexnet("evaluate", pictures, "--weights", trained, "--views", 10, "--json").document

    assert document["images"] == 18
    assert document["views"] == 10
    assert 0 <= document["top1_error"] <= 1
    assert document["top5_error"] is None  # of three classes
    assert document["skipped"] == []
    assert sum(sum(row) for row in document["confusion"]) == 18


def test_people_get_the_errors_and_the_hardest_classes(alexnet: Alexnet, trained: Path, pictures: Path) -> None:
    text = alexnet("evaluate", pictures, "--weights", trained).out

    assert text.startswith("18 pictures, 1 view: top-1 error ")
    assert all(name in text for name in ("blue", "green", "red"))


def test_a_validation_split_is_taken_where_there_is_one(
    alexnet: Alexnet, trained: Path, pictures: Path, tmp_path: Path
) -> None:
    split = tmp_path / "split"
    split.mkdir()
    pictures.rename(split / "train")
    for name in ("blue", "green", "red"):
        (split / "val" / name).mkdir(parents=True)
        (split / "train" / name / "0.png").rename(split / "val" / name / "0.png")

    assert alexnet("evaluate", split, "--weights", trained, "--json").document["images"] == 3


def test_a_report_is_one_page(alexnet: Alexnet, trained: Path, pictures: Path, tmp_path: Path) -> None:
    answer = alexnet("evaluate", pictures, "--weights", trained, "--report", tmp_path / "page")

    page = (tmp_path / "page" / "report.html").read_text()
    assert answer.code == 0
    assert "Confusion" in page
    assert "A small grouped AlexNet" in page


def test_unreadable_pictures_are_named(alexnet: Alexnet, trained: Path, pictures: Path) -> None:
    (pictures / "red" / "broken.png").write_bytes(b"no picture")

    answer = alexnet("evaluate", pictures, "--weights", trained, "--json")

    assert [each["image"] for each in answer.document["skipped"]] == ["red/broken.png"]
    assert "Skipped red/broken.png: " in answer.err


def test_classes_that_the_weights_do_not_know_are_named(alexnet: Alexnet, trained: Path, pictures: Path) -> None:
    (pictures / "red").rename(pictures / "violet")

    answer = alexnet("evaluate", pictures, "--weights", trained, "--json")

    assert answer.code == 2
    assert "violet" in answer.err
    assert "alexnet finetune" in answer.err
    assert answer.out == ""


def test_missing_data_is_named(alexnet: Alexnet, trained: Path, tmp_path: Path) -> None:
    answer = alexnet("evaluate", tmp_path / "none", "--weights", trained)

    assert answer.code == 2
    assert f"{tmp_path / 'none'}: no such file or folder" in answer.err


def test_a_report_that_cannot_be_written_is_a_mistake(
    alexnet: Alexnet, trained: Path, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")

    answer = alexnet("evaluate", pictures, "--weights", trained, "--report", tmp_path / "file" / "page")

    assert answer.code == 2
    assert "cannot be written" in answer.err
