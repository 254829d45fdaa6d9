"""The answers of a saved notebook: what its outputs show and their metadata say."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from IPython.core.error import UsageError

from claude_magic.content import local_files, template
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import one_line
from claude_magic.notebook.display.output_metadata import answer, digest
from claude_magic.notebook.option_line import OptionLine, continued, parse

_LARGEST = 256 * 2**20
_VALUE = re.compile(r"(?P<name>.+?) \((?P<about>.+)\)", re.DOTALL)
_PICTURE = re.compile(r"(\d+x\d+)\b.*\btokens?\b", re.DOTALL)
NOT_RESTORED = "not restored; run the cell to send it again]"
"""The end of the placeholder that stands for a value."""


@dataclasses.dataclass(frozen=True)
class SavedAnswer:
    """An answer that a notebook shows.

    Attributes
    ----------
    cell : str
        The cell's id; empty in notebooks that have none.
    label : str
        ``In [5]``.
    source : str
        The cell as it is now.
    metadata : dict
        ``claude_magic`` in the metadata of the output. It may hold anything.
    text : str
        What Claude wrote.
    index : int
        Index among the answers of the same conversation in this cell.
    """

    cell: str
    label: str
    source: str
    metadata: dict[str, object]
    text: str
    index: int

    @property
    def conversation(self) -> str:
        """The name of the conversation."""
        return string(self.metadata, "conversation") or "main"

    @property
    def turn_id(self) -> str:
        """The id of the turn; empty if it is not known."""
        return string(self.metadata, "turn")

    @property
    def number(self) -> int:
        """The number of the turn at the time, from 1; 0 if it was not kept."""
        return whole(self.metadata.get("number"))

    @property
    def is_edited(self) -> bool:
        """Whether the cell has changed since it was run."""
        asked = self.metadata.get("source")
        return isinstance(asked, str) and asked != digest(self.source)

    @property
    def system(self) -> str | None:
        """The system prompt that came with the question, unless it has to be evaluated."""
        system = _parsed(self.source)[0].system
        return system if isinstance(system, str) and "{{" not in system else None

    @property
    def question(self) -> str:
        """The question, with placeholders for values."""
        values = dict(_values(self.metadata.get("sent")))
        if saved := string(self.metadata, "question"):
            for name, about in values.items():
                saved = saved.replace(f"{{{name}}}", _placeholder(name, about))
            return saved
        line, source = _parsed(self.source)
        texts: list[str] = []
        inline: set[str] = set()
        try:
            for text, expression, code in (
                template.split_expressions(source) if not line.verbatim else [(source, "", None)]
            ):
                texts.append(text)
                if code is not None:
                    name = one_line(expression, 60)
                    inline.add(name)
                    texts.append(_placeholder(name, values.get(name, "")))
        except BadInput:  # an edited cell may contain anything
            texts = [source]
        attached = [_placeholder(name, about) for name, about in values.items() if name not in inline]
        return "\n\n".join([*attached, "".join(texts).strip()]).strip() or "(no words)"


@dataclasses.dataclass(frozen=True)
class SavedNotebook:
    """A notebook's file: the answers that were kept and have a text, and the number of questions without an answer."""

    name: str
    saved_at: datetime.datetime
    answers: list[SavedAnswer]
    unanswered: int


def read_notebook(path: str | os.PathLike[str]) -> SavedNotebook:
    """Read a saved notebook.

    Raises
    ------
    BadInput
        If it cannot be read.
    """
    where = local_files.check_file(local_files.expand_path(path))
    if where.stat().st_size > _LARGEST:
        raise BadInput(f"{where.name} is larger than {_LARGEST // 2**20} MB.")
    try:
        cells = json.loads(local_files.read_file(where).decode("utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BadInput(f"{where.name} is not a notebook (nbformat 4).") from None
    answers: list[SavedAnswer] = []
    unanswered = 0
    for cell in code:
        answers += (found := list(_answers(cell)))
        is_question = _source(cell).strip().startswith(("%%claude", "%claude "))
        unanswered += is_question and not found and _parsed(_source(cell))[1] != ""
    answers = [each for each in answers if each.number and each.text.strip()]
    saved_at = datetime.datetime.fromtimestamp(where.stat().st_mtime).astimezone()
    return SavedNotebook(where.name, saved_at, answers, unanswered)


def string(mapping: Mapping[str, object], key: str) -> str:
    """A string in JSON of unknown origin; empty if there is none."""
    value = mapping.get(key)
    return value if isinstance(value, str) else ""


def whole(value: object) -> int:
    """A whole number in JSON of unknown origin; 0 if it is not one."""
    return value if isinstance(value, int) and value >= 0 else 0


def _answers(cell: Mapping[str, object]) -> Iterator[SavedAnswer]:
    asked: Counter[str] = Counter()
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        metadata = output.get("metadata") if isinstance(output, dict) else None
        ours = metadata.get("claude_magic") if isinstance(metadata, dict) else None
        data = output.get("data") if isinstance(ours, dict) else None
        if isinstance(ours, dict) and isinstance(data, dict):
            name = string(ours, "conversation") or "main"
            count = cell.get("execution_count")
            label = f"In [{count if isinstance(count, int) else ' '}]"
            yield SavedAnswer(string(cell, "id"), label, _source(cell), ours, answer(ours, data), asked[name])
            asked[name] += 1


def _values(sent: object) -> Iterator[tuple[str, str]]:
    for line in sent if isinstance(sent, list) else ():
        if isinstance(line, str) and (match := _VALUE.fullmatch(line)):
            yield match["name"], match["about"]


def _placeholder(name: str, about: str) -> str:
    if picture := _PICTURE.match(about):
        about = f"picture {picture[1]}"
    return f"[{name}: {f'{one_line(about)}, ' if about else ''}{NOT_RESTORED}"


def _parsed(source: str) -> tuple[OptionLine, str]:
    """The options and the question of a cell that is a single question; all of the source otherwise."""
    source = source.strip()
    try:
        if source.startswith("%%claude"):
            options, _, question = source.removeprefix("%%claude").partition("\n")
            options, question = continued(options, question)
            return parse(options, question_follows=False), question.strip()
        if source.startswith("%claude"):
            line = parse(source.removeprefix("%claude"), question_follows=True)
            return line, line.rest.strip()
    except UsageError:
        pass
    return OptionLine({}, ""), source


def _source(cell: Mapping[str, object]) -> str:
    source = cell.get("source")
    return "".join(map(str, source)) if isinstance(source, list) else str(source or "")
