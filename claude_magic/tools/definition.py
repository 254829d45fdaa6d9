"""``@tool``: a Python function that Claude can call."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import types
from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import code_fence
from claude_magic.tools import docstrings
from claude_magic.tools.arguments import Arguments, WrongArguments, innermost, signature

__all__ = ["Tool", "WrongArguments", "tool"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Tool(Generic[P, R_co]):
    """A function that Claude can call, and so can you: made by :func:`tool`, which explains the options.

    Attributes
    ----------
    name, description, input_schema
        What Claude knows of it.
    strict, timeout, confirm, parallel
        The options.
    options : dict
        All that was given beside the function.
    function : callable
        What was given.
    is_async : bool
        Whether a call returns something to be awaited.
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
        self.options: dict[str, Any] = {
            "name": name,
            "description": description,
            "strict": strict,
            "timeout": timeout,
            "confirm": confirm,
            "parallel": parallel,
        }
        self.function = function
        self.name = _name(function) if name is None else name
        if not _NAME.fullmatch(self.name):
            raise BadInput(
                f"{self.name!r} is no name for a tool: 1 to 64 of the letters a to z and A to Z, digits, _ and -. "
                f"Give {'another' if name else 'it one'} with @tool(name=…)."
            )
        if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):
            raise BadInput(f"{self.name}: timeout={timeout!r} should be a number of seconds above 0.")
        self.strict, self.timeout, self.confirm, self.parallel = strict, timeout, confirm, parallel
        self.is_async = inspect.iscoroutinefunction(_run_by(function))
        self._arguments = Arguments.of(function, self.name, is_method=_is_method(function))
        said = docstrings.read(self.__doc__)
        self.description = said.description if description is None else inspect.cleandoc(description)
        self.input_schema = self._arguments.schema(said.parameters)
        if strict:
            from claude_magic.tools.strict_schema import reduced

            try:
                self.input_schema = reduced(self.input_schema)
            except BadInput as error:
                raise BadInput(f"{self.name} cannot be strict. {error}") from None

    @property
    def __call__(self) -> Callable[P, R_co]:
        """Call the function (a property, so that help shows its signature)."""
        return self.function

    @classmethod
    def of(cls, value: Any) -> Tool[..., Any]:
        """Make a tool of a function, a bound method, an object that can be called, or a partial of one.

        A tool stays as it is; a partial of a tool keeps its options.

        Raises
        ------
        BadInput
            If it cannot be one.
        """
        if isinstance(value, types.MethodType) and isinstance(value.__func__, Tool):  # a classmethod, since 3.13
            value = value.__func__.__get__(value.__self__)
        if isinstance(value, functools.partial) and isinstance(value.func, Tool):
            value = cls(value, **value.func.options)
        made: Tool[..., Any] = value if isinstance(value, Tool) else cls(value)
        if _is_method(made.function):
            raise BadInput(f"{made.name} is a method without its object. Give it bound to one: the_object.{made.name}.")
        return made

    def to_wire(self) -> dict[str, Any]:
        """The definition as the API takes it."""
        return {
            "name": self.name,
            **({"description": self.description} if self.description else {}),
            "input_schema": self.input_schema,
            **({"strict": True} if self.strict else {}),
        }

    def bind(self, given: object) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Check and convert the arguments of a call, as they come decoded from JSON.

        Returns
        -------
        tuple
            Positional and keyword arguments for the function. What is not given is left to its defaults.

        Raises
        ------
        WrongArguments
            If they do not fit. The text is for Claude and says all that is wrong, line by line.
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
        # Like any function by its name; what the name does not lead to is made again.
        found: Any = sys.modules.get(self.__module__)
        for part in getattr(self, "__qualname__", self.name).split("."):
            found = getattr(found, part, None)
        return self.__qualname__ if found is self else (_again, (self.function, self.options))

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
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool = False,
    timeout: float | None = None,
    confirm: bool = False,
    parallel: bool = False,
) -> Callable[[Callable[P, R_co]], Tool[P, R_co]]: ...
def tool(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a tool, which Claude can call and you can still call as before.

    Claude is told its name, what the docstring says (numpydoc, Google or reST) and the types of the
    parameters: numbers, strings, lists, ``Literal``, ``Enum``, dataclasses, pydantic models, dates,
    paths and what else JSON can hold. Arguments are checked and converted before the function runs.

    Parameters
    ----------
    function : callable
        With ``@tool`` alone; ``@tool(…)`` takes only what follows.
    name : str, optional
        What Claude calls it; the function's name if left out.
    description : str, optional
        Instead of the docstring's.
    strict : bool
        Whether the API has Claude write arguments of exactly these types. It knows fewer types then.
    timeout : float, optional
        Seconds after which a call is stopped.
    confirm : bool
        Whether the user is asked before each call.
    parallel : bool
        Whether calls may run in threads, several at a time.

    Raises
    ------
    BadInput
        If Claude could not call it: a parameter without type or of a type that JSON cannot hold,
        ``*args``, a name that the API does not take.

    Examples
    --------
    >>> @tool(timeout=30)
    ... def count(word: str, text: str = "a is a letter") -> int:
    ...     '''Count a word.
    ...
    ...     Args:
    ...         word: In small letters.
    ...     '''
    ...     return text.lower().split().count(word)
    >>> count
    <Tool count(word: str, text: str = 'a is a letter')>
    >>> count("a")
    2
    >>> count.input_schema["properties"]["word"]
    {'description': 'In small letters.', 'type': 'string'}
    """
    if function is None:
        return functools.partial(Tool, **options)
    return function if isinstance(function, Tool) else Tool(function)


def _again(function: Callable[..., Any], given: dict[str, Any]) -> Tool[..., Any]:
    return Tool(function, **given)


def _check(function: Any) -> None:
    """Refuse what is no function, or no function that gives one result."""
    if isinstance(function, classmethod | staticmethod):
        kind = type(function).__name__
        raise BadInput(f"{function.__name__}: write @tool under @{kind}, next to the function.")
    if inspect.isclass(function):
        raise BadInput(f"A tool is a function with a type for each parameter; {function.__name__} is a class.")
    if not callable(function):
        raise BadInput(f"A tool is a function with a type for each parameter, not this {type(function).__name__}.")
    runs = _run_by(function)
    if inspect.isgeneratorfunction(runs) or inspect.isasyncgenfunction(runs):
        raise BadInput(f"{_name(function)} yields its result bit by bit. Return it as a whole, for example as a list.")


def _run_by(function: Any) -> Any:
    """The function whose body runs in the call."""
    while isinstance(function, functools.partial | Tool):
        function = function.func if isinstance(function, functools.partial) else function.function
    return function if inspect.isroutine(function) else type(function).__call__


def _name(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _docstring(function: Any) -> str | None:
    text: str | None = innermost(function).__doc__
    if text is None and inspect.isfunction(type(function).__call__):
        return type(function).__doc__  # a callable object is often explained in its class
    return text


def _is_method(function: Any) -> bool:
    """Whether it is a function in the body of a class, its first parameter being the object."""
    parents = getattr(function, "__qualname__", "").rpartition(".")[0]
    if not inspect.isfunction(function) or not parents or parents.endswith("<locals>"):
        return False
    first = next(iter(signature(function, function.__name__).parameters.values()), None)
    return first is not None and (first.annotation is first.empty or first.name in ("self", "cls"))
