"""A real server on a free port of this machine, and plain http.client to ask it."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import FastAPI

from alexnet.serve.limits import Limits
from alexnet.serve.server import server


@contextmanager
def running(app: FastAPI, limits: Limits | None = None) -> Iterator[int]:
    """Serve `app` for a while; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        serving = server(app, "127.0.0.1", 0, limits)
        thread = threading.Thread(target=serving.run, args=([door],))
        thread.start()
        try:
            while not serving.started:
                time.sleep(0.01)
            yield door.getsockname()[1]
        finally:
            serving.should_exit = True
            thread.join()


def post(port: int, path: str, body: bytes, **query: Any) -> tuple[int, Any]:
    """Status and JSON of a picture sent as the body."""
    status, _, answer = ask(port, "POST", f"{path}?{urlencode(query, doseq=True, quote_via=quote)}", body)
    return status, json.loads(answer)


def ask(port: int, method: str, path: str, body: bytes = b"", timeout: float = 60) -> tuple[int, Any, bytes]:
    """Status, headers and body of an answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout)
    connection.request(method, path, body)
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read()
    connection.close()
    return found
