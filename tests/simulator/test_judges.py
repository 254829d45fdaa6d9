"""The simulator, validated by judges that this project did not write."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import resources
from typing import Any

import pytest

from claude_magic.simulator import Simulator
from tests.judges import require_judge

from .conftest import ADD, FETCH, JSON, OLD, PYTHON, SEARCH, SHELL, SHOWN, Api
from .test_simulated_citations import CITED

QUESTIONS: list[JSON] = [
    {"question": "Hello, Claude"},
    {"question": "Why is it so?", "thinking": SHOWN},
    {"question": "Please use add", "tools": [ADD]},
    {"question": "Refuse", "plan": "refusal; category=cyber; after=2"},
    {"question": "Pause", "plan": "stop=pause_turn"},
    {"question": "Nothing", "plan": "empty"},
    {"question": "Stop", "stop_sequences": ["simulated"]},
    {"question": "Search", "tools": [SEARCH]},
    {"question": "Search", "tools": [SEARCH], "plan": "tool=web_search; tool-error=query_too_long"},
    {"question": "Fetch https://example.org/", "tools": [FETCH], "plan": "tool=web_fetch"},
    {"question": "Fetch", "tools": [FETCH], "plan": "tool=web_fetch"},
    {"question": "Run", "tools": [PYTHON], "plan": "tool=code_execution"},
    {"question": "Run", "tools": [SHELL], "plan": "tool=code_execution"},
    {"question": "Run", "tools": [SHELL], "plan": "tool=code_execution; tool-error=execution_time_exceeded"},
    {"question": [*CITED, {"type": "text", "text": "What do they say?"}]},
]

# The SDK costs a second and 60 MB, so it stays in a process of its own.
_READ_WITH_SDK = """
import json, sys
import pydantic
from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types import ModelInfo

def extras(value, path="it"):
    if isinstance(value, pydantic.BaseModel):
        assert not value.model_extra, (path, value.model_extra)
        for name in value.model_fields_set:
            extras(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            extras(inner, path)

kinds = {"message": Message, "event": RawMessageStreamEvent, "model": ModelInfo}
readers = {name: pydantic.TypeAdapter(kind) for name, kind in kinds.items()}
for line in sys.stdin:
    kind, value = json.loads(line)
    if value.get("type") != "ping":
        extras(readers[kind].validate_json(json.dumps(value), strict=True))
print("read")
"""


def produced(api: Api) -> list[tuple[str, JSON]]:
    """Messages, events and models of all kinds."""
    found: list[tuple[str, JSON]] = []
    for question in QUESTIONS:
        found.append(("message", api.ask(**question)))
        found += [("event", event) for event in api.events(**question)]
    asked: JSON = {"diagnostics": {"previous_message_id": found[0][1]["id"]}, "max_tokens": 10}
    id = api.ask(**asked)["id"]
    for changes in ({}, {"system": "Be brief."}):  # not found, and changed
        found.append(("message", api.ask(**asked, **changes)))
        asked = {**asked, "diagnostics": {"previous_message_id": id}}
    found.append(("event", api.events(**asked, system="Be kind.")[0]))
    models = api.http.get("/v1/models", headers=api.headers).json()["data"]
    return found + [("model", model) for model in models]


@pytest.mark.slow
def test_llm_comply(simulator: Simulator) -> None:
    command = [require_judge("llm-comply"), "--format", "anthropic", "-u", f"{simulator.url}/v1", "-k", "k"]
    command += ["-m", "claude-sonnet-4-6", "--auth-header", "x-api-key", "--no-bearer"]
    command += ["-H", f"anthropic-version:{OLD}"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert len(simulator.requests) >= 9


@pytest.mark.slow
def test_official_types(api: Api) -> None:
    pytest.importorskip("pydantic")
    lines = "\n".join(json.dumps(item) for item in produced(api))
    result = subprocess.run(
        [sys.executable, "-c", _READ_WITH_SDK], input=lines, capture_output=True, text=True, timeout=120, check=False
    )
    if "No module named 'anthropic'" in result.stderr:
        require_judge("anthropic")
    assert result.stdout == "read\n", result.stderr


_SCHEMAS = {"message": "Message", "model": "ModelInfo"}
_EVENTS = {
    "message_start": "MessageStartEvent",
    "content_block_start": "ContentBlockStartEvent",
    "content_block_delta": "ContentBlockDeltaEvent",
    "content_block_stop": "ContentBlockStopEvent",
    "message_delta": "MessageDeltaEvent",
    "message_stop": "MessageStopEvent",
}


@pytest.fixture(scope="module")
def description() -> JSON:
    """Anthropic's description of its API, as llm-comply carries it."""
    require_judge("llm-comply")
    loaded: JSON = json.loads(resources.files("llm_comply").joinpath("specs/anthropic.json").read_text())
    return loaded


def problems(description: JSON, schema: str, value: Any) -> list[str]:
    jsonschema = pytest.importorskip("jsonschema")
    whole = {"$ref": f"#/components/schemas/{schema}", "components": description["components"]}
    return [error.message for error in jsonschema.Draft202012Validator(whole).iter_errors(value)]


def test_described_fields(api: Api, description: JSON) -> None:
    for kind, value in produced(api):
        schema = _SCHEMAS.get(kind) or _EVENTS.get(value["type"])
        if schema:
            assert problems(description, schema, value) == []


def test_described_errors_and_lists(api: Api, description: JSON) -> None:
    for status in (400, 401, 402, 403, 404, 429, 500, 504, 529):
        assert problems(description, "ErrorResponse", api.post(plan=str(status)).json()) == []
    page = api.http.get("/v1/models", headers=api.headers).json()
    assert problems(description, "ListResponse_ModelInfo_", page) == []
    count = api.post(path="/v1/messages/count_tokens", max_tokens=...).json()
    assert problems(description, "CountMessageTokensResponse", count) == []
