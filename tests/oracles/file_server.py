"""A real HTTP server on this machine that sends one file well or badly, as it is told."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """What the server does, and what it was asked.

    Attributes:
        content: the file.
        breaks: after how many bytes the first answers end, one each; later ones are whole.
        has_ranges: whether it knows `Range`.
        etag: what it calls the state of the file; "" for nothing.
        status: of every answer, if not 200 or 206.
        location: where it leads on to.
        kind: the type that it says.
        headers: more of them; they win over its own.
        has_length: False sends the file in chunks, of a size that nobody is told.
        pause_s: between pieces of `piece` bytes.
        asked: the `Range` of every request, "" where there was none.
    """

    content: bytes = b""
    breaks: list[int] = field(default_factory=list)
    has_ranges: bool = True
    etag: str = '"state-1"'
    status: int = 0
    location: str = ""
    kind: str = "application/octet-stream"
    headers: dict[str, str] = field(default_factory=dict)
    has_length: bool = True
    pause_s: float = 0.0
    piece: int = 1 << 16
    asked: list[str] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    """Answers as `told` says."""

    protocol_version = "HTTP/1.1"
    told: FileServer

    def do_GET(self) -> None:
        told = self.told
        told.asked.append(self.headers.get("Range", ""))
        if told.location:
            self._answer(told.status or 302, {"Location": told.location, "Content-Length": "0"})
        elif told.status:
            self._answer(told.status, {"Content-Length": "0"})
        else:
            self._send(self._start())
        self.close_connection = True

    def _start(self) -> int:
        """The first byte that is asked for, when that is understood and of the same state."""
        wanted, told = self.headers.get("Range", ""), self.told
        if not wanted or not told.has_ranges or self.headers.get("If-Range") != told.etag:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def _send(self, start: int) -> None:
        told, size = self.told, len(self.told.content)
        if start and start >= size:
            self._answer(416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"})
            return
        headers = {"Content-Type": told.kind}
        headers |= {"ETag": told.etag} if told.etag else {}
        headers |= {"Content-Range": f"bytes {start}-{size - 1}/{size}"} if start else {}
        headers |= {"Content-Length": str(size - start)} if told.has_length else {"Transfer-Encoding": "chunked"}
        self._answer(206 if start else 200, headers | told.headers)
        end = start + told.breaks.pop(0) if told.breaks else size
        for at in range(start, min(end, size), told.piece):
            piece = told.content[at : min(at + told.piece, end)]
            self.wfile.write(piece if told.has_length else f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            time.sleep(told.pause_s)
        if end >= size and not told.has_length:
            self.wfile.write(b"0\r\n\r\n")

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Does not mind when a client goes away."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def serving(told: FileServer, name: str = "net.npy") -> Iterator[FileServer]:
    """Serve until the block ends; `told.url` is the file's address."""
    handler = type("Told", (Handler,), {"told": told})
    with Server(("127.0.0.1", 0), handler) as server:
        told.url = f"http://127.0.0.1:{server.server_address[1]}/{name}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()
