"""Errors of the gateway itself, in the format of the API's."""

from __future__ import annotations

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}


class Rejection(Exception):
    """A request that the gateway does not forward, or cannot complete.

    Parameters
    ----------
    status : int
        The HTTP status, from which the API's name for the kind of error follows.
    message : str
        One line: what happened and what to do next.
    retry_after : int, optional
        Seconds after which to try again; without it, retrying does not help.
    """

    def __init__(self, status: int, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after

    def headers(self) -> dict[str, str]:
        """Tell the client whether and when to retry."""
        if self.retry_after is None:
            return {"x-should-retry": "false"}
        return {"x-should-retry": "true", "retry-after": str(self.retry_after)}

    def body(self) -> dict[str, object]:
        """Return the JSON body; its error code tells our client that the message says all there is to do."""
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "api_error")
        error = {"type": kind, "message": self.message, "details": {"error_code": "gateway"}}
        return {"type": "error", "error": error}
