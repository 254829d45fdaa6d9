"""The lines around an answer: what was sent, whether it is complete, what it cost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

from claude_magic.engine.rendering import Ending
from claude_magic.messages.reply import Reply
from claude_magic.messages.text import one_line, truncate
from claude_magic.messages.usage import format_cost, usage_to_json
from claude_magic.notebook.display.output_metadata import AnswerMetadata, restoration_data

_SPECIAL = re.compile(r"([`*_\[\]<>|~#&])|([$\\])")
_SAFE_IN_URL = ":/?#[]@!&'()*+,;=%"
_LONGEST_URL = 100
"""Characters of a URL that is shown as text."""


def escaped(text: str) -> str:
    """Escape Markdown, so that the text is shown as it is.

    The finished page is searched for formulas once more, when a ``$`` is no longer escaped. A formula
    cannot cross the boundary of an element, hence the ``<span>``.
    """
    return _SPECIAL.sub(lambda match: rf"\{match[1]}" if match[1] else rf"<span>\{match[2]}</span>", text)


def link(url: str) -> str:
    """A web address as a link that shows where it leads; any other URL as text."""
    if re.match("https?://", url):
        return f"<{quote(url, safe=_SAFE_IN_URL)}>"
    return escaped(truncate(url, _LONGEST_URL))


def sent(names: Sequence[str]) -> str:
    """``sent: fig (1200x800, 1,247 tokens), 3 earlier turns``; empty if nothing was sent besides the question."""
    return f"sent: {', '.join(names)}" if names else ""


def footer(ending: Ending, style: str) -> str:
    """Model, turn, tokens, cost and seconds in one line.

    Parameters
    ----------
    ending : Ending
    style : str
        ``full``, ``short`` (without what differs from run to run) or ``off``.

    Returns
    -------
    str
        Every style marks simulated answers.
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
    """Whether a reply is simulated or incomplete; empty for a complete answer of a real model."""
    parts = ["SIMULATED"] if reply.simulated else []
    if not reply.complete:
        parts.append(f"not complete: {reply.stop_reason or 'it broke off'}")
    return " · ".join(parts)


def metadata(ending: Ending, plain: str = "", source: str = "") -> dict[str, AnswerMetadata]:
    """The metadata of an answer's output: figures, the turn, and what a later kernel needs to restore it.

    Parameters
    ----------
    ending : Ending
    plain : str
        The plain text of the output.
    source : str
        The source of the cell, if it is a single question.
    """
    reply = ending.reply
    about: AnswerMetadata = {
        "version": 1,
        "turn": ending.turn_id,
        "number": ending.turn,
        "model": reply.model,
        "complete": reply.complete,
        "stop_reason": reply.stop_reason,
        "simulated": reply.simulated,
        "usage": usage_to_json(reply.usage),
        "cost_usd": ending.cost,
    }
    if calls := reply.tool_calls:
        about["calls"] = [
            {"name": one_line(call.name), "state": call.state, "seconds": round(call.seconds, 3)} for call in calls
        ]
    return {"claude_magic": {**about, **restoration_data(ending, plain, source)}}
