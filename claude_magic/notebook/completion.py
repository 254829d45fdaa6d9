"""What Tab offers on a ``%claude`` line: options, models, conversations, levels, variables."""

from __future__ import annotations

from typing import Any

from claude_magic.conversation.conversation import Conversations
from claude_magic.messages import limits
from claude_magic.notebook.option_line import OPTIONS
from claude_magic.tools.server_tool import FORMS

_LEVELS = ["low", "medium", "high", "xhigh", "max"]
_THINKING = ["show", "hide", "off"]
_SHOWN = ["request", "curl", "python", "typescript", "last"]


class Completer:
    """Completes the option line.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell
    conversations : Conversations
    """

    def __init__(self, shell: Any, conversations: Conversations) -> None:
        self._shell = shell
        self._conversations = conversations

    def __call__(self, shell: Any, event: Any) -> list[str]:
        """IPython's ``complete_command`` hook."""
        line = getattr(event, "text_until_cursor", None) or event.line
        return self.complete(line, event.symbol)

    def complete(self, line: str, symbol: str) -> list[str]:
        """What may stand at the end of a line.

        Parameters
        ----------
        line : str
            Up to the cursor.
        symbol : str
            The beginning of the word there.
        """
        before = line[: len(line) - len(symbol)].split()
        last = before[-1] if before else ""
        option = next((option for option in OPTIONS if last in (option.long, option.short)), None)
        if option is None or not option.metavar:
            candidates = [word for option in OPTIONS for word in (option.long, option.short) if word]
        elif option.name == "model":
            active = [model.id for model in limits.models() if model.status == "active"]
            candidates = [*limits.aliases(), *active]
        elif option.name == "chat":
            candidates = list(self._conversations)
        elif option.name == "effort":
            candidates = _LEVELS
        elif option.name == "thinking":
            candidates = _THINKING
        elif option.name == "show":
            candidates = _SHOWN
        elif option.expression or option.name == "out":
            candidates = [name for name in self._shell.user_ns if not name.startswith("_")]
            candidates += ["none", *FORMS] if option.name == "tools" else []
        else:
            candidates = []
        return sorted(word for word in candidates if word.startswith(symbol))
