"""Compose the answer to a request; the same request always gets the same answer."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator

from . import (
    documentation_examples,
    prose,
    question_text,
    request_report,
    simulated_citations,
    simulated_message,
    simulated_tools,
    thinking_signatures,
    tool_selection,
)
from .documentation_examples import Example
from .id_counters import IdCounters
from .message_request import MessageRequest
from .plan import Plan
from .prompt_cache import InputTokens, PromptCache
from .schema_sampler import Sampler
from .simulated_message import Blocks, SimulatedBlock, SimulatedMessage, UsageObject, text_block

_SHORT_QUESTION = 60
"""Characters; adaptive thinking skips shorter questions unless they hold one of the words below."""
_NEEDS_THOUGHT = re.compile(r"\b(why|compare|think|explain|reason(ing)?|how|prove)\b", re.IGNORECASE)


def split_into_words(text: str) -> tuple[str, ...]:
    """A text in pieces about as long as tokens: each word with the space before it."""
    return tuple(re.findall(r"\s*\S+|\s+$", text))


def _thinks(request: MessageRequest, plan: Plan, has_tool_calls: bool) -> bool:
    if plan.think is not None:
        return plan.think > 0
    if request.thinking_type == "disabled":
        return False
    if request.thinking_type == "between_tools":
        return has_tool_calls
    question = request.question
    return len(question) > _SHORT_QUESTION or bool(_NEEDS_THOUGHT.search(question)) or request.wants_high_effort


def _thinking(request: MessageRequest, plan: Plan) -> tuple[SimulatedBlock, int]:
    """A thinking block, and the number of thinking tokens that it does not show."""
    if plan.think:
        pieces = tuple(prose.pieces(plan.think, plan.chars))
    else:
        topic = question_text.excerpt(request.question or "the tool results")
        pieces = split_into_words(f"Simulated thinking about {topic}. First look at what was sent, then report it.")
    omitted = request.thinking_display == "omitted"
    shown = () if omitted else pieces
    signature = thinking_signatures.sign(request.body, request.model_name, "".join(shown))
    block = SimulatedBlock({"type": "thinking", "thinking": "", "signature": ""}, shown, signature)
    return block, simulated_message.output_tokens((text_block(*pieces),)) if omitted else 0


def _content(request: MessageRequest, plan: Plan, ids: IdCounters) -> Iterator[SimulatedBlock]:
    """Everything after the thinking."""
    chosen, server_tools = tool_selection.choose(request, plan), simulated_tools.offered(request)
    client_calls = [(name, value) for name, value in chosen if name not in server_tools]
    server_calls = [(server_tools[name], value) for name, value in chosen if name in server_tools]
    for tool, value in server_calls:
        yield from simulated_tools.blocks(tool, value, ids.next("srvtoolu"), plan.tool_error, request)
    if plan.say is not None:
        yield text_block(*split_into_words(plan.say))
    elif plan.deltas is not None:
        yield text_block(*prose.pieces(plan.deltas, plan.chars, plan.shape))
    elif plan.stop == "pause_turn":
        yield text_block(*split_into_words("This is simulated: it goes on in the next request."))
    elif not client_calls:
        yield from _plain_answer(request)
    elif request.thinking_type != "between_tools":  # there the thinking block says as much
        yield text_block(*split_into_words("This is simulated: let me call a tool."))
    if plan.stop == "pause_turn" and not server_calls:
        yield from _web_search(ids)
    for name, value in client_calls:
        yield SimulatedBlock.tool_call("tool_use", ids.next("toolu"), name, value)


def _plain_answer(request: MessageRequest) -> Iterator[SimulatedBlock]:
    if wanted := (request.body.get("output_config") or {}).get("format"):
        value = Sampler(request.question).value(wanted["schema"])
        yield text_block(*split_into_words(json.dumps(value, ensure_ascii=False)))
    else:
        yield text_block(*split_into_words(request_report.text(request)))
        yield from simulated_citations.blocks(request)


def _web_search(ids: IdCounters) -> Iterator[SimulatedBlock]:
    """A web search: ``pause_turn`` only ever interrupts server tools."""
    search = ids.next("srvtoolu")
    yield SimulatedBlock.tool_call("server_tool_use", search, "web_search", {"query": "simulated"})
    result = {"type": "web_search_tool_result", "tool_use_id": search, "content": []}
    yield SimulatedBlock({**result, "caller": {"type": "direct"}})


def _apply_limits(blocks: Blocks, request: MessageRequest, plan: Plan, hidden: int) -> tuple[Blocks, str, str | None]:
    """Apply stop sequences and ``max_tokens``; return the blocks left, stop reason and stop sequence."""
    if plan.empty:
        return (), "end_turn", None
    reason = "tool_use" if any(block.kind == "tool_use" for block in blocks) else "end_turn"
    blocks, sequence = simulated_message.cut_at_stop_sequence(blocks, request.body.get("stop_sequences") or [])
    if sequence is not None:
        reason = "stop_sequence"
    if plan.deltas is None:  # a plan that sets the number of deltas gets all of them
        blocks, was_cut = simulated_message.cut_at_max_tokens(blocks, request.body["max_tokens"] - hidden)
        if was_cut:
            reason, sequence = "max_tokens", None
    return blocks, reason, sequence


def _with_planned_stop(message: SimulatedMessage, plan: Plan) -> SimulatedMessage:
    """The message with the ending that the plan asks for."""
    if plan.fault == "refusal":
        explanation = "Refused because a plan of the simulator says so."
        details = {"type": "refusal", "category": plan.category, "explanation": explanation}
        blocks = simulated_message.first_deltas(message.blocks, plan.after or 0)
        return dataclasses.replace(message, blocks=blocks, stop_reason="refusal", stop_details=details)
    if plan.stop == "max_tokens" and message.blocks and message.blocks[-1].kind == "tool_use":
        last = message.blocks[-1]  # max_tokens can cut the JSON of a tool's input anywhere
        message = dataclasses.replace(message, blocks=(*message.blocks[:-1], last.cut(len(last.joined) // 2)))
    return dataclasses.replace(message, stop_reason=plan.stop) if plan.stop else message


def _usage(request: MessageRequest, counted: InputTokens, blocks: Blocks, hidden: int) -> UsageObject:
    """Usage of an answer; thinking is billed even if it is not shown."""
    thinking = tuple(block for block in blocks if block.kind == "thinking")
    return {
        "input_tokens": counted.uncached,
        "output_tokens": hidden + simulated_message.output_tokens(blocks),
        "cache_creation_input_tokens": counted.written_5m + counted.written_1h,
        "cache_read_input_tokens": counted.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": counted.written_5m,
            "ephemeral_1h_input_tokens": counted.written_1h,
        },
        "output_tokens_details": {"thinking_tokens": hidden + simulated_message.output_tokens(thinking)},
        "server_tool_use": simulated_tools.usage(blocks),
        "service_tier": "standard",
        "speed": request.body.get("speed") or "standard",
        "inference_geo": request.body.get("inference_geo") or "global",
    }


def _from_documentation(example: Example, request: MessageRequest) -> SimulatedMessage:
    """The answer that the documentation shows."""
    usage = _usage(request, InputTokens(0), (), 0)
    usage["input_tokens"], usage["output_tokens"] = example.input_tokens, example.output_tokens
    return SimulatedMessage(example.id, request.model_name, example.blocks, usage, example.stop_reason)


def compose(request: MessageRequest, plan: Plan, cache: PromptCache, ids: IdCounters) -> SimulatedMessage:
    """Compose the answer to a checked request; reads and writes the server's prompt cache."""
    example = None if plan.sets_content or plan.stop else documentation_examples.find(request.body)
    if example is not None:
        return _with_planned_stop(_from_documentation(example, request), plan)
    counted = cache.count(request)
    blocks = tuple(_content(request, plan, ids))
    hidden = 0
    if _thinks(request, plan, request.continues_answer or any(block.is_tool_call for block in blocks)):
        thinking, hidden = _thinking(request, plan)
        blocks = (thinking, *blocks)
    hidden = min(hidden, request.body["max_tokens"])
    blocks, reason, sequence = _apply_limits(blocks, request, plan, hidden)
    message = SimulatedMessage(ids.next("msg"), request.model_name, blocks, {}, reason, sequence)
    message = _with_planned_stop(message, plan)
    return dataclasses.replace(
        message,
        usage=_usage(request, counted, message.blocks, hidden),
        input_transformations=request.transformations,
        diagnostics=cache.diagnose(request, message.id, counted),
    )
