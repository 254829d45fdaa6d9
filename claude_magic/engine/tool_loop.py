"""The tool loop: Claude calls tools, they run, Claude continues, until it has answered.

An answer takes another request for three reasons: tools were called, the server paused, or a typed
answer does not fit its type and is asked for once more. Each has its own limit: at the maximum of
steps, seconds or tokens Claude is asked to conclude with what it has; a server may pause ten
times; a typed answer is asked for twice in all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from claude_magic.content.parts import text_part
from claude_magic.engine.message import Message, reply_messages
from claude_magic.engine.request import Request
from claude_magic.engine.settings import ToolLimits
from claude_magic.messages.errors import AnswerUnfit, RequestTooLarge
from claude_magic.messages.reply import Reply, ReplyUpdate
from claude_magic.messages.text import pluralize
from claude_magic.tools.server_tool import ServerTool
from claude_magic.tools.toolset import tool_name

if TYPE_CHECKING:
    from claude_magic.engine.rendering import Update
    from claude_magic.tools.calls import Call
    from claude_magic.tools.structured_output import AnswerType
    from claude_magic.tools.toolset import AnyTool

_MAX_PAUSES = 10
_TOO_LARGE = "It ran, but the results together are too large to be sent: a request may have 32 MB. Ask for less."
_CONCLUDE = "You have reached the limit of tool calls for this answer. Conclude now with what you have."


class ToolLoop:
    """Sends requests until the answer is complete.

    Parameters
    ----------
    request : Request
    offered : sequence
        The tools as they are defined now.
    limits : ToolLimits
    confirm : callable
        Asks the user whether a call may run.
    answer_type : AnswerType or None
        The type of the answer.

    Attributes
    ----------
    notices : list of str
    """

    def __init__(
        self,
        request: Request,
        offered: Sequence[AnyTool],
        limits: ToolLimits,
        confirm: Callable[[Call], str],
        answer_type: AnswerType | None = None,
    ) -> None:
        self._request = request
        self._offered = offered
        self._limits = limits
        self._confirm = confirm
        self._answer_type = answer_type
        self._steps = self._pauses = 0
        self._concluding = self._asked_again = False
        self._withdrawn: tuple[Call, ...] = ()
        self._started = 0.0
        self.notices: list[str] = [answer_type.note] if answer_type is not None and answer_type.note else []

    def run(self, update: Callable[[Update], None]) -> None:
        """Ask, run what Claude calls, and continue to the end.

        Raises
        ------
        AnswerUnfit
            If the answer twice does not fit the type that was asked for.
        """
        self._started = time.monotonic()
        while True:
            try:
                self._request.send(update)
            except RequestTooLarge:
                if not self._withdraw_results():
                    raise
                continue
            reply = self._request.reply
            paused = reply.stop_reason == "pause_turn"
            if reply.tool_uses and (reply.complete or paused) and not self._concluding:
                if not self._run_tools(reply, update):
                    return
            elif paused and not reply.tool_uses and self._pauses < _MAX_PAUSES:
                self._pauses += 1
                self._request.extend(*reply_messages(reply, self._request.bound_to))
            elif not self._answer_type or not reply.complete or reply.tool_uses or self._fits(reply, self._answer_type):
                return
            if reply.blocks:
                update(ReplyUpdate("message", "", reply.blocks[-1]))

    def _run_tools(self, reply: Reply, update: Callable[[Update], None]) -> bool:
        """Run the calls and answer each of them, whatever happens; False if they are not ours to run."""
        functions = {tool.name: tool for tool in self._offered if not isinstance(tool, dict | ServerTool)}
        without = {tool_name(tool) for tool in self._offered if isinstance(tool, dict)}
        if not functions or any(use.name in without for use in reply.tool_uses):
            return False
        from claude_magic.tools.calls import Call, run

        self._steps += 1
        calls = [Call(use.id, use.name, use.input, use.invalid, functions.get(use.name)) for use in reply.tool_uses]
        reply.calls = tuple(calls)
        answered = reply_messages(reply, self._request.bound_to)
        try:
            run(
                calls,
                changed=update,
                confirm=self._confirm,
                confirm_all=self._limits.confirm == "all",
                always=self._limits.always,
                names=list(functions),
            )
        finally:
            results, wire = [call.result() for call in calls], self._request.wire
            if limit := self._reached_limit(reply):
                self._conclude(limit)
                results.append(text_part(_CONCLUDE))
            elif (choice := wire.get("tool_choice")) is not None and choice["type"] in ("any", "tool"):
                # It was meant for the first message; otherwise every further one would have to call a tool, too.
                wire["tool_choice"] = {**choice, "type": "auto"}
                wire["tool_choice"].pop("name", None)
            self._request.extend(*answered, Message("user", tuple(results)))
        if not self._concluding and (limit := self._request.last_within_budget()):
            self._conclude(limit)
            self._request.own[-1] = Message("user", (*results, text_part(_CONCLUDE)))
        return True

    def _conclude(self, limit: str) -> None:
        self._concluding = True
        self.notices.append(f"Claude was asked to conclude: {limit}.")
        self._request.wire["tool_choice"] = {"type": "none"}

    def _withdraw_results(self) -> bool:
        """Tell Claude instead that its latest results are too large; False if there are none, or it was told."""
        calls = self._request.reply.earlier[-1].calls if self._request.reply.earlier else ()
        if not calls or calls is self._withdrawn:
            return False
        self._withdrawn = calls
        for call in calls:
            call.close("failed", _TOO_LARGE)
        conclude = [text_part(_CONCLUDE)] if self._concluding else []
        self._request.own[-1] = Message("user", (*(call.result() for call in calls), *conclude))
        return True

    def _reached_limit(self, reply: Reply) -> str:
        """The limit that has been reached, for the reader; empty for none."""
        limits = self._limits
        if self._steps >= limits.steps:
            return f"{pluralize(self._steps, 'step')} with tools"
        if limits.seconds and time.monotonic() - self._started >= limits.seconds:
            return f"{limits.seconds:g} seconds"
        used = reply.usage.total_input + reply.usage.output_tokens
        return f"{used:,} tokens" if limits.tokens and used >= limits.tokens else ""

    def _fits(self, reply: Reply, answer_type: AnswerType) -> bool:
        from claude_magic.tools.structured_output import WrongAnswer, frame

        try:
            reply.parsed = answer_type.read(reply.own_text)
        except WrongAnswer as wrong:
            problems = "; ".join(wrong.problems[:3])
            if self._asked_again:
                raise AnswerUnfit(
                    f"The answer does not fit {answer_type.name}: {problems}. It is in reply.text."
                ) from None
            self._asked_again = True
            self.notices.append(f"The first answer did not fit {answer_type.name} and was asked for again: {problems}.")
            repair = Message("user", (text_part(str(wrong)),))
            self._request.extend(*reply_messages(reply, self._request.bound_to), repair)
            return False
        reply.to_frame = frame
        return True
