"""A tool of which only the definition is left: functions are not saved."""

from __future__ import annotations

from typing import Any, NoReturn

from claude_magic.tools.definition import Tool, WrongArguments


class RestoredTool(Tool[..., Any]):
    """Offered as it was, so that the request stays the same; a call of it is answered in words.

    Giving the function again puts it in this one's place.

    Parameters
    ----------
    wire : dict
        The definition in the API's form, of a tool that was one.
    """

    def __init__(self, wire: dict[str, Any]) -> None:
        self._wire = wire
        self.name = str(wire["name"])
        self.description = str(wire.get("description") or "")
        self.input_schema = dict(wire.get("input_schema") or {})
        self.strict = bool(wire.get("strict"))
        self.timeout, self.confirm, self.parallel, self.is_async = None, False, False, False
        self.options = {}
        self.function = self._gone

    def to_wire(self) -> dict[str, Any]:
        """The definition as it was saved."""
        return self._wire

    def bind(self, given: object) -> NoReturn:
        """Say that nothing can be run.

        Raises
        ------
        WrongArguments
        """
        raise WrongArguments(
            f"{self.name} cannot be run: the conversation was loaded from a file, which holds no functions. Go on "
            f"without it, or ask the user to give it again (-t {self.name})."
        )

    def _gone(self, *args: Any, **kwargs: Any) -> NoReturn:
        self.bind(None)

    def __repr__(self) -> str:
        return f"<Tool {self.name}, its definition only: give the function again with -t {self.name}>"

    def _repr_markdown_(self) -> str:
        return f"`{self!r}`"
