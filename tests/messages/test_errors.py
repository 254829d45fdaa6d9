"""Errors: the right class, all that the API said, and one line for the reader."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from claude_magic.messages import errors
from claude_magic.messages.errors import APIError, ClaudeError, Explained, Interrupted, api_error
from tests.messages.conftest import Shell

TABLE = [
    (400, "invalid_request_error", "InvalidRequest"),
    (401, "authentication_error", "AuthenticationFailed"),
    (402, "billing_error", "BillingProblem"),
    (403, "permission_error", "PermissionDenied"),
    (404, "not_found_error", "NotFound"),
    (408, "invalid_request_error", "RequestTimedOut"),
    (409, "conflict_error", "Conflict"),
    (412, "invalid_request_error", "InvalidRequest"),
    (413, "request_too_large", "RequestTooLarge"),
    (422, "invalid_request_error", "InvalidRequest"),
    (429, "rate_limit_error", "RateLimited"),
    (431, "invalid_request_error", "InvalidRequest"),
    (499, "invalid_request_error", "InvalidRequest"),
    (500, "api_error", "ServerError"),
    (501, "api_error", "ServerError"),
    (503, "api_error", "ServerError"),
    (504, "timeout_error", "ServerTimedOut"),
    (529, "overloaded_error", "Overloaded"),
]


@pytest.mark.parametrize(("status", "type_", "name"), TABLE, ids=[str(row[0]) for row in TABLE])
def test_the_class_follows_the_status(status: int, type_: str, name: str) -> None:
    said = api_error({"type": "error", "error": {"type": "some_error", "message": "No."}}, status=status)
    silent = api_error("", status=status)
    for error in (said, silent):
        assert type(error) is getattr(errors, name)
        assert isinstance(error, APIError)
        assert error.status == status
    assert (said.type, silent.type) == ("some_error", type_)
    assert str(status) in str(silent)


IN_A_STREAM = {type_: (status, name) for status, type_, name in reversed(TABLE)} | {
    "some_new_error": (500, "ServerError"),
    "": (500, "ServerError"),
}


@pytest.mark.parametrize(("type_", "expected"), IN_A_STREAM.items())
def test_within_a_stream_the_status_follows_from_the_type(type_: str, expected: tuple[int, str]) -> None:
    error = api_error({"type": "error", "error": {"type": type_, "message": "No."}}, status=None)
    assert (error.status, type(error).__name__) == expected


def test_all_that_the_api_said() -> None:
    details = {"error_code": "image_dimensions_too_large", "max_side_length_pixels": 8000, "paths": ["messages.0"]}
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": "Too large", "details": details}}
    error = api_error(body, status=400, request_id="req_head", retry_after=2.5, should_retry=False)
    assert (error.message, error.details, error.code) == ("Too large", details, "image_dimensions_too_large")
    assert (error.request_id, error.retry_after, error.should_retry) == ("req_head", 2.5, False)
    assert str(error) == "Too large (400 invalid_request_error, req_head). Make the picture smaller."


def test_the_request_id_is_that_of_the_header_else_of_the_body() -> None:
    body = {"type": "error", "error": {"type": "api_error", "message": "No."}, "request_id": "req_body"}
    assert api_error(body, status=500, request_id="req_head").request_id == "req_head"
    assert api_error(body, status=500).request_id == "req_body"
    assert api_error(body, status=None).request_id == "req_body"
    assert api_error({**body, "request_id": 7}, status=500).request_id is None


BODIES: dict[str, tuple[Any, str]] = {
    "as documented": ({"type": "error", "error": {"type": "api_error", "message": "Broken."}}, "Broken."),
    "without the outer type": ({"error": {"message": "Broken."}}, "Broken."),
    "OpenAI's": ({"error": {"message": "Broken.", "type": "server_error", "code": 7, "param": None}}, "Broken."),
    "a string": ({"error": "Broken."}, "Broken."),
    "without an error": ({"message": "Broken."}, "Broken."),
    "FastAPI's": ({"detail": "Broken."}, "Broken."),
    "FastAPI's list": ({"detail": [{"loc": ["body"], "msg": "Broken."}]}, '[{"loc": ["body"], "msg": "Broken."}]'),
    "plain text": ("\n Broken.\n  Badly.", "Broken. Badly."),
    "details null": ({"error": {"message": "Broken.", "details": None}}, "Broken."),
    "details a list": ({"error": {"message": "Broken.", "details": [1]}}, "Broken."),
    "empty": ("", "the server answered 503 without saying why"),
    "empty object": ({}, "the server answered 503 without saying why"),
    "nulls": ({"error": {"type": None, "message": None}}, "the server answered 503 without saying why"),
    "a list": ([1, 2], "the server answered 503 without saying why"),
    "far too long": ("x" * 100_000, "x" * 500),
}


@pytest.mark.parametrize(("body", "message"), BODIES.values(), ids=BODIES.keys())
def test_whatever_the_body(body: Any, message: str) -> None:
    error = api_error(body, status=503)
    assert error.message == message
    assert (error.details, error.code) == ({}, None)
    assert "503" in str(error)
    assert "\n" not in str(error)


def test_every_code_that_has_advice_gives_it() -> None:
    for code, advice in errors._ADVICE_BY_CODE.items():
        body = {"error": {"type": "x", "message": "No.", "details": {"error_code": code}}}
        assert str(api_error(body, status=400)).endswith(advice)
    unknown = {"error": {"type": "x", "message": "No.", "details": {"error_code": "new"}}}
    assert str(api_error(unknown, status=401)).endswith(errors.AuthenticationFailed.advice)


def test_the_tree_is_the_one_that_is_drawn() -> None:
    drawn = {line.split("──")[1].split()[0].rstrip(":") for line in errors.__doc__.splitlines() if "──" in line}
    classes = {name for name, thing in vars(errors).items() if isinstance(thing, type) and issubclass(thing, Explained)}
    assert drawn == classes - {"Explained"}


def test_an_interrupt_is_no_exception_and_the_rest_are() -> None:
    assert issubclass(Interrupted, KeyboardInterrupt)
    assert not issubclass(Interrupted, Exception)
    for thing in vars(errors).values():
        if isinstance(thing, type) and issubclass(thing, Explained) and thing not in (Explained, Interrupted):
            assert issubclass(thing, ClaudeError)
            assert issubclass(thing, Exception)
    assert issubclass(errors.BadInput, ValueError)


@pytest.fixture
def shell(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "my_module", raising=False)
    shell.run_cell("from claude_magic.messages.errors import *; from claude_magic.messages.errors import api_error")
    return shell


FROM_A_CELL = """
error = api_error({"error": {"type": "overloaded_error", "message": "Over\\nloaded."}}, status=529, request_id="req_1")
error.from_cell = True
error.add_note("The earlier answer still counts.")
raise error
"""


def test_from_a_cell_an_error_is_one_line(shell: Shell) -> None:
    assert shell.run(FROM_A_CELL) == (
        "Overloaded: Over loaded (529 overloaded_error, req_1). Run the cell again in a moment. "
        "The earlier answer still counts.",
    )


def test_from_python_it_also_names_the_place(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "my_module.py").write_text(
        textwrap.dedent("""
        from claude_magic.messages.network import parse_base_url

        def ask():
            parse_base_url("nowhere")  # here
        """)
    )
    line, place, source = shell.run("import my_module\nmy_module.ask()")
    assert line.startswith("BadInput: base_url must begin with http")
    assert place == f"  at {tmp_path / 'my_module.py'}, line 5, in ask"
    assert source == '    parse_base_url("nowhere")  # here'


def test_the_place_may_be_a_cell(shell: Shell) -> None:
    line, place, source = shell.run("x = 1\nraise Interrupted('Stopped.')")
    assert line == "Interrupted: Stopped."
    assert place.endswith(", line 2, in <module>")
    assert source == "    raise Interrupted('Stopped.')"


@pytest.mark.parametrize("from_cell", [True, False])
def test_tb_shows_everything(shell: Shell, from_cell: bool) -> None:
    shell.run(f"""
from claude_magic.messages.network import parse_base_url
def deep():
    try:
        parse_base_url("nowhere")
    except BadInput as error:
        error.from_cell = {from_cell}
        error.add_note("A note.")
        raise
deep()""")
    shown = shell.run("%tb")
    assert shown[0] == "Traceback (most recent call last):"
    assert any("in deep" in line for line in shown)
    assert any("network.py" in line and "in parse_base_url" in line for line in shown)
    assert shown[-2].startswith("claude_magic.messages.errors.BadInput: base_url must begin with")
    assert shown[-1] == "A note."
    assert len(shell.run("deep()")) == (1 if from_cell else 3)


def test_an_error_that_was_never_raised_is_one_line() -> None:
    assert errors.Refused("No.")._render_traceback_() == ["Refused: No."]
