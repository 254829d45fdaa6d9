"""Composing an answer: the same request always gets the same one."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import Iterator

from . import answer, binding, citing, examples, prose, report, server_tools, tool_calls, words
from .answer import Answer, Part, text_part
from .caching import Cache, Counted
from .call import JSON, Call
from .plan import Plan
from .schemas import Sampler

_TRIVIAL = 60
_WORTH_A_THOUGHT = re.compile(r"\b(why|compare|think|explain|reason(ing)?|how|prove)\b", re.IGNORECASE)


class Ids:
    """Ids of messages, requests and tool calls, counted for each server."""

    def __init__(self) -> None:
        self._counters: dict[str, itertools.count[int]] = {}

    def next(self, prefix: str) -> str:
        """The next id, for instance ``msg_sim00000001``."""
        number = next(self._counters.setdefault(prefix, itertools.count(1)))
        return f"{prefix}_sim{number:08}"


def in_pieces(text: str) -> tuple[str, ...]:
    """A text in pieces as long as tokens are: words with the space before them."""
    return tuple(re.findall(r"\s*\S+|\s+$", text))


def _thinks(call: Call, plan: Plan, calls: bool) -> bool:
    if plan.think is not None:
        return plan.think > 0
    if call.thinking == "disabled":
        return False
    if call.thinking == "between_tools":
        return calls
    question = call.question
    return len(question) > _TRIVIAL or bool(_WORTH_A_THOUGHT.search(question)) or call.asks_effort


def _thought(call: Call, plan: Plan) -> tuple[Part, int]:
    """A thinking block, and the tokens that it took but does not show."""
    if plan.think:
        pieces = tuple(prose.pieces(plan.think, plan.chars))
    else:
        told = words.first(call.question or "the tool results")
        pieces = in_pieces(f"Simulated thinking about {told}. First look at what was sent, then report it.")
    omitted = call.display == "omitted"
    shown = () if omitted else pieces
    signature = binding.sign(call.body, call.model_name, "".join(shown))
    block = Part({"type": "thinking", "thinking": "", "signature": ""}, shown, signature)
    return block, answer.output_tokens((text_part(*pieces),)) if omitted else 0


def _content(call: Call, plan: Plan, ids: Ids) -> Iterator[Part]:
    """Everything after the thinking."""
    chosen, on_server = tool_calls.choose(call, plan), server_tools.offered(call)
    calls = [(name, value) for name, value in chosen if name not in on_server]
    served = [(on_server[name], value) for name, value in chosen if name in on_server]
    for tool, value in served:
        yield from server_tools.parts(tool, value, ids.next("srvtoolu"), plan.tool_error, call)
    if plan.say is not None:
        yield text_part(*in_pieces(plan.say))
    elif plan.deltas is not None:
        yield text_part(*prose.pieces(plan.deltas, plan.chars, plan.shape))
    elif plan.stop == "pause_turn":
        yield text_part(*in_pieces("This is simulated: it goes on in the next request."))
    elif not calls:
        yield from _plain(call)
    elif call.thinking != "between_tools":  # there such a note is the thinking
        yield text_part(*in_pieces("This is simulated: let me call a tool."))
    if plan.stop == "pause_turn" and not served:
        yield from _search(ids)
    for name, value in calls:
        yield Part.calling("tool_use", ids.next("toolu"), name, value)


def _plain(call: Call) -> Iterator[Part]:
    if wanted := (call.body.get("output_config") or {}).get("format"):
        value = Sampler(call.question).value(wanted["schema"])
        yield text_part(*in_pieces(json.dumps(value, ensure_ascii=False)))
    else:
        yield text_part(*in_pieces(report.text(call)))
        yield from citing.parts(call)


def _search(ids: Ids) -> Iterator[Part]:
    """The server's own search that a pause comes after."""
    search = ids.next("srvtoolu")
    yield Part.calling("server_tool_use", search, "web_search", {"query": "simulated"})
    result = {"type": "web_search_tool_result", "tool_use_id": search, "content": []}
    yield Part({**result, "caller": {"type": "direct"}})


def _stopped(parts: tuple[Part, ...], call: Call, plan: Plan, hidden: int) -> tuple[tuple[Part, ...], str, str | None]:
    """What is left after stop sequences and ``max_tokens``, and how it ended."""
    if plan.empty:
        return (), "end_turn", None
    reason = "tool_use" if any(part.kind == "tool_use" for part in parts) else "end_turn"
    parts, sequence = answer.end_at(parts, call.body.get("stop_sequences") or [])
    if sequence is not None:
        reason = "stop_sequence"
    if plan.deltas is None:  # a shape asked for in so many deltas is meant to have them all
        parts, cut = answer.fit(parts, call.body["max_tokens"] - hidden)
        if cut:
            reason, sequence = "max_tokens", None
    return parts, reason, sequence


def _planned_end(made: Answer, plan: Plan) -> Answer:
    """The ending that a plan asks for."""
    if plan.fault == "refusal":
        explanation = "Refused because a plan of the simulator says so."
        details = {"type": "refusal", "category": plan.category, "explanation": explanation}
        parts = answer.first_deltas(made.parts, plan.after or 0)
        return dataclasses.replace(made, parts=parts, stop_reason="refusal", stop_details=details)
    if plan.stop == "max_tokens" and made.parts and made.parts[-1].kind == "tool_use":
        last = made.parts[-1]
        made = dataclasses.replace(made, parts=(*made.parts[:-1], last.cut(len(last.joined) // 2)))
    return dataclasses.replace(made, stop_reason=plan.stop) if plan.stop else made


def _usage(call: Call, counted: Counted, parts: tuple[Part, ...], hidden: int) -> JSON:
    """What a request cost; thinking that is not shown is paid for all the same."""
    thinking = hidden + answer.output_tokens(tuple(part for part in parts if part.kind == "thinking"))
    return {
        "input_tokens": counted.uncached,
        "output_tokens": hidden + answer.output_tokens(parts),
        "cache_creation_input_tokens": counted.written_5m + counted.written_1h,
        "cache_read_input_tokens": counted.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": counted.written_5m,
            "ephemeral_1h_input_tokens": counted.written_1h,
        },
        "output_tokens_details": {"thinking_tokens": thinking},
        "server_tool_use": server_tools.requests(parts),
        "service_tier": "standard",
        "speed": call.body.get("speed") or "standard",
        "inference_geo": call.body.get("inference_geo") or "global",
    }


def _shown(example: examples.Example, call: Call) -> Answer:
    """The answer that documentation shows."""
    usage = _usage(call, Counted(0), (), 0) | example.usage
    return Answer(example.id, call.model_name, example.parts, usage, example.stop_reason)


def compose(call: Call, plan: Plan, cache: Cache, ids: Ids) -> Answer:
    """The answer to a request.

    Parameters
    ----------
    call : Call
        A checked request.
    plan : Plan
        What should be special about the answer.
    cache : Cache
        The server's prompt cache; read and written.
    ids : Ids
        The server's counters.

    Returns
    -------
    Answer
    """
    example = None if plan.shapes_answer or plan.stop else examples.find(call.body)
    if example is not None:
        return _planned_end(_shown(example, call), plan)
    counted = cache.count(call)
    parts = tuple(_content(call, plan, ids))
    hidden = 0
    if _thinks(call, plan, call.goes_on or any(part.streams_json for part in parts)):
        block, hidden = _thought(call, plan)
        parts = (block, *parts)
    hidden = min(hidden, call.body["max_tokens"])
    parts, reason, sequence = _stopped(parts, call, plan, hidden)
    made = Answer(ids.next("msg"), call.model_name, parts, {}, reason, sequence)
    made = _planned_end(made, plan)
    usage = _usage(call, counted, made.parts, hidden)
    found = cache.diagnosed(call, made.id, counted)
    return dataclasses.replace(made, usage=usage, input_transformations=call.transformations, diagnostics=found)
