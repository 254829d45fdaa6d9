"""A prepared question on its way: sent, drawn and read to its end."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

from claude_magic.engine.outcome import Outcome, outcome
from claude_magic.engine.prepare import Prepared
from claude_magic.engine.rendering import Renderer
from claude_magic.messages.blocks import TextBlock, ThinkingBlock


def run(prepared: Prepared, renderer: Renderer, stop: Callable[[], None] | None = None) -> Outcome:
    """Send a question and read its answer. Whatever stops it is part of the outcome, and is not raised here.

    Parameters
    ----------
    prepared : Prepared
    renderer : Renderer
    stop : callable, optional
        Stops it if it is answered in the background.
    """
    started = time.monotonic()
    error: BaseException | None = None
    try:
        renderer.start(dataclasses.replace(prepared.opening, stop=stop))
        prepared.loop.run(renderer.update)
    except BaseException as caught:  # noqa: BLE001  (raised by the caller once everything is in order)
        error = caught
    request = prepared.request
    reply = request.reply
    reply.seconds = time.monotonic() - started
    reply.sent = prepared.opening.sent
    reply.model = reply.model or request.model.id
    if not reply.ended and (reply.blocks or reply.counted.total_input):
        # The server counts at the end; of an answer that broke off only what arrived can be counted.
        texts = (block.text for block in reply.blocks if isinstance(block, TextBlock | ThinkingBlock))
        output = max(reply.counted.output_tokens, sum(map(len, texts)) // 4)
        reply.counted = dataclasses.replace(reply.counted, output_tokens=output, at_least=True)
    once = prepared.question.options.get("once", False)
    return outcome(reply, error, request.own[1:], request.bound_to, once=once)


def notices(prepared: Prepared, result: Outcome) -> list[str]:
    """How it went, for the reader."""
    cache = [prepared.cache_notice] if prepared.cache_notice and prepared.request.reply.begun else []
    return [*cache, *prepared.request.notices(), *prepared.loop.notices, *([result.notice] if result.notice else [])]
