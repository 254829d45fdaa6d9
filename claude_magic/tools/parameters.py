"""One parameter of a function: how Claude is told of it, and how its value is checked.

Each has a pydantic adapter of its own, so it may have any name, and a problem belongs to one of them.
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
    """A parameter that Claude fills in.

    Attributes
    ----------
    written : inspect.Parameter
        As it stands in the signature.
    adapter : pydantic.TypeAdapter
        How its value is described, checked and converted.
    """

    written: inspect.Parameter
    adapter: TypeAdapter[Any]

    @classmethod
    def of(cls, written: inspect.Parameter, function: str, names: Mapping[str, Any]) -> Parameter:
        """Look at a parameter.

        Parameters
        ----------
        written : inspect.Parameter
        function : str
            What the function is called in errors.
        names : mapping
            The names that its annotation may use.

        Raises
        ------
        BadInput
            If Claude could not fill it in.
        """
        from pydantic.fields import FieldInfo

        called = f"{function}: the parameter {_stars(written)}{written.name}"
        if trouble := _trouble(written):
            raise BadInput(f"{called} {trouble}")
        if isinstance(written.default, FieldInfo):
            raise BadInput(f"{called} has a Field as its default. Write {written.name}: Annotated[…, Field(…)].")
        parameter = cls(written, _adapter(written, called, dict(names)))
        if not parameter.is_optional and parameter.adapter.get_default_value() is not None:
            raise BadInput(f"{called} has a default in its Field only. Write {written.name}: … = … in the signature.")
        return parameter

    @property
    def is_optional(self) -> bool:
        """Whether it has a default."""
        return self.written.default is not inspect.Parameter.empty

    def __str__(self) -> str:
        default = f" = {one_line(reprlib.repr(self.written.default), 40)}" if self.is_optional else ""
        return f"{self.written.name}: {_annotation(self.written)}{default}"

    def described(self, schema: JSON, text: str | None) -> JSON:
        """Its schema with a description, unless ``Field`` gave one, and with the default that it really has."""
        whole = {**({"description": text} if text else {}), **schema}
        if self.is_optional:
            whole.pop("default", None)
            with contextlib.suppress(ValueError):  # a default of the function's that JSON does not know
                whole["default"] = self._default()
        return whole

    def _default(self) -> Any:
        from pydantic_core import to_jsonable_python

        value = to_jsonable_python(self.written.default)
        if isinstance(self.written.default, set | frozenset):
            value.sort(key=json.dumps)  # the order of a set differs from process to process
        self.adapter.validate_json(json.dumps(value, allow_nan=False))
        return value


@functools.cache
def generator() -> type[GenerateJsonSchema]:
    """Pydantic's writer of schemas, without its warnings on defaults that JSON does not know."""
    from pydantic.json_schema import GenerateJsonSchema

    class Quiet(GenerateJsonSchema):
        ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    return Quiet


def _stars(written: inspect.Parameter) -> str:
    return "*" * ((written.kind is written.VAR_POSITIONAL) + 2 * (written.kind is written.VAR_KEYWORD))


def _trouble(written: inspect.Parameter) -> str | None:
    name = written.name
    if not _NAME.fullmatch(name):
        return "has a name that the API does not take. Use the letters a to z and A to Z, digits and _, at most 64."
    if written.kind is written.VAR_POSITIONAL:
        return f"cannot be filled in by name. Take a list: {name}: list[str]."
    if written.kind is written.VAR_KEYWORD:
        return f"leaves open what there is to fill in. Name the parameters, or take {name}: dict[str, str]."
    if written.annotation is not written.empty:
        return None
    if name in ("self", "cls"):
        return "has no type. If this is a method, give it bound to an object: the_object.method."
    guess = "str" if written.default in (written.empty, None) else type(written.default).__name__
    return f"has no type. Write {name}: {guess}, so that Claude knows what to give."


def _annotation(written: inspect.Parameter) -> str:
    """The annotation as one would write it."""
    kind = written.annotation
    if isinstance(kind, str):
        return kind
    kind = typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind
    return re.sub(r"[\w.]+\.<locals>\.|\b__main__\.", "", inspect.formatannotation(kind))


def _adapter(written: inspect.Parameter, called: str, names: dict[str, Any]) -> TypeAdapter[Any]:
    from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

    try:
        kind = _evaluated(written, names)
        adapter = _complete(kind, names)
        if written.default is None and not _takes_none(adapter):
            adapter = _complete(typing.Optional[kind], names)  # noqa: UP045  (not every type knows |)
        adapter.json_schema(schema_generator=generator())
    except (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError) as problem:
        raise BadInput(
            f"{called} has the type {_annotation(written)}, which cannot come as JSON. Take one that can "
            f"(str, list[str], a dataclass, …), or fill it in yourself: functools.partial(function, {written.name}=…)."
        ) from problem
    except Exception as problem:  # an annotation can run any code
        reason = str(problem).partition("\n")[0].rstrip(".")
        raise BadInput(f"{called} has the type {_annotation(written)}, which cannot be used: {reason}.") from problem
    return adapter


def _evaluated(written: inspect.Parameter, names: dict[str, Any]) -> Any:
    """The type that an annotation means; strings are evaluated, also inside."""
    holder = types.SimpleNamespace(__annotations__={written.name: written.annotation})
    kind = typing.get_type_hints(holder, names, include_extras=True)[written.name]
    if typing.get_origin(kind) is collections.abc.Iterable:
        return types.GenericAlias(list, typing.get_args(kind))  # pydantic would check it while the function runs
    return kind


def _complete(kind: Any, names: dict[str, Any]) -> TypeAdapter[Any]:
    """An adapter in which also the strings in the fields of a local class are evaluated."""
    from pydantic import TypeAdapter

    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    if not adapter.pydantic_complete:
        adapter.rebuild(_types_namespace=names)
    return adapter


def _takes_none(adapter: TypeAdapter[Any]) -> bool:
    from pydantic import ValidationError

    try:
        adapter.validate_json("null")
    except ValidationError:
        return False
    return True
