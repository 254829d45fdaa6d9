"""Every error of this package, in one hierarchy.

::

    Explained                       one line: what happened and what to do next
    ├── ClaudeError (Exception)
    │   ├── BadInput (ValueError)   refused here, nothing was sent
    │   │   ├── NoCredentials       no key, no token
    │   │   └── OverBudget          it would cost more than is allowed
    │   ├── ConnectionFailed        no answer, or the connection broke before it began
    │   │   └── TimedOut
    │   ├── APIError                the API refused the request
    │   │   ├── InvalidRequest      400 and other 4xx
    │   │   ├── AuthenticationFailed  401
    │   │   ├── BillingProblem      402
    │   │   ├── PermissionDenied    403
    │   │   ├── NotFound            404
    │   │   ├── RequestTimedOut     408
    │   │   ├── Conflict            409
    │   │   ├── RequestTooLarge     413
    │   │   ├── RateLimited         429
    │   │   ├── ServerError         500 and above
    │   │   ├── ServerTimedOut      504
    │   │   └── Overloaded          529
    │   ├── NotTheMessagesAPI       an answer, but not in the form of this API
    │   ├── AnswerBroken            the connection or stream broke in the middle of an answer
    │   ├── AnswerUnfit             the answer does not match the requested type
    │   ├── Refused                 Claude declined (stop reason ``refusal``)
    │   └── StillAnswering (TimeoutError)  a background answer is not finished in time
    └── Interrupted (KeyboardInterrupt)   stopped by the user

In a notebook an error is shown as its one line; raised from Python code, also with the place in the
user's code; ``%tb`` shows the full traceback.
"""

from __future__ import annotations

import json
import linecache
import sys
import traceback
from types import TracebackType
from typing import TYPE_CHECKING, Any

from claude_magic.messages.shell import running_shell

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGE = __name__.partition(".")[0]


def _full_traceback_wanted() -> bool:
    """Whether IPython's ``%tb`` is rendering the traceback."""
    return any(
        frame.f_code.co_name == "tb" and str(frame.f_globals.get("__name__")).startswith("IPython.core.magics")
        for frame, _ in traceback.walk_stack(sys._getframe(1))
    )


def _user_location(tb: TracebackType | None) -> tuple[str, int, str, str] | None:
    """File, line, function and source of the last frame before this package."""
    location = None
    for frame, line in traceback.walk_tb(tb):
        module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if module == _PACKAGE:
            break
        if module not in ("IPython", "ipykernel"):
            code = frame.f_code
            source = linecache.getline(code.co_filename, line, frame.f_globals).strip()
            location = (_cell_name(code.co_filename), line, code.co_name, source)
    return location


def _cell_name(path: str) -> str:
    """``Cell In[5]`` for a notebook cell, which IPython compiles under an invented path."""
    shell = running_shell()
    name = shell.compile.format_code_name(path) if shell is not None else None
    return " ".join(name) if name else path


class Explained(BaseException):
    """An error shown as one line, with its traceback on request.

    Attributes
    ----------
    from_cell : bool
        Set by a magic: the place in the user's code is the cell itself, so it is not shown.
    reply : Reply or None
        What had arrived, if anything.
    """

    from_cell: bool = False
    reply: Any = None

    @property
    def line(self) -> str:
        """The error in one line."""
        return " ".join([f"{type(self).__name__}: {self}", *getattr(self, "__notes__", [])])

    def _render_traceback_(self) -> list[str]:
        line = self.line
        if _full_traceback_wanted():
            return "".join(traceback.format_exception(type(self), self, self.__traceback__)).splitlines()
        if self.from_cell or (location := _user_location(self.__traceback__)) is None:
            return [line]
        path, number, function, source = location
        return [line, f"  at {path}, line {number}, in {function}", f"    {source}"]


class ClaudeError(Explained, Exception):
    """Base class of all errors of this package except :class:`Interrupted`.

    Raised when a question cannot be asked, or its answer broke off; what had arrived is in ``reply``.
    """


class Interrupted(Explained, KeyboardInterrupt):
    """The user stopped the answer; what had arrived is in ``reply``, and in the conversation.

    It is a :class:`KeyboardInterrupt`, so that ``except Exception`` does not swallow it.
    """


class BadInput(ClaudeError, ValueError):
    """Something that cannot be sent; nothing was sent."""


class NoCredentials(BadInput):
    """There is neither an API key nor a token."""


class OverBudget(BadInput):
    """A request would exceed the budget or ``ask_above``; it was not sent."""


class ConnectionFailed(ClaudeError):
    """No server answered, or the connection broke before the answer began."""


class TimedOut(ConnectionFailed):
    """No connection, or no answer, within the time allowed."""


class NotTheMessagesAPI(ClaudeError):
    """The server answered, but not as the Messages API does."""


class AnswerBroken(ClaudeError):
    """The connection or stream broke in the middle of an answer."""


class AnswerUnfit(ClaudeError):
    """The answer does not match the requested type; its text is in ``reply``."""


class Refused(ClaudeError):
    """Claude declined to answer."""


class StillAnswering(ClaudeError, TimeoutError):
    """A background answer was not finished in the time allowed; it continues."""


class APIError(ClaudeError):
    """The API refused a request.

    Attributes
    ----------
    status : int
        HTTP status; for an error inside a stream, the one that its type stands for.
    type : str
        The API's error type, for example ``rate_limit_error``.
    message : str
        The API's own text.
    request_id : str or None
    details : dict
        The API's ``details``, for example ``error_code``.
    retry_after : float or None
        Seconds to wait, if the API gave them.
    should_retry : bool or None
        Whether the API says that another attempt makes sense.
    """

    advice: str = ""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        type: str,
        request_id: str | None = None,
        details: Mapping[str, object] | None = None,
        retry_after: float | None = None,
        should_retry: bool | None = None,
        advice: str | None = None,
    ) -> None:
        self.message = message
        self.status = status
        self.type = type
        self.request_id = request_id
        self.details = dict(details or {})
        self.retry_after = retry_after
        self.should_retry = should_retry
        if advice is not None:
            self.advice = advice
        super().__init__(message)

    @property
    def code(self) -> str | None:
        """``details.error_code``, if there is one."""
        code = self.details.get("error_code")
        return code if isinstance(code, str) else None

    def __str__(self) -> str:
        what = " ".join(self.message.split()).rstrip(".") or self.type.replace("_", " ")
        source = ", ".join(filter(None, [f"{self.status} {self.type}", self.request_id]))
        return f"{what} ({source}). {self.advice}".rstrip()


class InvalidRequest(APIError):
    """The request is not valid (400 and rarer 4xx statuses)."""


class AuthenticationFailed(APIError):
    """The key or token is not accepted (401)."""

    advice = "Check the key, or run claude.login() to enter another one."


class BillingProblem(APIError):
    """There is a billing problem with the account (402)."""

    advice = "See the billing page of your Anthropic account."


class PermissionDenied(APIError):
    """The key may not do this (403)."""

    advice = "Use a key with access to this model or workspace."


class NotFound(APIError):
    """There is no such model, file or URL (404)."""


class RequestTimedOut(APIError):
    """The request took too long to arrive (408)."""

    advice = "Run the cell again."


class Conflict(APIError):
    """The request conflicts with another one (409)."""

    advice = "Run the cell again."


class RequestTooLarge(APIError):
    """More than 32 MB (413)."""

    advice = "Send fewer or smaller pictures, or start a new conversation with --new."


class RateLimited(APIError):
    """Too many requests or tokens per minute, or a spending limit was reached (429)."""

    advice = "Wait a moment, then run the cell again."


class ServerError(APIError):
    """The server failed (500 and above)."""

    advice = "Run the cell again in a moment."


class ServerTimedOut(ServerError):
    """The server took too long to answer (504)."""


class Overloaded(ServerError):
    """The API is overloaded (529)."""


_KINDS: tuple[tuple[int, str, type[APIError]], ...] = (
    (400, "invalid_request_error", InvalidRequest),
    (401, "authentication_error", AuthenticationFailed),
    (402, "billing_error", BillingProblem),
    (403, "permission_error", PermissionDenied),
    (404, "not_found_error", NotFound),
    (409, "conflict_error", Conflict),
    (413, "request_too_large", RequestTooLarge),
    (429, "rate_limit_error", RateLimited),
    (500, "api_error", ServerError),
    (504, "timeout_error", ServerTimedOut),
    (529, "overloaded_error", Overloaded),
)
_CLASS_BY_STATUS = {status: kind for status, _, kind in _KINDS} | {408: RequestTimedOut}
_STATUS_BY_TYPE = {type: status for status, type, _ in _KINDS}
_TYPE_BY_STATUS = {status: type for status, type, _ in _KINDS}

_ADVICE_BY_CODE = {
    "gateway": "",  # the gateway's message includes advice
    "image_dimensions_too_large": "Make the picture smaller.",
    "organization_on_hold": "Your organisation is on hold: see error.details for how to appeal.",
    "file_expired": "Upload the file again.",
    "file_not_downloadable": "Only files created by a tool can be downloaded.",
    "storage_quota_exceeded": "Delete files you no longer need.",
    "contract_spend_limit_reached": "Waiting does not help: ask for a higher spending limit.",
    "enforced_spend_limit_reached": "Waiting does not help: ask for a higher spending limit.",
    "ramp_limit_exceeded": "Send fewer requests at once and increase the number slowly.",
}


def api_error(
    body: object,
    *,
    status: int | None,
    request_id: str | None = None,
    retry_after: float | None = None,
    should_retry: bool | None = None,
) -> APIError:
    """The error described by the body of a response.

    Parameters
    ----------
    body : object
        Decoded JSON (in the form of this API or of OpenAI-like servers), or text that is not JSON.
    status : int or None
        HTTP status; None for an error inside a stream, where it follows from the type.
    request_id : str, optional
        From the header; it wins over one in the body.
    retry_after, should_retry : optional
        What the server says about another attempt; see :class:`APIError`.
    """
    outer: Mapping[str, object] = body if isinstance(body, dict) else {}
    inner = outer.get("error", outer if "message" in outer else outer.get("detail"))
    type_, message, details = "", "", None
    if isinstance(inner, dict):
        type_ = str(inner.get("type") or "")
        message = str(inner.get("message") or "")
        details = inner.get("details")
    elif inner is not None:
        message = inner if isinstance(inner, str) else json.dumps(inner)
    elif isinstance(body, str):
        message = " ".join(body.split())
    if status is None:
        status = _STATUS_BY_TYPE.get(type_, 500)
    type_ = type_ or _TYPE_BY_STATUS.get(status, "invalid_request_error" if status < 500 else "api_error")
    message = message[:500] or f"the server answered {status} without saying why"
    if request_id is None and isinstance(own_id := outer.get("request_id"), str):
        request_id = own_id
    kind = _CLASS_BY_STATUS.get(status, ServerError if status >= 500 else InvalidRequest)
    details = details if isinstance(details, dict) else {}
    return kind(
        message,
        status=status,
        type=type_,
        request_id=request_id,
        details=details,
        retry_after=retry_after,
        should_retry=should_retry,
        advice=_ADVICE_BY_CODE.get(str(details.get("error_code"))),
    )
