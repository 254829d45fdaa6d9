"""Error responses of the API: status, error type and body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NotRequired, TypedDict

STATUSES = {
    400: ("invalid_request_error", "The request is invalid."),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "The credit balance is too low."),
    403: ("permission_error", "This key may not use the resource."),
    404: ("not_found_error", "Not found."),
    408: ("timeout_error", "The request body did not arrive in time."),
    409: ("conflict_error", "The resource is being changed by another request."),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed the rate limit."),
    500: ("api_error", "Internal server error"),
    503: ("api_error", "Service unavailable"),
    504: ("timeout_error", "The request took too long."),
    529: ("overloaded_error", "Overloaded"),
}
"""Each HTTP status with the ``error.type`` that belongs to it and a default message."""


class ErrorObject(TypedDict):
    """The inner ``error`` object, the same in a response body and in an ``error`` event."""

    type: str
    message: str
    details: NotRequired[dict[str, object]]


class ErrorResponse(Exception):
    """Raised to answer a request with an error.

    Parameters
    ----------
    status : int
        HTTP status.
    message : str, optional
        For people to read; clients must not depend on its wording.
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
        details: Mapping[str, object] | None = None,
    ) -> None:
        self.status = status
        unlisted = ("invalid_request_error" if status < 500 else "api_error", "The request failed.")
        usual_kind, usual_message = STATUSES.get(status, unlisted)
        self.message = message or usual_message
        self.kind = kind or usual_kind
        self.details = details
        super().__init__(self.message)

    def error(self) -> ErrorObject:
        """The inner ``error`` object."""
        error: ErrorObject = {"type": self.kind, "message": self.message}
        if self.details is not None:
            error["details"] = dict(self.details)
        return error

    def body(self, request_id: str) -> dict[str, object]:
        """The whole response body."""
        return {"type": "error", "error": self.error(), "request_id": request_id}


def bad_request(message: str, **details: object) -> ErrorResponse:
    """A 400 ``invalid_request_error`` with this message and, if given, ``error.details``."""
    return ErrorResponse(400, message, details=details or None)
