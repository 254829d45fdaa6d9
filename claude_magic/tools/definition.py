"""``@tool``: a Python function that Claude can call."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import types
from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypedDict, TypeVar, Unpack, cast, overload

from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import code_fence
from claude_magic.tools.arguments import Arguments, WrongArguments, innermost, signature
from claude_magic.tools.docstrings import parse_docstring

__all__ = ["Tool", "WrongArguments", "tool"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class ToolOptions(TypedDict, total=False):
    """The options of :func:`tool`."""

    name: str | None
    description: str | None
    strict: bool
    timeout: float | None
    confirm: bool
    parallel: bool


class Tool(Generic[P, R_co]):
    """A function that both Claude and you can call. Created by :func:`tool`, which explains the options.

    Attributes
    ----------
    name, description, input_schema
        What Claude is told about it.
    strict, timeout, confirm, parallel
        The options.
    options : dict
        All arguments that it was created with, except the function.
    function : callable
        The function that was decorated.
    is_async : bool
        Whether a call returns an awaitable.
    """

    def __init__(
        self,
        function: Callable[P, R_co],
        *,
        name: str | None = None,
        description: str | None = None,
        strict: bool = False,
        timeout: float | None = None,
        confirm: bool = False,
        parallel: bool = False,
    ) -> None:
        _check(function)
        functools.update_wrapper(cast("Any", self), function, updated=())
        self.__doc__ = _docstring(function)
        self.options = ToolOptions(
            name=name, description=description, strict=strict, timeout=timeout, confirm=confirm, parallel=parallel
        )
        self.function = function
        self.name = _name(function) if name is None else name
        if not _NAME.fullmatch(self.name):
            raise BadInput(
                f"{self.name!r} is not a valid tool name: use 1 to 64 letters (a to z, A to Z), digits, _ and -. "
                f"Set {'another' if name else 'one'} with @tool(name=…)."
            )
        if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):
            raise BadInput(f"{self.name}: timeout={timeout!r} has to be a number of seconds above 0.")
        self.strict, self.timeout, self.confirm, self.parallel = strict, timeout, confirm, parallel
        self.is_async = inspect.iscoroutinefunction(_implementation(function))
        self._arguments = Arguments.of(function, self.name, is_method=_is_method(function))
        documented, parameters = parse_docstring(self.__doc__)
        self.description = documented if description is None else inspect.cleandoc(description)
        self.input_schema = self._arguments.schema(parameters)
        if strict:
            from claude_magic.tools.strict_schema import to_strict

            try:
                self.input_schema = to_strict(self.input_schema)
            except BadInput as error:
                raise BadInput(f"{self.name} cannot be strict. {error}") from None

    @property
    def __call__(self) -> Callable[P, R_co]:
        """Call the function; this is a property, so that help shows the signature of the function."""
        return self.function

    @classmethod
    def of(cls, value: Any) -> Tool[..., Any]:
        """Make a tool from a function, a bound method, a callable object, or a partial of one.

        A tool is returned as it is; a partial of a tool keeps the tool's options.

        Raises
        ------
        BadInput
            If the value cannot be a tool.
        """
        if isinstance(value, types.MethodType) and isinstance(value.__func__, Tool):  # a classmethod, since 3.13
            value = value.__func__.__get__(value.__self__)
        if isinstance(value, functools.partial) and isinstance(value.func, Tool):
            value = cls(value, **value.func.options)
        made: Tool[..., Any] = value if isinstance(value, Tool) else cls(value)
        if _is_method(made.function):
            raise BadInput(f"{made.name} is a method without its object. Pass it bound to one: the_object.{made.name}.")
        return made

    def to_wire(self) -> dict[str, Any]:
        """The definition in the API's form."""
        return {
            "name": self.name,
            **({"description": self.description} if self.description else {}),
            "input_schema": self.input_schema,
            **({"strict": True} if self.strict else {}),
        }

    def bind(self, given: object) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Validate the arguments of a call, decoded from JSON, and convert them.

        Returns
        -------
        tuple
            Positional and keyword arguments for the function. Missing ones are left to its defaults.

        Raises
        ------
        WrongArguments
            If they are invalid. The message is for Claude and lists every problem on a line of its own.
        """
        return self._arguments.bind(given)

    @overload
    def __get__(self, instance: None, owner: type) -> Tool[P, R_co]: ...
    @overload
    def __get__(self: Tool[Concatenate[S, Q], R_co], instance: S, owner: type | None = None) -> Tool[Q, R_co]: ...
    def __get__(self: Tool[Any, Any], instance: object, owner: type | None = None) -> Tool[Any, Any]:
        if instance is None or not _is_method(self.function):
            return self
        bound: Tool[..., Any] = object.__new__(type(self))
        method = cast("Any", self.function).__get__(instance, owner)
        bound.__dict__.update(self.__dict__, function=method, __wrapped__=method)
        return bound

    def __reduce__(self) -> str | tuple[Any, ...]:
        # By its name, as functions are pickled; if the name leads elsewhere, the tool is created again.
        found: Any = sys.modules.get(self.__module__)
        for part in getattr(self, "__qualname__", self.name).split("."):
            found = getattr(found, part, None)
        return self.__qualname__ if found is self else (functools.partial(Tool, **self.options), (self.function,))

    def __copy__(self) -> Tool[P, R_co]:
        return self

    def __deepcopy__(self, memo: object) -> Tool[P, R_co]:
        return self

    def __repr__(self) -> str:
        return f"<Tool {self.name}{self._arguments}>"

    def _repr_markdown_(self) -> str:
        options = [
            f"{key}={value!r}" for key, value in self.options.items() if value and key not in ("name", "description")
        ]
        lines = [f"{self.name}{self._arguments}", self.description, " ".join(options)]
        return code_fence("\n".join(filter(None, lines)))


@overload
def tool(function: Callable[P, R_co], /) -> Tool[P, R_co]: ...
@overload
def tool(**options: Unpack[ToolOptions]) -> Callable[[Callable[P, R_co]], Tool[P, R_co]]: ...
def tool(function: Callable[..., Any] | None = None, /, **options: Unpack[ToolOptions]) -> Any:
    """Turn a function into a tool that Claude can call; you can still call it as before.

    Claude is told the name, the docstring (numpydoc, Google or reST) and the types of the parameters:
    numbers, strings, lists, ``Literal``, ``Enum``, dataclasses, pydantic models, dates, paths and whatever
    else JSON can represent. Arguments are validated and converted before the function runs.

    Parameters
    ----------
    function : callable
        Given by ``@tool`` alone; ``@tool(…)`` takes only the options below.
    name : str, optional
        What Claude calls it. Default: the name of the function.
    description : str, optional
        Replaces the description in the docstring.
    strict : bool
        Whether the API guarantees that Claude writes arguments of exactly these types. Fewer types are
        supported then.
    timeout : float, optional
        Seconds after which a call is stopped.
    confirm : bool
        Whether the user is asked before each call.
    parallel : bool
        Whether calls may run on threads, several at a time.

    Raises
    ------
    BadInput
        If Claude could not call it: because of a parameter without a type, a type that JSON cannot
        represent, ``*args``, or a name that the API does not accept.

    Examples
    --------
    >>> @tool(timeout=30)
    ... def count(word: str, text: str = "a is a letter") -> int:
    ...     '''Count a word.
    ...
    ...     Args:
    ...         word: In lower case.
    ...     '''
    ...     return text.lower().split().count(word)
    >>> count
    <Tool count(word: str, text: str = 'a is a letter')>
    >>> count("a")
    2
    >>> count.input_schema["properties"]["word"]
    {'description': 'In lower case.', 'type': 'string'}
    """
    if function is None:
        return functools.partial(Tool, **options)
    return function if isinstance(function, Tool) else Tool(function)


def _check(function: object) -> None:
    """Refuse anything but a function that returns one result."""
    if isinstance(function, classmethod | staticmethod):
        kind = type(function).__name__
        raise BadInput(f"{function.__name__}: write @tool below @{kind}, next to the function.")
    if inspect.isclass(function):
        raise BadInput(f"A tool is a function with a type for each parameter; {function.__name__} is a class.")
    if not callable(function):
        raise BadInput(f"A tool is a function with a type for each parameter, not this {type(function).__name__}.")
    implementation = _implementation(function)
    if inspect.isgeneratorfunction(implementation) or inspect.isasyncgenfunction(implementation):
        raise BadInput(f"{_name(function)} yields its result piece by piece. Return it whole, for example as a list.")


def _implementation(function: object) -> object:
    """The function whose body runs when this is called."""
    while isinstance(function, functools.partial | Tool):
        function = function.func if isinstance(function, functools.partial) else function.function
    return function if inspect.isroutine(function) else type(function).__call__


def _name(function: object) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _docstring(function: object) -> str | None:
    text: str | None = innermost(function).__doc__
    if text is None and inspect.isfunction(type(function).__call__):
        return type(function).__doc__  # of a callable object, its class often has the docstring
    return text


def _is_method(function: object) -> bool:
    """Whether it is a function from the body of a class, whose first parameter is the object."""
    parents = getattr(function, "__qualname__", "").rpartition(".")[0]
    if not inspect.isfunction(function) or not parents or parents.endswith("<locals>"):
        return False
    first = next(iter(signature(function, function.__name__).parameters.values()), None)
    return first is not None and (first.annotation is first.empty or first.name in ("self", "cls"))
