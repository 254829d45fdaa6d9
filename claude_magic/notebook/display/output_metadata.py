"""What an output remembers of its turn, so that a later kernel can restore it from the saved notebook."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from claude_magic.engine.rendering import Ending
from claude_magic.messages.blocks import TextBlock
from claude_magic.messages.reply import Reply

_VALUE = re.compile(r".+ \(.+\)", re.DOTALL)
"""How a value is told among what was sent; tools and earlier turns are told without brackets."""
_FOOTER = re.compile(r"\n\n\([^\n]*\)\s*\Z")
_AROUND = re.compile(r"\A\*sent: [^\n]*\*\n\n|(?:\n\n(?:>[^\n]*\n?)+)?\n\n\*[^\n]*\*\s*\Z")


def remembered(ending: Ending, plain: str, source: str) -> dict[str, Any]:
    """What belongs into the metadata of an answer.

    Parameters
    ----------
    ending : Ending
    plain : str
        The text of the output; where the answer's own words stand in it is noted.
    source : str
        Of the cell, if it is one question: its hash tells later whether it was edited. Else the
        question is noted itself.
    """
    asked, reply = ending.asked, ending.reply
    if asked is None:
        return {}
    return {
        "conversation": ending.conversation,
        "asked": asked.at.isoformat(timespec="milliseconds"),
        **({"nth": asked.number} if asked.in_cell else {}),
        **({"source": digest(source)} if source else {"question": asked.text}),
        **({"sent": sent} if (sent := [line for line in reply.sent if _VALUE.fullmatch(line)]) else {}),
        **({"text": found} if (found := _places(reply, plain)) else {}),
    }


def digest(source: str) -> str:
    """Short, and another one for another source; white space around it does not count."""
    return hashlib.sha256(source.strip().encode("utf-8", "replace")).hexdigest()[:16]


def answer(about: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """The words of an answer out of its output.

    Parameters
    ----------
    about : mapping
        Its metadata.
    data : mapping
        Its bundle.
    """
    plain, markdown = (_joined(data.get(kind)) for kind in ("text/plain", "text/markdown"))
    places = about.get("text")
    if isinstance(places, list) and all(map(_is_place, places)):
        found = [plain[start:end] for start, end in places if end <= len(plain)]
        if len(found) == len(places):
            return "\n\n".join(found)
    if plain:
        return _FOOTER.sub("", plain)
    return _AROUND.sub("", _AROUND.sub("", markdown))


def _places(reply: Reply, plain: str) -> list[list[int]]:
    """Where the texts of an answer stand; none if one of them is not there as it was written."""
    places: list[list[int]] = []
    at = 0
    for message in reply.messages:
        texts = [message.own_text] if message.own_text in plain[at:] else _texts(message)
        for text in filter(str.strip, texts):
            start = plain.find(text, at)
            if start < 0:
                return []
            at = start + len(text)
            places.append([start, at])
    return places


def _texts(message: Reply) -> list[str]:
    return [message.prefill, *(block.text.strip() for block in message.blocks if isinstance(block, TextBlock))]


def _joined(text: object) -> str:
    """A text as notebooks keep it: whole, or line by line."""
    if isinstance(text, list):
        return "".join(line for line in text if isinstance(line, str))
    return text if isinstance(text, str) else ""


def _is_place(place: object) -> bool:
    return (
        isinstance(place, list)
        and len(place) == 2
        and all(type(end) is int for end in place)
        and 0 <= place[0] <= place[1]
    )
