"""A request as code that sends it: for a shell, in Python, in TypeScript, or as plain HTTP."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from claude_magic.messages.credentials import without_keys
from claude_magic.messages.errors import BadInput
from claude_magic.messages.exchange import OutgoingRequest
from claude_magic.messages.network import DEFAULT_BASE_URL
from claude_magic.messages.text import code_fence
from claude_magic.messages.wire import JSONObject, MessageCreateParams

_PATH = "/v1/messages"
_WIDTH = 96
_ENCODED = re.compile(r"[A-Za-z0-9+/=_-]{200,}")
"""Images and documents in base64, and signatures."""
_SHOWN = 48
"""Characters shown of such a string."""
_SDK_PARAMETERS = tuple(MessageCreateParams.__annotations__)
"""What ``messages.create`` takes as named arguments; other fields go into ``extra_body``."""

Json: TypeAlias = Any


class CodeSample(str):
    """A request as code. The string is complete and runs; only its display shortens images.

    Attributes
    ----------
    form : str
        ``request``, ``curl``, ``python`` or ``typescript``.
    body : dict
        The request's body.
    short : str
        The version for display.
    """

    form: str
    short: str
    body: JSONObject

    def __new__(cls, form: str, whole: str, short: str, body: JSONObject) -> CodeSample:  # noqa: D102
        sample = super().__new__(cls, whole)
        sample.form, sample.short, sample.body = form, short, body
        return sample

    def __repr__(self) -> str:
        return self.short

    def __reduce__(self) -> tuple[Any, ...]:
        return (CodeSample, (self.form, str(self), self.short, self.body))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/markdown": code_fence(self.short.rstrip(), _LANGUAGE[self.form]), "text/plain": self.short}


def code_sample(form: str, outgoing: OutgoingRequest) -> CodeSample:
    """Write a request as code.

    Parameters
    ----------
    form : str
        ``request``, ``curl``, ``python`` or ``typescript``. The key always appears as a reference
        to ``ANTHROPIC_API_KEY``.

    Raises
    ------
    BadInput
        If there is no such form.
    """
    if form not in _WRITERS:
        raise BadInput(f"A request can be shown as {', '.join(FORMS[:-1])} or {FORMS[-1]}, not as {form!r:.40}.")
    body = json.loads(without_keys(bytes(outgoing.body).decode("utf-8")))
    write = _WRITERS[form]
    whole, short = (write(outgoing.base_url, outgoing.headers, shown) for shown in (body, abridged(body)))
    return CodeSample(form, whole, short, body)


def abridged(value: Json) -> Json:
    """JSON for display: only the beginning of long encoded strings."""
    if isinstance(value, dict):
        return {name: abridged(member) for name, member in value.items()}
    if isinstance(value, list):
        return [abridged(member) for member in value]
    if isinstance(value, str) and _ENCODED.fullmatch(value):
        return f"{value[:_SHOWN]}… ({len(value):,} characters)"
    return value


def pretty(value: Json) -> str:
    """JSON for people: short lists and objects stay on one line."""
    return _written(value, compact)


def _request(base_url: str, headers: Mapping[str, str], body: Json) -> str:
    lines = [f"POST {base_url}{_PATH}", "x-api-key: $ANTHROPIC_API_KEY"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\n".join([*lines, "content-type: application/json", "", pretty(body)])


def _curl(base_url: str, headers: Mapping[str, str], body: Json) -> str:
    # Every line of the JSON begins with punctuation or white space, so none can end the here-document.
    named = "".join(f"  --header {shlex.quote(f'{name}: {value}')} \\\n" for name, value in headers.items())
    return f"""\
body=$(mktemp)
cat > "$body" <<'REQUEST'
{pretty(body)}
REQUEST
curl --no-buffer {shlex.quote(base_url + _PATH)} \\
  --header "x-api-key: $ANTHROPIC_API_KEY" \\
{named}  --header 'content-type: application/json' \\
  --data-binary "@$body"
rm "$body"
"""


def _python(base_url: str, headers: Mapping[str, str], body: Json) -> str:
    known = {name: body[name] for name in _SDK_PARAMETERS if name in body}
    if more := {name: body[name] for name in body if name not in known}:
        known["extra_body"] = more
    fields = "".join(f"    {name}={_written(value, _literal, 1)},\n" for name, value in known.items())
    server = f"    base_url={_literal(base_url)},\n" if base_url != DEFAULT_BASE_URL else ""
    ending = _PYTHON_STREAM if body.get("stream") else "print(message)\n"
    return f"""\
import os

import anthropic

client = anthropic.Anthropic(
    api_key=os.environ["ANTHROPIC_API_KEY"],
{server}    default_headers={_written(dict(headers), _literal, 1)},
)
{"events" if body.get("stream") else "message"} = client.messages.create(
{fields})
{ending}"""


_PYTHON_STREAM = """\
for event in events:
    if event.type == "content_block_delta" and event.delta.type == "text_delta":
        print(event.delta.text, end="", flush=True)
print()
"""


def _typescript(base_url: str, headers: Mapping[str, str], body: Json) -> str:
    server = f"  baseURL: {compact(base_url)},\n" if base_url != DEFAULT_BASE_URL else ""
    ending = _TYPESCRIPT_STREAM if body.get("stream") else "console.log(message);\n"
    return f"""\
import Anthropic from '@anthropic-ai/sdk';

const client = new Anthropic({{
  apiKey: process.env.ANTHROPIC_API_KEY,
{server}  defaultHeaders: {_written(dict(headers), compact, 1)},
}});

const {"events" if body.get("stream") else "message"} = await client.messages.create({pretty(body)});
{ending}"""


_TYPESCRIPT_STREAM = """\
for await (const event of events) {
  if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') {
    process.stdout.write(event.delta.text);
  }
}
console.log();
"""

_WRITERS: dict[str, Callable[[str, Mapping[str, str], Json], str]] = {
    "request": _request,
    "curl": _curl,
    "python": _python,
    "typescript": _typescript,
}
FORMS = tuple(_WRITERS)
_LANGUAGE = {"request": "http", "curl": "sh", "python": "python", "typescript": "typescript"}


def _written(value: Json, scalar: Callable[[Any], str], depth: int = 0) -> str:
    """A JSON value as a literal of a language that writes lists and mappings as JSON does."""
    if not value or not isinstance(value, dict | list):
        return scalar(value)
    step = "    " if scalar is _literal else "  "
    if isinstance(value, dict):
        items = [f"{scalar(name)}: {_written(member, scalar, depth + 1)}" for name, member in value.items()]
    else:
        items = [_written(member, scalar, depth + 1) for member in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    length = sum(map(len, items)) + 2 * len(items) + len(step) * depth
    if depth and length <= _WIDTH and not any("\n" in item for item in items):
        return f"{opening}{', '.join(items)}{closing}"
    inner = ",\n".join(step * (depth + 1) + item for item in items)
    return f"{opening}\n{inner}\n{step * depth}{closing}"


def compact(value: Json) -> str:
    """JSON on one line."""
    text = json.dumps(value, ensure_ascii=False)
    return _escaped(text, lambda char: re.sub("....", r"\\u\g<0>", char.encode("utf-16-be", "surrogatepass").hex()))


def _literal(value: Any) -> str:
    if not isinstance(value, str):
        return repr(value)
    # Whatever JSON escapes, Python escapes the same way.
    text = json.dumps(value, ensure_ascii=False)
    return _escaped(text, lambda char: f"\\u{ord(char):04x}" if ord(char) < 1 << 16 else f"\\U{ord(char):08x}")


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    """A literal without control characters and invisible ones."""
    return text if text.isprintable() else "".join(char if char.isprintable() else escape(char) for char in text)
