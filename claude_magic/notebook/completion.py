"""Tab completion on a ``%claude`` line: options and their values."""

from __future__ import annotations

from types import SimpleNamespace

from IPython.core.interactiveshell import InteractiveShell

from claude_magic.conversation.conversation import Conversations
from claude_magic.messages import limits
from claude_magic.notebook.option_line import OPTIONS


class Completer:
    """Completes the option line."""

    def __init__(self, shell: InteractiveShell, conversations: Conversations) -> None:
        self._shell = shell
        self._conversations = conversations

    def __call__(self, shell: InteractiveShell, event: SimpleNamespace) -> list[str]:
        """IPython's ``complete_command`` hook."""
        line = getattr(event, "text_until_cursor", None) or event.line
        return self.complete(line, event.symbol)

    def complete(self, line: str, symbol: str) -> list[str]:
        """Completions of the last word.

        Parameters
        ----------
        line : str
            The line up to the cursor.
        symbol : str
            Its last word so far.
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
        else:
            candidates = [*option.choices]
            if option.is_expression or option.name == "out":
                candidates += [name for name in self._shell.user_ns if not name.startswith("_")]
        return sorted(word for word in candidates if word.startswith(symbol))
