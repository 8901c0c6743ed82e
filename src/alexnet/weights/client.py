"""A client of http and https that keeps to them, wherever a server leads it."""

import ssl
from typing import Any
from urllib import request
from urllib.parse import urljoin, urlsplit

from alexnet.errors import DownloadFailed


class Redirects(request.HTTPRedirectHandler):
    """Follows a redirect within its scheme, or from http to https."""

    def http_error_302(self, req: request.Request, fp: Any, code: int, msg: str, headers: Any) -> Any:
        target = urljoin(req.full_url, headers.get("Location", ""))
        before, after = urlsplit(req.full_url).scheme, urlsplit(target).scheme
        if after != before and (before, after) != ("http", "https"):
            fp.close()
            raise DownloadFailed(f"{host(req.full_url)} leads on from {before} to {target[:200]}, which is refused.")
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def client() -> request.OpenerDirector:
    """What opens addresses; proxies are taken from the environment, certificates are checked."""
    opener = request.OpenerDirector()
    tls = request.HTTPSHandler(context=ssl.create_default_context())
    kinds = (request.HTTPHandler, request.HTTPDefaultErrorHandler, request.HTTPErrorProcessor, Redirects)
    for handler in (request.ProxyHandler(), tls, *(kind() for kind in kinds)):
        opener.add_handler(handler)
    return opener


def host(url: str) -> str:
    """The server of an address, as messages name it."""
    return urlsplit(url).netloc
