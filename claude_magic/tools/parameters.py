"""One parameter of a function: its JSON schema for Claude, and the validation of its value.

Each has its own pydantic adapter, so any name works, and each problem belongs to one parameter.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import functools
import inspect
import json
import re
import reprlib
import types
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import one_line

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema

JSON = dict[str, Any]

_NAME = re.compile(r"[a-zA-Z0-9_]{1,64}")


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A parameter that Claude fills in, and the adapter that describes, validates and converts its value."""

    declared: inspect.Parameter
    adapter: TypeAdapter[Any]

    @classmethod
    def of(cls, declared: inspect.Parameter, function: str, names: Mapping[str, Any]) -> Parameter:
        """Read the declaration of a parameter.

        Parameters
        ----------
        declared : inspect.Parameter
        function : str
            What error messages call the function.
        names : mapping
            Names that its annotation may use.

        Raises
        ------
        BadInput
            If Claude could not fill it in.
        """
        from pydantic.fields import FieldInfo

        called = f"{function}: the parameter {_stars(declared)}{declared.name}"
        if problem := _declaration_problem(declared):
            raise BadInput(f"{called} {problem}")
        if isinstance(declared.default, FieldInfo):
            raise BadInput(f"{called} has a Field as its default. Write {declared.name}: Annotated[…, Field(…)].")
        parameter = cls(declared, _adapter(declared, called, dict(names)))
        if not parameter.is_optional and parameter.adapter.get_default_value() is not None:
            raise BadInput(f"{called} has its default only in a Field. Write {declared.name}: … = … in the signature.")
        return parameter

    @property
    def is_optional(self) -> bool:
        """Whether it has a default."""
        return self.declared.default is not inspect.Parameter.empty

    def __str__(self) -> str:
        default = f" = {one_line(reprlib.repr(self.declared.default), 40)}" if self.is_optional else ""
        return f"{self.declared.name}: {_annotation(self.declared)}{default}"

    def described(self, schema: JSON, text: str | None) -> JSON:
        """The schema with this description, unless ``Field`` gave one, and with the default of the function."""
        whole = {**({"description": text} if text else {}), **schema}
        if self.is_optional:
            whole.pop("default", None)
            with contextlib.suppress(ValueError):  # a default that JSON cannot represent
                whole["default"] = self._default()
        return whole

    def _default(self) -> Any:
        from pydantic_core import to_jsonable_python

        value = to_jsonable_python(self.declared.default)
        if isinstance(self.declared.default, set | frozenset):
            value.sort(key=json.dumps)  # the order of a set differs from process to process
        self.adapter.validate_json(json.dumps(value, allow_nan=False))
        return value


@functools.cache
def generator() -> type[GenerateJsonSchema]:
    """Pydantic's schema generator without its warnings about defaults that JSON cannot represent."""
    from pydantic.json_schema import GenerateJsonSchema

    class Quiet(GenerateJsonSchema):
        ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    return Quiet


def _stars(declared: inspect.Parameter) -> str:
    return "*" * ((declared.kind is declared.VAR_POSITIONAL) + 2 * (declared.kind is declared.VAR_KEYWORD))


def _declaration_problem(declared: inspect.Parameter) -> str | None:
    name = declared.name
    if not _NAME.fullmatch(name):
        return "has a name that the API does not accept. Use at most 64 of the letters a to z and A to Z, digits and _."
    if declared.kind is declared.VAR_POSITIONAL:
        return f"cannot be filled in by name. Use a list: {name}: list[str]."
    if declared.kind is declared.VAR_KEYWORD:
        return f"does not say what to fill in. Name each parameter, or use {name}: dict[str, str]."
    if declared.annotation is not declared.empty:
        return None
    if name in ("self", "cls"):
        return "has no type. If this is a method, pass it bound to an object: the_object.method."
    guess = "str" if declared.default in (declared.empty, None) else type(declared.default).__name__
    return f"has no type. Write {name}: {guess}, so that Claude knows what to pass."


def _annotation(declared: inspect.Parameter) -> str:
    """The annotation as one would write it in code."""
    kind = declared.annotation
    if isinstance(kind, str):
        return kind
    kind = typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind
    return re.sub(r"[\w.]+\.<locals>\.|\b__main__\.", "", inspect.formatannotation(kind))


def _adapter(declared: inspect.Parameter, called: str, names: dict[str, Any]) -> TypeAdapter[Any]:
    from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

    try:
        kind = _evaluated(declared, names)
        adapter = _complete(kind, names)
        if declared.default is None and not _accepts_none(adapter):
            adapter = _complete(typing.Optional[kind], names)  # noqa: UP045  (not every type supports |)
        adapter.json_schema(schema_generator=generator())
    except (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError) as error:
        raise BadInput(
            f"{called} has the type {_annotation(declared)}, which JSON cannot represent. Use one that it can "
            f"(str, list[str], a dataclass, …), or fill it in yourself: functools.partial(function, {declared.name}=…)."
        ) from error
    except Exception as error:  # an annotation can run any code
        reason = str(error).partition("\n")[0].rstrip(".")
        raise BadInput(f"{called} has the type {_annotation(declared)}, which cannot be used: {reason}.") from error
    return adapter


def _evaluated(declared: inspect.Parameter, names: dict[str, Any]) -> Any:
    """The type that an annotation stands for; strings are evaluated at any depth."""
    holder = types.SimpleNamespace(__annotations__={declared.name: declared.annotation})
    kind = typing.get_type_hints(holder, names, include_extras=True)[declared.name]
    if typing.get_origin(kind) is collections.abc.Iterable:
        return types.GenericAlias(list, typing.get_args(kind))  # pydantic would validate an iterable lazily
    return kind


def _complete(kind: Any, names: dict[str, Any]) -> TypeAdapter[Any]:
    """An adapter that also resolves strings in the annotations of local classes."""
    from pydantic import TypeAdapter

    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    if not adapter.pydantic_complete:
        adapter.rebuild(_types_namespace=names)
    return adapter


def _accepts_none(adapter: TypeAdapter[Any]) -> bool:
    from pydantic import ValidationError

    try:
        adapter.validate_json("null")
    except ValidationError:
        return False
    return True
