"""A question: its text and values, its options, and who draws the answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from claude_magic.content import local_files
from claude_magic.content.convert import to_parts
from claude_magic.content.parts import Part, compose, text_part
from claude_magic.content.values import Named
from claude_magic.engine.options import Options, checked_options
from claude_magic.messages.errors import BadInput, ClaudeError
from claude_magic.messages.text import one_line

if TYPE_CHECKING:
    from claude_magic.engine.rendering import Renderer

Prompt = Sequence[str | Named]
"""Text and values in the order in which Claude reads them."""


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked, and how; it goes whole from the caller to the run.

    Attributes
    ----------
    prompt : sequence of str or Named
        In the order in which Claude reads it.
    options : Options
    renderer : Renderer or None
        Draws the answer; by default the environment's.
    """

    prompt: Prompt
    options: Options
    renderer: Renderer | None = None

    @property
    def text(self) -> str:
        """The question for people, with values by their names."""
        return "".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in self.prompt).strip()

    def converted(self) -> Question:
        """The same question with its values as what is sent, so that nothing is evaluated later."""
        prompt = [item if isinstance(item, str) else Named(item.name, _convert(item)) for item in self.prompt]
        return dataclasses.replace(self, prompt=prompt)


def read_question(prompt: str | Prompt, values: tuple[object, ...], options: Mapping[str, Any]) -> Question:
    """The question of a call from Python; values go before the text, where Claude reads pictures best.

    Parameters
    ----------
    prompt : str, or sequence of str or Named
    values : tuple
    options : mapping
        See :class:`~claude_magic.engine.options.Options`.

    Raises
    ------
    BadInput
        If this is not a question, or an option is not known.
    """
    if isinstance(prompt, str):
        prompt = [prompt]
    elif not isinstance(prompt, list | tuple) or not all(isinstance(item, str | Named) for item in prompt):
        raise BadInput("The first argument is the question, as a string; values follow it.")
    for value in values:
        if local_files.names_image_or_pdf(value):
            raise BadInput(
                f"{value!r} is a string and would be sent as text. Give Path({value!r}) to send the file, or put "
                "the name into the question."
            )
    named = [Named(_name_of(value, number), value) for number, value in enumerate(values, 1)]
    return Question(attach_before(named, prompt), checked_options(options))


def attach_before(values: Iterable[Named], prompt: Prompt) -> Prompt:
    """Put attached values before the text of a question, each in a paragraph of its own."""
    return [item for value in values for item in (value, "\n\n")] + [*prompt]


def prompt_parts(prompt: Prompt) -> tuple[tuple[Part, ...], list[tuple[str, Part]]]:
    """The parts of the message, and by name those among them that are not just text.

    Raises
    ------
    BadInput
        If there is nothing to send, or a value cannot be converted.
    """
    parts: list[tuple[str, Part]] = []
    for item in prompt:
        if isinstance(item, str):
            parts.append(("", text_part(item)))
        else:
            parts += [(item.name, part) for part in _convert(item)]
    several = sum(part.is_picture for _, part in parts) > 1
    labelled: list[Part] = []
    number = 0
    for name, part in parts:
        if several and part.is_picture:
            number += 1
            labelled.append(text_part(f"\nPicture {number} ({getattr(part, 'name', name)}):"))
        labelled.append(part)
    message = compose(labelled)
    if not message:
        raise BadInput("The question is empty.")
    return message, [(getattr(part, "name", name), part) for name, part in parts if part.text is None]


def _convert(item: Named) -> list[Part]:
    """The parts of a value; its own code may fail in any way, which becomes one line."""
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
    return (one_line(name, 60) if isinstance(name, str) else "") or f"value {number}"
