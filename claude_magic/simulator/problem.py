"""A refused request: its HTTP status, the error's type, and the body that says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""The ``error.type`` that goes with each HTTP status."""

TEXTS = {
    400: "The request is invalid.",
    401: "invalid x-api-key",
    402: "The credit balance is too low.",
    403: "This key may not use the resource.",
    404: "Not found.",
    408: "The request body did not arrive in time.",
    409: "The resource is being changed by another request.",
    413: "Request exceeds the maximum size",
    429: "This request would exceed the rate limit.",
    500: "Internal server error",
    503: "Service unavailable",
    504: "The request took too long.",
    529: "Overloaded",
}


class Problem(Exception):
    """A request that is answered with an error.

    Parameters
    ----------
    status : int
        HTTP status.
    message : str, optional
        For people; no stable contract.
    kind : str, optional
        ``error.type``; by default the one that belongs to the status.
    details : mapping, optional
        ``error.details``, for instance ``{"error_code": "image_dimensions_too_large"}``.
    """

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        kind: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self.status = status
        self.message = message or TEXTS.get(status, "The request failed.")
        self.kind = kind or TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
        self.details = details
        super().__init__(self.message)

    def error(self) -> dict[str, Any]:
        """The inner object, as it stands in a body and in an ``error`` event."""
        error: dict[str, Any] = {"type": self.kind, "message": self.message}
        if self.details is not None:
            error["details"] = dict(self.details)
        return error

    def body(self, request_id: str) -> dict[str, Any]:
        """The whole error body."""
        return {"type": "error", "error": self.error(), "request_id": request_id}


def invalid(message: str, **details: Any) -> Problem:
    """A 400 with this text."""
    return Problem(400, message, details=details or None)
