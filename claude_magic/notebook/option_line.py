"""The options of ``%%claude``: the table and the parser. Long options cannot be abbreviated."""

from __future__ import annotations

import dataclasses
import keyword
from collections.abc import Callable, Iterator
from typing import Any

from IPython.core.error import UsageError

from claude_magic.notebook.lexer import Word, words
from claude_magic.tools.server_tool import FORMS


@dataclasses.dataclass(frozen=True)
class Option:
    """One option.

    Attributes
    ----------
    long, short : str
        With their dashes; ``short`` may be empty.
    metavar : str
        Placeholder for the value in the help, in brackets if it is optional; empty for a switch.
    help : str
    convert : callable
        Turns the text into the value; its ValueError says what is expected.
    choices : tuple of str
        Values that Tab offers.
    is_repeatable : bool
    is_setting : bool
        Whether ``%claude`` accepts it without a question.
    is_expression : bool
        Whether the value is a Python expression.
    default : str
        What an optional value is if it is left out.
    """

    long: str
    short: str
    metavar: str
    help: str
    convert: Callable[[str], object] = str
    choices: tuple[str, ...] = ()
    is_repeatable: bool = False
    is_setting: bool = False
    is_expression: bool = False
    default: str = "1"

    @property
    def name(self) -> str:
        """Key of its value in :attr:`OptionLine.given`."""
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


_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_THINKING = ("show", "hide", "off")
OPTIONS = (
    Option("--chat", "-c", "NAME", "conversation to ask (default main); created on first use", _name, is_setting=True),
    Option("--model", "-m", "ID", "model for this turn: an id, or opus, sonnet, haiku, fable", _name, is_setting=True),
    Option("--system", "-s", "TEXT", 'system prompt from here on; -s "" removes it', is_setting=True),
    Option(
        "--tools",
        "-t",
        "EXPR",
        "functions or server tools (web_search) that Claude may call from here on; none: no calls this time",
        choices=("none", *FORMS),
        is_repeatable=True,
        is_setting=True,
        is_expression=True,
    ),
    Option(
        "--attach",
        "-i",
        "EXPR",
        "attach a picture, table, path or URL; a, b is two",
        is_repeatable=True,
        is_expression=True,
    ),
    Option("--error", "-e", "", "attach the last error; without a question, ask what went wrong"),
    Option("--previous", "-p", "[N]", "attach the last N cells (default 1): source, output, pictures", _whole),
    Option("--schema", "", "EXPR", "answer as this type or JSON schema: reply.parsed, reply.frame", is_expression=True),
    Option("--out", "-o", "NAME", "assign the reply to this variable", _variable),
    Option(
        "--cell",
        "",
        "[N]",
        "put code block N (default 0) of the answer in a new cell",
        _whole,
        is_setting=True,
        default="0",
    ),
    Option("--append", "-a", "", "add a turn instead of replacing this cell's"),
    Option("--max-tokens", "", "N", "upper limit for the answer in tokens, thinking included", _whole),
    Option("--stop", "", "TEXT", "stop where Claude writes this; repeatable", is_repeatable=True),
    Option("--prefill", "", "TEXT", "first words of the answer, if the model supports it"),
    Option("--temperature", "", "X", "0 to 1, if the model supports it", _number),
    Option("--top-p", "", "X", "0 to 1, if the model supports it", _number),
    Option("--top-k", "", "N", "0 or more, if the model supports it", _whole),
    Option("--effort", "", "LEVEL", f"{', '.join(_EFFORTS)}, if the model supports it", choices=_EFFORTS),
    Option(
        "--thinking", "", "show|hide|off|N", "show, hide or stop the thinking, or limit its tokens", choices=_THINKING
    ),
    Option("--tool-choice", "", "NAME", "auto, any, none, or the tool to call first", choices=("auto", "any", "none")),
    Option("--disable-parallel-tool-use", "", "", "at most one tool call at a time"),
    Option("--background", "-b", "", "return at once; the answer streams on while you work"),
    Option("--once", "", "", "send system prompt and tools but no history; keep nothing of it"),
    Option("--new", "", "", "start the conversation over", is_setting=True),
    Option("--yes", "", "", "send it even if it is above ask_above or the budget"),
    Option("--verbatim", "", "", "send {{ }} as they are"),
    Option("--count", "", "", "input tokens and price by the API's free counter; nothing is answered or billed"),
    Option("--show", "", "FORM", f"show what would be sent: {', '.join(_FORMS[:-1])}; last: what was", _form, _FORMS),
    Option("--doctor", "", "", "check key, server, model and versions; takes no question", is_setting=True),
)
_NAMES = frozenset(option.name for option in OPTIONS)
_BY_WORD = {word: option for option in OPTIONS for word in (option.long, option.short) if word}


@dataclasses.dataclass(frozen=True)
class OptionLine:
    """A parsed option line. Each option is an attribute, too; it is None if not given.

    Attributes
    ----------
    given : dict
        Values by the option's name: a list for a repeatable option, True for a switch, and a
        :class:`Word` for an expression, which is not evaluated yet.
    rest : str
        The question of the one-line form, unchanged.
    """

    given: dict[str, Any]
    rest: str

    def __getattr__(self, name: str) -> Any:
        if name not in _NAMES:
            raise AttributeError(name)
        return self.given.get(name)

    @property
    def takes_no_question(self) -> bool:
        """Whether it is ``--doctor`` or ``--show last``, which ask nothing."""
        return bool(self.doctor) or self.show == "last"

    def check(self, *, has_question: bool) -> None:
        """Refuse options that cannot be combined with each other, or with or without a question.

        Raises
        ------
        UsageError
        """
        given = [option for option in OPTIONS if option.name in self.given]
        if self.takes_no_question:
            alone, fitting = ("--doctor", {"doctor"}) if self.doctor else ("--show last", {"chat", "show"})
            if has_question:
                raise UsageError(f"{alone} takes no question: %claude {alone}")
            if others := [option.long for option in given if option.name not in fitting]:
                raise UsageError(f"{', '.join(others)} cannot be combined with {alone}.")
        elif not has_question and (asking := [option.long for option in given if not option.is_setting]):
            raise UsageError(f"{', '.join(asking)} needs a question after it: %claude {asking[0]} … What is this?")
        if self.show and self.count:
            raise UsageError("--show and --count cannot be combined.")
        if self.background and self.cell is not None:
            raise UsageError("--cell waits for the answer. Leave it out; run %claude --cell when the answer is there.")


def parse(line: str, *, question_follows: bool, fill: Callable[[str], str] = str) -> OptionLine:
    """Read an option line.

    Parameters
    ----------
    line : str
    question_follows : bool
        Whether the first word that is not an option begins the question (``%claude``); otherwise
        such a word is an error (``%%claude``).
    fill : callable
        Replaces ``{{ }}`` in values, unless ``--verbatim`` is given.

    Raises
    ------
    UsageError
        For an unknown option, a missing or invalid value, or an unexpected word.
    """
    if not line.strip():
        return OptionLine({}, "")
    chosen: list[tuple[Option, Word | None]] = []
    scanner, at, rest = words(line), 0, ""
    while rest := line[at:].lstrip():
        if question_follows and not rest.startswith("-"):
            break  # not split: it may contain an unpaired apostrophe
        word = next(scanner)
        at = word.end
        name, equals, value = word.text.partition("=") if word.text.startswith("--") else (word.text, "", "")
        option = None if word.quoted and not equals else _BY_WORD.get(name)
        if option is None:
            if question_follows and not word.text.strip("-"):
                break  # a question may begin with a dash
            raise UsageError(_stray(word, question_follows))
        if not option.metavar:
            if equals:
                raise UsageError(f"{option.long} takes no value.")
            chosen.append((option, None))
            continue
        if equals:
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
    """The option line with the lines that continue it after a backslash, and the rest of the cell."""
    while line.rstrip().endswith("\\") and cell:
        following, _, cell = cell.partition("\n")
        line = f"{line.rstrip()[:-1]} {following}"
    return line, cell


def _value(scanner: Iterator[Word], option: Option) -> Word:
    word = next(scanner, None)
    if word is None or (word.text in _BY_WORD and not word.quoted):
        raise UsageError(f"{option.usage}: {option.metavar} is missing.")
    while option.is_expression and option.is_repeatable and word.text.endswith(",") and not word.quoted:
        following = next(scanner, None)  # `-i a, b` is one value
        if following is None:
            break
        word = Word(f"{word.text} {following.text}", following.quoted, following.end)
    return word


def _add(given: dict[str, Any], option: Option, word: Word, fill: Callable[[str], str]) -> None:
    value: object = word
    if not option.is_expression:
        text = fill(word.text) if "{{" in word.text else word.text
        try:
            value = option.convert(text)
        except ValueError as error:
            raise UsageError(f"{option.usage} needs {error}, not {text!r}.") from None
    if option.is_repeatable:
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
