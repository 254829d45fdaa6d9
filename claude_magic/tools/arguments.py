"""The arguments of a function: their JSON schema, and their conversion from JSON to Python.

The return annotation is never evaluated.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import json
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import join_names, one_line
from claude_magic.tools.parameters import JSON, Parameter, generator
from claude_magic.tools.validation_errors import error_lines, short_repr

_POSITIONAL = inspect.Parameter.POSITIONAL_ONLY
_MOST_PROBLEMS = 20
_NAME_MAPS = ("$defs", "properties", "patternProperties", "dependentSchemas")
"""Keywords whose value is a mapping from names to schemas, so that ``title`` in it is a name."""
_VALUES = ("default", "const", "enum", "examples", "required")
"""Keywords whose value is not a schema."""


class WrongArguments(Exception):
    """The arguments of a call are invalid; the message is for Claude, one line for each problem."""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The parameters that Claude fills in, by name, in the order of the signature."""

    parameters: dict[str, Parameter]

    @classmethod
    def of(cls, function: Callable[..., Any], name: str, *, is_method: bool = False) -> Arguments:
        """Read the signature of a function.

        Parameters
        ----------
        function : callable
            Keyword arguments that a :class:`functools.partial` has filled in are left out.
        name : str
            What error messages call it.
        is_method : bool
            Whether its first parameter is the instance.

        Raises
        ------
        BadInput
            If Claude could not fill in one of the parameters.
        """
        filled = function.keywords if isinstance(function, functools.partial) else ()
        declared = [each for each in signature(function, name).parameters.values() if each.name not in filled]
        declared = declared[1:] if is_method else declared
        names = _visible_names(innermost(function))
        return cls({each.name: Parameter.of(each, name, names) for each in declared})

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.parameters.values()))})"

    def schema(self, descriptions: Mapping[str, str]) -> JSON:
        """The JSON schema of the arguments, byte for byte the same for the same signature and descriptions."""
        from pydantic import TypeAdapter

        mode: Literal["validation"] = "validation"
        adapters = [(name, mode, parameter.adapter) for name, parameter in self.parameters.items()]
        schemas, shared = TypeAdapter.json_schemas(adapters, schema_generator=generator())
        properties = {
            name: parameter.described(_untitled(schemas[name, mode]), descriptions.get(name))
            for name, parameter in self.parameters.items()
        }
        required = [name for name, parameter in self.parameters.items() if not parameter.is_optional]
        schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
        return {**schema, **_untitled(shared)}

    def bind(self, given: object) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """See :meth:`Tool.bind`; only positional-only parameters become positional arguments."""
        if not isinstance(given, dict):
            raise WrongArguments(f"the arguments should be an object, got {short_repr(given)}")
        values: dict[str, Any] = {}
        wrong = list(self._read(given, values))
        if more := wrong[_MOST_PROBLEMS:]:
            wrong = [*wrong[:_MOST_PROBLEMS], f"and {len(more):,} more"]
        if wrong:
            raise WrongArguments("\n".join(wrong))
        positional = [each.declared for each in self.parameters.values() if each.declared.kind is _POSITIONAL]
        args = tuple(values.pop(each.name, each.default) for each in positional)
        return args, values

    def _read(self, given: Mapping[str, Any], values: dict[str, Any]) -> Iterator[str]:
        """Fill in the values, and yield the problems."""
        from pydantic import ValidationError

        for name, parameter in self.parameters.items():
            if name in given:
                try:
                    values[name] = parameter.adapter.validate_json(json.dumps(given[name]))
                except ValidationError as error:
                    yield from error_lines(name, given[name], error)
            elif not parameter.is_optional:
                yield f"{name}: is missing"
        allowed = join_names(list(self.parameters)) if self.parameters else "none"
        for name in given:
            if name not in self.parameters:
                yield f"{one_line(name)}: is not a parameter, got {short_repr(given[name])} (allowed: {allowed})"


def innermost(function: Any) -> Any:
    """The function inside partials, decorators and callable objects."""
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
    """The signature of a function, its annotations not evaluated; ``name`` is for the error message."""
    try:
        if sys.version_info >= (3, 14):
            from annotationlib import Format

            # Reading the annotations would evaluate them, the return annotation too.
            return inspect.signature(function, annotation_format=Format.FORWARDREF)
        return inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{name}: its parameters cannot be determined. Write a function with def around it.") from error


def _visible_names(function: object) -> dict[str, Any]:
    """The names that the annotations of a function may use.

    A local class that only an annotation mentions (perhaps as a string) is not in the closure; it is
    looked up in the frames of the calls that are running.
    """
    code = getattr(function, "__code__", None)
    names: dict[str, Any] = {}
    for name, cell in zip(getattr(code, "co_freevars", ()), getattr(function, "__closure__", None) or (), strict=True):
        with contextlib.suppress(ValueError):  # still empty: the function's own name
            names[name] = cell.cell_contents
    for frame, _ in traceback.walk_stack(sys._getframe(1)):
        if code is not None and code in frame.f_code.co_consts and frame.f_code.co_name != "<module>":
            names = {**frame.f_locals, **names}
            code = frame.f_code
    return {**getattr(function, "__globals__", {}), **names}


def _untitled(schema: Any, *, is_name_map: bool = False) -> Any:
    """A schema without the titles that pydantic derives from names."""
    if isinstance(schema, list):
        return [_untitled(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if is_name_map:
        return {name: _untitled(each) for name, each in schema.items()}
    return {
        key: each if key in _VALUES else _untitled(each, is_name_map=key in _NAME_MAPS)
        for key, each in schema.items()
        if key != "title"
    }
