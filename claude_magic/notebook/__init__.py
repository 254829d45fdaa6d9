"""IPython: the magics, the notebook's cells, and drawing the answers."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from claude_magic.conversation.conversation import Conversation, Conversations
    from claude_magic.messages.reply import Reply

_kernels: weakref.WeakKeyDictionary[Any, Conversations] = weakref.WeakKeyDictionary()
"""The conversations of each shell: reloading the extension must not forget them."""


def load(shell: Any) -> None:
    """Register the magics, follow the cells, offer ``claude``, and say so in one line.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell
    """
    from claude_magic.conversation.conversation import Conversations
    from claude_magic.notebook.card import load_line
    from claude_magic.notebook.completion import Completer
    from claude_magic.notebook.context import Memory
    from claude_magic.notebook.executions import Executions
    from claude_magic.notebook.kernel_environment import KernelEnvironment
    from claude_magic.notebook.magics import ClaudeMagics
    from claude_magic.notebook.question_mark import transform

    if "ClaudeMagics" in shell.magics_manager.registry:
        unload(shell)
    kernel = KernelEnvironment(shell)
    conversations = _kernels.get(shell) or Conversations()
    conversations.environment = kernel
    _kernels[shell] = conversations
    kernel.cells = Executions(shell, conversations)
    kernel.memory = Memory(shell)
    if hasattr(shell.display_pub, "register_hook"):
        shell.display_pub.register_hook(kernel.memory.see)
    magics = ClaudeMagics(shell, conversations, kernel)
    shell.register_magics(magics)
    shell.events.register("pre_run_cell", kernel.cells.before)
    shell.events.register("post_run_cell", kernel.cells.after)
    shell.input_transformers_cleanup.append(transform)
    for word in ("%claude", "%%claude"):
        shell.set_hook("complete_command", Completer(shell, conversations), str_key=word)
    _format_replies(shell, kernel)
    taken = "claude" in shell.user_ns
    if not taken:
        shell.push({"claude": magics.main}, interactive=False)
    print(load_line(conversations, taken))


def conversation(name: str = "main") -> Conversation:
    """The conversation of this kernel, where the variable ``claude`` is the user's own.

    Parameters
    ----------
    name : str
    """
    from IPython.core.getipython import get_ipython

    return _kernels[get_ipython()].open(name)


def unload(shell: Any) -> None:
    """Take out everything that :func:`load` put in.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell
    """
    from claude_magic.notebook.question_mark import transform

    magics = shell.magics_manager.registry.pop("ClaudeMagics", None)
    if magics is None:
        return
    kernel = magics._kernel
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("claude", None)
    if magics in shell.configurables:
        shell.configurables.remove(magics)
    shell.events.unregister("pre_run_cell", kernel.cells.before)
    shell.events.unregister("post_run_cell", kernel.cells.after)
    if hasattr(shell.display_pub, "unregister_hook"):
        shell.display_pub.unregister_hook(kernel.memory.see)
    if transform in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(transform)
    completers = getattr(shell.Completer, "custom_completers", None)
    for word in ("%claude", "%%claude"):
        if completers is not None:
            completers.strs.pop(word, None)
    formatter = shell.display_formatter.mimebundle_formatter
    formatter.deferred_printers.pop(_REPLY, None)
    if (reply := _reply_class()) is not None:
        formatter.type_printers.pop(reply, None)
    if shell.user_ns.get("claude") is magics.main:
        del shell.user_ns["claude"]
    magics.conversations.close()
    kernel.close()


_REPLY = ("claude_magic.messages.reply", "Reply")


def _reply_class() -> type[Reply] | None:
    import sys

    module = sys.modules.get(_REPLY[0])
    return getattr(module, _REPLY[1], None)


def _format_replies(shell: Any, kernel: Any) -> None:
    """A reply shows as its footer in the execution that streamed it, in full later."""

    def bundle(reply: Reply, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from claude_magic.notebook.display.footer import escaped, footer, state
        from claude_magic.notebook.display.reply_view import render_reply

        line = next((footer(ending, "full") for ending in kernel.cells.current.endings if ending.reply is reply), "")
        if line:
            return {"text/markdown": f"*{escaped(line)}*", "text/plain": line}
        line = state(reply)
        markdown = [render_reply(reply), f"*{escaped(line)}*" if line else ""]
        plain = [render_reply(reply, plain=True), f"({line})" if line else ""]
        return {
            kind: "\n\n".join(filter(None, parts))
            for kind, parts in (("text/markdown", markdown), ("text/plain", plain))
        }

    shell.display_formatter.mimebundle_formatter.for_type_by_name(*_REPLY, bundle)
