"""What a kernel makes of the names that a Jupyter server with the gateway gives it."""

from __future__ import annotations

import pytest

from claude_magic.conversation.conversation import Conversations
from claude_magic.messages.credentials import Credentials
from claude_magic.messages.errors import ConnectionFailed
from claude_magic.messages.gateway_environment import gateway_from
from claude_magic.notebook.card import key_source
from tests.conftest import KEY
from tests.messages.conftest import Connect

URL = "http://127.0.0.1:9/room/claude"


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", URL)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-of-the-kernel")
    monkeypatch.setenv("CLAUDE_MAGIC_GATEWAY", URL)
    monkeypatch.setenv("CLAUDE_MAGIC_UPSTREAM", "api.anthropic.com")
    return URL


def test_behind_the_gateway_is_the_real_api(gateway: str, connect: Connect) -> None:
    client = connect(max_retries=0)
    assert client.base_url == gateway
    assert client.is_anthropic  # so that caching is on
    assert key_source(Conversations()) == "key from this Jupyter server"


def test_or_another_one(gateway: str, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_MAGIC_UPSTREAM", "llm.example.org")
    assert not connect().is_anthropic
    monkeypatch.setenv("CLAUDE_MAGIC_UPSTREAM", "simulator")
    assert not connect().is_anthropic
    assert key_source(Conversations()).startswith("practice on this Jupyter server: simulated answers")


def test_a_key_of_ones_own_never_goes_there(gateway: str, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = Credentials()
    put_back = credentials.set_key(KEY)
    assert connect(gateway, credentials).base_url == "https://api.anthropic.com"
    put_back()
    assert connect(gateway, credentials).base_url == gateway
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    assert connect(gateway, credentials).base_url == "https://api.anthropic.com"
    assert key_source(Conversations()) == "key from ANTHROPIC_API_KEY"


def test_another_address_is_another_matter(gateway: str, connect: Connect) -> None:
    client = connect("http://127.0.0.1:9/elsewhere")
    assert (client.base_url, client.is_anthropic) == ("http://127.0.0.1:9/elsewhere", False)
    assert gateway_from({}, URL) is None


def test_a_server_that_is_gone_is_named(gateway: str, connect: Connect) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        connect(max_retries=0).models()
    assert f"Jupyter server that started this kernel no longer answers ({URL})" in str(caught.value)
    assert "token-of-the-kernel" not in repr(caught.value)
