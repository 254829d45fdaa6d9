"""The option line of ``%%claude``: one table, one parser. Long options are never abbreviated."""

from __future__ import annotations

import dataclasses
import keyword
from collections.abc import Callable, Iterator
from typing import Any

from IPython.core.error import UsageError

from claude_magic.notebook.lexer import Word, words


@dataclasses.dataclass(frozen=True)
class Option:
    """One option.

    Attributes
    ----------
    long, short : str
        With their dashes; ``short`` may be empty.
    metavar : str
        What the value is called; empty for a switch.
    help : str
    read : callable
        Makes the value out of the word; a ValueError says what it should be.
    repeatable : bool
    is_setting : bool
        Whether it may stand in ``%claude`` without a question, as a setting.
    expression : bool
        Whether the value is found in the notebook: a variable, or an expression.
    default : str
        The value where it may be left out, and is.
    """

    long: str
    short: str
    metavar: str
    help: str
    read: Callable[[str], Any] = str
    repeatable: bool = False
    is_setting: bool = False
    expression: bool = False
    default: str = "1"

    @property
    def name(self) -> str:
        """The name under which the value is found."""
        return self.long.lstrip("-").replace("-", "_")

    @property
    def usage(self) -> str:
        """``-m, --model ID``."""
        return ", ".join(filter(None, [self.short, f"{self.long} {self.metavar}".strip()]))


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise ValueError("a number") from None


def _whole(word: str) -> int:
    try:
        return int(word.replace("_", "").replace(",", ""))
    except ValueError:
        raise ValueError("a whole number") from None


def _variable(word: str) -> str:
    if not word.isidentifier() or keyword.iskeyword(word):
        raise ValueError("the name of a variable")
    return word


def _name(word: str) -> str:
    if not word.strip():
        raise ValueError("a name")
    return word


_FORMS = ("request", "curl", "python", "typescript", "last")


def _form(word: str) -> str:
    if word not in _FORMS:
        raise ValueError(f"one of {', '.join(_FORMS)}")
    return word


OPTIONS = (
    Option("--chat", "-c", "NAME", "which conversation (default main), created on first use", _name, is_setting=True),
    Option("--model", "-m", "ID", "model for this turn: an id, or opus, sonnet, haiku, fable", _name, is_setting=True),
    Option(
        "--system", "-s", "TEXT", 'system prompt of the conversation, until changed; -s "" removes it', is_setting=True
    ),
    Option(
        "--tools",
        "-t",
        "EXPR",
        "functions Claude may call, from here on; web_search and the like; none: not this time",
        repeatable=True,
        is_setting=True,
        expression=True,
    ),
    Option(
        "--attach",
        "-i",
        "EXPR",
        "attach a picture, table, path or address; a, b means two",
        repeatable=True,
        expression=True,
    ),
    Option("--error", "-e", "", "attach the last error; alone, it asks what went wrong"),
    Option("--previous", "-p", "[N]", "attach the N cells run before (default 1): source, output, pictures", _whole),
    Option("--schema", "", "EXPR", "answer as this type or JSON schema: reply.parsed, reply.frame", expression=True),
    Option("--out", "-o", "NAME", "put the reply into this variable", _variable),
    Option(
        "--cell",
        "",
        "[N]",
        "put the code block N of the answer, from 0, in a cell below",
        _whole,
        is_setting=True,
        default="0",
    ),
    Option("--append", "-a", "", "add a turn instead of replacing this cell's"),
    Option("--max-tokens", "", "N", "most tokens of the answer, thinking included", _whole),
    Option("--stop", "", "TEXT", "stop where Claude writes this; repeatable", repeatable=True),
    Option("--prefill", "", "TEXT", "the first words of the answer, where the model takes them"),
    Option("--temperature", "", "X", "0 to 1, where the model takes it", _number),
    Option("--top-p", "", "X", "0 to 1, where the model takes it", _number),
    Option("--top-k", "", "N", "from 0, where the model takes it", _whole),
    Option("--effort", "", "LEVEL", "low, medium, high, xhigh or max, where the model takes it"),
    Option("--thinking", "", "show|hide|off|N", "keep the thinking, hide it, none, or at most N tokens"),
    Option("--tool-choice", "", "NAME", "auto, any, none, or the tool to call first, where the model takes it"),
    Option("--disable-parallel-tool-use", "", "", "at most one call at a time"),
    Option("--background", "-b", "", "return at once; the answer streams on while you work"),
    Option("--once", "", "", "system prompt and tools, no history; leaves nothing in the conversation"),
    Option("--new", "", "", "the conversation starts afresh here", is_setting=True),
    Option("--yes", "", "", "send it although it is above ask_above, or this question above the budget"),
    Option("--verbatim", "", "", "send {{ }} as they are"),
    Option("--count", "", "", "input tokens and price by the API's free counter; nothing is answered or billed"),
    Option("--show", "", "FORM", "what would be sent, as request, curl, python or typescript; last: what was", _form),
    Option("--doctor", "", "", "check key, server, model and versions; stands alone", is_setting=True),
)
_NAMES = frozenset(option.name for option in OPTIONS)
_BY_WORD = {word: option for option in OPTIONS for word in (option.long, option.short) if word}


@dataclasses.dataclass(frozen=True)
class OptionLine:
    """What an option line says.

    Attributes
    ----------
    given : dict
        Values by the option's name; a list for a repeatable one, True for a switch. Those that
        are expressions are :class:`Word`.
    rest : str
        The question, for the one-line form: untouched.
    """

    given: dict[str, Any]
    rest: str

    def __getattr__(self, name: str) -> Any:
        if name not in _NAMES:
            raise AttributeError(name)
        return self.given.get(name)


def parse(line: str, *, question_follows: bool, fill: Callable[[str], str] = str) -> OptionLine:
    """Read an option line.

    Parameters
    ----------
    line : str
    question_follows : bool
        Whether the first word that is no option begins the question (``%claude``); else such a
        word is stray (``%%claude``).
    fill : callable
        Fills ``{{ }}`` in values, unless ``--verbatim`` is given.

    Raises
    ------
    UsageError
        For an unknown option, a missing or unfitting value, a stray word; nothing is sent.
    """
    chosen: list[tuple[Option, Word | None]] = []
    scanner, at, rest = words(line), 0, ""
    while rest := line[at:].lstrip():
        if question_follows and not rest.startswith("-"):
            break  # never split: it may hold a lone apostrophe
        word = next(scanner)
        at = word.end
        name, equals, value = word.text.partition("=")
        option = (
            None
            if word.quoted and not equals
            else _BY_WORD.get(name if equals and name.startswith("--") else word.text)
        )
        if option is None:
            if question_follows and not word.text.strip("-"):
                break  # dashes alone are a beginning like any other
            raise UsageError(_stray(word, question_follows))
        if not option.metavar:
            if equals:
                raise UsageError(f"{option.long} takes no value.")
            chosen.append((option, None))
            continue
        if equals and name.startswith("--"):
            value_word = word._replace(text=value)
        elif option.metavar.startswith("["):
            following = line[word.end :].split(maxsplit=1)
            has_value = bool(following) and following[0].isdecimal()
            value_word = next(scanner) if has_value else Word(option.default, quoted=False, end=word.end)
        else:
            value_word = _value(scanner, option)
        at = value_word.end
        chosen.append((option, value_word))
    verbatim = any(option.name == "verbatim" for option, _ in chosen)
    given: dict[str, Any] = {}
    for option, found in chosen:
        if found is None:
            given[option.name] = True
        else:
            _add(given, option, found, str if verbatim else fill)
    return OptionLine(given, rest)


def continued(line: str, cell: str) -> tuple[str, str]:
    """An option line that goes on where it ends with a backslash, and what is left of the cell."""
    while line.rstrip().endswith("\\") and cell:
        following, _, cell = cell.partition("\n")
        line = f"{line.rstrip()[:-1]} {following}"
    return line, cell


def _value(scanner: Iterator[Word], option: Option) -> Word:
    word = next(scanner, None)
    if word is None or (word.text in _BY_WORD and not word.quoted):
        raise UsageError(f"{option.usage}: {option.metavar} is missing.")
    while option.expression and option.repeatable and word.text.endswith(",") and not word.quoted:
        following = next(scanner, None)  # `-i a, b` is one value
        if following is None:
            break
        word = Word(f"{word.text} {following.text}", following.quoted, following.end)
    return word


def _add(given: dict[str, Any], option: Option, word: Word, fill: Callable[[str], str]) -> None:
    value: Any = word
    if not option.expression:
        text = fill(word.text) if "{{" in word.text else word.text
        try:
            value = option.read(text)
        except ValueError as error:
            raise UsageError(f"{option.usage} needs {error}, not {text!r}.") from None
    if option.repeatable:
        given.setdefault(option.name, []).append(value)
    elif option.name in given:
        raise UsageError(f"{option.long} is given twice.")
    else:
        given[option.name] = value


def _stray(word: Word, question_follows: bool) -> str:
    if word.text.startswith("-") and not word.quoted and len(word.text) > 1:
        import difflib

        near = difflib.get_close_matches(word.text.partition("=")[0], list(_BY_WORD), n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        return f"unknown option {word.text}.{hint} %claude? lists the options."
    return (
        f"stray word {word.text!r}. The question goes on the lines below %%claude; on one line it is "
        f"%claude {word.text} …"
    )
