"""What a single question may ask for, and whether the model takes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import Model, sampling_allowed

if TYPE_CHECKING:
    from claude_magic.tools.structured_output import AnswerType


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of one question; None leaves a field out of the request.

    Attributes
    ----------
    model : str or None
        Id or alias.
    max_tokens : int or None
        Most tokens of the answer, thinking included.
    stop : tuple of str
        Texts at which Claude stops.
    prefill : str or None
        The first words of the answer.
    temperature, top_p : float or None
        0 to 1.
    top_k : int or None
        0 or more.
    effort : str or None
        ``low`` … ``max``.
    thinking : str or None
        ``show``, ``hide``, ``off``, or a number of tokens.
    tool_choice : str or None
        ``auto``, ``any``, ``none``, or the name of the tool to call first; where a call is forced,
        Claude does not think before it.
    disable_parallel_tool_use : bool
        At most one call a message.
    schema : object
        The type of the answer, or its JSON schema; see :class:`claude_magic.tools.structured_output.AnswerType`.
    once : bool
        System prompt and tools, but no history; nothing is remembered.
    new : bool
        The conversation starts afresh with this question.
    append : bool
        Add a turn, even if this cell has one.
    yes : bool
        Send it although it is above ``ask_above`` or the budget.
    """

    model: str | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    prefill: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    effort: str | None = None
    thinking: str | None = None
    tool_choice: str | None = None
    disable_parallel_tool_use: bool = False
    schema: Any = None
    once: bool = False
    new: bool = False
    append: bool = False
    yes: bool = False

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, kinds = getattr(self, field.name), _KINDS[field.name]
            wrong = isinstance(value, bool) and bool not in kinds
            if value is not None and (wrong or not isinstance(value, kinds)):
                raise BadInput(f"{field.name} takes {_WORDS[kinds]}, not {value!r:.80}.")


_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("model", "prefill", "effort", "thinking", "tool_choice"), (str,)),
    **dict.fromkeys(("max_tokens", "top_k"), (int,)),
    **dict.fromkeys(("temperature", "top_p"), (float, int)),
    **dict.fromkeys(("once", "new", "append", "yes", "disable_parallel_tool_use"), (bool,)),
    "schema": (object,),
    "stop": (tuple,),
}
_WORDS = {
    (str,): "text",
    (int,): "a whole number",
    (float, int): "a number",
    (bool,): "True or False",
    (tuple,): "texts",
    (object,): "a type or a JSON schema",
}


@dataclasses.dataclass(frozen=True)
class Fields:
    """The fields of a request that depend on options and model.

    Attributes
    ----------
    wire : dict
    unasked : frozenset of str
        Those that we added without being asked, and may take back.
    """

    wire: Mapping[str, Any]
    unasked: frozenset[str]


def fields(options: Options, model: Model, shape: AnswerType | None = None, *, max_tokens: int, version: str) -> Fields:
    """The request's fields for these options.

    Parameters
    ----------
    options : Options
    model : Model
    shape : AnswerType or None
        The type of the answer.
    max_tokens : int
        Where the question names none.
    version : str
        ``anthropic-version``, which decides on the sampling parameters.

    Raises
    ------
    BadInput
        If the model does not take an option; the line names what does the same there.
    """
    wire: dict[str, Any] = {"model": model.id, "max_tokens": _max_tokens(options, model, max_tokens), "stream": True}
    unasked: set[str] = set()
    if options.stop:
        if not all(text.strip() for text in options.stop):
            raise BadInput("--stop needs a text that is more than white space.")
        wire["stop_sequences"] = list(options.stop)
    wire |= _sampling(options, model, version)
    thinking = _thinking(options, model, wire["max_tokens"])
    if options.tool_choice not in (None, "auto", "none"):
        if thinking is not None and thinking["type"] != "disabled":
            raise BadInput(f"Claude cannot think first where it must call {options.tool_choice}. Leave one out.")
        if thinking is None and model.thinks_by_default and "disabled" in model.thinking:
            thinking = {"type": "disabled"}  # the API wants it said
            unasked.add("thinking")
    elif thinking is None and model.known and model.thinks_silently:
        thinking = {"type": "adaptive", "display": "summarized"}
        unasked.add("thinking")
    if thinking is not None:
        wire["thinking"] = thinking
    if options.effort is not None:
        wire["output_config"] = {"effort": _effort(options.effort, model)}
    if shape is not None and (model.structured_output or not model.known):
        wire["output_config"] = {**wire.get("output_config", {}), "format": shape.format()}
    if options.prefill is not None:
        _check_prefill(options, model)
    return Fields(wire, frozenset(unasked))


def _max_tokens(options: Options, model: Model, default: int) -> int:
    if options.max_tokens is None:
        return min(default, model.max_output)
    if options.max_tokens < 1:
        raise BadInput("--max-tokens needs a number of at least 1.")
    if model.known and options.max_tokens > model.max_output:
        raise BadInput(f"{model.id} writes at most {model.max_output:,} tokens; --max-tokens asks for more.")
    return options.max_tokens


def _sampling(options: Options, model: Model, version: str) -> dict[str, Any]:
    given = {name: value for name in ("temperature", "top_p", "top_k") if (value := getattr(options, name)) is not None}
    for name, value in given.items():
        if not (value >= 0 and (name == "top_k" or value <= 1)):  # not a number is not within
            allowed = "a whole number from 0" if name == "top_k" else "a number from 0 to 1"
            raise BadInput(f"--{name.replace('_', '-')} needs {allowed}.")
        if not model.known:
            continue
        if not model.sampling:
            raise BadInput(
                f"{model.id} takes no --{name.replace('_', '-')}. Say in the prompt how free the answer may be, or "
                "choose how hard it thinks with --effort."
            )
        if not sampling_allowed(version):
            raise BadInput(
                f"API version {version} takes no --{name.replace('_', '-')}. Set ClaudeMagics.version = '2023-06-01'."
            )
    if model.known and "temperature" in given and "top_p" in given:
        raise BadInput(f"{model.id} takes --temperature or --top-p, not both.")
    return given


def _effort(level: str, model: Model) -> str:
    if not model.known or level in model.effort:
        return level
    if not model.effort:
        raise BadInput(f"{model.id} takes no --effort. Use --thinking with a number of tokens.")
    raise BadInput(f"{model.id} knows the efforts {', '.join(model.effort)}, not {level!r}.")


def _thinking(options: Options, model: Model, max_tokens: int) -> dict[str, Any] | None:
    wish = options.thinking
    if wish is None:
        return None
    if wish.isdecimal():
        budget = int(wish)
        if "enabled" not in model.thinking:
            raise BadInput(f"{model.id} takes no number of thinking tokens. Use --effort {'|'.join(model.effort)}.")
        if not 1024 <= budget < max_tokens:
            raise BadInput(f"--thinking needs at least 1024 tokens and fewer than --max-tokens ({max_tokens:,}).")
        return {"type": "enabled", "budget_tokens": budget}
    if wish == "off":
        if "disabled" not in model.thinking:
            raise BadInput(f"{model.id} always thinks. Use --effort low, or another model (-m haiku).")
        top = model.no_thinking_up_to
        if model.known and top and options.effort and model.effort.index(options.effort) > model.effort.index(top):
            raise BadInput(f"{model.id} thinks at --effort {options.effort}. Thinking can be off up to {top}.")
        return {"type": "disabled"}
    if wish not in ("show", "hide"):
        raise BadInput(f"--thinking knows show, hide, off and a number of tokens, not {wish!r}.")
    display = "summarized" if wish == "show" else "omitted"
    if "adaptive" in model.thinking:
        return {"type": "adaptive", "display": display}
    if max_tokens <= 2048:
        raise BadInput(f"{model.id} needs --max-tokens above 2048 to think.")
    return {"type": "enabled", "budget_tokens": max(1024, min(8192, max_tokens // 2)), "display": display}


def _check_prefill(options: Options, model: Model) -> None:
    if not (options.prefill or "").strip():
        raise BadInput("--prefill needs some text.")
    if model.known and not model.prefill:
        raise BadInput(
            f"{model.id} takes no --prefill. Ask for the form you want with --system, or use -m claude-haiku-4-5."
        )
    if options.thinking not in (None, "off", "hide"):
        raise BadInput("--prefill and --thinking do not go together.")
