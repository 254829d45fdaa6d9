"""The IPython extension: magics, cells and the display of answers."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from claude_magic.conversation.conversation import Conversation, Conversations
    from claude_magic.messages.reply import Reply
    from claude_magic.notebook.kernel_environment import KernelEnvironment

_conversations: weakref.WeakKeyDictionary[InteractiveShell, Conversations] = weakref.WeakKeyDictionary()
"""The conversations of each shell, which survive a reload of the extension."""

_REPLY = "claude_magic.messages.reply.Reply"
"""By name, because its module is imported with the first question."""


def load(shell: InteractiveShell) -> None:
    """Register the magics and hooks, define ``claude``, and print one line about it.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell
    """
    from claude_magic.conversation.conversation import Conversations
    from claude_magic.notebook.card import load_line
    from claude_magic.notebook.cell_history import CellHistory
    from claude_magic.notebook.completion import Completer
    from claude_magic.notebook.executions import Executions
    from claude_magic.notebook.kernel_environment import KernelEnvironment
    from claude_magic.notebook.magics import ClaudeMagics
    from claude_magic.notebook.question_mark import transform

    if "ClaudeMagics" in shell.magics_manager.registry:
        unload(shell)
    environment = KernelEnvironment(shell)
    conversations = _conversations.get(shell) or Conversations()
    conversations.environment = environment
    _conversations[shell] = conversations
    environment.executions = Executions(shell, conversations)
    environment.history = CellHistory(shell)
    if hasattr(shell.display_pub, "register_hook"):
        shell.display_pub.register_hook(environment.history.record)
    magics = ClaudeMagics(shell, conversations, environment)
    shell.register_magics(magics)
    shell.events.register("pre_run_cell", environment.executions.pre_run_cell)
    shell.events.register("post_run_cell", environment.executions.post_run_cell)
    shell.input_transformers_cleanup.append(transform)
    for word in ("%claude", "%%claude"):
        shell.set_hook("complete_command", Completer(shell, conversations), str_key=word)
    _format_replies(shell, environment)
    taken = "claude" in shell.user_ns
    if not taken:
        shell.push({"claude": magics.main}, interactive=False)
    print(load_line(conversations, taken))


def conversation(name: str = "main") -> Conversation:
    """A conversation of this kernel, for when ``claude`` is a variable of the user's own.

    Parameters
    ----------
    name : str
    """
    from IPython.core.getipython import get_ipython

    return _conversations[get_ipython()].open(name)


def unload(shell: InteractiveShell) -> None:
    """Undo everything that :func:`load` did; the conversations stay for the next one.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell
    """
    from claude_magic.notebook.question_mark import transform

    magics = shell.magics_manager.registry.pop("ClaudeMagics", None)
    if magics is None:
        return
    environment = magics.environment
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("claude", None)
    if magics in shell.configurables:
        shell.configurables.remove(magics)
    shell.events.unregister("pre_run_cell", environment.executions.pre_run_cell)
    shell.events.unregister("post_run_cell", environment.executions.post_run_cell)
    if hasattr(shell.display_pub, "unregister_hook"):
        shell.display_pub.unregister_hook(environment.history.record)
    if transform in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(transform)
    completers = getattr(shell.Completer, "custom_completers", None)
    for word in ("%claude", "%%claude"):
        if completers is not None:
            completers.strs.pop(word, None)
    shell.display_formatter.mimebundle_formatter.pop(_REPLY, None)
    if shell.user_ns.get("claude") is magics.main:
        del shell.user_ns["claude"]
    magics.conversations.close()
    environment.close()


def _format_replies(shell: InteractiveShell, environment: KernelEnvironment) -> None:
    """Display a reply as its footer in the execution that streamed it, and in full afterwards."""

    def bundle(reply: Reply, include: object = None, exclude: object = None) -> dict[str, str]:
        from claude_magic.notebook.display.footer import escaped, footer, state
        from claude_magic.notebook.display.reply_view import render_reply

        endings = environment.executions.current.endings
        line = next((footer(ending, "full") for ending in endings if ending.reply is reply), "")
        if line:
            return {"text/markdown": f"*{escaped(line)}*", "text/plain": line}
        line = state(reply)
        markdown = [render_reply(reply), f"*{escaped(line)}*" if line else ""]
        plain = [render_reply(reply, plain=True), f"({line})" if line else ""]
        return {
            kind: "\n\n".join(filter(None, parts))
            for kind, parts in (("text/markdown", markdown), ("text/plain", plain))
        }

    shell.display_formatter.mimebundle_formatter.for_type(_REPLY, bundle)
