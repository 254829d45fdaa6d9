"""What the simulator keeps of a request: everything but credentials."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from tornado.httputil import HTTPServerRequest

_SECRET = ("x-api-key", "api-key", "authorization", "proxy-authorization", "cookie")


@dataclasses.dataclass(frozen=True)
class Recorded:
    """A request as it arrived.

    Attributes
    ----------
    method, path : str
        The path without the query.
    headers : dict
        Names in lower case; values of credentials are ``***``.
    body : dict or None
        The JSON object, if it was one.
    raw : bytes
    credential : str or None
        ``x-api-key`` or ``bearer``: which kind was sent. The API looks at the first if both were.
    query : str
    """

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any] | None
    raw: bytes
    credential: str | None
    query: str = ""


def record(request: HTTPServerRequest) -> Recorded:
    """Keep a request."""
    headers = {name.lower(): value for name, value in request.headers.get_all()}
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    bearer = headers.get("authorization", "").lower().startswith("bearer ")
    return Recorded(
        method=request.method or "",
        path=request.path,
        headers={name: "***" if name in _SECRET else value for name, value in headers.items()},
        body=body if isinstance(body, dict) else None,
        raw=request.body,
        credential="x-api-key" if headers.get("x-api-key") else "bearer" if bearer else None,
        query=request.query,
    )
