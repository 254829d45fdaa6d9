"""The answers of a saved notebook as turns again: their words, and what is missing in brackets."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError

from claude_magic.content import local_files, template
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
from claude_magic.notebook.display.output_metadata import answer, digest
from claude_magic.notebook.option_line import OptionLine, continued, parse

_VS_CODE = "__vsc_ipynb_file__"
_LARGEST = 256 * 2**20
_VALUE = re.compile(r"(?P<name>.+?) \((?P<about>.+)\)", re.DOTALL)
_PICTURE = re.compile(r"(\d+x\d+)\b.*\btokens?\b", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Shown:
    """An answer that a notebook shows.

    Attributes
    ----------
    cell : str
        The cell's id; empty in notebooks that have none.
    label : str
        ``In [5]``.
    source : str
        The cell as it is now.
    about : dict
        What its output remembers.
    text : str
        The words of the answer.
    nth : int
        The how-manieth answer of its conversation in the cell it is.
    """

    cell: str
    label: str
    source: str
    about: dict[str, Any]
    text: str
    nth: int

    @property
    def conversation(self) -> str:
        """The name of the conversation that was asked."""
        return _text(self.about, "conversation") or "main"

    @property
    def number(self) -> int:
        """Of the turn when it was asked, from 1; 0 for one that was not kept."""
        return _whole(self.about.get("number"))

    @property
    def is_edited(self) -> bool:
        """Whether the cell is another one than was asked."""
        asked = self.about.get("source")
        return isinstance(asked, str) and asked != digest(self.source)


def notebook_of(shell: Any) -> str:
    """The path of the open notebook, as Jupyter's server or VS Code tell it.

    Raises
    ------
    BadInput
        If nobody does.
    """
    path = os.environ.get("JPY_SESSION_NAME", "") or shell.user_ns.get(_VS_CODE, "")
    if not isinstance(path, str) or not path.endswith(".ipynb"):
        raise BadInput("This front end does not tell which notebook is open: claude.restore('path/of/the.ipynb').")
    return path


def restored(name: str, state: State, path: str | os.PathLike[str]) -> Restored:
    """What a notebook shows of a conversation, beside what the conversation has.

    Cells that were asked in this kernel already are left to it. The order is that in which the
    turns stood, wherever the cells are now.

    Parameters
    ----------
    name : str
        Of the conversation.
    state : State
    path : path

    Raises
    ------
    BadInput
        If it cannot be read, or shows no answers.
    """
    where, saved_at, cells = _read(path)
    every = [shown for cell in cells for shown in _answers(cell)]
    kept = [shown for shown in every if shown.number and shown.text.strip()]
    mine = sorted(
        (shown for shown in kept if shown.conversation == name),
        key=lambda shown: (shown.number, _text(shown.about, "asked")),
    )
    others = Counter(shown.conversation for shown in kept if shown.conversation != name)
    elsewhere = "".join(
        f" Also there: claude[{other!r}].restore() ({pluralize(n, 'answer')})." for other, n in others.items()
    )
    if not mine:
        raise BadInput(f"{where.name} shows no answer of this conversation that could be restored.{elsewhere}")
    here = {turn.place.cell for turn in state.turns if turn.place and turn.place.cell}
    ids = {turn.id for turn in state.turns}
    mine = list({_text(shown.about, "turn"): shown for shown in reversed(mine)}.values())[::-1]  # a cell may be a copy
    new = [shown for shown in mine if shown.cell not in here and _text(shown.about, "turn") not in ids]
    found = tuple(map(_turn, new))
    system = state.system or next(filter(None, (_system(shown) for shown in reversed(new))), None)
    said = [
        f"Restored {pluralize(len(new), 'answer')} from {where.name} as it was saved at {saved_at:%H:%M}"
        f"{', as text: without thinking, results of functions, and values' if new else ''}.",
        f"{pluralize(len(mine) - len(new), 'answer')} of this kernel stay as they are." if len(new) < len(mine) else "",
        *_missing(new, found),
        _which(new, [shown.is_edited for shown in new], "edited since: Claude sees the new words with the old answer"),
        _which(new, [shown.about.get("simulated") is True for shown in new], "simulated"),
        f"System prompt: {one_line(system, 60)!r}." if system and system != state.system else "",
        _unanswered(cells),
    ]
    return Restored(found, system, f"restoring {where.name}", " ".join(filter(None, said)) + elsewhere)


def _read(path: str | os.PathLike[str]) -> tuple[Path, datetime.datetime, list[dict[str, Any]]]:
    where = local_files.check_file(local_files.expand_path(path))
    if where.stat().st_size > _LARGEST:
        raise BadInput(f"{where.name} is larger than {_LARGEST // 2**20} MB.")
    try:
        cells = json.loads(local_files.read_file(where).decode("utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BadInput(f"{where.name} is no notebook (of version 4).") from None
    return where, datetime.datetime.fromtimestamp(where.stat().st_mtime).astimezone(), code


def _answers(cell: Mapping[str, Any]) -> Iterator[Shown]:
    asked: Counter[str] = Counter()
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        metadata = output.get("metadata") if isinstance(output, dict) else None
        about = metadata.get("claude_magic") if isinstance(metadata, dict) else None
        data = output.get("data") if isinstance(about, dict) else None
        if isinstance(about, dict) and isinstance(data, dict):
            name = _text(about, "conversation") or "main"
            count = cell.get("execution_count")
            yield Shown(
                cell=_text(cell, "id"),
                label=f"In [{count if isinstance(count, int) else ' '}]",
                source=_source(cell),
                about=about,
                text=answer(about, data),
                nth=asked[name],
            )
            asked[name] += 1


def _turn(shown: Shown) -> Turn:
    about = shown.about
    try:
        asked = datetime.datetime.fromisoformat(_text(about, "asked")).astimezone()
    except ValueError:
        asked = datetime.datetime.now().astimezone()
    words = _question(shown)
    nth = about.get("nth", shown.nth)  # None: it stands for itself
    return Turn(
        id=_text(about, "turn") or digest(shown.cell + shown.text),
        prompt=words,
        messages=(Message("user", (text_part(words),)), Message("assistant", shown.text)),
        reply=_reply(shown),
        asked=asked,
        place=Place(shown.cell, "", None if nth is None else _whole(nth), shown.label),
    )


def _reply(shown: Shown) -> Reply:
    about = shown.about
    reply = Reply()
    block = make_block({"type": "text", "text": shown.text})
    block.close()
    reply.blocks.append(block)
    reply.model = _text(about, "model")
    reply.stop_reason = _text(about, "stop_reason") or None
    reply.ended = about.get("complete") is True
    reply.simulated = about.get("simulated") is True
    reply.counted = usage_from_json(about.get("usage"))
    return reply


def _question(shown: Shown) -> str:
    """The question's words, with values in brackets."""
    values = dict(_values(shown))
    noted = _text(shown.about, "question")
    if noted:
        for name, about in values.items():
            noted = noted.replace(f"{{{name}}}", _bracketed(name, about))
        return noted
    line, words = _asked(shown.source)
    inline: list[str] = []
    named: set[str] = set()
    try:
        for text, expression, code in template.split_expressions(words) if not line.verbatim else [(words, "", None)]:
            inline.append(text)
            if code is not None:
                name = one_line(expression, 60)
                named.add(name)
                inline.append(_bracketed(name, values.get(name, "")))
    except BadInput:  # an edited cell may hold anything
        inline = [words]
    attached = [_bracketed(name, about) for name, about in values.items() if name not in named]
    return "\n\n".join([*attached, "".join(inline).strip()]).strip() or "(no words)"


def _values(shown: Shown) -> Iterator[tuple[str, str]]:
    sent = shown.about.get("sent")
    for line in sent if isinstance(sent, list) else ():
        if isinstance(line, str) and (match := _VALUE.fullmatch(line)):
            yield match["name"], match["about"]


def _bracketed(name: str, about: str) -> str:
    if picture := _PICTURE.match(about):
        about = f"picture {picture[1]}"
    return f"[{name}: {f'{one_line(about)}, ' if about else ''}not restored; run the cell to send it again]"


def _asked(source: str) -> tuple[OptionLine, str]:
    """The options and the words of a cell that is one question; of another one its source."""
    source = source.strip()
    try:
        if source.startswith("%%claude"):
            options, _, words = source.removeprefix("%%claude").partition("\n")
            options, words = continued(options, words)
            return parse(options, question_follows=False), words.strip()
        if source.startswith("%claude"):
            line = parse(source.removeprefix("%claude"), question_follows=True)
            return line, line.rest.strip()
    except UsageError:
        pass
    return OptionLine({}, ""), source


def _system(shown: Shown) -> str | None:
    """The system prompt that came with a question, if it is there in words."""
    system = _asked(shown.source)[0].system
    return system if isinstance(system, str) and "{{" not in system else None


def _missing(new: Sequence[Shown], turns: Sequence[Turn]) -> Iterator[str]:
    missing = Counter(
        {
            "value": sum(turn.prompt.count("not restored; run the cell to send it again]") for turn in turns),
            "call": sum(len(calls) for shown in new if isinstance(calls := shown.about.get("calls"), list)),
        }
    )
    if words := [pluralize(count, noun) for noun, count in missing.items() if count]:
        yield f"Not restored: {' and '.join(words)}."


def _which(new: Sequence[Shown], chosen: Sequence[bool], what: str) -> str:
    labels = list(dict.fromkeys(shown.label for shown, one in zip(new, chosen, strict=True) if one))
    return f"{'All' if len(labels) > 1 and all(chosen) else join_names(labels, 60)} {what}." if labels else ""


def _unanswered(cells: Sequence[Mapping[str, Any]]) -> str:
    open_ = sum(_asked(source)[1] != "" for cell in cells if _asks(source := _source(cell)) and not any(_answers(cell)))
    return f"{pluralize(open_, 'question')} without an answer to be seen: run the cell." if open_ else ""


def _asks(source: str) -> bool:
    return source.strip().startswith(("%%claude", "%claude "))


def _source(cell: Mapping[str, Any]) -> str:
    source = cell.get("source")
    return "".join(map(str, source)) if isinstance(source, list) else str(source or "")


def _text(holder: Mapping[str, Any], key: str) -> str:
    value = holder.get(key)
    return value if isinstance(value, str) else ""


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
