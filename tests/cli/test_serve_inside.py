"""What `alexnet serve` tells of a network's inside, beside what the other commands tell."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("captum")

from oracles.running import ask, post

Alexnet = Callable[..., Any]


@pytest.fixture
def index(alexnet: Alexnet, trained: Path, pictures: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "idx"
    assert alexnet("index", pictures, "-o", folder, "--weights", trained).code == 0
    return folder


@pytest.fixture
def port(index: Path) -> Iterator[int]:
    command = [sys.executable, "-m", "alexnet", "serve", "--index", str(index), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
        yield int(said["url"].rpartition(":")[2])
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_answers_are_those_of_the_commands(
    alexnet: Alexnet, port: int, index: Path, trained: Path, pictures: Path, tmp_path: Path
) -> None:
    image = tmp_path / "asked.png"
    image.write_bytes((pictures / "green" / "3.png").read_bytes())
    (found,) = alexnet("search", image, "--index", index, "--top", 5, "--json").document["matches"]
    similar = post(port, "/v1/similar", image.read_bytes(), top=5)[1]["neighbours"]
    assert [each["label"] for each in similar] == [Path(each["path"]).parent.name for each in found["neighbours"]]
    far = [each["distance"] for each in found["neighbours"]]
    assert [each["distance"] for each in similar] == pytest.approx(far, rel=1e-3, abs=1e-3)

    for kind in ("heatmap", "occlusion", "maps"):
        told = alexnet("explain", kind, image, "--weights", trained, "-o", tmp_path / "out.png", "--json").document
        status, answer = post(port, "/v1/explain", image.read_bytes(), kind=kind)
        assert status == 200
        answer |= answer["layers"][0] if kind == "maps" else {}
        shared = answer.keys() & told.keys() - {"image", "top", "hottest", "zeros"}
        assert shared >= {"heatmap": {"layer", "target"}, "occlusion": {"target"}, "maps": {"shape", "maps"}}[kind]
        assert {key: answer[key] for key in shared} == {key: told[key] for key in shared}

    layers = alexnet("lineages", "tiny", "--json").document["layers"]
    served = json.loads(ask(port, "GET", "/v1/layers")[2])
    assert served[:-1] == layers[:-1]  # the last has as many outputs as there are classes
    assert b"<title>alexnet</title>" in ask(port, "GET", "/")[2]


def test_an_index_of_other_weights_is_a_mistake(alexnet: Alexnet, index: Path) -> None:
    answer = alexnet("serve", "--index", index, "--weights", "tiny200", "--port", 0)
    assert answer.code == 2 and "made by other weights" in answer.err


def test_what_is_no_index_is_a_mistake(alexnet: Alexnet, tmp_path: Path) -> None:
    answer = alexnet("serve", "--index", tmp_path, "--port", 0)
    assert answer.code == 2 and "is no index" in answer.err
