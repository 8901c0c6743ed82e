"""What the server tells of a network's inside is what the command and Python tell."""

import base64
import io
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")
pytest.importorskip("captum")

from alexnet.inference import Classifier
from alexnet.serve.app import application
from alexnet.serve.limits import Limits
from oracles.classifiers import draw, make_classifier
from oracles.running import ask, post, running

LIMITS = Limits(body_bytes=200_000, pixels=20_000, waiting=40, jobs=3, receive_s=2.0)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return make_classifier()


@pytest.fixture(scope="module")
def port(classifier: Classifier) -> Iterator[int]:
    with running(application(classifier, LIMITS), LIMITS) as port:
        yield port


def png(seed: int, **size: int) -> bytes:
    file = io.BytesIO()
    draw(seed, **size).save(file, "PNG")
    return file.getvalue()


def pixels(encoded: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))


def without(answer: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in names}


@pytest.mark.parametrize("kind", ["heatmap", "occlusion"])
@pytest.mark.parametrize("target", [None, "fox", "2"])
def test_heat_is_that_of_explain(port: int, classifier: Classifier, kind: Any, target: str | None) -> None:
    expected = classifier.explain(kind, png(1), target=target)
    asked = {"kind": kind} | ({"class": target} if target else {})
    status, found = post(port, "/v1/explain", png(1), **asked)
    assert status == 200
    assert without(found, "kind", "view", "heat", "top", "hottest") == without(expected.facts, "top", "hottest")
    assert found["hottest"]["value"] == pytest.approx(expected.facts["hottest"]["value"], rel=1e-5)
    assert [each["label"] for each in found["top"]] == [each["label"] for each in expected.facts["top"]]
    shares = expected.values.clip(min=0) / max(float(expected.values.max()), 1e-12)
    assert np.abs(pixels(found["heat"]) / 255 - shares).max() < 0.003
    assert pixels(found["view"]).shape == (67, 67, 3)


def test_a_class_is_named_by_its_index_where_names_mislead() -> None:
    with running(application(make_classifier(("2", "1", "0", "2")))) as port:
        for query, index in (({"class": "2"}, 0), ({"index": 2}, 2), ({"index": 3}, 3), ({"class": "3"}, 3)):
            assert post(port, "/v1/explain", png(1), **query)[1]["target"]["index"] == index
        status, found = post(port, "/v1/explain", png(1), index=4)
        assert status == 422 and "below 4" in found["detail"]


def test_heat_lies_over_the_part_of_the_picture_that_the_network_looked_at(port: int) -> None:
    found = post(port, "/v1/explain", png(5, width=80, height=80))[1]
    assert (pixels(found["view"]) == np.asarray(draw(5, 80, 80))[6:73, 6:73]).all()


def test_maps_are_those_of_explain_layer_by_layer(port: int, classifier: Classifier) -> None:
    names = [layer["name"] for layer in json.loads(ask(port, "GET", "/v1/layers")[2])]
    status, found = post(port, "/v1/explain", png(2), kind="maps", layer=names, maps=5)
    assert status == 200 and [each["layer"] for each in found["layers"]] == names
    for each in found["layers"]:
        expected = classifier.explain("maps", png(2), layer=each["layer"], count=5)
        facts = without(each, "low", "high", "tiles")
        assert facts | {"zeros": pytest.approx(facts["zeros"])} == without(expected.facts, "image")
        values = expected.values[each["maps"]] if expected.values.ndim == 3 else expected.values
        assert (each["low"], each["high"]) == pytest.approx((values.min(), values.max()), rel=1e-4, abs=1e-6)
        tiles = pixels(each["tiles"]).ravel()[: values.size] / 255 * (each["high"] - each["low"]) + each["low"]
        assert tiles == pytest.approx(values.ravel(), abs=(each["high"] - each["low"]) / 400)


def test_each_of_the_ten_views_is_a_cut_of_the_square(port: int, classifier: Classifier) -> None:
    found = post(port, "/v1/explain", png(3, width=120), kind="views")[1]
    square, size = pixels(found["square"]), found["size"]
    assert square.shape == (found["side"], found["side"], 3)
    for view in found["views"]:
        cut = square[view["y"] :][:size, view["x"] :][:, :size]
        cut = cut[:, ::-1] if view["mirrored"] else cut
        framed = np.zeros((found["side"], found["side"], 3), np.uint8)
        framed[6:73, 6:73] = cut  # the centre of a square of 80: what one view looks at
        top = classifier.predict(Image.fromarray(framed))[0].top[0]
        assert (view["top"][0]["label"], view["top"][0]["prob"]) == (top.label, pytest.approx(top.prob, rel=1e-4))


def test_kernels_are_those_of_explain(port: int, classifier: Classifier) -> None:
    expected = classifier.explain("filters")
    assert json.loads(ask(port, "GET", "/v1/kernels")[2]) == expected.facts
    status, headers, answer = ask(port, "GET", "/v1/kernels/1.png?scale=1")
    assert (status, headers["content-type"]) == (200, "image/png")
    first = np.asarray(Image.open(io.BytesIO(answer)))[1:12, 1:12, :3] / 127.5 - 1
    kernel = expected.values[0] / np.abs(expected.values).max()
    assert first == pytest.approx(kernel, abs=0.01)
    assert ask(port, "GET", "/v1/kernels/9.png")[0] == 404


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"class": "unicorn"}, "there is no class 'unicorn'"),
        ({"layer": "conv9"}, "has no layer 'conv9'"),
        ({"layer": "fc7"}, "no maps"),
        ({"kind": "maps", "layer": ["conv1", "conv1"]}, "name each once"),
    ],
)
def test_what_does_not_exist_is_a_clients_mistake(port: int, query: dict[str, Any], said: str) -> None:
    status, found = post(port, "/v1/explain", png(1), **query)
    assert status == 422 and said in found["detail"]


@pytest.mark.parametrize("query", [{"kind": "filters"}, {"maps": 0}, {"maps": 100_000}, {"class": "x" * 201}])
def test_questions_have_bounds(port: int, query: dict[str, Any]) -> None:
    assert post(port, "/v1/explain", png(1), **query)[0] == 422


def test_pictures_have_the_bounds_of_predict(port: int) -> None:
    assert post(port, "/v1/explain", png(1, width=400, height=400))[0] == 413
    assert post(port, "/v1/explain", b"")[0] == 400
    status, found = post(port, "/v1/explain", __file__.encode())
    assert status == 422 and "Traceback" not in found["detail"]


def test_those_beyond_the_bound_are_told_when_to_come_again(port: int) -> None:
    with ThreadPoolExecutor(16) as clients:
        asked = [clients.submit(ask, port, "POST", "/v1/explain?kind=occlusion", png(1)) for _ in range(16)]
        answers = [each.result() for each in asked]
    assert {status for status, _, _ in answers} == {200, 503}
    assert {headers["Retry-After"] for status, headers, _ in answers if status == 503} == {"2"}
    assert post(port, "/v1/explain", png(1))[0] == 200


def test_predictions_beside_heat_maps_are_undisturbed(port: int) -> None:
    alone = [post(port, "/v1/predict", png(seed))[1] for seed in range(6)]
    heat = [post(port, "/v1/explain", png(seed))[1] for seed in range(6)]
    with ThreadPoolExecutor(4) as clients:
        predicted = [clients.submit(post, port, "/v1/predict", png(seed)) for seed in [*range(6)] * 4]
        explained = [post(port, "/v1/explain", png(seed)) for seed in range(6)]
        answers = [each.result()[1] for each in predicted]
    for found, expected in zip(answers, alone * 4, strict=True):
        for one, other in zip(found[0]["top"], expected[0]["top"], strict=True):
            assert one["prob"] == pytest.approx(other["prob"], rel=1e-4)
    for (_, found), expected in zip(explained, heat, strict=True):
        assert np.abs(pixels(found["heat"]).astype(int) - pixels(expected["heat"])).max() <= 1


def test_a_job_ends_where_its_client_has_gone(port: int) -> None:
    body = png(1)
    head = f"POST /v1/explain?kind=occlusion HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for _ in range(LIMITS.jobs):
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.sendall(head + body)
    started = time.monotonic()
    while post(port, "/v1/explain", body)[0] == 503:
        assert time.monotonic() - started < 20
        time.sleep(0.05)
