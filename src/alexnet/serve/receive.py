"""The pictures of a request, read within bounds of size and time."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import PureWindowsPath

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from alexnet.serve.admission import Admission, Body
from alexnet.serve.limits import Limits

BODY = {  # for the API's description
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                }
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
CLOSE = {"Connection": "close"}  # what the client still sends is not read


@contextmanager
def arriving(request: Request, admission: Admission) -> Iterator[Body]:
    """Count the body of a request as long as the block lasts; `pictures` reads it.

    Raises:
        HTTPException: 413, or 503, where the client says its length and that is too much.
    """
    length = _announced(request)
    _require(length or 0, admission.limits.body_bytes)
    with admission.body(length or 0) as body:
        yield body


async def pictures(request: Request, held: Body) -> list[tuple[str, bytes]]:
    """Names and bytes of the pictures of a request: multipart fields `file`, or the body as a picture.

    Raises:
        HTTPException: 400 no picture, 408 too slow, 413 too large, 503 more than can be held now.
    """
    body = await _body(request, held)
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        found = [("picture 0", body)] if body else []
    else:
        found = await _files(request, body, held.limits)
    if not found:
        raise HTTPException(400, "No picture: send the multipart field `file`, or a picture as the body.")
    return found


async def picture(request: Request, held: Body) -> tuple[str, bytes]:
    """Name and bytes of the one picture of a request."""
    found, *more = await pictures(request, held)
    if more:
        raise HTTPException(400, f"{1 + len(more)} pictures: one is looked into at a time.")
    return found


def _announced(request: Request) -> int | None:
    """The length of the body, where the client says it."""
    said = request.headers.get("content-length", "")
    return int(said) if said.isdigit() else None


def _require(length: int, limit: int, how: str = "") -> None:
    if length > limit:
        raise HTTPException(413, f"A request{how} may have {limit} bytes. Make the pictures smaller.", CLOSE)


async def _body(request: Request, held: Body) -> bytes:
    body, limits = bytearray(), held.limits
    limit, how = limits.body_bytes, ""
    if _announced(request) is None:
        limit, how = min(limit, limits.unannounced_bytes), " without Content-Length"
    try:
        async with asyncio.timeout(limits.receive_s):
            async for chunk in request.stream():
                _require(len(body) + len(chunk), limit, how)
                held.grow(len(chunk))
                body += chunk
    except TimeoutError:
        raise HTTPException(408, f"The pictures did not arrive within {limits.receive_s:g} s.", CLOSE) from None
    return bytes(body)


class _InMemory(MultiPartParser):
    """A parser that puts no picture on a disk, however large it is."""

    spool_max_size = sys.maxsize


async def _files(request: Request, body: bytes, limits: Limits) -> list[tuple[str, bytes]]:
    async def whole() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await _InMemory(request.headers, whole(), max_files=limits.pictures, max_fields=8).parse()
    except MultiPartException as error:
        raise HTTPException(400, error.message) from None
    files = [each for each in form.getlist("file") if isinstance(each, UploadFile)]
    found = [(_name(each.filename, position), each.file.read()) for position, each in enumerate(files)]
    await form.close()
    return found


def _name(filename: str | None, position: int) -> str:
    """The last part of what a client calls its file: folders of strangers are not repeated."""
    return PureWindowsPath(filename or "").name or f"picture {position}"
