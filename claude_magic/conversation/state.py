"""What a conversation remembers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from claude_magic.conversation.turns import Turn
from claude_magic.tools.toolset import merge_tools

if TYPE_CHECKING:
    from claude_magic.engine.options import Options
    from claude_magic.tools.toolset import AnyTool


@dataclasses.dataclass(frozen=True)
class State:
    """Everything that a conversation remembers. Immutable.

    Attributes
    ----------
    turns : tuple of Turn
        In the order in which Claude sees them; those of deleted cells are marked absent.
    system : str or None
    model : str or None
        None: as configured.
    tools : tuple
        What Claude may call, in the order in which it is sent.
    """

    turns: tuple[Turn, ...] = ()
    system: str | None = None
    model: str | None = None
    tools: tuple[AnyTool, ...] = ()

    def with_options(self, options: Options, tools: tuple[AnyTool, ...]) -> State:
        """The state with the system prompt and tools that come with a question.

        Parameters
        ----------
        options : Options
        tools : tuple
            The tools among the options, as read.
        """
        system = (options["system"] or None) if "system" in options else self.system
        return dataclasses.replace(self, system=system, tools=merge_tools(self.tools, tools))
