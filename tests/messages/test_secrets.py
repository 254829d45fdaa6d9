"""The key's characters appear in nothing that can be printed, logged or saved."""

from __future__ import annotations

import copy
import logging
import pickle
import socket
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from claude_magic.messages.client import Client
from claude_magic.messages.credentials import KEY_IN_TEXT, NO_KEY, Credentials, SimulatorCredentials
from claude_magic.messages.errors import APIError, BadInput, NoCredentials
from claude_magic.simulator import Simulator
from tests.conftest import KEY
from tests.messages.conftest import Connect, Shell
from tests.messages.servers import START, TEXT, ask, endless, http, raw

SECRET = KEY.removeprefix("sk-ant-api03-")


@pytest.fixture(params=["key in the environment", "token in the environment", "login", "custom header"])
def secret(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Credentials:
    """Every way in which a key gets here."""
    credentials = Credentials()
    if request.param == "login":
        credentials.set_key(KEY)
    elif request.param == "custom header":
        monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", f"x-api-key: {KEY}")
    else:
        monkeypatch.setenv("ANTHROPIC_API_KEY" if request.param.startswith("key") else "ANTHROPIC_AUTH_TOKEN", KEY)
    return credentials


def cut(connection: socket.socket) -> None:
    connection.sendall(endless(START, TEXT).replace(b"\r\n\r\n", b"\r\ncontent-length: 9999\r\n\r\n", 1))
    connection.shutdown(socket.SHUT_RDWR)


FAILURES: dict[str, Any] = {
    "no connection": None,
    "401": http(b'{"error": {"type": "authentication_error", "message": "No."}}', "application/json", "401 No"),
    "cut in the middle": cut,
    "no answer of this API": http(b"<html>", "text/html"),
    "damaged": http(b"data: oops\n\n"),
    "an error that quotes the key": http(
        f'{{"error": {{"message": "Bad key {KEY}"}}}}'.encode(), "application/json", "400 Bad"
    ),
    "a page that quotes the key": http(f"Headers: {KEY}".encode(), "text/plain", "500 Bad"),
    "an event that quotes the key": http(f'data: {{"error": "Bad key {KEY}"}}\n\n'.encode()),
}


def failing(client: Client, monkeypatch: pytest.MonkeyPatch, where: str | None) -> BaseException:
    """What a question ends in; ``where`` a Ctrl-C falls, if one does."""
    if where is not None:
        from httpcore2._sync import http11

        def pressed(*arguments: Any, **more: Any) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr(http11.HTTP11Connection, where, pressed)
    try:
        list(client.stream(ask()))
    except BaseException as error:
        return error
    raise AssertionError("nothing failed")


def rendered(error: BaseException, shell: Shell) -> Iterator[str]:
    """Every way in which Python and IPython show an error."""
    yield from (str(error), repr(error), repr(vars(error)), repr(error.args))
    yield "".join(traceback.format_exception(error))
    shell.run_line_magic("xmode", "Verbose")
    shell.showtraceback((type(error), error, error.__traceback__))
    assert shell.shown[0].startswith(type(error).__name__)
    yield "\n".join(shell.shown)


def with_variables(error: BaseException, shell: Shell) -> Iterator[str]:
    """As programs show it that print the local variables of each frame, and know nothing of ours."""
    yield "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    shell.run_line_magic("xmode", "Verbose")
    yield "\n".join(shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__))


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx2", "httpcore2", "httpcore2.http11", "httpcore2.connection", "asyncio"):
        caplog.set_level(logging.DEBUG, name)
    return lambda: "\n".join([caplog.text, *(repr(vars(record)) for record in caplog.records)])


@pytest.mark.slow
@pytest.mark.parametrize("failure", FAILURES)
def test_no_failure_shows_it(
    failure: str,
    secret: Credentials,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    log: Callable[[], str],
    shell: Shell,
) -> None:
    with raw(FAILURES[failure]) as server:
        url = server.url if FAILURES[failure] else "http://127.0.0.1:1"
        client = connect(url, secret, max_retries=0)
        error = failing(client, monkeypatch, None)
    texts = [*rendered(error, shell), log(), repr(client), repr(vars(client)), repr(vars(secret))]
    if "quotes" in failure:
        assert "***" in str(error)
    else:
        texts += with_variables(error, shell)
    for text in texts:
        assert SECRET not in text


@pytest.mark.slow
@pytest.mark.parametrize(
    "where", ["_send_request_headers", "_send_event", "_receive_event", "_receive_response_headers"]
)
def test_no_interrupt_shows_it(
    where: str,
    secret: Credentials,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    log: Callable[[], str],
    shell: Shell,
) -> None:
    """The frames of the transport know the key; an interrupt that falls into them must not bring them along."""
    with raw(http(b"")) as server:
        error = failing(connect(server.url, secret), monkeypatch, where)
    assert isinstance(error, KeyboardInterrupt)
    for text in (*rendered(error, shell), *with_variables(error, shell), log()):
        assert SECRET not in text


def test_success_hides_it(secret: Credentials, simulator: Simulator, connect: Connect, log: Callable[[], str]) -> None:
    client = connect(simulator.url, secret)
    stream = client.stream(ask())
    for change in stream:
        assert SECRET not in repr(vars(change.block))
    client.models()
    assert len(simulator.requests) == 2
    assert "httpcore2" in log()  # something was logged
    platform, transport = client.platform, client._transport
    things = [client, platform, platform.auth, transport, secret, stream, stream.reply, *simulator.requests]
    for text in (*map(repr, things), *(repr(vars(thing)) for thing in things), log()):
        assert SECRET not in text


def test_the_simulator_never_sees_the_real_key(key: str, connect: Connect) -> None:
    credentials = SimulatorCredentials()
    credentials.set_key(KEY)
    with raw(http(b"{}", "application/json")) as server:
        connect(server.url, credentials).call("GET", "/v1/models")
    assert server.got[0].header("x-api-key") == "simulator"


def test_pickling_is_refused(secret: Credentials, connect: Connect) -> None:
    client = connect("http://127.0.0.1:1", secret)
    for thing in (secret, client, client.platform.auth, client.stream(ask())):
        for save in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError):
                save(thing)
    with pytest.raises(TypeError):
        pickle.dumps(Credentials({"ANTHROPIC_API_KEY": KEY}))


ODD = {
    "new line": f"{KEY[:20]}\n{KEY[20:]}",
    "space": f"{KEY[:20]} {KEY[20:]}",
    "non-ASCII": KEY + "é",
    "dash": KEY + "\u2013",
    "control": KEY + "\x07x",
}


@pytest.mark.slow
@pytest.mark.parametrize("value", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
def test_a_key_that_cannot_be_one(
    value: str, name: str, connect: Connect, monkeypatch: pytest.MonkeyPatch, log: Callable[[], str], shell: Shell
) -> None:
    monkeypatch.setenv(name, value)
    with raw(http(b"")) as server:
        error = failing(connect(server.url), monkeypatch, None)
    assert isinstance(error, BadInput)
    assert str(error) == f"{name} contains characters that no key has: copy it again."
    assert server.got == []
    for text in (*rendered(error, shell), *with_variables(error, shell), log()):
        assert KEY[:20] not in text
        assert KEY[20:30] not in text


@pytest.mark.parametrize("value", [*ODD.values(), "", " ", 5])
def test_a_login_with_a_key_that_cannot_be_one(value: Any) -> None:
    credentials = Credentials()
    with pytest.raises(BadInput, match=r"^The key (is empty|contains characters that no key has)"):
        credentials.set_key(value)
    assert credentials.source is None


def test_secrets_of_other_headers_are_hidden_and_names_of_teams_are_not() -> None:
    own = "X-Proxy-Key: a-proxy-has-keys-of-its-own\nAuthorization: Bearer and-tokens-in-front-of-it"
    headers = f"{own}\nX-Team: the-team-in-the-north"
    credentials = Credentials({"ANTHROPIC_CUSTOM_HEADERS": headers, "ANTHROPIC_API_KEY": KEY})
    quoted = f"a-proxy-has-keys-of-its-own, and-tokens-in-front-of-it, {KEY}, the-team-in-the-north"
    assert credentials.hide(quoted) == "***, ***, ***, the-team-in-the-north"


def test_white_space_around_a_key_is_no_part_of_it() -> None:
    credentials = Credentials({"ANTHROPIC_API_KEY": f" {KEY}\n"})
    assert credentials.header() == ("x-api-key", KEY)


def test_the_source_is_reported() -> None:
    environ: dict[str, str] = {}
    credentials = Credentials(environ)
    assert (credentials.source, repr(credentials)) == (None, "<Credentials from nowhere>")
    with pytest.raises(NoCredentials) as caught:
        credentials.header()
    assert str(caught.value) == NO_KEY
    environ["ANTHROPIC_AUTH_TOKEN"] = "token"
    assert credentials.source == "ANTHROPIC_AUTH_TOKEN"
    environ["ANTHROPIC_API_KEY"] = "key"
    assert credentials.source == "ANTHROPIC_API_KEY"
    credentials.set_key(KEY)
    assert (credentials.source, repr(credentials)) == ("login", "<Credentials from login>")
    credentials.forget()
    assert credentials.source == "ANTHROPIC_API_KEY"
    simulated = SimulatorCredentials()
    assert simulated.source == "simulator"


def test_a_short_word_used_as_a_local_key_is_no_secret(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "ollama")
    with (
        raw(http(b'{"error": "ollama has no such model"}', "application/json", "404 No")) as server,
        pytest.raises(APIError, match="ollama has no such model"),
    ):
        connect(server.url).models()


@pytest.mark.parametrize(
    ("text", "found"),
    [(f"key = '{KEY}'", True), ("keys begin with sk-ant-", False), ("sk-ant-... or sk-ant-api03", False)],
)
def test_what_looks_like_a_key(text: str, found: bool) -> None:
    assert bool(KEY_IN_TEXT.search(text)) is found
