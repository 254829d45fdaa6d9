"""Every model accepts what the table says, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from claude_magic.messages import limits

from .conftest import ADD, HI, OLD_HEADERS, Api

EVERY = pytest.mark.parametrize("model", limits.models(), ids=lambda model: model.id)


def accepted(api: Api, model: limits.Model, **body: Any) -> bool:
    response = api.post(model=model.id, max_tokens=4096, **body)
    assert response.status_code in (200, 400)
    assert response.status_code == 200 or response.json()["error"]["type"] == "invalid_request_error"
    return response.status_code == 200


@EVERY
def test_answers(api: Api, model: limits.Model) -> None:
    for name in (model.id, *model.aliases):
        assert api.ask(model=name)["model"] == model.id


@EVERY
@pytest.mark.parametrize("kind", ["adaptive", "enabled", "disabled", "between_tools"])
def test_thinking(api: Api, model: limits.Model, kind: str) -> None:
    thinking = {"type": kind} | ({"budget_tokens": 2048} if kind == "enabled" else {})
    assert accepted(api, model, thinking=thinking) == (kind in model.thinking)


@EVERY
def test_thinks_by_default(api: Api, model: limits.Model) -> None:
    message = api.ask("Why do birds sing?", model=model.id)
    assert (message["content"][0]["type"] == "thinking") == model.thinks_by_default
    if model.thinks_by_default:
        assert (message["content"][0]["thinking"] == "") == (model.thinking_display == "omitted")


@EVERY
@pytest.mark.parametrize("level", ["low", "medium", "high", "xhigh", "max"])
def test_effort(api: Api, model: limits.Model, level: str) -> None:
    assert accepted(api, model, output_config={"effort": level}) == (level in model.effort)


@EVERY
def test_effort_without_thinking(api: Api, model: limits.Model) -> None:
    if model.no_thinking_up_to is None:
        return
    (kind,) = {"disabled", "between_tools"} & set(model.thinking)
    allowed = model.effort[: model.effort.index(model.no_thinking_up_to) + 1]
    for level in model.effort:
        taken = accepted(api, model, thinking={"type": kind}, output_config={"effort": level})
        assert taken == (level in allowed)


@EVERY
def test_sampling(api: Api, model: limits.Model) -> None:
    off = {"thinking": {"type": "disabled"}} if "disabled" in model.thinking else {}
    assert accepted(api, model, temperature=0.5, headers=OLD_HEADERS, **off) == model.sampling
    assert accepted(api, model, temperature=1, headers=OLD_HEADERS)
    assert not accepted(api, model, temperature=1)
    assert not accepted(api, model, temperature=2, headers=OLD_HEADERS)
    if model.sampling:
        assert not accepted(api, model, temperature=0.5, top_p=0.5, headers=OLD_HEADERS)


@EVERY
def test_prefill(api: Api, model: limits.Model) -> None:
    messages = [HI, {"role": "assistant", "content": "Well,"}]
    assert accepted(api, model, messages=messages) == model.prefill


@EVERY
def test_system_messages(api: Api, model: limits.Model) -> None:
    messages = [HI, {"role": "system", "content": "Be brief."}]
    assert accepted(api, model, messages=messages) == model.system_messages


@EVERY
def test_forced_tools(api: Api, model: limits.Model) -> None:
    assert accepted(api, model, tools=[ADD], tool_choice={"type": "any"}) == model.forced_tool_choice
    assert accepted(api, model, tools=[ADD], tool_choice={"type": "auto"})


@EVERY
def test_max_tokens(api: Api, model: limits.Model) -> None:
    assert api.post(model=model.id, max_tokens=model.max_output).status_code == 200
    error = api.error(model=model.id, max_tokens=model.max_output + 1)
    assert error.startswith(f"max_tokens: {model.max_output + 1} > {model.max_output}, which is the maximum")


@EVERY
def test_changed_prefix(api: Api, model: limits.Model) -> None:
    """Thinking sent back after a changed question."""
    if not {"adaptive", "enabled"} & set(model.thinking):
        return
    kind = "adaptive" if "adaptive" in model.thinking else "enabled"
    thinking = {"type": kind} | ({"budget_tokens": 2048} if kind == "enabled" else {})
    first = {"role": "user", "content": "Why do birds sing?"}
    answer = api.ask(messages=[first], model=model.id, max_tokens=4096, thinking=thinking)
    reply = {"role": "assistant", "content": answer["content"]}
    assert answer["content"][0]["type"] == "thinking"
    assert accepted(api, model, messages=[first, reply, HI], thinking=thinking)
    changed = {"role": "user", "content": "Why do fish swim?"}
    assert accepted(api, model, messages=[changed, reply, HI], thinking=thinking) != model.bound_thinking


@pytest.mark.parametrize("name", ["claude-nothing-9", "opus", "gpt-5", ""])
def test_unknown_models(api: Api, name: str) -> None:
    response = api.post(model=name)
    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")
    assert response.json()["error"]["message"] == f"model: {name}"
