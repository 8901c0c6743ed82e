"""`hf://owner/name[@revision][/file]`: weights in a repository of the Hugging Face hub."""

import os
import re
import ssl
import sys
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import unquote

from alexnet.errors import DownloadFailed, MissingExtra, UnreadableWeights, UsageError
from alexnet.weights.caches import hub_cache
from alexnet.weights.checkpoint import Notice
from alexnet.weights.client import client
from alexnet.weights.save import MODEL

HUB = "hf://"
REACH_S = 10.0
ADDRESS = re.compile(r"hf://(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)(?:@(?P<revision>[^/\s]+))?(?:/(?P<file>[^\s]+))?")
# Files that the readers behind `load` take, by their usual suffixes; what one is decides its content.
SUFFIXES = (".safetensors", ".onnx", ".caffemodel", ".npy", ".mat", ".pth", ".pt", ".bin")


class Address(NamedTuple):
    """A repository, the state of it, and the file in it; "" for the one file of weights that it has."""

    repository: str
    revision: str
    file: str


def parse(text: str) -> Address:
    """Read an address as people write it.

    Raises:
        UsageError: it is none.
    """
    found = ADDRESS.fullmatch(text)
    if found is None or ".." in text:
        raise UsageError(f"{text!r} is no address on the hub. Expected hf://OWNER/NAME, hf://OWNER/NAME@REVISION.")
    revision = unquote(found["revision"] or "main")  # refs/pr/1 is written refs%2Fpr%2F1
    return Address(f"{found['owner']}/{found['name']}", revision, found["file"] or "")


def find_on_hub(text: str, notice: Notice) -> Path:
    """Return the file of weights that an address names, fetched where the cache does not have its present state.

    Where the hub cannot be reached, or `huggingface-hub` is missing, what is in the cache is taken.

    Raises:
        UsageError: no such repository, revision or file; or several files of weights and none was named.
        DownloadFailed: the hub cannot be reached, and the cache has no copy.
        MissingExtra: `huggingface-hub` is missing, and the cache has no copy.
    """
    address = parse(text)
    cached = _cached(address)
    try:
        if cached is None or cached.name != (address.file or MODEL).rpartition("/")[2]:
            _reach(address, text)
        return _fetched(address, text)
    except ImportError:
        if cached is None:
            raise MissingExtra("huggingface-hub", "hub") from None
    except DownloadFailed:
        if cached is None:
            raise
        notice(f"the hub cannot be reached; the copy in the cache is taken: {cached.parent.name}")
    assert cached is not None
    return cached


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


def _reach(address: Address, text: str) -> None:
    """Ask once whether the hub can be reached: its own client asks for half a minute before it says no."""
    import huggingface_hub  # noqa: F401, without it nothing can be fetched anyway

    try:
        client().open(request.Request(_endpoint(), method="HEAD"), timeout=REACH_S).close()
    except HTTPError as error:
        error.close()
        if error.code >= 500:
            raise _offline(address, text, f"the hub answers {error.code}") from error
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if not isinstance(reason, ssl.SSLError):  # its client may trust other authorities
            raise _offline(address, text, str(reason)) from error


def _offline(address: Address, text: str, reason: str) -> DownloadFailed:
    return DownloadFailed(
        f"{text} cannot be fetched: {reason.strip().rstrip('.')}. On a machine with a network, download the repository "
        f"(`hf download {address.repository}`), copy its folder here, and name the folder."
    )


def _fetched(address: Address, text: str) -> Path:
    # Read when the package is imported.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from huggingface_hub import HfApi
    from huggingface_hub import errors as hub

    api = HfApi(endpoint=_endpoint())

    def download(file: str) -> Path:
        return Path(api.hf_hub_download(address.repository, file, revision=address.revision, cache_dir=hub_cache()))

    try:
        try:
            return download(address.file or MODEL)
        except hub.LocalEntryNotFoundError:
            raise
        except hub.EntryNotFoundError:
            files = api.list_repo_files(address.repository, revision=address.revision)
            return download(_chosen(address, files, text))
    except (hub.RepositoryNotFoundError, hub.RevisionNotFoundError, hub.HFValidationError) as error:
        raise UsageError(
            f"{text}: there is no such repository or revision, or it is not public. Check the spelling; for a private "
            "one, log in with `hf auth login`."
        ) from error
    except (UsageError, UnreadableWeights):
        raise
    except Exception as error:  # no network brings the package to raise one of many
        raise _offline(address, text, (str(error).strip().splitlines() or [type(error).__name__])[0]) from error


def _chosen(address: Address, files: Sequence[str], text: str) -> str:
    """The one file of weights of a repository.

    Raises:
        UsageError: there are several, or not the one that was named.
        UnreadableWeights: there is none.
    """
    found = [file for file in files if file.lower().endswith(SUFFIXES)]
    if address.file:
        raise UsageError(f"{text}: no such file. The repository has {', '.join(found or files) or 'none'}.")
    if len(found) > 1:
        raise UsageError(
            f"{text} has several files of weights. Name one: " + ", ".join(f"{text}/{file}" for file in found)
        )
    if not found:
        raise UnreadableWeights(f"{text} has no file of weights that can be read: none ends in {', '.join(SUFFIXES)}.")
    return found[0]


def _cached(address: Address) -> Path | None:
    """The file of an address in the hub's cache, as an earlier download left it."""
    folder = hub_cache() / f"models--{address.repository.replace('/', '--')}"
    reference = folder / "refs" / address.revision
    commit = reference.read_text(encoding="ascii").strip() if reference.is_file() else address.revision
    snapshot = folder / "snapshots" / commit
    if address.file or (snapshot / MODEL).is_file():
        file = snapshot / (address.file or MODEL)
        return file if file.is_file() else None
    found = [path for path in snapshot.rglob("*") if path.is_file() and path.name.lower().endswith(SUFFIXES)]
    return found[0] if len(found) == 1 else None
