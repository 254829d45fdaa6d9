"""The options of a question, and what each model makes of them."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import Model, sampling_allowed
from claude_magic.messages.wire import OutputConfig, RequestFields, ThinkingConfig, ToolChoice
from claude_magic.tools.toolset import tool_definition, tool_name

if TYPE_CHECKING:
    from claude_magic.tools.structured_output import AnswerType
    from claude_magic.tools.toolset import AnyTool

_CHOICES = ("auto", "any", "none")


class Options(TypedDict, total=False):
    """Options of one question. What is left out, or None, is not part of the request.

    Attributes
    ----------
    model : str
        Id or alias.
    system : str
        A new system prompt for the conversation, from this question on; empty or None removes it.
    tools : function, str, dict or list of these
        Tools that Claude may call from this question on; ``"none"`` forbids calls this once.
    max_tokens : int
        Upper limit for the answer, thinking included.
    stop : str or sequence of str
        Texts at which Claude stops.
    prefill : str
        The first words of the answer.
    temperature, top_p : float
        0 to 1.
    top_k : int
        0 or more.
    effort : str
        ``low`` … ``max``.
    thinking : str or int
        ``show``, ``hide``, ``off``, or a number of tokens.
    tool_choice : str
        ``auto``, ``any``, ``none``, or the name of the tool to call first; where a call is forced,
        Claude does not think before it.
    disable_parallel_tool_use : bool
        At most one call per message.
    schema : type or mapping
        The type of the answer, or its JSON schema.
    once : bool
        Send system prompt and tools but no history; keep nothing of it.
    new : bool
        Start the conversation over with this question.
    append : bool
        Add a turn even if this cell already has one.
    yes : bool
        Send it even if it is above ``ask_above`` or the budget.
    """

    model: str | None
    system: str | None
    tools: object
    max_tokens: int | None
    stop: str | Sequence[str] | None
    prefill: str | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    effort: str | None
    thinking: str | int | None
    tool_choice: str | None
    disable_parallel_tool_use: bool
    schema: Any
    once: bool
    new: bool
    append: bool
    yes: bool


_CHECKED: dict[str, tuple[tuple[type, ...], str]] = {
    "str | None": ((str,), "text"),
    "int | None": ((int,), "a whole number"),
    "float | None": ((float, int), "a number"),
    "str | int | None": ((str, int), "text or a number"),
    "bool": ((bool,), "True or False"),
    "Any": ((object,), "a type or a JSON schema"),
}
"""What a value must be, by its annotation, and how an error says so."""


def checked_options(given: Mapping[str, Any]) -> Options:
    """Options of a known name and type; those that are None are left out, but for ``system``.

    Raises
    ------
    BadInput
        For an unknown option, or a value of the wrong type.
    """
    annotations = {name: hint.__forward_arg__ for name, hint in Options.__annotations__.items()}
    for name in given.keys() - annotations.keys():
        near = difflib.get_close_matches(name, annotations, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise BadInput(f"Unknown option {name}.{hint} The options are {', '.join(annotations)}.")
    found = {name: value for name, value in given.items() if value is not None or name == "system"}
    for name, value in found.items():
        types, words = _CHECKED.get(annotations[name], ((object, bool), ""))
        is_wrong_bool = isinstance(value, bool) and bool not in types
        if value is not None and (is_wrong_bool or not isinstance(value, types)):
            raise BadInput(f"{name} takes {words}, not {value!r:.80}.")
    if "stop" in found:
        found["stop"] = _stop_sequences(found["stop"])
    if "thinking" in found:
        found["thinking"] = str(found["thinking"])
    tools = found.get("tools")
    if isinstance(tools, str) and tools.strip().lower() == "none":
        found |= {"tools": (), "tool_choice": "none"}
    return cast("Options", found)


def _stop_sequences(stop: object) -> tuple[str, ...]:
    texts = (stop,) if isinstance(stop, str) else tuple(stop) if isinstance(stop, Sequence) else (None,)
    if not all(isinstance(text, str) for text in texts):
        raise BadInput(f"stop takes a text or a list of texts, not {stop!r:.80}.")
    if not all(text.strip() for text in texts if isinstance(text, str)):
        raise BadInput("--stop needs a text that is more than white space.")
    return tuple(text for text in texts if isinstance(text, str))


@dataclasses.dataclass(frozen=True)
class Fields:
    """The fields of a request that depend on its options and model.

    Attributes
    ----------
    wire : RequestFields
    unasked : frozenset of str
        Those that we added on our own, and may take back.
    """

    wire: RequestFields
    unasked: frozenset[str]


def request_fields(
    options: Options, model: Model, answer_type: AnswerType | None = None, *, max_tokens: int, version: str
) -> Fields:
    """The fields of a request for these options.

    Parameters
    ----------
    options : Options
    model : Model
    answer_type : AnswerType, optional
        The type of the answer.
    max_tokens : int
        Used if the question sets none.
    version : str
        ``anthropic-version``, which decides on the sampling parameters.

    Raises
    ------
    BadInput
        If the model does not support an option; the error names what to use instead.
    """
    wire: RequestFields = {"model": model.id, "max_tokens": _max_tokens(options, model, max_tokens), "stream": True}
    unasked: set[str] = set()
    if stop := options.get("stop"):
        wire["stop_sequences"] = list(stop)
    wire.update(_sampling(options, model, version))
    effort = _effort(options, model)
    thinking = _thinking(options, model, wire["max_tokens"])
    tool_choice = options.get("tool_choice")
    if tool_choice not in (None, "auto", "none"):
        if thinking is not None and thinking["type"] != "disabled":
            raise BadInput(f"Claude cannot think first where it must call {tool_choice}. Leave out one of the two.")
        if thinking is None and model.thinks_by_default and "disabled" in model.thinking:
            thinking = {"type": "disabled"}  # the API wants this to be explicit
            unasked.add("thinking")
    elif thinking is None and model.known and model.thinks_silently:
        thinking = {"type": "adaptive", "display": "summarized"}
        unasked.add("thinking")
    if thinking is not None:
        wire["thinking"] = thinking
    output: OutputConfig = {} if effort is None else {"effort": effort}
    if answer_type is not None and (model.structured_output or not model.known):
        output["format"] = answer_type.format()
    if output:
        wire["output_config"] = output
    if options.get("prefill") is not None:
        _check_prefill(options, model)
    return Fields(wire, frozenset(unasked))


def tool_fields(offered: Sequence[AnyTool], options: Options, model: Model) -> RequestFields:
    """The fields of a request for these tools.

    Raises
    ------
    BadInput
        If there is no such tool to choose, or the model does not support the choice.
    """
    choice, one_call = options.get("tool_choice"), options.get("disable_parallel_tool_use", False)
    if not offered:
        if choice in (None, "none") and not one_call:
            return {}
        raise BadInput("There are no tools to choose from. Add some with -t.")
    wire: RequestFields = {"tools": [tool_definition(tool, model) for tool in offered]}
    if choice is None and not one_call:
        return wire
    choice = choice or "auto"
    names = list(map(tool_name, offered))
    if choice not in _CHOICES and choice not in names:
        raise BadInput(f"There is no tool {choice!r} to choose, only {', '.join(names)}.")
    if choice not in ("auto", "none") and model.known and not model.forced_tool_choice:
        raise BadInput(f"{model.id} cannot be made to call a tool. Ask for it in words, or use -m claude-opus-4-8.")
    how: ToolChoice = {"type": cast(Any, choice)} if choice in _CHOICES else {"type": "tool", "name": choice}
    if one_call and choice != "none":
        how["disable_parallel_tool_use"] = True
    wire["tool_choice"] = how
    return wire


def _max_tokens(options: Options, model: Model, default: int) -> int:
    asked = options.get("max_tokens")
    if asked is None:
        return min(default, model.max_output)
    if asked < 1:
        raise BadInput("--max-tokens needs a number of at least 1.")
    if model.known and asked > model.max_output:
        raise BadInput(f"{model.id} writes at most {model.max_output:,} tokens; --max-tokens asks for more.")
    return asked


def _sampling(options: Options, model: Model, version: str) -> RequestFields:
    wanted = {"temperature": options.get("temperature"), "top_p": options.get("top_p"), "top_k": options.get("top_k")}
    given = {name: value for name, value in wanted.items() if value is not None}
    for name, value in given.items():
        flag = f"--{name.replace('_', '-')}"
        if not (value >= 0 and (name == "top_k" or value <= 1)):  # written so that NaN fails, too
            raise BadInput(f"{flag} needs a {'whole number from 0' if name == 'top_k' else 'number from 0 to 1'}.")
        if not model.known:
            continue
        if not model.sampling:
            raise BadInput(
                f"{model.id} does not support {flag}. Say in the prompt how free the answer may be, or set how hard "
                "it thinks with --effort."
            )
        if not sampling_allowed(version):
            raise BadInput(f"API version {version} does not support {flag}. Set ClaudeMagics.version = '2023-06-01'.")
    if model.known and "temperature" in given and "top_p" in given:
        raise BadInput(f"{model.id} accepts --temperature or --top-p, not both.")
    return cast("RequestFields", given)


def _effort(options: Options, model: Model) -> str | None:
    level = options.get("effort")
    if level is None or not model.known or level in model.effort:
        return level
    if not model.effort:
        raise BadInput(f"{model.id} does not support --effort. Use --thinking with a number of tokens.")
    raise BadInput(f"{model.id} supports --effort {', '.join(model.effort)}, not {level!r}.")


def _thinking(options: Options, model: Model, max_tokens: int) -> ThinkingConfig | None:
    wish, effort = options.get("thinking"), options.get("effort")
    if wish is None:
        return None
    wish = str(wish)
    if wish.isdecimal():
        budget = int(wish)
        if "enabled" not in model.thinking:
            raise BadInput(
                f"{model.id} does not support a number of thinking tokens. Use --effort {'|'.join(model.effort)}."
            )
        if not 1024 <= budget < max_tokens:
            raise BadInput(f"--thinking needs at least 1024 tokens and fewer than --max-tokens ({max_tokens:,}).")
        return {"type": "enabled", "budget_tokens": budget}
    if wish == "off":
        if "disabled" not in model.thinking:
            raise BadInput(f"{model.id} always thinks. Use --effort low, or another model (-m haiku).")
        top = model.no_thinking_up_to
        if model.known and top and effort and model.effort.index(effort) > model.effort.index(top):
            raise BadInput(f"{model.id} always thinks at --effort {effort}. --thinking off works up to {top}.")
        return {"type": "disabled"}
    if wish not in ("show", "hide"):
        raise BadInput(f"--thinking takes show, hide, off or a number of tokens, not {wish!r}.")
    display: Literal["summarized", "omitted"] = "summarized" if wish == "show" else "omitted"
    if "adaptive" in model.thinking:
        return {"type": "adaptive", "display": display}
    if max_tokens <= 2048:
        raise BadInput(f"{model.id} needs --max-tokens above 2048 to think.")
    return {"type": "enabled", "budget_tokens": max(1024, min(8192, max_tokens // 2)), "display": display}


def _check_prefill(options: Options, model: Model) -> None:
    if not (options.get("prefill") or "").strip():
        raise BadInput("--prefill needs some text.")
    if model.known and not model.prefill:
        raise BadInput(
            f"{model.id} does not support --prefill. Ask for the form you want with --system, or use "
            "-m claude-haiku-4-5."
        )
    if options.get("thinking") not in (None, "off", "hide"):
        raise BadInput("--prefill and --thinking cannot be combined.")
