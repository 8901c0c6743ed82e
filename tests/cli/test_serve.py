"""`alexnet serve` as people start it."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

Alexnet = Callable[..., Any]


def test_it_says_where_it_answers_and_answers_as_predict_does(alexnet: Alexnet, trained: Path, pictures: Path) -> None:
    image = pictures / "red" / "0.png"
    expected = alexnet("predict", image, "--weights", trained, "--json").document[0]["top"]
    command = [sys.executable, "-m", "alexnet", "serve", "--weights", str(trained), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
        connection = HTTPConnection(said["url"].removeprefix("http://"), timeout=30)
        connection.request("POST", "/v1/predict", image.read_bytes())
        (answer,) = json.loads(connection.getresponse().read())
        connection.close()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert said["lineage"] == "tiny"
    assert [guess["label"] for guess in answer["top"]] == [guess["label"] for guess in expected]
    assert [guess["prob"] for guess in answer["top"]] == pytest.approx([guess["prob"] for guess in expected], rel=1e-5)


def test_a_port_that_is_taken_is_a_mistake(alexnet: Alexnet, trained: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = alexnet("serve", "--weights", str(trained), "--port", taken.getsockname()[1])
    assert answer.code == 2
    assert "cannot listen on 127.0.0.1 port" in answer.err
    assert "--port" in answer.err
