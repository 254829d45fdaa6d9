"""What the gateway says when it passes nothing on: an error in the API's own shape."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """A request that is not passed on.

    Parameters
    ----------
    status : int
    type : str
        The API's word for this kind of error.
    message : str
        One line that says what happened and what to do.
    retry_after : int, optional
        Seconds after which another try makes sense; without them none does.
    """

    def __init__(self, status: int, type: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.message = message
        self.retry_after = retry_after

    def headers(self) -> dict[str, str]:
        """Whether to try again, and when."""
        if self.retry_after is None:
            return {"x-should-retry": "false"}
        return {"x-should-retry": "true", "retry-after": str(self.retry_after)}

    def body(self) -> dict[str, Any]:
        """What the API would write; the code tells our client that the message says all there is to do."""
        error = {"type": self.type, "message": self.message, "details": {"error_code": "gateway"}}
        return {"type": "error", "error": error}
