"""A tool loaded from a file: its definition without its function, since functions are not saved."""

from __future__ import annotations

from typing import Any, NoReturn

from claude_magic.tools.definition import Tool, WrongArguments


class RestoredTool(Tool[..., Any]):
    """Sent as before, so that requests stay the same; a call of it fails with an explanation.

    Providing the function again replaces it.

    Parameters
    ----------
    wire : dict
        A definition that :meth:`Tool.to_wire` made.
    """

    def __init__(self, wire: dict[str, Any]) -> None:
        self._wire = wire
        self.name = str(wire["name"])
        self.description = str(wire.get("description") or "")
        self.input_schema = dict(wire.get("input_schema") or {})
        self.strict = bool(wire.get("strict"))
        self.timeout, self.confirm, self.parallel, self.is_async = None, False, False, False
        self.options = {}
        self.function = self._missing

    def to_wire(self) -> dict[str, Any]:
        """The definition as it was saved."""
        return self._wire

    def bind(self, given: object) -> NoReturn:
        """Explain why there is nothing to run.

        Raises
        ------
        WrongArguments
            Always.
        """
        raise WrongArguments(
            f"{self.name} cannot be run: the conversation was loaded from a file, and files do not hold functions. "
            f"Continue without it, or ask the user to provide it again (-t {self.name})."
        )

    def _missing(self, *args: object, **kwargs: object) -> NoReturn:
        self.bind(None)

    def __repr__(self) -> str:
        return f"<Tool {self.name}, definition only: provide the function again with -t {self.name}>"

    def _repr_markdown_(self) -> str:
        return f"`{self!r}`"
