"""Tools that the server runs: named by one word, sent in the newest form that a model takes."""

from __future__ import annotations

import dataclasses
import difflib
from typing import Any

from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import Model

FORMS = {
    "web_search": ("web_search_20260318", "web_search_20250305"),
    "web_fetch": ("web_fetch_20260318", "web_fetch_20250910"),
    "code_execution": ("code_execution_20260521", "code_execution_20250825"),
}
"""The newest form, and the one for models before 4.6, which cannot call tools from code."""


@dataclasses.dataclass(frozen=True)
class ServerTool:
    """A tool that the server runs.

    Parameters
    ----------
    name : str
        ``web_search``, ``web_fetch`` or ``code_execution``. Others go as a definition in the API's form.

    Raises
    ------
    BadInput
        If there is no such tool.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name not in FORMS:
            near = difflib.get_close_matches(self.name, FORMS, n=1)
            advice = f"Did you mean {near[0]}?" if near else f"The server's tools are {', '.join(FORMS)}."
            raise BadInput(f"There is no tool {self.name!r}. {advice} A function goes without quotes.")

    def to_wire(self, model: Model) -> dict[str, Any]:
        """The definition for this model."""
        newest, older = FORMS[self.name]
        return {"type": newest if "adaptive" in model.thinking else older, "name": self.name}
