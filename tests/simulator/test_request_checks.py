"""What is refused, with which message, and in which order."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zlib
from typing import Any

import pytest

from claude_magic.messages import limits

from .conftest import HI, JSON, NEW, OLD_HEADERS, Api

TOOL = {"name": "add", "input_schema": {"type": "object", "properties": {"a": {"type": "number"}}}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "3"}
SAMPLES = "claude-sonnet-4-5"


def assistant(*content: JSON) -> JSON:
    return {"role": "assistant", "content": list(content)}


def user(*content: JSON) -> JSON:
    return {"role": "user", "content": list(content)}


def text(words: str, **more: Any) -> JSON:
    return {"type": "text", "text": words, **more}


def test_order(api: Api) -> None:
    """Each step fixes the last error, and the next one is reported."""
    http, path = api.http, "/v1/messages"
    large = b" " * (limits.MAX_REQUEST_BYTES + 1)
    assert http.post("/v1/nowhere").status_code == 404
    assert http.get(path).status_code == 405
    assert http.post(path, content=large).status_code == 401
    headers = {"x-api-key": "some-key"}
    response = http.post(path, content=large, headers=headers)
    assert (response.status_code, "anthropic-version" in response.text) == (400, True)
    headers |= {"anthropic-version": "2020-01-01"}
    assert "not a valid version" in http.post(path, content=large, headers=headers).text
    headers |= {"anthropic-version": NEW}
    response = http.post(path, content=large, headers=headers)
    assert (response.status_code, response.json()["error"]["type"]) == (413, "request_too_large")
    assert "not valid JSON" in http.post(path, content=b"{", headers=headers).text
    assert "JSON object" in http.post(path, content=b"[]", headers=headers).text
    body: JSON = {"odd": 1, "temperature": 1}
    bad_block = {"type": "text", "text": "", "cache_control": {"type": "ephemeral"}}
    for repair, found in (
        ({}, "model: Field required"),
        ({"model": "claude-nothing"}, "max_tokens: Field required"),
        ({"max_tokens": 999_999}, "messages: Field required"),
        ({"messages": []}, "odd: Extra inputs are not permitted"),
        ({"odd": ...}, "temperature: Extra inputs are not permitted"),
        ({"temperature": ...}, "model: claude-nothing"),
        ({"model": "claude-sonnet-5-5"}, "max_tokens: 999999 > 128000, which is the maximum allowed"),
        ({"max_tokens": 10}, "messages: at least one message is required"),
        ({"messages": [user(*[bad_block] * 5)], "tools": [{"name": "?"}]}, "must be non-empty"),
        ({"messages": [user(*[bad_block | {"text": "x"}] * 5)]}, "tools.0.custom.input_schema: Field required"),
        ({"tools": ...}, "A maximum of 4 blocks with cache_control may be provided. Found 5."),
        ({"messages": [HI]}, '"type": "message"'),
    ):
        body |= repair
        body = {name: value for name, value in body.items() if value is not ...}
        assert found in http.post(path, json=body, headers=headers).text


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"x-api-key": None}, "x-api-key header is required"),
        ({"x-api-key": ""}, "x-api-key header is required"),
        ({"x-api-key": "wrong-key"}, "invalid x-api-key"),
        ({"x-api-key": None, "authorization": "Bearer wrong"}, "Invalid bearer token"),
        ({"x-api-key": None, "authorization": "Basic abc"}, "x-api-key header is required"),
    ],
)
def test_keys(api: Api, headers: dict[str, str | None], message: str) -> None:
    assert api.error(headers=headers, status=401) == message
    assert api.post(headers=headers).json()["error"]["type"] == "authentication_error"


def test_good_keys(api: Api) -> None:
    bearer = {"x-api-key": None, "authorization": "Bearer good"}
    assert api.post(headers=bearer).status_code == 200
    api.simulator.keys = {"good"}
    assert api.post(headers=bearer).status_code == 200
    assert api.post().status_code == 401
    assert api.post(headers={"x-api-key": "good"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"max_tokens": "16"}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": True}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": -1}, "max_tokens: Input should be greater than or equal to 0"),
        ({"stream": 1}, "stream: Input should be a valid boolean"),
        ({"max_tokens": 0, "thinking": {"type": "adaptive"}}, "max_tokens: 0"),
        ({"stop_sequences": [" "]}, "stop_sequences"),
        ({"metadata": {"user": "x"}}, "metadata.user: Extra inputs are not permitted"),
        ({"service_tier": "priority"}, "service_tier: Input should be 'auto' or 'standard_only'"),
        ({"cache_control": {"type": "ephemeral", "ttl": "2h"}}, "cache_control.ttl: Input should be '5m' or '1h'"),
        ({"context_management": {"edits": []}}, "context_management: Extra inputs are not permitted"),
        ({"speed": "fast"}, "speed"),
        ({"output_config": {"effort": "extreme"}}, "output_config.effort: Input should be"),
        ({"thinking": {"type": "maybe"}}, "thinking.type: Input should be"),
        ({"thinking": {"type": "adaptive", "budget_tokens": 2048}}, "Extra inputs are not permitted"),
        ({"system": [text("")]}, "system: text content blocks must be non-empty"),
        ({"system": [{"type": "image"}]}, "system.0"),
    ],
)
def test_fields(api: Api, body: JSON, message: str) -> None:
    assert message in api.error(**body)


def test_betas(api: Api) -> None:
    beta = {"anthropic-beta": "context-management-2025-06-27"}
    assert api.ask(context_management={"edits": []}, headers=beta)
    assert "anthropic-beta" in api.error(headers={"anthropic-beta": "whatever"})


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
@pytest.mark.parametrize("model", [SAMPLES, "claude-sonnet-5-5"])
def test_sampling_is_unknown_to_the_new_version(api: Api, name: str, model: str) -> None:
    assert api.error(**{name: 1}, model=model) == f"{name}: Extra inputs are not permitted"


def test_documents_of_assistants_and_echoed_citations_by_version(api: Api) -> None:
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
    messages = [HI, assistant(document), HI]
    assert api.ask(messages=messages, headers=OLD_HEADERS)
    assert "not allowed in assistant" in api.error(messages=messages)
    cited = user(text("x", citations=[{"type": "char_location"}]))
    assert api.ask(messages=[cited], headers=OLD_HEADERS)
    assert api.error(messages=[cited]) == "messages.0.content.0.text.citations: Extra inputs are not permitted"


NO_RESULT = "`tool_use` ids were found without `tool_result` blocks immediately after: toolu_1"


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([{"role": "martian", "content": "Hi"}], "messages.0.role: Input should be 'user', 'assistant' or"),
        ([{"role": "user"}], "messages.0.content: Field required"),
        ([HI | {"name": "x"}], "messages.0.name: Extra inputs are not permitted"),
        ([HI | {"content": 5}], "messages.0.content: Input should be a valid string or list"),
        ([HI | {"content": ""}], "messages.0: all messages must have non-empty content"),
        ([HI, {"role": "assistant", "content": []}, HI], "messages.1: all messages must have non-empty content"),
        ([HI | {"content": " \n"}], "must contain non-whitespace text"),
        ([user(text(""))], "messages: text content blocks must be non-empty"),
        ([user(text(" "))], "must contain non-whitespace text"),
        ([user({"text": "x"})], "messages.0.content.0.type: Field required"),
        ([user({"type": "video"})], "Input tag 'video' found using 'type'"),
        ([user(text("x", bold=True))], "messages.0.content.0.text.bold: Extra inputs are not permitted"),
        ([{"role": "assistant", "content": "Hi"}, HI], 'first message must use the "user" role'),
        ([{"role": "system", "content": "Hi"}, HI], 'first message must use the "user" role'),
        ([HI, assistant(USE)], NO_RESULT),
        ([HI, assistant(USE), HI], NO_RESULT),
        ([HI, assistant(USE), user(text("x"), RESULT)], "must come first"),
        ([HI, assistant(USE), user(RESULT, RESULT)], "must have a single result"),
        ([HI, assistant(USE, USE), user(RESULT)], "ids must be unique"),
        ([HI, assistant(USE), user(RESULT), assistant(USE), user(RESULT)], "ids must be unique"),
        ([HI, assistant(text("x")), user(RESULT)], "unexpected `tool_use_id` found in `tool_result` blocks: toolu_1"),
        ([user(RESULT)], "unexpected `tool_use_id`"),
        ([user(USE)], "`tool_use` blocks are not allowed in user content"),
        ([HI, assistant(USE | {"input": "{}"}), user(RESULT)], "tool_use.input: Input should be a valid object"),
        ([HI, assistant(USE | {"id": "a|b"}), user(RESULT)], "tool_use.id: String should match pattern"),
        ([HI, assistant({"type": "thinking", "thinking": "x"}), HI], "thinking.signature: Field required"),
        ([HI, assistant({"type": "image", "source": {}}), HI], "not allowed in assistant content"),
        ([HI, assistant(text("Well")), HI, assistant(text("And"))], "does not support assistant message prefill"),
    ],
)
def test_messages(api: Api, messages: list[JSON], message: str) -> None:
    assert message in api.error(messages=messages)


@pytest.mark.parametrize(
    "messages",
    [
        [HI, HI],
        [HI, assistant(text("a")), assistant(text("b")), HI],
        [HI, assistant(USE), user(RESULT)],
        [HI, assistant(USE), user(RESULT, text("and?"))],
        [HI, assistant(USE), user({"type": "tool_result", "tool_use_id": "toolu_1"})],
        [HI, assistant(USE), user(RESULT | {"is_error": True, "content": [text("bad")]})],
    ],
)
def test_messages_that_are_fine(api: Api, messages: list[JSON]) -> None:
    assert api.ask(messages=messages, tools=[TOOL])


def test_prefill(api: Api) -> None:
    request: JSON = {"model": SAMPLES, "headers": OLD_HEADERS}
    assert api.ask(messages=[HI, assistant(text("Well,"))], **request)
    assert api.ask(messages=[HI, {"role": "assistant", "content": ""}], **request)
    assert "trailing whitespace" in api.error(messages=[HI, assistant(text("Well, "))], **request)
    thinking = {"type": "enabled", "budget_tokens": 1024}
    messages = [HI, assistant(text("Well,"))]
    assert "thinking" in api.error(messages=messages, thinking=thinking, max_tokens=2000, **request)


def test_system_messages(api: Api) -> None:
    system = {"role": "system", "content": "Be brief."}
    reply = assistant(text("Hello"))
    assert "Be brief." in api.text(messages=[HI, system])
    assert api.ask(messages=[HI, system, system])
    assert api.ask(messages=[HI, system, reply, HI])
    assert "must follow a user message" in api.error(messages=[HI, reply, system])
    assert "must be last or be followed" in api.error(messages=[HI, system, HI])
    assert api.ask(messages=[HI, assistant(USE), user(RESULT), system], tools=[TOOL])


@pytest.mark.parametrize(
    ("tools", "choice", "message"),
    [
        ([TOOL | {"name": "a b"}], None, "tools.0.custom.name: String should match pattern"),
        ([TOOL | {"name": "x" * 65}], None, "tools.0.custom.name"),
        ([TOOL, TOOL], None, "tools: Tool names must be unique."),
        ([{"name": "add"}], None, "tools.0.custom.input_schema: Field required"),
        (
            [TOOL | {"input_schema": {"type": "object", "properties": {"länge": {"type": "number"}}}}],
            None,
            "tools.0.custom.input_schema.properties: Property keys should match pattern",
        ),
        ([TOOL | {"input_schema": {}}], None, "tools.0.custom.input_schema.type: Input should be 'object'"),
        (
            [TOOL | {"input_schema": {"type": "object", "properties": {"a": {"type": "float"}}}}],
            None,
            "tools.0.custom.input_schema: JSON schema is invalid",
        ),
        ([TOOL | {"returns": "x"}], None, "tools.0.custom.returns: Extra inputs are not permitted"),
        ([{"type": "teleport_20260101", "name": "x"}], None, "tools.0: Input tag 'teleport_20260101'"),
        ([TOOL | {"strict": True}], None, "additionalProperties"),
        ([TOOL], {"type": "tool", "name": "sub"}, "not found in provided tools"),
        ([TOOL], {"type": "some"}, "tool_choice.type: Input should be"),
        ([], {"type": "auto"}, "tool_choice: may only be specified while providing tools"),
    ],
)
def test_tools(api: Api, tools: list[JSON], choice: JSON | None, message: str) -> None:
    body: JSON = {"tools": tools} | ({"tool_choice": choice} if choice else {})
    assert message in api.error(model="claude-opus-4-8", **body)


def test_tools_that_are_fine(api: Api) -> None:
    search = {"type": "web_search_20260318", "name": "web_search", "max_uses": 2}
    screen = {"type": "computer_toolset_20260801"}
    assert api.ask(tools=[TOOL | {"description": "Adds.", "type": "custom"}, search, screen])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"name": "search"}, "tools.0.web_search_20260318.name: Input should be 'web_search'"),
        ({"max_use": 1}, "tools.0.web_search_20260318.max_use: Extra inputs are not permitted"),
        ({"allowed_domains": ["a.org"], "blocked_domains": ["b.org"]}, "cannot both be given"),
    ],
)
def test_server_tools(api: Api, more: JSON, message: str) -> None:
    search = {"type": "web_search_20260318", "name": "web_search"}
    assert message in api.error(tools=[search | more])


def test_not_too_many_strict_tools(api: Api) -> None:
    strict = {"strict": True, "input_schema": {"type": "object", "additionalProperties": False}}
    tools = [{"name": f"f{i}", **strict} for i in range(21)]
    assert api.ask(tools=tools[1:])
    assert "at most 20" in api.error(tools=tools)


def test_forced_tools_do_not_go_with_thinking(api: Api) -> None:
    forced: JSON = {"tools": [TOOL], "tool_choice": {"type": "any"}, "model": "claude-opus-4-8"}
    assert api.ask(**forced)["stop_reason"] == "tool_use"
    assert "hinking" in api.error(thinking={"type": "adaptive"}, **forced)


def test_formats(api: Api) -> None:
    def format_of(schema: JSON) -> JSON:
        return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}

    loose = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    assert "additionalProperties" in api.error(**format_of(loose))
    strict = loose | {"additionalProperties": False}
    assert api.text('Take "seven"', **format_of(strict)) == '{"a": "seven"}'
    looking = {"type": "string", "pattern": "a(?=b)"}
    assert "look around" in api.error(**format_of(strict | {"properties": {"a": looking}}))
    tree = strict | {"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}}
    assert "recursive" in api.error(**format_of(tree))
    twice = {name: {"$ref": "#/$defs/a"} for name in ("a", "b")}
    assert api.ask(**format_of(strict | {"properties": twice, "$defs": {"a": {"type": "string"}}}))
    bounded = {"type": "integer", "minimum": 3}
    assert "'minimum' is not supported" in api.error(**format_of(strict | {"properties": {"a": bounded}}))


def test_cache_marks(api: Api) -> None:
    five, hour = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}
    four = [text("x", cache_control=five)] * 4
    assert api.ask(four)
    assert "Found 5" in api.error(four, cache_control=five)
    assert api.ask([text("a", cache_control=hour), text("b", cache_control=five)])
    assert "ttl" in api.error([text("a", cache_control=five), text("b", cache_control=hour)])
    assert "ttl" in api.error([text("a", cache_control=hour)], cache_control=five)


def test_prompt_too_long(api: Api) -> None:
    error = api.error("x" * 900_000, model="claude-haiku-4-5", headers=OLD_HEADERS)
    assert error.startswith("prompt is too long: 225003 tokens > 200000 maximum")


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b'"text"', b'{"model": "\\ud83d"}'])
def test_bodies_that_are_not_json_objects(api: Api, raw: bytes) -> None:
    response = api.http.post("/v1/messages", content=raw, headers=api.headers)
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")


def test_escaped_pairs_are_text(api: Api) -> None:
    body = (
        b'{"model": "claude-opus-4-8", "max_tokens": 99, "messages": [{"role": "user", "content": "\\ud83d\\ude42"}]}'
    )
    assert "🙂" in api.http.post("/v1/messages", content=body, headers=api.headers).text


def test_compressed_bodies_are_read(api: Api) -> None:
    body = {"model": "claude-opus-4-8", "max_tokens": 99, "messages": [HI]}
    packed = gzip.compress(json.dumps(body).encode())
    headers = api.headers | {"content-encoding": "gzip"}
    assert api.http.post("/v1/messages", content=packed, headers=headers).status_code == 200


def document(source: JSON) -> list[JSON]:
    return [{"type": "document", "source": source}, text("What is it?")]


def test_pages_of_documents(api: Api) -> None:
    pypdf = pytest.importorskip("pypdf", reason="builds the PDF")
    writer = pypdf.PdfWriter()
    for _ in range(60):
        writer.add_blank_page(100, 100)
    stream = io.BytesIO()
    writer.write(stream)
    packed = b"%PDF-1.7\n1 0 obj\n<</Type /ObjStm>>\nstream\n" + zlib.compress(b"<</Type /Page>>" * 60)
    for data in (stream.getvalue(), packed):
        source = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(data).decode()}
        made = document(source)
        answer = api.ask(made, model="claude-haiku-4-5")
        assert "PDF, 60 pages" in answer["content"][-1]["text"]
        assert answer["usage"]["input_tokens"] > 60 * 1500
        assert "a maximum of 100 PDF pages may be provided. Found 120" in api.error(made * 2, model="claude-haiku-4-5")


def test_documents(api: Api) -> None:
    pdf = base64.b64encode(b"%PDF-1.7 fake").decode()
    good = {"type": "base64", "media_type": "application/pdf", "data": pdf}
    assert "PDF, 13 bytes" in api.text(document(good))
    assert "not valid" in api.error(document(good | {"data": base64.b64encode(b"text").decode()}))
    assert "media_type" in api.error(document(good | {"media_type": "image/png"}))
    plain = {"type": "text", "media_type": "text/plain", "data": "Some notes"}
    assert "plain text, 10 characters" in api.text(document(plain))
    inner = {"type": "content", "content": [text("one"), text("two")]}
    assert "2 content blocks" in api.text(document(inner))
    assert "at https" not in api.text(document({"type": "url", "url": "https://example.org/a.pdf"}))
