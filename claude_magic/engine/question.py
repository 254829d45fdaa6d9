"""The prompt: the words and values of a question, and what is sent of them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from claude_magic.content.values import Named, attach_before
from claude_magic.content.parts import Part, compose, text_part
from claude_magic.content import local_files
from claude_magic.content.convert import to_parts
from claude_magic.messages.text import one_line
from claude_magic.conversation import toolbox
from claude_magic.conversation.state import State
from claude_magic.engine.options import Options
from claude_magic.messages.errors import BadInput, ClaudeError

KEEP: Any = object()
"""The system prompt stays as it is."""


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked, and how.

    Attributes
    ----------
    prompt : sequence of str or Named
        In the order in which Claude is to read them.
    options : Options
    system : str or None
        A new system prompt, if not :data:`KEEP`; empty removes it.
    tools : object
        What Claude may call, from here on.
    """

    prompt: Sequence[str | Named]
    options: Options
    system: str | None = KEEP
    tools: object = ()

    def change(self) -> Callable[[State], State]:
        """What becomes of a conversation's state with it.

        Raises
        ------
        BadInput
            If one of the tools cannot be one.
        """
        return functools.partial(_with, system=self.system, tools=toolbox.read(self.tools))


def read(
    prompt: str, values: tuple[object, ...], system: str | None, tools: object, options: dict[str, Any]
) -> Question:
    """The question of a call from Python: values go before the words.

    Raises
    ------
    BadInput
        For what can be no question, or no option.
    """
    if not isinstance(prompt, str):
        raise BadInput("The first argument is the question, as a string; values follow it.")
    unknown = options.keys() - {field.name for field in dataclasses.fields(Options)}
    if unknown:
        raise BadInput(f"Claude takes no option {', '.join(sorted(unknown))}.")
    if isinstance(options.get("stop"), str):
        options["stop"] = (options["stop"],)
    if "thinking" in options and options["thinking"] is not None:
        options["thinking"] = str(options["thinking"])
    if isinstance(tools, str) and tools.strip().lower() == "none":
        options["tool_choice"], tools = "none", ()
    for value in values:
        if local_files.names_image_or_pdf(value):
            raise BadInput(
                f"{value!r} is a string and would be sent as text. Give Path({value!r}) to send the file, or put "
                "the name into the question."
            )
    named = [Named(_name_of(value, number), value) for number, value in enumerate(values, 1)]
    return Question(attach_before(named, [prompt]), Options(**options), system, tools)


def parts_of(prompt: Sequence[str | Named]) -> tuple[tuple[Part, ...], list[tuple[str, Part]]]:
    """The parts of the message, and those among them that are not mere words, by name."""
    parts: list[tuple[str, Part]] = []
    for item in prompt:
        if isinstance(item, str):
            parts.append(("", text_part(item)))
        else:
            parts += [(item.name, part) for part in _converted(item)]
    several = sum(part.is_picture for _, part in parts) > 1
    labelled: list[Part] = []
    number = 0
    for name, part in parts:
        if several and part.is_picture:
            number += 1
            labelled.append(text_part(f"\nPicture {number} ({getattr(part, 'name', name)}):"))
        labelled.append(part)
    question = compose(labelled)
    if not question:
        raise BadInput("The question is empty.")
    return question, [(getattr(part, "name", name), part) for name, part in parts if part.text is None]


def taken(prompt: Sequence[str | Named]) -> list[str | Named]:
    """The same with values that are what will be sent, and change no more."""
    return [item if isinstance(item, str) else Named(item.name, _converted(item)) for item in prompt]


def _converted(item: Named) -> list[Part]:
    """The parts of a value; its own code may fail in any way, and that is said in one line."""
    try:
        return to_parts(item.value, item.name)
    except ClaudeError:
        raise
    except Exception as error:  # noqa: BLE001
        raise BadInput(
            f"{item.name} cannot be shown to a model: {type(error).__name__}: {one_line(str(error), 200)}"
        ) from None


def _name_of(value: object, number: int) -> str:
    try:
        name = getattr(value, "__name__", None) or getattr(value, "name", None)
    except Exception:  # noqa: BLE001  (an object's own code may fail in any way; it only costs the name)
        name = None
    return name if isinstance(name, str) else f"value {number}"


def _with(state: State, system: str | None, tools: Iterable[toolbox.Offered]) -> State:
    if system is not KEEP:
        state = dataclasses.replace(state, system=system or None)
    return dataclasses.replace(state, tools=toolbox.joined(state.tools, tools))
