"""Structured output: the JSON schema of the answer that is asked for, and the value parsed from Claude's text."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import one_line, pluralize
from claude_magic.tools.strict_schema import Schema, to_strict

_MOST_PROBLEMS = 20
_FENCE = re.compile(r"```\w*[ \t]*\n(.*)\n[ \t]*```", re.DOTALL)
_ADVICE = (
    "Use a class with typed fields that JSON can represent: "
    "list[Row] for a table (reply.frame turns it into a DataFrame), list[float] for an array."
)


class WrongAnswer(Exception):
    """An answer that does not match its type; the message, with a line for each problem, is written for Claude."""

    def __init__(self, name: str, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        more = len(self.problems) - _MOST_PROBLEMS
        lines = [f"- {problem}" for problem in self.problems[:_MOST_PROBLEMS]]
        if more > 0:
            lines.append(f"- and {pluralize(more, 'problem')} more")
        super().__init__(
            "\n".join(
                [f"The answer does not fit {name}:", *lines, "Answer again with the complete JSON and nothing else."]
            )
        )


@dataclasses.dataclass(frozen=True, eq=False)
class AnswerType:
    """The type of answer that is asked for.

    Attributes
    ----------
    name : str
        For display.
    schema : dict
        In the subset of the API. Always an object; a type of another kind is its field ``value``.
    note : str
        A warning for the user, for example that answers are not validated; usually empty.
    """

    name: str
    schema: Schema
    note: str = ""
    _parse: Callable[[str], Any] = dataclasses.field(repr=False, kw_only=True)

    @classmethod
    def of(cls, wanted: object) -> AnswerType:
        """Make it from a type or a JSON schema.

        Parameters
        ----------
        wanted : type, mapping or AnswerType
            A pydantic model, dataclass, TypedDict, Enum, Literal, number, string, bool, or a list or union of
            these; or a JSON schema.

        Raises
        ------
        BadInput
            If no JSON schema can describe it, or none that the API accepts.
        """
        if isinstance(wanted, AnswerType):
            return wanted
        name = _name(wanted)
        try:
            return _of_schema(name, wanted) if isinstance(wanted, Mapping) else _of_type(name, wanted)
        except BadInput as error:
            raise BadInput(f"{name} cannot be the type of an answer. {error}") from error.__cause__

    def format(self) -> dict[str, Any]:
        """The value of ``output_config.format`` in a request."""
        return {"type": "json_schema", "schema": self.schema}

    def instruction(self) -> str:
        """A prompt for a model or server that does not support structured outputs."""
        schema = json.dumps(self.schema, ensure_ascii=False)
        return f"Answer with one JSON object and nothing else around it. It must match this JSON schema:\n{schema}"

    def read(self, text: str) -> Any:
        """Parse and validate an answer.

        Parameters
        ----------
        text : str
            JSON, possibly in a code fence.

        Raises
        ------
        WrongAnswer
            If it is not JSON, or does not match the type.
        """
        fenced = _FENCE.search(text)  # no false match: inside a JSON string, line breaks are escaped
        return self._parse(fenced[1] if fenced else text)


def frame(value: object) -> Any:
    """Convert records to a DataFrame of pandas, or of polars if pandas is not installed.

    Parameters
    ----------
    value : object
        A list of records (models, dataclasses, dicts), one record, or an object with exactly one list of records,
        which become the rows. An empty list does not count: its items could be anything.

    Raises
    ------
    BadInput
        If it contains no records, or neither library is installed.
    """
    rows = _rows(_plain(value))
    if rows is None:
        raise BadInput(
            f"{one_line(repr(value))} has no rows and columns. "
            "Ask for list[Row], where the class Row has a field for each column."
        )
    for library, options in (("pandas", {}), ("polars", {"infer_schema_length": None})):
        try:
            return importlib.import_module(library).DataFrame(rows, **options)
        except ImportError:
            continue
    raise BadInput("A DataFrame needs pandas or polars: pip install pandas.")


def _of_type(name: str, wanted: Any) -> AnswerType:
    """For any type that pydantic supports."""
    if inspect.isroutine(wanted):
        raise BadInput("It is a function: give the type that it returns.")
    if isinstance(wanted, str):
        raise BadInput("It is a string. Give the type itself, or a JSON schema as a dict: json.loads(…).")
    import pydantic

    try:
        adapter = pydantic.TypeAdapter(wanted)
        given = adapter.json_schema()
    except (pydantic.errors.PydanticSchemaGenerationError, pydantic.errors.PydanticInvalidForJsonSchema) as error:
        raise BadInput(f"{_reason(error)} {_ADVICE}") from error
    except (pydantic.errors.PydanticUserError, pydantic.errors.PydanticUndefinedAnnotation) as error:
        raise BadInput(_reason(error)) from error
    schema = to_strict(given)
    wrapped = schema.get("type") != "object"
    if wrapped:
        adapter = pydantic.TypeAdapter(pydantic.create_model("Answer", value=(wanted, ...)))

    def parse(text: str) -> object:
        try:
            value = adapter.validate_json(text)
        except pydantic.ValidationError as error:
            raise WrongAnswer(name, [_problem(p["loc"], p["msg"], p) for p in error.errors()]) from error
        return value.value if wrapped else value

    return AnswerType(name, _wrapped(schema) if wrapped else schema, _parse=parse)


def _reason(error: Any) -> str:
    """The first sentence of pydantic's message."""
    return str(error.message).partition("\n")[0].partition(" Set `")[0].rstrip(".") + "."


def _of_schema(name: str, wanted: Mapping[str, Any]) -> AnswerType:
    """For a JSON schema; answers are validated by jsonschema if that is installed, as it is with Jupyter."""
    try:
        original = json.loads(json.dumps(wanted))
    except (TypeError, ValueError) as error:
        raise BadInput(f"A dict has to be a JSON schema, and this is not one: {error}. Give a class.") from error
    try:
        jsonschema: Any = importlib.import_module("jsonschema")
    except ImportError:
        jsonschema = None
    validator = None
    if jsonschema is not None:
        kind = jsonschema.validators.validator_for(original, jsonschema.Draft202012Validator)
        try:
            kind.check_schema(original)
        except jsonschema.SchemaError as error:
            raise BadInput(f"It is not a valid JSON schema: {one_line(error.message)}.") from error
        validator = kind(original)
    schema = to_strict(original)
    wrapped = schema.get("type") != "object"
    prefix = ["value"] if wrapped else []

    def parse(text: str) -> object:
        try:
            value = json.loads(text)
            value = value["value"] if wrapped else value
        except json.JSONDecodeError as error:
            raise WrongAnswer(name, [_problem((), f"Invalid JSON: {error}", {"input": text})]) from error
        except (KeyError, TypeError):
            raise WrongAnswer(name, ["value: Field required"]) from None
        found = validator.iter_errors(value) if validator is not None else ()
        if problems := [_problem([*prefix, *e.absolute_path], e.message, {"input": e.instance}) for e in found]:
            raise WrongAnswer(name, problems)
        return value

    note = "" if jsonschema is not None else "Answers are parsed but not validated: that needs pip install jsonschema."
    return AnswerType(name, _wrapped(schema) if wrapped else schema, note, _parse=parse)


def _wrapped(schema: Schema) -> Schema:
    """The schema inside an object, because the top level of an answer has to be one."""
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    outer = {"type": "object", "properties": {"value": inner}, "required": ["value"], "additionalProperties": False}
    return outer | ({"$defs": schema["$defs"]} if "$defs" in schema else {})


def _name(wanted: object) -> str:
    if isinstance(wanted, Mapping):
        return str(wanted.get("title", "the JSON schema"))
    if isinstance(wanted, type) or inspect.isroutine(wanted):
        return wanted.__name__
    return one_line(re.sub(r"(?:[\w<>]+\.)+(?=\w)", "", repr(wanted)))


def _problem(path: Iterable[object], reason: str, found: Mapping[str, object]) -> str:
    """One line for Claude: path, reason, and the value found there."""
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
    if found.get("type") == "missing":  # its input is the whole object around it
        return f"{where}: {reason}"
    value = one_line(json.dumps(found.get("input"), ensure_ascii=False, default=str))
    return f"{where or 'the answer'}: {one_line(reason, 300)} (it was {value})"


def _plain(value: Any) -> object:
    """The value with records of every kind as dicts."""
    if callable(getattr(type(value), "model_dump", None)):
        return _plain(value.model_dump())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(entry) for entry in value]
    return value


def _rows(value: object) -> list[dict[str, Any]] | None:
    if isinstance(value, list):
        return value if all(isinstance(row, dict) for row in value) else None
    if not isinstance(value, dict):
        return None
    lists = [rows for rows in value.values() if rows and isinstance(rows, list) and _rows(rows) is not None]
    return lists[0] if len(lists) == 1 else [value]
