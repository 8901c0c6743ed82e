"""A small Hugging Face hub on this machine: repositories of files, in as many states as they have revisions."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

Files = dict[str, bytes]


@dataclass
class Hub:
    """Repositories by "owner/name", their states by revision.

    Attributes:
        asked: the method and path of every request.
        gone: answers nothing but 503.
    """

    repositories: dict[str, dict[str, Files]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    gone: bool = False
    url: str = ""


def commit_of(files: Files) -> str:
    """A name of 40 digits for a state."""
    return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """The two kinds of question that a download asks: for a file, and for the list of files."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        self._respond()

    def do_HEAD(self) -> None:
        self._respond()

    def _respond(self) -> None:
        self.hub.asked.append(f"{self.command} {self.path}")
        words = [unquote(word) for word in self.path.partition("?")[0].strip("/").split("/")]
        if self.hub.gone:
            self._answer(503, b"")
        elif words == [""]:
            self._answer(200, b"a hub")
        elif words[:2] == ["api", "models"]:
            self._list("/".join(words[2:4]), words[5] if len(words) > 5 else "main", is_tree=words[4:5] == ["tree"])
        else:
            self._file("/".join(words[:2]), words[3], "/".join(words[4:]))

    def _state(self, repository: str, revision: str) -> Files | None:
        states = self.hub.repositories.get(repository)
        if states is None:
            self._answer(401, b"", {"X-Error-Code": "RepoNotFound"})
            return None
        found = {**states, **{commit_of(files): files for files in states.values()}}.get(revision)
        if found is None:
            self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        return found

    def _list(self, repository: str, revision: str, is_tree: bool) -> None:
        files = self._state(repository, revision)
        if files is None:
            return
        tree = [{"type": "file", "path": name, "size": len(files[name]), "oid": "0" * 40} for name in files]
        about = {"id": repository, "sha": commit_of(files), "siblings": [{"rfilename": name} for name in files]}
        self._answer(200, json.dumps(tree if is_tree else about).encode(), {"Content-Type": "application/json"})

    def _file(self, repository: str, revision: str, name: str) -> None:
        files = self._state(repository, revision)
        if files is None:
            return
        commit = {"X-Repo-Commit": commit_of(files)}
        if name not in files:
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound", **commit})
        else:
            self._answer(200, files[name], {"ETag": f'"{hashlib.sha256(files[name]).hexdigest()}"', **commit})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def hub_of(repositories: dict[str, dict[str, Files]]) -> Iterator[Hub]:
    """A hub that holds these until the block ends."""
    hub = Hub(repositories)
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Told", (Handler,), {"hub": hub})) as server:
        server.daemon_threads = True
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
