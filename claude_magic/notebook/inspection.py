"""``--show``, ``--count`` and ``--doctor``: looking at what goes over the wire instead of asking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from claude_magic.messages.errors import BadInput
from claude_magic.notebook.option_line import OptionLine

if TYPE_CHECKING:
    from claude_magic.engine.run import Run
    from claude_magic.conversation.conversation import Conversation
    from claude_magic.conversation.registry import Conversations


def check(line: OptionLine) -> None:
    """Fail where a question is asked with options that stand without one.

    Raises
    ------
    UsageError
    """
    if line.doctor:
        raise UsageError("--doctor stands alone: %claude --doctor")
    if line.show == "last":
        raise UsageError("--show last stands alone: %claude --show last")
    if line.show and line.count:
        raise UsageError("--show and --count do not go together.")


def at(line: OptionLine, shell: Any, asking: Run) -> None:
    """Show or count a question."""
    from claude_magic.messages.code_samples import code_sample

    if line.show:
        found: object = code_sample(line.show, asking.outgoing)
        shell.display_pub.publish(found._repr_mimebundle_())  # type: ignore[attr-defined]
    else:
        found = asking.count()
        print(found)
    if line.out:
        shell.user_ns[line.out] = found


def stands_alone(line: OptionLine) -> bool:
    """Whether this is a whole line, without a question."""
    return line.show == "last" or bool(line.doctor)


def alone(line: OptionLine, shell: Any, conversations: Conversations) -> None:
    """``%claude --show last`` and ``%claude --doctor``.

    Raises
    ------
    UsageError
        If other options stand beside them.
    """
    if more := line.given.keys() - {"chat", "show"}:
        if not line.doctor or line.given.keys() - {"doctor"}:
            raise UsageError(f"{', '.join(f'--{name}' for name in sorted(more))} does not go with what stands alone.")
    if line.doctor:
        from claude_magic.notebook import doctor

        print(doctor.report(doctor.examine(conversations)))
        return
    shell.display_pub.publish(last(conversations.open(line.chat or "main")))


def last(conversation: Conversation) -> dict[str, str]:
    """The last exchange, readable.

    Raises
    ------
    BadInput
        If there is none.
    """
    reply = conversation.last
    if reply is None:
        raise BadInput(f"Nothing was asked in {conversation.name!r} yet.")
    request, response, events = reply.request(), reply.response, reply.events
    parts: list[tuple[str, Any]] = [("Request", request)]
    if response is not None:
        parts.append((f"Response, {len(events):,} events" if events else "Response", response))
    bundles = [(title, part._repr_mimebundle_()) for title, part in parts]
    note = []
    if reply.earlier:
        note = [f"The answer took {len(reply.messages)} messages; claude.last.messages holds those before this one."]
    if response is None:
        note.append("No response came.")
    markdown = [f"**{title}**\n\n{bundle['text/markdown']}" for title, bundle in bundles]
    plain = [f"{title}\n\n{bundle['text/plain']}" for title, bundle in bundles]
    return {"text/markdown": "\n\n".join([*markdown, *note]), "text/plain": "\n\n".join([*plain, *note])}
