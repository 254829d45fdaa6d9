"""``--show``, ``--count`` and ``--doctor``: inspect what is sent instead of asking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.interactiveshell import InteractiveShell

from claude_magic.messages.errors import BadInput
from claude_magic.notebook.option_line import OptionLine

if TYPE_CHECKING:
    from claude_magic.conversation.conversation import Conversation, Conversations
    from claude_magic.engine.prepare import Prepared


def dry_run(line: OptionLine, shell: InteractiveShell, prepared: Prepared) -> None:
    """Show the request of a question, or count its tokens."""
    found: object
    if line.show:
        from claude_magic.messages.code_samples import code_sample

        found = sample = code_sample(line.show, prepared.request.outgoing())
        shell.display_pub.publish(sample._repr_mimebundle_())
    else:
        from claude_magic.engine.token_count import count_tokens

        found = count_tokens(prepared.request)
        print(found)
    if line.out:
        shell.user_ns[line.out] = found


def inspect(line: OptionLine, shell: InteractiveShell, conversations: Conversations) -> None:
    """Run ``%claude --show last`` or ``%claude --doctor``."""
    if line.doctor:
        from claude_magic.notebook import doctor

        print(doctor.report(doctor.examine(conversations)))
        return
    shell.display_pub.publish(last_exchange(conversations.open(line.chat or "main")))


def last_exchange(conversation: Conversation) -> dict[str, str]:
    """The last request and its response, as a MIME bundle.

    Raises
    ------
    BadInput
        If nothing has been asked.
    """
    reply = conversation.last
    if reply is None:
        raise BadInput(f"Nothing has been asked in {conversation.name!r} yet.")
    request, response, events = reply.request(), reply.response, reply.events
    bundles = [("Request", request._repr_mimebundle_())]
    if response is not None:
        title = f"Response, {len(events):,} events" if events else "Response"
        bundles.append((title, response._repr_mimebundle_()))
    notes = []
    if reply.earlier:
        notes.append(f"The answer took {len(reply.messages)} messages; claude.last.messages has the earlier ones.")
    if response is None:
        notes.append("No response came.")
    markdown = [f"**{title}**\n\n{bundle['text/markdown']}" for title, bundle in bundles]
    plain = [f"{title}\n\n{bundle['text/plain']}" for title, bundle in bundles]
    return {"text/markdown": "\n\n".join([*markdown, *notes]), "text/plain": "\n\n".join([*plain, *notes])}
