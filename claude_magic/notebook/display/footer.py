"""The lines around an answer: what was sent, what must be known, what it cost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from claude_magic.engine.rendering import Ending
from claude_magic.messages.reply import Reply
from claude_magic.messages.text import one_line, truncate
from claude_magic.messages.usage import format_cost, usage_to_json
from claude_magic.notebook.display.output_metadata import remembered

_SPECIAL = re.compile(r"([`*_\[\]<>|~#&])|([$\\])")
_IN_AN_ADDRESS = ":/?#[]@!&'()*+,;=%"
_LONGEST_ADDRESS = 100
"""Characters of one that is shown as text."""


def escaped(text: str) -> str:
    """Text in which Markdown sees nothing but text.

    Formulas are looked for a second time in the finished page, where a ``$`` is no longer escaped;
    they do not reach over the bounds of an element.
    """
    return _SPECIAL.sub(lambda match: rf"\{match[1]}" if match[1] else rf"<span>\{match[2]}</span>", text)


def link(url: str) -> str:
    """An address of the web as a link that shows where it leads; anything else as text."""
    if re.match("https?://", url):
        return f"<{quote(url, safe=_IN_AN_ADDRESS)}>"
    return escaped(truncate(url, _LONGEST_ADDRESS))


def sent(names: Sequence[str]) -> str:
    """``sent: fig (1200x800, 1,247 tokens), 3 earlier turns``; empty if there is nothing to say."""
    return f"sent: {', '.join(names)}" if names else ""


def footer(ending: Ending, style: str) -> str:
    """Model, turn, tokens, cost and seconds in one line.

    Parameters
    ----------
    ending : Ending
    style : str
        ``full``; ``short`` leaves out what differs from run to run; ``off``.

    Returns
    -------
    str
        Simulated answers say so in every style.
    """
    reply = ending.reply
    parts = ["SIMULATED"] if reply.simulated else []
    if style == "off" or not reply.begun:
        return " · ".join(parts) if reply.begun else ""
    parts.append(reply.model)
    if style == "full":
        usage = reply.usage
        if ending.turn:
            parts.append(f"turn {ending.turn} of {ending.turns}")
        cached = f" ({usage.cache_read_input_tokens:,} cached)" if usage.cache_read_input_tokens else ""
        least = "at least " if usage.at_least else ""
        parts.append(f"{usage.total_input:,} in{cached} + {least}{usage.output_tokens:,} out")
        if ending.cost is not None:
            would = "would cost " if reply.simulated else ""
            so_far = f", so far {format_cost(ending.spent)}" if ending.spent is not None else ""
            parts.append(f"{would}{least}{format_cost(ending.cost)}{so_far}")
        else:
            parts.append("price unknown")
        parts.append(f"{reply.seconds:.0f} s" if reply.seconds >= 1 else f"{reply.seconds:.1f} s")
    return " · ".join(parts)


def state(reply: Reply) -> str:
    """What must be said of a reply wherever it is shown; empty for a complete answer of a real model."""
    parts = ["SIMULATED"] if reply.simulated else []
    if not reply.complete:
        parts.append(f"not complete: {reply.stop_reason or 'it broke off'}")
    return " · ".join(parts)


def metadata(ending: Ending, plain: str = "", source: str = "") -> dict[str, Any]:
    """What the output carries for later: the numbers, which turn it is, and what a later kernel needs of it.

    Parameters
    ----------
    ending : Ending
    plain : str
        The text of the output.
    source : str
        Of the cell, if it is one question.
    """
    reply = ending.reply
    usage = usage_to_json(reply.usage)
    calls = [
        {"name": one_line(call.name), "state": call.state, "seconds": round(call.seconds, 3)}
        for call in reply.tool_calls
    ]
    return {
        "claude_magic": {
            "version": 1,
            "turn": ending.turn_id,
            "number": ending.turn,
            "model": reply.model,
            "complete": reply.complete,
            "stop_reason": reply.stop_reason,
            "simulated": reply.simulated,
            "usage": usage,
            "cost_usd": ending.cost,
            **({"calls": calls} if calls else {}),
            **remembered(ending, plain, source),
        }
    }
