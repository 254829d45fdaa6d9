"""Server tools: chosen by name, and sent in the newest version that the model supports."""

from __future__ import annotations

import dataclasses
import difflib

from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import Model

FORMS = {
    "web_search": ("web_search_20260318", "web_search_20250305"),
    "web_fetch": ("web_fetch_20260318", "web_fetch_20250910"),
    "code_execution": ("code_execution_20260521", "code_execution_20250825"),
}
"""The newest version, and the one for models before 4.6, which cannot call tools from code."""


@dataclasses.dataclass(frozen=True)
class ServerTool:
    """A tool that Anthropic's servers run.

    Parameters
    ----------
    name : str
        ``web_search``, ``web_fetch`` or ``code_execution``. Others have to be passed as a definition in the
        API's form.

    Raises
    ------
    BadInput
        If there is no such tool.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name not in FORMS:
            near = difflib.get_close_matches(self.name, FORMS, n=1)
            advice = f"Did you mean {near[0]}?" if near else f"The server tools are {', '.join(FORMS)}."
            raise BadInput(f"There is no tool {self.name!r}. {advice} Pass a function itself, without quotes.")

    def to_wire(self, model: Model) -> dict[str, str]:
        """The definition for this model."""
        newest, older = FORMS[self.name]
        return {"type": newest if "adaptive" in model.thinking else older, "name": self.name}
