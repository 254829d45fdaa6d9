"""``claude.restore()``: the answers of a saved notebook become turns again, as text."""

from __future__ import annotations

import datetime
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from IPython.core.interactiveshell import InteractiveShell

from claude_magic.content.parts import text_part
from claude_magic.conversation.conversation_environment import Restored
from claude_magic.conversation.state import State
from claude_magic.conversation.turns import Turn
from claude_magic.engine.environment import Place
from claude_magic.engine.message import Message
from claude_magic.messages.blocks import make_block
from claude_magic.messages.errors import BadInput
from claude_magic.messages.reply import Reply
from claude_magic.messages.text import join_names, one_line, pluralize
from claude_magic.messages.usage import usage_from_json
from claude_magic.notebook.display.output_metadata import digest
from claude_magic.notebook.saved_answers import NOT_RESTORED, SavedAnswer, read_notebook, string, whole

_VS_CODE = "__vsc_ipynb_file__"


def notebook_of(shell: InteractiveShell) -> str:
    """The path of the open notebook, which Jupyter Server and VS Code provide.

    Raises
    ------
    BadInput
        If the front end does not provide it.
    """
    path = os.environ.get("JPY_SESSION_NAME", "") or shell.user_ns.get(_VS_CODE, "")
    if not isinstance(path, str) or not path.endswith(".ipynb"):
        raise BadInput("This front end does not tell which notebook is open: claude.restore('path/of/the.ipynb').")
    return path


def restored(name: str, state: State, path: str | os.PathLike[str]) -> Restored:
    """The turns that a saved notebook shows and a conversation does not have.

    Cells that already ran in this kernel are skipped. The turns come in the order in which they
    were asked, wherever their cells are now.

    Parameters
    ----------
    name : str
        Of the conversation.
    state : State
    path : path

    Raises
    ------
    BadInput
        If the notebook cannot be read, or shows no answers of this conversation.
    """
    notebook = read_notebook(path)
    mine = sorted(
        (answer for answer in notebook.answers if answer.conversation == name),
        key=lambda answer: (answer.number, string(answer.metadata, "asked")),
    )
    others = Counter(answer.conversation for answer in notebook.answers if answer.conversation != name)
    hints = "".join(
        f" Also there: claude[{other!r}].restore() ({pluralize(count, 'answer')})." for other, count in others.items()
    )
    if not mine:
        raise BadInput(f"{notebook.name} shows no answer of this conversation that could be restored.{hints}")
    here = {turn.place.cell for turn in state.turns if turn.place and turn.place.cell}
    ids = {turn.id for turn in state.turns}
    mine = list({answer.turn_id: answer for answer in reversed(mine)}.values())[::-1]  # a cell may have been copied
    new = [answer for answer in mine if answer.cell not in here and answer.turn_id not in ids]
    turns = tuple(map(_turn, new))
    system = state.system or next(filter(None, (answer.system for answer in reversed(new))), None)
    here_already = len(mine) - len(new)
    report = [
        f"Restored {pluralize(len(new), 'answer')} from {notebook.name} as saved at {notebook.saved_at:%H:%M}"
        f"{', as text: without thinking, results of functions, and values' if new else ''}.",
        f"Unchanged in this kernel: {pluralize(here_already, 'answer')}." if here_already else "",
        *_missing(new, turns),
        _which(new, [answer.is_edited for answer in new], "edited since: Claude sees the new text with the old answer"),
        _which(new, [answer.metadata.get("simulated") is True for answer in new], "simulated"),
        f"System prompt: {one_line(system, 60)!r}." if system and system != state.system else "",
        f"Without a visible answer: {pluralize(asked, 'question')}; run the cell."
        if (asked := notebook.unanswered)
        else "",
    ]
    return Restored(turns, system, f"restoring {notebook.name}", " ".join(filter(None, report)) + hints)


def _turn(answer: SavedAnswer) -> Turn:
    metadata, question = answer.metadata, answer.question
    try:
        asked = datetime.datetime.fromisoformat(string(metadata, "asked")).astimezone()
    except ValueError:
        asked = datetime.datetime.now().astimezone()
    number = metadata.get("nth", answer.index)  # None: a turn that is never replaced
    return Turn(
        id=answer.turn_id or digest(answer.cell + answer.text),
        prompt=question,
        messages=(Message("user", (text_part(question),)), Message("assistant", answer.text)),
        reply=_reply(answer),
        asked=asked,
        place=Place(answer.cell, "", None if number is None else whole(number), answer.label),
    )


def _reply(answer: SavedAnswer) -> Reply:
    metadata = answer.metadata
    reply = Reply()
    block = make_block({"type": "text", "text": answer.text})
    block.close()
    reply.blocks.append(block)
    reply.model = string(metadata, "model")
    reply.stop_reason = string(metadata, "stop_reason") or None
    reply.ended = metadata.get("complete") is True
    reply.simulated = metadata.get("simulated") is True
    reply.counted = usage_from_json(metadata.get("usage"))
    return reply


def _missing(answers: Iterable[SavedAnswer], turns: Iterable[Turn]) -> Iterator[str]:
    missing = {
        "value": sum(turn.prompt.count(NOT_RESTORED) for turn in turns),
        "call": sum(len(calls) for answer in answers if isinstance(calls := answer.metadata.get("calls"), list)),
    }
    if texts := [pluralize(count, noun) for noun, count in missing.items() if count]:
        yield f"Not restored: {' and '.join(texts)}."


def _which(answers: Sequence[SavedAnswer], chosen: Sequence[bool], what: str) -> str:
    labels = list(dict.fromkeys(answer.label for answer, one in zip(answers, chosen, strict=True) if one))
    return f"{'All' if len(labels) > 1 and all(chosen) else join_names(labels, 60)} {what}." if labels else ""
