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


def test_told_to_stop_it_answers_what_it_has_begun_to_receive(trained: Path, pictures: Path) -> None:
    body = (pictures / "red" / "0.png").read_bytes()
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    command = [sys.executable, "-m", "alexnet", "serve", "--weights", str(trained), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
        place = ("127.0.0.1", int(said["url"].rsplit(":", 1)[1]))
        with socket.create_connection(place, 30) as client, socket.create_connection(place, 30) as idle:
            client.sendall(head + body[:50])
            status = HTTPConnection(*place, timeout=30)
            while True:
                status.request("GET", "/metrics")
                if "alexnet_queue_bytes 50" in status.getresponse().read().decode():
                    break
            status.close()
            process.send_signal(signal.SIGTERM)
            assert idle.recv(10) == b""  # closed, so the server has heard
            with pytest.raises(ConnectionError):
                socket.create_connection(place, 30).close()
            client.sendall(body[50:])
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
        assert process.wait(30) == 0
        assert process.communicate()[1].count("\n") == 1  # where it answered, and nothing else


def test_a_port_that_is_taken_is_a_mistake(alexnet: Alexnet, trained: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = alexnet("serve", "--weights", str(trained), "--port", taken.getsockname()[1])
    assert answer.code == 2
    assert "cannot listen on 127.0.0.1 port" in answer.err
    assert "--port" in answer.err
