"""One file over HTTP into a file beside its place: resumed, bounded, timed, and by no other protocol.

The standard library's client and not pooch: that starts at the first byte again after every break, follows a redirect
to whatever scheme, and neither asks for the size first nor bounds it.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from alexnet.errors import DownloadFailed, UsageError
from alexnet.weights.client import client, host

CHUNK = 1 << 18  # bytes
MB = 1_000_000
ENOUGH = MB  # bytes of one connection that show that a server means to serve
KEPT_FREE = 64 * MB  # bytes of the disk that are left to others


@dataclass(frozen=True)
class Limits:
    """What a transfer may take.

    Attributes:
        max_bytes: refused when there is more.
        exact_bytes: refused when there is another number; None where nobody knows it.
        timeout_s: longest wait for the next bytes.
        least_rate: bytes per second, over `window_s`; slower is a stall.
        attempts: connections in a row that bring less than a megabyte.
        pause_s: before the second of these, and longer before the next ones.
    """

    max_bytes: int
    exact_bytes: int | None = None
    timeout_s: float = 30.0
    least_rate: float = 1000.0
    window_s: float = 60.0
    attempts: int = 5
    pause_s: float = 1.0


@dataclass
class Watcher:
    """Who is told of a transfer: once of its size before anything comes, and of (done, total) bytes while it does."""

    begin: Callable[[int | None, int], None] = lambda total, done: None
    progress: Callable[[int, int | None], None] = lambda done, total: None


class _Broken(Exception):
    """The connection ended, stalled or made no sense; another may go on."""


def transfer(url: str, part: Path, limits: Limits, watcher: Watcher) -> None:
    """Fill `part` with what is at `url`; of what an earlier transfer left there only the rest is fetched.

    Raises:
        UsageError: an address of another scheme.
        DownloadFailed: nobody answers, or with something else than a file; it breaks off again and again (what came
            stays for the next time), is too large, or does not fit on the disk.
    """
    if urlsplit(url).scheme not in ("https", "http"):
        raise UsageError(f"{url} is no address that is fetched from. Expected https://... or http://...")
    with part.open("ab") as file:
        attempts, told = 0, False
        while True:
            before = file.seek(0, os.SEEK_END)
            try:
                with _answer(url, part, file, limits) as response:
                    if response is None:
                        return
                    total = _accept(response, file, part, limits)
                    _remember(part, url, response.headers)
                    if not told:
                        watcher.begin(total, file.tell())
                    told = True
                    _receive(response, file, total, limits, watcher)
                file.flush()
                os.fsync(file.fileno())
                return
            except _Broken as error:
                if not told:
                    raise DownloadFailed(f"{host(url)}: {error}.") from error
                attempts = 0 if file.tell() - before >= ENOUGH else attempts + 1
                if attempts >= limits.attempts:
                    raise DownloadFailed(
                        f"{host(url)}: {error}, {attempts} times in a row. {file.tell():,} bytes are kept: "
                        "the same command goes on from there."
                    ) from error
                time.sleep(limits.pause_s * attempts)


@contextmanager
def alone(part: Path) -> Iterator[None]:
    """Hold what is written beside `part`, so that no other process fills the same file; nothing empty is left behind.

    Raises:
        DownloadFailed: another process holds it.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    with beside(part).open("ab") as held:
        try:
            import fcntl

            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # Windows
            pass
        except OSError:
            raise DownloadFailed(f"{part} is being filled by another process. Wait until that is done.") from None
        try:
            yield
        finally:
            if not part.exists() or not part.stat().st_size:
                part.unlink(missing_ok=True)
                beside(part).unlink(missing_ok=True)


@contextmanager
def _answer(url: str, part: Path, file: BinaryIO, limits: Limits) -> Iterator[HTTPResponse | None]:
    """What the server answers to a request for what is not here yet; None where nothing is left to come."""
    here = file.tell()
    headers = {"User-Agent": "alexnet", "Accept-Encoding": "identity"}
    validator = _validator(part, url)
    if here and validator:
        headers |= {"Range": f"bytes={here}-", "If-Range": validator}
    try:
        response = client().open(request.Request(url, headers=headers), timeout=limits.timeout_s)
    except HTTPError as error:
        with error:
            if error.code != 416 or not here:
                raise DownloadFailed(f"{host(url)} answers {error.code} {error.reason} to {url}.") from error
            if _number(error.headers.get("Content-Range", "").rpartition("/")[2]) != here:
                file.truncate(0)
                raise _Broken("the server has less than is here") from error
        yield None
        return
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise _Broken(f"no answer ({str(reason) or type(reason).__name__})") from error
    with response:
        yield response


def _accept(response: HTTPResponse, file: BinaryIO, part: Path, limits: Limits) -> int | None:
    """The size of the whole file, where the server says it; `file` stands where the answer goes on.

    Raises:
        DownloadFailed: what comes is no file, or not this one, or too large.
    """
    where = host(response.url)
    kind = response.headers.get_content_type()
    if kind == "text/html":
        raise DownloadFailed(f"{where} sends a web page in place of the file.")
    coding = response.headers.get("Content-Encoding", "identity")
    # A server that knows .gz by its name calls the file itself an encoding; it is wanted as it is.
    if coding != "identity" and not (coding in ("gzip", "x-gzip") and part.name.endswith((".gz.part", ".tgz.part"))):
        raise DownloadFailed(f"{where} sends the file packed ({coding}), which was not asked for.")
    total = _number(response.headers.get("Content-Length", ""))
    if response.status == 206:
        total = _rest(response.headers, file)
    else:
        file.truncate(0)
        file.seek(0)
    _check_size(where, total, file.tell(), part, limits)
    return total


def _rest(headers: HTTPMessage, file: BinaryIO) -> int | None:
    """The size of the whole, of an answer that says it is the rest of it."""
    here = file.tell()
    span, _, whole = headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    if span.partition("-")[0] != str(here):
        file.truncate(0)
        raise _Broken(f"the server sends another part than was asked for ({span or 'it does not say which'})")
    return _number(whole)


def _check_size(where: str, total: int | None, here: int, part: Path, limits: Limits) -> None:
    if total is None:
        return
    if limits.exact_bytes is not None and total != limits.exact_bytes:
        raise DownloadFailed(f"{where} sends {total:,} bytes, and the file has {limits.exact_bytes:,}.")
    if total > limits.max_bytes:
        raise DownloadFailed(f"{where} sends {total:,} bytes, and the file has at most {limits.max_bytes:,}.")
    free = shutil.disk_usage(part.parent).free
    if free < total - here + KEPT_FREE:
        raise DownloadFailed(
            f"{total - here:,} bytes do not fit on the disk of {part.parent}, where {free:,} are free. Free some, or "
            "name another folder: ALEXNET_HOME=/a/folder"
        )


def _receive(response: HTTPResponse, file: BinaryIO, total: int | None, limits: Limits, watcher: Watcher) -> None:
    """Append the body to `file`."""
    most = total if total is not None else limits.max_bytes
    started, at_start = time.monotonic(), file.tell()
    while True:
        try:
            chunk = response.read1(CHUNK)
        except (OSError, HTTPException, ValueError) as error:
            raise _Broken(f"the connection broke ({str(error) or type(error).__name__})") from error
        if not chunk:
            break
        file.write(chunk)
        done = file.tell()
        if done > most:
            raise DownloadFailed(f"{host(response.url)} sends more than the {most:,} bytes that the file has at most.")
        watcher.progress(done, total)
        now = time.monotonic()
        if now - started >= limits.window_s:
            if done - at_start < limits.least_rate * (now - started):
                raise _Broken(f"the server sends {(done - at_start) / (now - started):,.0f} bytes a second")
            started, at_start = now, done
    if total is not None and file.tell() < total:
        raise _Broken("the connection ended early")


def beside(part: Path) -> Path:
    """Where it is written which state of which file `part` is the beginning of."""
    return part.with_name(f"{part.name}.json")


def _remember(part: Path, url: str, headers: HTTPMessage) -> None:
    etag = headers.get("ETag", "")
    validator = headers.get("Last-Modified", "") if etag.startswith("W/") or not etag else etag
    beside(part).write_text(json.dumps({"url": url, "validator": validator}), encoding="utf-8")


def _validator(part: Path, url: str) -> str:
    """What the server called the state of the file whose beginning is here; "" where nothing is known."""
    try:
        known = json.loads(beside(part).read_text(encoding="utf-8"))
        return str(known["validator"]) if known["url"] == url else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None
