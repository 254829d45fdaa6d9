"""The arguments that a function takes: as a JSON schema, and from JSON back to Python.

The return annotation is never looked at.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import json
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import join_names, one_line
from claude_magic.tools.parameters import JSON, Parameter, generator
from claude_magic.tools.validation_errors import problems, short

_POSITIONAL = inspect.Parameter.POSITIONAL_ONLY
_MOST_PROBLEMS = 20
_MAPS = ("$defs", "properties", "patternProperties", "dependentSchemas")
"""Parts of a schema in which ``title`` is a name."""
_VALUES = ("default", "const", "enum", "examples", "required")
"""Parts of a schema that are no schemas."""


class WrongArguments(Exception):
    """The arguments of a call do not fit; the text is for Claude, one line for each problem."""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The parameters of a function that Claude fills in, in the order of the signature.

    Attributes
    ----------
    parameters : dict
        Name to parameter.
    """

    parameters: dict[str, Parameter]

    @classmethod
    def of(cls, function: Callable[..., Any], name: str, *, is_method: bool = False) -> Arguments:
        """Look at a function.

        Parameters
        ----------
        function : callable
            Keywords that a :class:`functools.partial` has filled in are left out.
        name : str
            What it is called in errors.
        is_method : bool
            Whether its first parameter is the instance.

        Raises
        ------
        BadInput
            If there is a parameter that Claude could not fill in.
        """
        filled = function.keywords if isinstance(function, functools.partial) else ()
        written = [each for each in signature(function, name).parameters.values() if each.name not in filled]
        written = written[1:] if is_method else written
        names = _visible_names(innermost(function))
        return cls({each.name: Parameter.of(each, name, names) for each in written})

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.parameters.values()))})"

    def schema(self, texts: Mapping[str, str]) -> JSON:
        """The JSON schema of the arguments: the same bytes for the same signature.

        Parameters
        ----------
        texts : mapping of str to str
            Descriptions of parameters.
        """
        from pydantic import TypeAdapter

        mode: Literal["validation"] = "validation"
        adapters = [(name, mode, parameter.adapter) for name, parameter in self.parameters.items()]
        schemas, shared = TypeAdapter.json_schemas(adapters, schema_generator=generator())
        properties = {
            name: parameter.described(_untitled(schemas[name, mode]), texts.get(name))
            for name, parameter in self.parameters.items()
        }
        required = [name for name, parameter in self.parameters.items() if not parameter.is_optional]
        schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
        return {**schema, **_untitled(shared)}

    def bind(self, given: object) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Check and convert arguments that came as JSON.

        Returns
        -------
        tuple
            Positional arguments (of positional-only parameters) and keyword arguments. What is not
            given is left to the function's own defaults.

        Raises
        ------
        WrongArguments
            If something is missing, unknown or of another type; with all that is.
        """
        if not isinstance(given, dict):
            raise WrongArguments(f"the arguments should be an object, got {short(given)}")
        values: dict[str, Any] = {}
        wrong = list(self._read(given, values))
        if more := wrong[_MOST_PROBLEMS:]:
            wrong = [*wrong[:_MOST_PROBLEMS], f"and {len(more):,} more"]
        if wrong:
            raise WrongArguments("\n".join(wrong))
        by_place = [each.written for each in self.parameters.values() if each.written.kind is _POSITIONAL]
        args = tuple(values.pop(each.name, each.default) for each in by_place)
        return args, values

    def _read(self, given: Mapping[str, Any], values: dict[str, Any]) -> Iterator[str]:
        """Fill in the values; what is wrong comes out."""
        from pydantic import ValidationError

        for name, parameter in self.parameters.items():
            if name in given:
                try:
                    values[name] = parameter.adapter.validate_json(json.dumps(given[name]))
                except ValidationError as error:
                    yield from problems(name, given[name], error)
            elif not parameter.is_optional:
                yield f"{name}: is missing"
        allowed = join_names(list(self.parameters)) if self.parameters else "none"
        for name in given:
            if name not in self.parameters:
                yield f"{one_line(name)}: is not a parameter, got {short(given[name])} (allowed: {allowed})"


def innermost(function: Any) -> Any:
    """The function below partials, decorators and callable objects."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif not inspect.isroutine(function) and inspect.isfunction(type(function).__call__):
            function = type(function).__call__
        else:
            return function


def signature(function: Callable[..., Any], name: str) -> inspect.Signature:
    """The signature of a function, with annotations as they are; ``name`` is for the error."""
    try:
        if sys.version_info >= (3, 14):
            from annotationlib import Format

            # Reading the annotations would evaluate them, the return annotation too.
            return inspect.signature(function, annotation_format=Format.FORWARDREF)
        return inspect.signature(function)
    except (TypeError, ValueError) as problem:
        raise BadInput(f"{name}: its parameters cannot be found out. Write a function with def around it.") from problem


def _visible_names(function: Any) -> dict[str, Any]:
    """The names that the annotations of a function may use.

    A class of the function around it is not in its closure if only an annotation names it (which
    may be a string); it is looked for in the calls that are running.
    """
    code = getattr(function, "__code__", None)
    names: dict[str, Any] = {}
    for name, cell in zip(getattr(code, "co_freevars", ()), getattr(function, "__closure__", None) or (), strict=True):
        with contextlib.suppress(ValueError):  # still empty: the function itself
            names[name] = cell.cell_contents
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and code is not None:
        if code in frame.f_code.co_consts and frame.f_code.co_name != "<module>":
            names = {**frame.f_locals, **names}
            code = frame.f_code
        frame = frame.f_back
    return {**getattr(function, "__globals__", {}), **names}


def _untitled(schema: Any, *, of_names: bool = False) -> Any:
    """A schema without the titles that pydantic makes of names."""
    if isinstance(schema, list):
        return [_untitled(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if of_names:
        return {name: _untitled(each) for name, each in schema.items()}
    return {
        key: each if key in _VALUES else _untitled(each, of_names=key in _MAPS)
        for key, each in schema.items()
        if key != "title"
    }
