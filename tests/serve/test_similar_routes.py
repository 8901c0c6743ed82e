"""Neighbours over HTTP: those of the command, without a word of where they lie."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")

from alexnet.errors import UsageError
from alexnet.inference import Classifier
from alexnet.inference.index import Index
from alexnet.inference.nearest import Metric
from alexnet.inference.search import search
from alexnet.serve.app import application
from oracles.classifiers import draw, make_classifier
from oracles.running import ask, post, running


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return make_classifier()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("secret")
    for seed in range(12):
        folder = root / f"kind {seed % 3}"
        folder.mkdir(exist_ok=True)
        draw(seed, width=240, height=200).save(folder / f"{seed}.png")
    return root


@pytest.fixture(scope="module")
def index(classifier: Classifier, root: Path) -> Index:
    return classifier.index(root, root.with_name("made.index"))


@pytest.fixture(scope="module")
def port(classifier: Classifier, index: Index) -> Iterator[int]:
    with running(application(classifier, index=index)) as port:
        yield port


def png(seed: int) -> bytes:
    file = io.BytesIO()
    draw(seed, width=240, height=200).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_neighbours_are_those_of_search(
    port: int, classifier: Classifier, index: Index, tmp_path: Path, metric: Metric
) -> None:
    (tmp_path / "asked.png").write_bytes(png(40))
    (expected,) = search(classifier, index, tmp_path / "asked.png", 5, metric).matches
    status, found = post(port, "/v1/similar", png(40), top=5, metric=metric)
    assert status == 200
    assert [each["rank"] for each in found["neighbours"]] == [1, 2, 3, 4, 5]
    assert [each["distance"] for each in found["neighbours"]] == pytest.approx(
        [each.distance for each in expected.neighbours], rel=1e-4
    )
    assert [each["label"] for each in found["neighbours"]] == [
        Path(each.path).parent.name for each in expected.neighbours
    ]


def test_a_picture_of_the_index_is_its_own_nearest_and_comes_back_small(port: int) -> None:
    found = post(port, "/v1/similar", png(7))[1]["neighbours"][0]
    assert (found["rank"], found["label"]) == (1, "kind 1")
    assert found["distance"] == pytest.approx(0, abs=0.05)
    status, headers, answer = ask(port, "GET", found["picture"])
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    assert headers["cross-origin-resource-policy"] == "same-origin"
    small = Image.open(io.BytesIO(answer))
    assert small.size == (192, 160)
    expected = draw(7, width=240, height=200).resize((192, 160), Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(small).astype(int) - np.asarray(expected)).mean() < 12


def test_no_answer_tells_where_pictures_lie(port: int, root: Path) -> None:
    answers = [ask(port, "POST", "/v1/similar", png(3))[2], ask(port, "GET", "/v1/model")[2]]
    assert all(b"secret" not in answer and b".png" not in answer for answer in answers)
    assert json.loads(answers[1])["index"] == {"pictures": 12, "layer": "fc7"}


@pytest.mark.parametrize("row", ["99", "-1", "x", "..%2f..%2fetc%2fpasswd", "1e9", "9" * 40])
def test_what_is_no_row_is_not_found(port: int, row: str) -> None:
    status, _, answer = ask(port, "GET", f"/v1/index/{row}.jpg")
    assert status in (404, 422) and b"root:" not in answer


def test_a_picture_that_is_gone_is_named_by_its_row(port: int, root: Path) -> None:
    found = post(port, "/v1/similar", png(11))[1]["neighbours"][0]
    away = (root / "kind 2" / "11.png").rename(root / "kind 2" / "11.away")
    try:
        status, _, answer = ask(port, "GET", found["picture"])
    finally:
        away.rename(root / "kind 2" / "11.png")
    assert (status, json.loads(answer)["detail"]) == (404, f"The picture of row {found['row']} is no longer there.")


def test_bounds_and_mistakes(port: int) -> None:
    assert post(port, "/v1/similar", png(1), top=51)[0] == 422
    assert post(port, "/v1/similar", png(1), metric="manhattan")[0] == 422
    assert post(port, "/v1/similar", b"no picture")[0] == 422


def test_the_index_of_another_network_is_refused(index: Index) -> None:
    with pytest.raises(UsageError, match="made by other weights"):
        application(make_classifier(mean=(1.0, 2.0, 3.0)), index=index)


def test_without_an_index_nothing_is_similar() -> None:
    with running(application(make_classifier())) as port:
        assert ask(port, "POST", "/v1/similar", png(1))[0] == 404
        assert ask(port, "GET", "/v1/index/0.jpg")[0] == 404
