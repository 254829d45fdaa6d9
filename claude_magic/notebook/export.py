"""Export a conversation for people to read: as Markdown, a notebook or an HTML page.

What Claude wrote is inert in all of them. Questions are text, with values by their names and
pictures as they were sent.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from claude_magic.content.image_codec import EncodedImage
from claude_magic.content.parts import Part
from claude_magic.content.picture_part import PicturePart
from claude_magic.content.thumbnails import thumbnails
from claude_magic.conversation.saving import folder
from claude_magic.conversation.turns import Turn
from claude_magic.engine.notice import Notice
from claude_magic.engine.rendering import Asked, Ending
from claude_magic.messages import limits
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import pluralize
from claude_magic.notebook.display.footer import escaped, footer, metadata, sent, state
from claude_magic.notebook.display.gallery import gallery
from claude_magic.notebook.display.inert import inert
from claude_magic.notebook.display.reply_view import render_reply
from claude_magic.tools.calls import Call

if TYPE_CHECKING:
    from claude_magic.conversation.conversation import Conversation

_CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
Exported = tuple[str, dict[str, bytes]]
"""The text, and by name the files that belong in the folder beside it."""


def export(conversation: Conversation, path: str | os.PathLike[str]) -> Notice:
    """Write a conversation for people to read, in the format of the path's suffix.

    Parameters
    ----------
    conversation : Conversation
    path : path
        ``.md``: with the pictures in a folder beside it. ``.ipynb``: with the questions as cells, from
        which ``claude.restore(path)`` can make turns again. ``.html``: one self-contained page.

    Raises
    ------
    BadInput
        For any other suffix, or if it cannot be written; an existing file is then left as it is.
    """
    where = folder.resolve_path(path)
    write = _WRITERS.get(where.suffix.lower())
    if write is None:
        raise BadInput(
            f"A conversation is exported as {', '.join(_WRITERS)}, not {where.suffix!r}. To continue it later: save()."
        )
    text, files = write(conversation, folder.attachment_folder(where).name)
    text = conversation.home.credentials.hide(text)
    folder.write(where, text.encode("utf-8", "replace"), files)
    beside = f", {pluralize(len(files), 'picture')} in {folder.attachment_folder(where).name}" if files else ""
    return Notice(f"Exported {pluralize(len(conversation.turns), 'turn')} to {where}{beside}.")


# -- Markdown ------------------------------------------------------------------------------------


def _markdown(conversation: Conversation, beside: str) -> Exported:
    files: dict[str, bytes] = {}

    def linked(part: PicturePart) -> str:
        encoded = _as_sent(part)
        name = folder.attachment_name(encoded.data, _suffix(encoded))
        files[name] = encoded.data
        return f"![{escaped(part.name)}](<{quote(f'{beside}/{name}')}>)"

    paragraphs = [f"# {escaped(_title(conversation))}"]
    if conversation.system:
        paragraphs += ["**System prompt**", _quoted(inert(conversation.system))]
    for turn in conversation.turns:
        where = f" · {escaped(turn.place.label)}" if turn.place else ""
        paragraphs += [
            "---",  # no headings: answers have their own
            f"**You**{where} · {turn.asked:%Y-%m-%d %H:%M}",
            _quoted(inert(turn.prompt)),
            *map(linked, _pictures(turn.messages[0].parts)),
            *_line(sent(turn.reply.sent)),
            f"**Claude**{escaped(_author(turn).removeprefix('Claude'))}",
            render_reply(turn.reply, pictures=lambda call: " ".join(map(linked, _pictures(call.parts)))),
            *_line(state(turn.reply)),
        ]
    return "\n\n".join(filter(None, paragraphs)) + "\n", files


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _line(text: str) -> list[str]:
    """A line about an answer, in italics; nothing if there is none."""
    return [f"*{escaped(text)}*"] if text else []


# -- notebook ------------------------------------------------------------------------------------


def _notebook(conversation: Conversation, beside: str) -> Exported:
    turns = list(conversation.turns)
    cells = [
        {"cell_type": "markdown", "id": "title", "metadata": {}, "source": [f"# {escaped(_title(conversation))}"]},
        _code_cell("load", "%load_ext claude_magic"),
    ]
    name = f"claude[{conversation.name!r}]" if conversation.name != "main" else "claude"
    if conversation.system:
        cells.append(_code_cell("system", f"{name}.system = {conversation.system!r}"))
    taken = {cell["id"] for cell in cells}
    for number, turn in enumerate(turns, 1):
        cell = turn.place.cell if turn.place else ""
        id = cell if _CELL_ID.fullmatch(cell) and cell not in taken else turn.id
        taken.add(id)
        source = _question(conversation, turn)
        cells.append(_code_cell(id, source, [_output(conversation, turn, number, len(turns), source)]))
    document = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n", {}


def _question(conversation: Conversation, turn: Turn) -> str:
    """A cell that asks the same text again, with braces as they are."""
    options = f" -c {conversation.name!r}" if conversation.name != "main" else ""
    return f"%%claude{options}{' --verbatim' if '{{' in turn.prompt else ''}\n{turn.prompt}"


def _output(conversation: Conversation, turn: Turn, number: int, count: int, source: str) -> dict[str, Any]:
    cost = turn.reply.cost
    ending = Ending(
        reply=turn.reply,
        notices=(),
        turn=number,
        turns=count,
        cost=float(cost) if cost is not None else None,
        spent=None,
        turn_id=turn.id,
        asked=Asked(turn.prompt, turn.asked, turn.place.number if turn.place else None, turn.place is not None),
        conversation=conversation.name,
    )
    within = limits.image_limits(limits.lookup(turn.reply.model), 1)
    shown = gallery(thumbnails([(getattr(part, "name", "picture"), part) for part in turn.messages[0].parts], within))
    line = " · ".join(filter(None, [footer(ending, "short"), "" if turn.reply.complete else state(turn.reply)]))
    answer = render_reply(turn.reply, pictures=lambda call: _small(call, within))
    plain = render_reply(turn.reply, plain=True)
    texts = {
        "text/markdown": [*_line(sent(turn.reply.sent)), shown, answer, *_line(line)],
        "text/plain": [plain, f"({line})" if line else ""],
    }
    data = {kind: "\n\n".join(filter(None, parts)) for kind, parts in texts.items()}
    return {
        "output_type": "display_data",
        "data": {kind: text.splitlines(keepends=True) for kind, text in data.items()},
        "metadata": metadata(ending, data["text/plain"], source),
    }


def _small(call: Call, within: limits.ImageLimits) -> str:
    return gallery(thumbnails([(call.name, part) for part in call.parts], within))


def _code_cell(id: str, source: str, outputs: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": id,
        "metadata": {},
        "execution_count": None,
        "source": source.splitlines(keepends=True),
        "outputs": outputs or [],
    }


# -- HTML page -----------------------------------------------------------------------------------


def _page(conversation: Conversation, beside: str) -> Exported:
    from claude_magic.notebook.html_export import page

    def inlined(part: PicturePart) -> tuple[str, str]:
        encoded = _as_sent(part)
        data = base64.b64encode(encoded.data).decode("ascii")
        return part.name, f"data:{encoded.media_type};base64,{data}"

    within = limits.widest_limits()
    exchanges = (
        (
            turn,
            _author(turn),
            list(map(inlined, _pictures(turn.messages[0].parts))),
            "\n\n".join(
                [render_reply(turn.reply, pictures=lambda call: _small(call, within)), *_line(state(turn.reply))]
            ),
        )
        for turn in conversation.turns
    )
    return page(_title(conversation), conversation.system, exchanges), {}


_WRITERS: dict[str, Callable[[Conversation, str], Exported]] = {".md": _markdown, ".ipynb": _notebook, ".html": _page}


def _title(conversation: Conversation) -> str:
    return f"Conversation {conversation.name} with Claude"


def _author(turn: Turn) -> str:
    return f"Claude · {turn.reply.model}" if turn.reply.model else "Claude"


def _as_sent(part: PicturePart) -> EncodedImage:
    """The picture as it was last sent."""
    return next(reversed(part.sent.values()), None) or part.encoded(limits.widest_limits())


def _suffix(encoded: EncodedImage) -> str:
    return {"image/jpeg": ".jpg"}.get(encoded.media_type, f".{encoded.media_type.partition('/')[2]}")


def _pictures(parts: Iterable[Part]) -> Iterator[PicturePart]:
    return (part for part in parts if isinstance(part, PicturePart))
