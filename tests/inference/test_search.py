import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alexnet.errors import DataError, UsageError
from alexnet.inference import Classifier
from alexnet.inference import nearest as nearest_module
from alexnet.inference.index import open_index, write_index
from alexnet.inference.nearest import nearest
from alexnet.inference.search import Match, Neighbour, search
from alexnet.inference.search_page import names, show_matches
from oracles.classifiers import draw, make_classifier


def brute(rows: np.ndarray, query: np.ndarray, count: int, metric: str) -> tuple[list[int], list[float]]:
    """Every distance in float64, sorted."""
    a, b = rows.astype(np.float64), query.astype(np.float64)
    if metric == "cosine":
        far = [1 - float(row @ b / (np.linalg.norm(row) * np.linalg.norm(b))) for row in a]
    else:
        far = [float(np.sqrt(((row - b) ** 2).sum())) for row in a]
    order = sorted(range(len(far)), key=lambda place: (far[place], place))[:count]
    return order, [far[place] for place in order]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("block_bytes", [4 * 24 * 7, 2**26])
def test_the_nearest_are_those_of_every_distance(
    metric: Any, block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest_module, "BLOCK_BYTES", block_bytes)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(203, 24)).clip(min=0).astype(np.float16)
    rows[150] = rows[7]  # equally far: the first comes first
    queries = np.concatenate([rng.normal(size=(5, 24)), rows[[7, 202]]]).astype(np.float32)
    squares = np.square(rows.astype(np.float32)).sum(axis=1)

    places, distances = nearest(rows, squares, queries, 9, metric)

    for query, row, far in zip(queries, places, distances, strict=True):
        order, expected = brute(rows, query, 9, metric)
        assert row.tolist() == order
        np.testing.assert_allclose(far, expected, rtol=1e-9, atol=1e-12)


def test_rows_that_are_nearly_equal_and_far_from_zero_are_put_in_order() -> None:
    rows = np.full((30, 64), 1000, np.float16)
    rows[:, 0] += np.arange(30, dtype=np.float16)  # squares of 64 million, distances of 1
    places, distances = nearest(rows, np.square(rows.astype(np.float32)).sum(axis=1), rows[:1].astype(np.float32), 5)
    assert places.tolist() == [[0, 1, 2, 3, 4]]
    assert distances[0].tolist() == [0, 1, 2, 3, 4]


def test_fewer_rows_than_asked_for_are_all_of_them() -> None:
    rows = np.eye(3, dtype=np.float16)
    places, _ = nearest(rows, np.ones(3, np.float32), np.zeros((2, 3), np.float32), 9)
    assert places.tolist() == [[0, 1, 2]] * 2


def test_queries_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(1).normal(size=(40, 8)).astype(np.float16)
    squares, queries = np.square(rows.astype(np.float32)).sum(axis=1), rows[:10].astype(np.float32)
    together = nearest(rows, squares, queries, 3)
    monkeypatch.setattr(nearest_module, "QUERIES_AT_ONCE", 4)
    seen: list[tuple[int, int]] = []
    apart = nearest(rows, squares, queries, 3, progress=lambda done, total: seen.append((done, total)))
    assert np.array_equal(together[0], apart[0])
    assert seen == [(40, 40)] * 3


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_search_finds_what_features_say(classifier: Classifier, folder: Path, tmp_path: Path, metric: Any) -> None:
    index = write_index(classifier, folder, tmp_path / "index", "fc6")
    found = search(classifier, index, [draw(9)], top=4, metric=metric)
    stored, query = classifier.features(folder, ["fc6"]), classifier.features(draw(9), ["fc6"])["fc6"][0]
    order, far = brute(stored["fc6"].astype(np.float16), query.astype(np.float16), 4, metric)
    (match,) = found.matches
    assert [each.path for each in match.neighbours] == [stored.paths[place] for place in order]
    assert [each.distance for each in match.neighbours] == pytest.approx(far, rel=1e-3, abs=1e-6)


def test_a_copy_is_at_distance_0_and_a_picture_is_not_its_own_neighbour(
    classifier: Classifier, folder: Path, tmp_path: Path
) -> None:
    shutil.copy(folder / "ant" / "0.png", folder / "cat" / "copy.png")
    classifier.index(folder, tmp_path / "index")
    (match,) = classifier.search(folder / "ant" / "0.png", tmp_path / "index", top=3)
    assert len(match.neighbours) == 3
    assert match.neighbours[0].path == str(folder / "cat" / "copy.png")
    assert match.neighbours[0].distance < 1e-3 * match.neighbours[1].distance


def test_other_weights_and_another_preprocessing_are_refused(
    classifier: Classifier, folder: Path, tmp_path: Path
) -> None:
    index = write_index(classifier, folder, tmp_path / "index")
    for other in (make_classifier(num_classes=4, labels=()), make_classifier(order="BGR")):
        with pytest.raises(UsageError, match=r"index was made by other weights: drawn\.safetensors \(tiny, sha256"):
            search(other, index, draw(0))
    assert search(make_classifier(), index, draw(0)).matches  # the same network, loaded again


def test_an_index_is_replaced_and_another_folder_is_left_alone(
    classifier: Classifier, folder: Path, tmp_path: Path
) -> None:
    write_index(classifier, folder, tmp_path / "index")
    assert len(write_index(classifier, folder / "ant", tmp_path / "index").rows) == 2
    before = sorted(path.name for path in folder.rglob("*"))
    with pytest.raises(UsageError, match="is there and is no index"):
        write_index(classifier, folder, folder)
    assert sorted(path.name for path in folder.rglob("*")) == before
    assert sorted(path.name for path in (tmp_path / "index").iterdir()) == [
        "features.npy", "index.json", "names.jsonl", "squares.npy",
    ]  # fmt: skip


def test_a_failure_leaves_the_older_index(classifier: Classifier, folder: Path, tmp_path: Path) -> None:
    write_index(classifier, folder, tmp_path / "index")
    with pytest.raises(DataError, match="none of 1 could be read"):
        write_index(classifier, tmp_path / "none.jpg", tmp_path / "index")
    assert len(open_index(tmp_path / "index").rows) == 6


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("index.json", b"{", "is damaged"),
        ("index.json", b'{"format": 9}', "written in format 9"),
        ("features.npy", b"", "is damaged"),
        ("squares.npy", None, "is damaged"),
    ],
)
def test_a_damaged_index_is_named(
    classifier: Classifier, folder: Path, tmp_path: Path, file: str, content: bytes | None, says: str
) -> None:
    index = write_index(classifier, folder, tmp_path / "index")
    if content is None:
        np.save(index.folder / file, np.zeros(3, np.float32))
    else:
        (index.folder / file).write_bytes(content)
    with pytest.raises(DataError, match=says):
        open_index(index.folder)


def test_what_is_no_index_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is no index\. Make one with `alexnet index"):
        open_index(tmp_path)


@pytest.mark.parametrize("options", [{"top": 0}, {"metric": "manhattan"}])
def test_impossible_searches_are_refused(
    classifier: Classifier, folder: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match="expected at least 1, and one of"):
        search(classifier, write_index(classifier, folder, tmp_path / "index"), draw(0), **options)


def test_neighbours_can_be_shown_and_those_that_are_gone_are_said_to_be(
    classifier: Classifier, folder: Path, tmp_path: Path
) -> None:
    index = write_index(classifier, folder, tmp_path / "index")
    matches = search(classifier, index, folder / "ant").matches
    gone = Path(matches[0].neighbours[0].path)
    gone.unlink()
    page = show_matches(tmp_path / "near.html", index, matches, "euclidean").read_text()
    assert page.count("<img ") == 2 * 6 - page.count("is no longer there")
    assert f"{gone} is no longer there." in page
    with Image.open(show_matches(tmp_path / "near.png", index, matches, "euclidean")) as figure:
        assert figure.width > figure.height
    with pytest.raises(UsageError, match=r"are shown as \.png"):
        show_matches(tmp_path / "near.txt", index, matches, "euclidean")


def test_a_page_shows_names_as_they_are(classifier: Classifier, tmp_path: Path) -> None:
    folder = tmp_path / "<b>&"
    folder.mkdir()
    draw(0).save(folder / 'a"<i>.png')
    draw(1).save(folder / "b.png")
    index = write_index(classifier, folder, tmp_path / "index")
    page = show_matches(tmp_path / "n.html", index, search(classifier, index, folder / "b.png").matches, "cosine")
    assert "<i>" not in page.read_text()
    assert "a&#34;&lt;i&gt;.png" in page.read_text()


def test_neighbours_are_called_by_their_folder_unless_they_share_it() -> None:
    def match(*paths: str) -> Match:
        return Match("x", tuple(Neighbour(path, 0.0, row=0) for path in paths))

    assert names(match("p/ant/1.png", "p/bee/2.png")) == ["ant", "bee"]
    assert names(match("p/ant/1.png", "p/ant/2.png")) == ["1.png", "2.png"]
    assert names(match("1.png", "p/ant/2.png")) == ["1.png", "ant"]


def test_an_index_knows_whether_its_pictures_lie_in_several_folders(
    classifier: Classifier, folder: Path, tmp_path: Path
) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    draw(1).save(flat / "a.png")
    draw(2).save(flat / "b.png")
    assert not write_index(classifier, flat, tmp_path / "one").has_folders
    both = write_index(classifier, [flat, folder], tmp_path / "two")
    assert both.has_folders
    assert both.names([1, 2]) == {1: str(flat / "b.png"), 2: str(sorted(folder.rglob("*.png"))[0])}
    assert both.names([999]) == {}


def test_relative_names_lead_to_the_pictures_from_anywhere(
    classifier: Classifier, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    index = write_index(classifier, folder.name, tmp_path / "index")
    assert json.loads((tmp_path / "index" / "index.json").read_text())["root"] == str(folder.parent)
    monkeypatch.chdir("/")
    assert all(index.path(name).exists() for name in index.names(range(6)).values())
