"""Class names come from texts and from Python-looking files, which are never run."""

from pathlib import Path

import pytest

from alexnet.errors import UsageError
from alexnet.weights.class_names import read_class_names

NAMES = ("tench, Tinca tinca", "goldfish", "jack-o'-lantern")


@pytest.mark.parametrize(
    "text",
    [
        "tench, Tinca tinca\ngoldfish\r\n\njack-o'-lantern\n",
        "\ufeffn01440764 tench, Tinca tinca\nn01443537 goldfish\nn03590841 jack-o'-lantern\n",
        "class_names = '''tench, Tinca tinca\ngoldfish\njack-o'-lantern'''.split(\"\\n\")\n",
        "# names\nclass_names = '''tench, Tinca tinca\ngoldfish\njack-o'-lantern'''\n",
        'class_names = ["tench, Tinca tinca", "goldfish", "jack-o\'-lantern"]\n',
        'names = {0: "tench, Tinca tinca", 1: "goldfish", 2: "jack-o\'-lantern"}\n',
    ],
)
def test_names_are_read_from_every_kind_of_list(tmp_path: Path, text: str) -> None:
    path = tmp_path / "classes"
    path.write_bytes(text.encode())
    assert read_class_names(path, 3) == NAMES


def test_source_is_not_executed(tmp_path: Path) -> None:
    path, proof = tmp_path / "classes.py", tmp_path / "proof"
    path.write_text(f"open({str(proof)!r}, 'w').close()\nclass_names = [open({str(proof)!r}, 'w').name, 'a', 'b']\n")
    assert read_class_names(path, 2) == ("a", "b")
    assert not proof.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"a\nb\n", "names 2 classes, but the network has 3"), (b"\xff\xfe\x00", "not a text"), (None, "cannot be read")],
)
def test_what_is_no_list_of_these_classes_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "classes.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        read_class_names(path, 3)
