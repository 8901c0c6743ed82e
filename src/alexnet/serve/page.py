"""The page: static files of the package, which ask nobody but this server."""

from pathlib import Path

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import FileResponse

from alexnet.weights.load import ASSETS

STATIC = Path(__file__).parent / "static"
EXAMPLES = ("chelsea.jpg", "coffee.jpg", "rocket.jpg")
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
}
HEADERS = {
    "Content-Security-Policy": "; ".join((
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
        "img-src 'self' data: blob:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    )),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}  # fmt: skip


def page_routes() -> APIRouter:
    """The page at /, and what it is made of at /static."""
    router = APIRouter(include_in_schema=False)
    files = {file.name: file for file in STATIC.iterdir() if file.suffix in KINDS}
    files |= {name: ASSETS / "photos" / name for name in EXAMPLES}

    @router.api_route("/", methods=["GET", "HEAD"])
    def page() -> Response:
        return _answer(files["index.html"])

    @router.api_route("/static/{name}", methods=["GET", "HEAD"])
    def static(name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "There is no such file.")
        return _answer(files[name])

    return router


def _answer(file: Path) -> Response:
    return FileResponse(file, media_type=KINDS[file.suffix], headers=HEADERS)
