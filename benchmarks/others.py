"""How the peers are asked, each as its documentation shows it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.answers import MODEL

KEY = "any-key"
_TOKENS = 30_000


def sdk(url: str) -> Any:
    """A client of the official SDK."""
    return importlib.import_module("anthropic").Anthropic(base_url=url, api_key=KEY)


def sdk_stream(client: Any, messages: Sequence[Any] = ({"role": "user", "content": "Go on."},), **more: Any) -> Any:
    """A stream of the official SDK, to be entered."""
    return client.messages.stream(model=MODEL, max_tokens=_TOKENS, messages=messages, **more)


def chatlas(url: str) -> Any:
    """A chat of chatlas."""
    return importlib.import_module("chatlas").ChatAnthropic(model=MODEL, api_key=KEY, kwargs={"base_url": url})


def claudette(url: str, **more: Any) -> Any:
    """A chat of claudette."""
    library = importlib.import_module("claudette")
    return library.Chat(MODEL, cli=library.Client(MODEL, cli=sdk(url)), **more)


def read_by_sdk(url: str) -> Callable[[], Any]:
    """Reads an answer to its end; the message comes back."""
    client = sdk(url)

    def read() -> Any:
        with sdk_stream(client) as stream:
            return stream.get_final_message()

    return read


def read_by_chatlas(url: str, *tools: Callable[..., Any]) -> Callable[[], Any]:
    """Reads an answer to its end; its last turn comes back."""
    chat = chatlas(url)
    for tool in tools:
        chat.register_tool(tool)

    def read() -> Any:
        chat.set_turns([])
        for _ in chat.stream("Go on."):
            pass
        return chat.get_turns()

    return read


def read_by_claudette(url: str) -> Callable[[], Any]:
    """Reads an answer to its end; the message comes back."""
    chat = claudette(url)

    def read() -> Any:
        chat.h = []
        for _ in chat("Go on.", stream=True):
            pass
        return chat.h

    return read
