"""Downloads, from a real server in a thread: whole, slow, broken off, of other bytes, or led astray."""

import fcntl
import hashlib
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from alexnet.errors import DownloadFailed, UnreadableWeights, UsageError, WeightsError
from alexnet.weights import Weights
from alexnet.weights.caches import place_of
from alexnet.weights.export import write_weights
from alexnet.weights.fetch import bounds, fetch
from alexnet.weights.registry import FILES, Checksum, KnownFile
from alexnet.weights.transfer import MB, Limits, Watcher
from oracles.file_server import FileServer, Handler, serving

CONTENT = np.random.default_rng(0).bytes(3 * MB)
QUICK = Limits(10 * MB, timeout_s=0.3, pause_s=0.01, attempts=3)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Caches of this test alone."""
    for variable in ("TORCH_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(FileServer(CONTENT)) as told:
        yield told


def known(server: FileServer, content: bytes = CONTENT) -> KnownFile:
    checksum = Checksum("sha256", hashlib.sha256(content).hexdigest())
    return KnownFile("net", "net.npy", "npy", "bvlc", server.url, "https://example.org/net", checksum)


def left(file: KnownFile) -> list[str]:
    """Names of the files in our cache."""
    return sorted(path.name for path in place_of(file).parent.iterdir()) if place_of(file).parent.is_dir() else []


def test_a_file_is_fetched_checked_and_found_the_next_time(server: FileServer) -> None:
    file = known(server)
    sizes, steps = [], []
    watcher = Watcher(lambda *size: sizes.append(size), lambda *step: steps.append(step))
    fetched = fetch(file, watcher, limits=QUICK)
    assert fetched == (place_of(file), True)
    assert fetched.path.read_bytes() == CONTENT
    assert left(file) == ["net.npy"]
    assert sizes == [(len(CONTENT), 0)]
    assert [done for done, _ in steps] == sorted({done for done, _ in steps})
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert fetch(file, limits=QUICK) == (place_of(file), False)
    assert len(server.asked) == 1


def test_what_lies_in_another_cache_is_not_fetched(server: FileServer, root: Path) -> None:
    there = root / "torch/hub/checkpoints/net.npy"
    there.parent.mkdir(parents=True)
    there.write_bytes(CONTENT)
    assert fetch(known(server)) == (there, False)
    assert server.asked == []


def test_a_broken_connection_is_gone_on_with(server: FileServer) -> None:
    server.breaks = [100_000, 1_500_000, 7]
    file = known(server)
    assert fetch(file, limits=QUICK).path.read_bytes() == CONTENT
    assert server.asked == ["", "bytes=100000-", "bytes=1600000-", "bytes=1600007-"]


def test_the_next_call_goes_on_where_one_broke_off(server: FileServer) -> None:
    server.breaks = [100_000, 1, 1]
    file = known(server)
    with pytest.raises(DownloadFailed, match=r"3 times in a row\. 100,002 bytes are kept: the same command goes on"):
        fetch(file, limits=QUICK)
    assert left(file) == ["net.npy.part", "net.npy.part.json"]
    sizes: list[tuple[int | None, int]] = []
    fetch(file, Watcher(lambda *size: sizes.append(size)), limits=QUICK)
    assert sizes == [(len(CONTENT), 100_002)]
    assert server.asked[-1] == "bytes=100002-"
    assert place_of(file).read_bytes() == CONTENT
    assert left(file) == ["net.npy"]


def test_a_server_that_ignores_ranges_sends_all_again(server: FileServer) -> None:
    server.breaks, server.has_ranges = [100_000], False
    assert fetch(known(server), limits=QUICK).path.read_bytes() == CONTENT
    assert server.asked == ["", "bytes=100000-"]


def test_the_rest_of_another_state_of_the_file_is_not_taken(server: FileServer) -> None:
    server.breaks = [100_000, 1, 1]
    file = known(server)
    with pytest.raises(DownloadFailed):
        fetch(file, limits=QUICK)
    server.etag = '"state-2"'
    assert fetch(file, limits=QUICK).path.read_bytes() == CONTENT


def test_without_a_name_for_its_state_a_file_is_fetched_from_the_start(server: FileServer) -> None:
    server.breaks, server.etag = [100_000], ""
    assert fetch(known(server), limits=QUICK).path.read_bytes() == CONTENT
    assert server.asked == ["", ""]


def test_the_rest_from_another_address_is_not_taken(server: FileServer) -> None:
    server.breaks = [100_000, 1, 1]
    with pytest.raises(DownloadFailed):
        fetch(known(server), limits=QUICK)
    with serving(FileServer(CONTENT)) as mirror:
        assert fetch(known(mirror), limits=QUICK).path.read_bytes() == CONTENT
        assert mirror.asked == [""]


def test_a_beginning_that_is_whole_already_is_only_checked(server: FileServer) -> None:
    server.breaks = [100_000, 1, 1]
    file = known(server)
    with pytest.raises(DownloadFailed):
        fetch(file, limits=QUICK)
    (place_of(file).parent / "net.npy.part").write_bytes(CONTENT)
    assert fetch(file, limits=QUICK).path.read_bytes() == CONTENT


def test_a_beginning_longer_than_the_file_is_dropped(server: FileServer) -> None:
    server.breaks = [100_000, 1, 1]
    file = known(server)
    with pytest.raises(DownloadFailed):
        fetch(file, limits=QUICK)
    (place_of(file).parent / "net.npy.part").write_bytes(CONTENT + b"more")
    with pytest.raises(DownloadFailed, match="the server has less than is here"):
        fetch(file, limits=QUICK)
    assert fetch(file, limits=QUICK).path.read_bytes() == CONTENT


def test_another_part_than_was_asked_for_is_not_taken(server: FileServer) -> None:
    server.breaks = [100_000, 10]
    server.headers = {"Content-Range": f"bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}"}
    assert fetch(known(server), limits=QUICK).path.read_bytes() == CONTENT
    assert server.asked == ["", "bytes=100000-", ""]


def test_other_bytes_are_removed_and_both_checksums_said(server: FileServer) -> None:
    server.content = CONTENT[:-1] + b"!"
    file = known(server)
    with pytest.raises(DownloadFailed, match=r"its sha256 is ([0-9a-f]{64}), not") as caught:
        fetch(file, limits=QUICK)
    assert hashlib.sha256(server.content).hexdigest() in str(caught.value)
    assert f"put it at {place_of(file)}, and run `alexnet weights get net`, which checks it" in str(caught.value)
    assert left(file) == []


@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=utf-8"])
def test_a_web_page_is_refused_before_it_comes(server: FileServer, kind: str) -> None:
    server.content, server.kind = b"<!DOCTYPE html><p>Moved", kind
    file = known(server)
    with pytest.raises(DownloadFailed, match="sends a web page in place of the file"):
        fetch(file, limits=QUICK)
    assert left(file) == []


def test_a_web_page_that_calls_itself_a_file_is_seen_by_its_bytes(server: FileServer) -> None:
    server.content = b"<!DOCTYPE html><p>Moved"
    with pytest.raises(DownloadFailed, match="it looks like a web page"):
        fetch(known(server), limits=QUICK)


@pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 500, 503])
def test_a_refusal_is_said_with_its_number(server: FileServer, status: int) -> None:
    server.status = status
    file = known(server)
    with pytest.raises(DownloadFailed, match=rf"127\.0\.0\.1:\d+ answers {status} .* To bring it from another machine"):
        fetch(file, limits=QUICK)
    assert left(file) == []
    assert len(server.asked) == 1


def test_nobody_at_home_is_said_with_where_to_put_the_file() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        file = known(FileServer(url=f"http://127.0.0.1:{taken.getsockname()[1]}/net.npy"))
        with pytest.raises(DownloadFailed, match=r"no answer \(.*refused.*\)\. To bring it from another machine: get"):
            fetch(file, limits=QUICK)
    assert left(file) == []


def test_a_server_that_falls_silent_is_left_after_a_while(server: FileServer) -> None:
    server.pause_s, server.piece = 5.0, 1000
    started = time.monotonic()
    with pytest.raises(DownloadFailed, match="timed out"):
        fetch(known(server), limits=replace(QUICK, attempts=1))
    assert time.monotonic() - started < 3


def test_a_server_that_never_answers_is_left_after_a_while() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        file = known(FileServer(url=f"http://127.0.0.1:{silent.getsockname()[1]}/net.npy"))
        with pytest.raises(DownloadFailed, match="no answer"):
            fetch(file, limits=QUICK)


def test_a_server_that_drips_is_left_though_it_never_falls_silent(server: FileServer) -> None:
    server.pause_s, server.piece = 0.05, 10
    with pytest.raises(DownloadFailed, match="bytes a second, 1 times in a row"):
        fetch(known(server), limits=replace(QUICK, window_s=0.3, attempts=1))


def test_a_slow_server_is_waited_for(server: FileServer) -> None:
    server.pause_s, server.piece = 0.02, 100_000
    assert fetch(known(server), limits=replace(QUICK, window_s=0.1)).path.read_bytes() == CONTENT


def test_a_file_in_chunks_of_unknown_size_is_fetched(server: FileServer) -> None:
    server.has_length = False
    sizes: list[tuple[int | None, int]] = []
    fetch(known(server), Watcher(lambda *size: sizes.append(size)), limits=QUICK)
    assert sizes == [(None, 0)]


def test_a_file_in_chunks_that_ends_early_is_no_file(server: FileServer) -> None:
    server.has_length, server.breaks = False, [100_000, 200_000]
    assert fetch(known(server), limits=QUICK).path.read_bytes() == CONTENT


@pytest.mark.parametrize("has_length", [True, False])
def test_more_than_a_file_can_have_is_refused(server: FileServer, has_length: bool) -> None:
    server.has_length = has_length
    with pytest.raises(DownloadFailed, match=r"sends .* the file has at most|more than the 1,000,000 bytes"):
        fetch(known(server), limits=replace(QUICK, max_bytes=MB))


def test_a_known_size_is_the_only_one(server: FileServer) -> None:
    file = replace(known(server), size_bytes=len(CONTENT) + 1)
    with pytest.raises(DownloadFailed, match=r"sends 3,000,000 bytes, and the file has 3,000,001"):
        fetch(file)
    assert left(file) == []


def test_bounds_come_from_what_is_known() -> None:
    assert bounds(FILES["torchvision"]) == Limits(244_408_911, 244_408_911)
    assert bounds(FILES["bvlc"]) == Limits(12 * 60_965_224)
    assert bounds(FILES["decaf"]) == Limits(2000 * MB)


def test_a_file_larger_than_the_disk_is_refused_before_it_comes(server: FileServer, root: Path) -> None:
    size = 10**15
    assert shutil.disk_usage(root).free < size
    server.headers = {"Content-Length": str(size)}
    with pytest.raises(DownloadFailed, match=r"1,000,000,000,000,000 bytes do not fit on the disk of .*ALEXNET_HOME="):
        fetch(replace(known(server), size_bytes=size))


@pytest.mark.parametrize("length", ["abc", "9" * 5000, "+3000000"])
def test_a_length_that_is_no_number_is_no_bug(server: FileServer, length: str) -> None:
    server.headers = {"Content-Length": length}
    assert fetch(known(server), limits=replace(QUICK, timeout_s=2)).path.read_bytes() == CONTENT


def test_packed_content_is_refused(server: FileServer) -> None:
    server.headers = {"Content-Encoding": "gzip"}
    with pytest.raises(DownloadFailed, match=r"sends the file packed \(gzip\)"):
        fetch(known(server), limits=QUICK)


def test_a_packed_file_that_the_server_calls_an_encoding_is_taken_as_it_is(server: FileServer) -> None:
    server.headers = {"Content-Encoding": "x-gzip"}
    assert fetch(replace(known(server), file="net.tar.gz"), limits=QUICK).path.read_bytes() == CONTENT


def test_a_web_page_in_between_does_not_spoil_what_is_here(server: FileServer) -> None:
    server.breaks = [100_000]
    file = known(server)
    with pytest.raises(DownloadFailed):
        fetch(file, limits=replace(QUICK, attempts=1))
    server.kind, server.etag = "text/html", '"a portal"'
    with pytest.raises(DownloadFailed, match="web page"):
        fetch(file, limits=QUICK)
    server.kind, server.etag = "application/octet-stream", '"state-1"'
    fetch(file, limits=QUICK)
    assert server.asked[-1] == "bytes=100000-"


def test_a_redirect_within_the_scheme_is_followed(server: FileServer) -> None:
    with serving(FileServer(location=server.url)) as first:
        assert fetch(replace(known(server), url=first.url), limits=QUICK).path.read_bytes() == CONTENT


def test_a_redirect_within_the_server_is_followed(server: FileServer) -> None:
    with serving(FileServer(location="/elsewhere/net.npy")) as first:
        with pytest.raises(DownloadFailed, match="answers 302"):  # the server leads on to itself for ever
            fetch(replace(known(server), url=first.url), limits=QUICK)
        assert len(first.asked) > 1


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/net.npy", "data:,x", "gopher://x/"])
def test_a_redirect_to_another_scheme_is_refused(server: FileServer, target: str) -> None:
    server.location = target
    with pytest.raises(DownloadFailed, match=rf"leads on from http to {target}, which is refused"):
        fetch(known(server), limits=QUICK)


def test_a_redirect_in_a_circle_ends(server: FileServer) -> None:
    server.location = server.url
    with pytest.raises(DownloadFailed, match="answers 302"):
        fetch(known(server), limits=QUICK)
    assert len(server.asked) < 20


def test_addresses_of_other_schemes_are_refused(server: FileServer, root: Path) -> None:
    (root / "secret").write_bytes(CONTENT)
    for url in (f"file://{root / 'secret'}", "ftp://127.0.0.1/net.npy", "net.npy"):
        with pytest.raises(UsageError, match="no address that is fetched from"):
            fetch(replace(known(server), url=url))


def test_another_process_that_fetches_the_same_file_is_not_disturbed(server: FileServer) -> None:
    file = known(server)
    place_of(file).parent.mkdir(parents=True)
    with (place_of(file).parent / "net.npy.part.json").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DownloadFailed, match="is being filled by another process"):
            fetch(file)
    assert server.asked == []


def test_a_process_killed_while_it_fetches_leaves_what_it_had(server: FileServer) -> None:
    server.pause_s, server.piece = 0.05, 100_000
    file = known(server)
    part = place_of(file).parent / "net.npy.part"
    values = (file.name, file.file, file.format, file.lineage, file.url, file.page)
    script = f"""
from alexnet.weights.fetch import fetch
from alexnet.weights.registry import Checksum, KnownFile
fetch(KnownFile(*{values!r}, Checksum("sha256", {hashlib.sha256(CONTENT).hexdigest()!r})))
"""
    process = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (part.exists() and part.stat().st_size > 500_000):
        time.sleep(0.02)
    process.kill()
    process.wait()
    had = part.stat().st_size
    assert 500_000 < had < len(CONTENT)
    server.pause_s = 0.0
    assert fetch(file, limits=QUICK).path.read_bytes() == CONTENT
    assert server.asked[-1] == f"bytes={had}-"
    assert left(file) == ["net.npy"]


def test_a_disk_that_fills_up_is_said_and_what_came_is_kept(server: FileServer) -> None:
    file = known(server)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MB, before[1]))
    try:
        with pytest.raises(WeightsError, match=r"net\.npy\.part cannot be written: File too large"):
            fetch(file, limits=QUICK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert fetch(file, limits=QUICK).path.read_bytes() == CONTENT
    assert server.asked[-1].startswith("bytes=")


def test_a_file_that_only_a_person_can_fetch_says_where() -> None:
    with pytest.raises(DownloadFailed, match=r"only be fetched by a person\. .* get it from http.*placesCNN_upgraded"):
        fetch(FILES["places205"])


def test_a_wrong_file_put_there_by_hand_is_refused(server: FileServer) -> None:
    file = known(server)
    place_of(file).parent.mkdir(parents=True)
    place_of(file).write_bytes(b"another")
    with pytest.raises(UnreadableWeights, match="is not the published"):
        fetch(file)
    assert server.asked == []


def unchecked(server: FileServer, weights: Weights, folder: Path) -> KnownFile:
    """A file with no published checksum, served as the weights that it says to be."""
    write_weights(weights, folder / "net.pth")
    server.content = (folder / "net.pth").read_bytes()
    return replace(known(server), file="net.pth", format="pth", lineage="tiny", checksum=None)


def test_without_a_checksum_the_file_is_read_through(server: FileServer, weights: Weights, root: Path) -> None:
    file = unchecked(server, weights, root)
    notices: list[str] = []
    assert fetch(file, limits=QUICK, notice=notices.append).is_new
    assert len(notices) == 1
    assert "no whole checksum of net.pth is published, and it comes unencrypted" in notices[0]
    assert not fetch(file, notice=notices.append).is_new


def test_without_a_checksum_another_network_is_refused(server: FileServer, weights: Weights, root: Path) -> None:
    file = replace(unchecked(server, weights, root), lineage="bvlc")
    with pytest.raises(DownloadFailed, match=r"is not net\.pth: .* not of lineage bvlc"):
        fetch(file, limits=QUICK)
    assert left(file) == []


def test_the_beginning_of_a_checksum_is_compared_and_the_file_read(
    server: FileServer, weights: Weights, root: Path
) -> None:
    file = unchecked(server, weights, root)
    digest = hashlib.sha256(server.content).hexdigest()
    assert fetch(replace(file, checksum=Checksum("sha256", digest[:8])), limits=QUICK).is_new
    place_of(file).unlink()
    with pytest.raises(DownloadFailed, match="its sha256 is"):
        fetch(replace(file, checksum=Checksum("sha256", "01234567")), limits=QUICK)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
def test_https_is_checked_and_does_not_lead_to_http(
    server: FileServer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = root / "key.pem", root / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    told = FileServer(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Told", (Handler,), {"told": told})) as secure:
        secure.handle_error = lambda *_: None  # type: ignore[method-assign]
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        thread = threading.Thread(target=secure.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"https://127.0.0.1:{secure.server_address[1]}/net.npy"
        try:
            with pytest.raises(DownloadFailed, match="certificate verify failed"):
                fetch(replace(known(server), url=url), limits=QUICK)
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            told.location = server.url
            with pytest.raises(DownloadFailed, match=r"leads on from https to http://127.*, which is refused"):
                fetch(replace(known(server), url=url), limits=QUICK)
            told.location, server.location = "", url
            assert fetch(known(server), limits=QUICK).path.read_bytes() == CONTENT  # http to https is safe
        finally:
            secure.shutdown()
            thread.join()
