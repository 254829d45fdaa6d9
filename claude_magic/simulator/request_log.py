"""Record requests, without their credentials."""

from __future__ import annotations

import dataclasses
import json

from tornado.httputil import HTTPServerRequest

from .message_request import JSON

_SECRET = ("x-api-key", "api-key", "authorization", "proxy-authorization", "cookie")


@dataclasses.dataclass(frozen=True)
class Recorded:
    """A request that the simulator received, in :attr:`Simulator.requests`.

    Attributes
    ----------
    method, path : str
        The path is without the query.
    headers : dict
        Names are in lower case; credentials are replaced by ``***``.
    body : dict or None
        The JSON body; None if it is not a JSON object.
    raw : bytes
        The body as received.
    credential : str or None
        The kind of credential sent, ``x-api-key`` or ``bearer``. If both were sent, it is the
        former, as the API uses that one.
    query : str
        The query string, without the question mark.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: JSON | None
    raw: bytes
    credential: str | None
    query: str = ""


def record(request: HTTPServerRequest) -> Recorded:
    """Record a request."""
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
