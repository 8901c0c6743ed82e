"""CSV and JSONL lists, as programs and people write them."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alexnet.data.folder import Listing, require_trainable, scan
from alexnet.data.listing import Rows
from alexnet.data.lists import write_list
from alexnet.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a/1.jpg to a/3.jpg."""
    (tmp_path / "a").mkdir()
    for n in (1, 2, 3):
        (tmp_path / f"a/{n}.jpg").touch()
    return tmp_path


def listed(root: Path, text: str | bytes, name: str = "list.csv") -> Listing:
    (root / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return scan(root / name)


def rows(listing: Listing) -> list[tuple[str, str, str]]:
    labels = ["" if label < 0 else listing.classes[label] for label in listing.labels]
    return list(zip(map(listing.name, range(len(listing))), labels, listing.split.tolist(), strict=True))


TWO = [("a/1.jpg", "dog", ""), ("a/2.jpg", "cat", "")]


class TestCsv:
    @pytest.mark.parametrize(
        "text",
        [
            "path,label\na/1.jpg,dog\na/2.jpg,cat\n",
            "label,path\ndog,a/1.jpg\ncat,a/2.jpg",
            "\ufeffpath,label\r\na/1.jpg,dog\r\n\r\na/2.jpg,cat\r\n,\r\n",
            'path, label\n"a/1.jpg", "dog"\na/2.jpg, cat\n',
            "path,label\na\\1.jpg,dog\n.\\a\\2.jpg,cat\n",
            "path,label\n./a/1.jpg,dog\na//2.jpg,cat\n",
            "path,label,split\na/1.jpg,dog,\na/2.jpg,cat,\n",
        ],
    )
    def test_every_way_to_write_it_reads_the_same(self, root: Path, text: str) -> None:
        listing = listed(root, text)
        assert rows(listing) == TWO and listing.classes == ("cat", "dog")
        assert listing.path(0) == root / "a/1.jpg"

    def test_splits_by_any_of_their_names(self, root: Path) -> None:
        listing = listed(root, "path,label,split\na/1.jpg,x,Train\na/2.jpg,x,test\na/3.jpg,y,validation\n")
        assert listing.split.tolist() == ["train", "val", "val"]

    def test_an_empty_label_is_no_label(self, root: Path) -> None:
        listing = listed(root, "path,label\na/1.jpg,\na/2.jpg,dog\na/3.jpg,cat\n")
        assert listing.labels.tolist() == [-1, 1, 0]
        with pytest.raises(DataError, match=r"1 pictures have no label, a/1\.jpg first"):
            require_trainable(listing)

    def test_a_list_without_any_label(self, root: Path) -> None:
        listing = listed(root, "path,label\na/1.jpg,\na/2.jpg,\n")
        assert listing.classes == () and listing.labels.tolist() == [-1, -1]
        with pytest.raises(DataError, match="no label"):
            require_trainable(listing)

    def test_absolute_paths_and_a_comma_and_a_line_end_in_a_path(self, root: Path) -> None:
        (root / "b,\n.jpg").touch()
        listing = listed(root, f'path,label\n{root}/a/1.jpg,x\n"b,\n.jpg",y\n')
        assert listing.path(0) == root / "a/1.jpg" and listing.path(1).exists()

    def test_a_backslash_that_belongs_to_the_name_stays(self, root: Path) -> None:
        (root / "a\\9.jpg").touch()
        assert listed(root, "path,label\na\\9.jpg,x\n").name(0) == "a\\9.jpg"

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "line 1: found ''|line 1: found nothing; expected path, label"),
            ("path,class\na/1.jpg,x\n", "line 1: found 'path', 'class'; expected path, label and"),
            ("a/1.jpg,x\n", "line 1: found 'a/1.jpg', 'x'; expected path, label and"),
            ("path;label\na/1.jpg;x\n", "line 1: found 'path;label'"),
            ("path,label,label\n", "line 1: found"),
            ("path\na/1.jpg\n", "line 1: found 'path'"),
            ("path,label\n", "no pictures are listed"),
            ("path,label\na/1.jpg,x\n\na/2,b.jpg,x\n", "line 4: 3 cells, but the header has 2"),
            ("path,label\n,x\n", "line 2: path is ''"),
            ("path,label,split\na/1.jpg,x,dev\n", "line 2: split is 'dev'; expected train, val or nothing"),
            ('path,label\n"a/1.jpg"b,x\n', "line 2: not CSV"),
            ('path,label\n"a/1.jpg,x\n', "line 2: not CSV"),
            ("path,label\nb/1.jpg,x\nb/2.jpg,x\n", r"none of the first 2 pictures exists, such as .*b/1\.jpg"),
            ("path,label\na/1.jpg,x\na/2.jpg,x\n./a/1.jpg,y\n", r"a/1\.jpg is listed twice"),
            (b"path,label\na/1.jpg,caf\xe9\n", "not UTF-8"),
        ],
    )
    def test_a_mistake_is_named_with_its_line(self, root: Path, text: str | bytes, said: str) -> None:
        with pytest.raises(DataError, match=said) as caught:
            listed(root, text)
        assert str(root) in str(caught.value)


class TestJsonl:
    def test_the_same_keys_as_in_csv(self, root: Path) -> None:
        lines = [{"path": "a/1.jpg", "label": "dog"}, {"label": "cat", "path": "a/2.jpg", "split": None}]
        assert rows(listed(root, "\ufeff" + "\n\n".join(map(json.dumps, lines)), "list.jsonl")) == TWO

    def test_a_whole_number_is_a_label_and_null_is_none(self, root: Path) -> None:
        lines = [{"path": "a/1.jpg", "label": 10}, {"path": "a/2.jpg", "label": 9}, {"path": "a/3.jpg", "label": None}]
        listing = listed(root, "\n".join(map(json.dumps, lines)), "list.jsonl")
        assert listing.classes == ("10", "9") and listing.labels.tolist() == [0, 1, -1]

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("{", "line 2: not JSON"),
            ("[1]", "line 2: not an object"),
            ('{"path": "a/2.jpg"}', "line 2: found 'path'"),
            ('{"path": "a/2.jpg", "label": "x", "box": 1}', "line 2: found 'path', 'label', 'box'"),
            ('{"path": 7, "label": "x"}', "line 2: path is 7"),
            ('{"path": "a\\u0000", "label": "x"}', "line 2: path is 'a"),
            ('{"path": "a/2.jpg", "label": ["x"]}', r"line 2: label is \['x'\]"),
            ('{"path": "a/2.jpg", "label": true}', "line 2: label is True"),
            ('{"path": "a/2.jpg", "label": "x", "split": 1}', "line 2: split is 1"),
            ('{"path": "a/2.jpg", "label": "x", "split": ["val"]}', "line 2: split is"),
        ],
    )
    def test_a_mistake_is_named_with_its_line(self, root: Path, line: str, said: str) -> None:
        with pytest.raises(DataError, match=said):
            listed(root, '{"path": "a/1.jpg", "label": "x"}\n' + line, "list.jsonl")


class TestWriting:
    NAME = st.text(st.characters(codec="utf-8", exclude_characters="/\0\\"), min_size=1, max_size=8).filter(
        lambda text: text not in (".", "..")
    )

    @given(st.dictionaries(NAME, st.tuples(NAME, st.sampled_from(["", "train", "val"])), min_size=1, max_size=6))
    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_names_come_back_as_they_went(self, tmp_path: Path, pictures: dict[str, tuple[str, str]]) -> None:
        classes = sorted({label for label, _ in pictures.values()})
        made = Rows()
        made.add("first.jpg", 0, "")
        for name, (label, split) in pictures.items():
            made.add(f"{label}/{name}.jpg", classes.index(label), split)
        listing = made.listing(tmp_path, classes)
        (tmp_path / "first.jpg").touch()
        write_list(listing, tmp_path / "out.csv")
        assert scan(tmp_path / "out.csv") == listing

    def test_a_name_that_is_not_utf8_comes_back(self, root: Path) -> None:
        made = Rows()
        made.add("a/1.jpg", 0, "")
        made.add(b"a/\xff.jpg".decode("utf-8", "surrogateescape"), 0, "val")
        listing = made.listing(root, ["x"])
        write_list(listing, root / "out.csv")
        assert scan(root / "out.csv") == listing

    @pytest.mark.parametrize("place", ["", "run", "a"])
    def test_the_list_finds_its_pictures_from_wherever_it_lies(self, root: Path, place: str) -> None:
        listing = listed(root / "a", "path,label\n1.jpg,dog\n2.jpg,\n")
        (root / "run").mkdir()
        write_list(listing, root / place / "out.csv")
        read = scan(root / place / "out.csv")
        assert [read.path(i) for i in range(2)] == [root / "a/1.jpg", root / "a/2.jpg"]
        assert read.labels.tolist() == [0, -1]
        assert str(root) in (root / place / "out.csv").read_text() or place != "run"
