"""The rounds of one answer: Claude calls tools, they run, it goes on, until it has answered.

An answer goes round again for three reasons: tools were called, the server paused, or a typed
answer does not fit its type and is asked for once more. Each has its own end: at the limit of
steps, seconds or tokens Claude is asked to conclude with what it has; a server may pause ten
times; the type is asked for twice in all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from claude_magic.content.parts import text_part
from claude_magic.messages.text import pluralize
from claude_magic.engine.request import Request
from claude_magic.conversation.toolbox import Tools
from claude_magic.tools.toolset import tool_name
from claude_magic.engine.message import Message
from claude_magic.messages.errors import AnswerUnfit, RequestTooLarge
from claude_magic.messages.reply import ReplyUpdate, Reply
from claude_magic.messages.retry import Wait
from claude_magic.tools.server_tool import ServerTool

if TYPE_CHECKING:
    from claude_magic.tools.toolset import AnyTool
    from claude_magic.tools.structured_output import AnswerType
    from claude_magic.tools.calls import Call

    Update = Callable[[ReplyUpdate | Wait | Call], None]

_MAX_PAUSES = 10
_TOO_LARGE = "It ran, but the results together are too large to be sent: a request may have 32 MB. Ask for less."
_CONCLUDE = "You have reached the limit of tool calls for this answer. Conclude now with what you have."


class ToolLoop:
    """Goes round until the answer is there.

    Parameters
    ----------
    exchange : Request
    offered : sequence
        The tools, as they are defined now.
    tools : Tools
        Their limits.
    confirm : callable
        Asks the user whether a call may run.
    shape : AnswerType or None
        The type of the answer.

    Attributes
    ----------
    notices : list of str
    """

    def __init__(
        self,
        exchange: Request,
        offered: Sequence[AnyTool],
        tools: Tools,
        confirm: Callable[[Call], str],
        shape: AnswerType | None = None,
    ) -> None:
        self._exchange = exchange
        self._offered = offered
        self._bounds = tools.bounds
        self._always = tools.always
        self._confirm = confirm
        self._shape = shape
        self._steps = self._pauses = 0
        self._concluding = self._asked_again = False
        self._taken_back: tuple[Call, ...] = ()
        self._started = time.monotonic()
        self.notices: list[str] = [shape.note] if shape is not None and shape.note else []

    def run(self, update: Update) -> None:
        """Ask, run what Claude calls, and go on, to the end.

        Raises
        ------
        AnswerUnfit
            If the answer is not of the type that was asked for, twice.
        """
        while True:
            try:
                self._exchange.run(update)
            except RequestTooLarge:
                if not self._take_results_back():
                    raise
                continue
            reply = self._exchange.reply
            paused = reply.stop_reason == "pause_turn"
            if reply.tool_uses and (reply.complete or paused) and not self._concluding:
                if not self._run_tools(reply, update):
                    return
            elif paused and not reply.tool_uses and self._pauses < _MAX_PAUSES:
                self._pauses += 1
                self._exchange.go_on(*reply_messages(reply, self._exchange.bound_to))
            elif not self._shape or not reply.complete or reply.tool_uses or self._fits(reply, self._shape):
                return
            if reply.blocks:
                update(ReplyUpdate("message", "", reply.blocks[-1]))

    def _run_tools(self, reply: Reply, update: Update) -> bool:
        """Run the calls and answer them all, whatever happens; False if that is not ours to do."""
        functions = {tool.name: tool for tool in self._offered if not isinstance(tool, dict | ServerTool)}
        without = {tool_name(tool) for tool in self._offered if isinstance(tool, dict)}
        if not functions or any(use.name in without for use in reply.tool_uses):
            return False
        from claude_magic.tools.calls import Call, run

        self._steps += 1
        calls = [Call(use.id, use.name, use.input, use.invalid, functions.get(use.name)) for use in reply.tool_uses]
        reply.calls = tuple(calls)
        answered = reply_messages(reply, self._exchange.bound_to)
        try:
            run(
                calls,
                changed=update,
                confirm=self._confirm,
                confirm_all=self._bounds.confirm == "all",
                always=self._always,
                names=list(functions),
            )
        finally:
            results, wire = [call.result() for call in calls], self._exchange.wire
            if limit := self._limit(reply):
                self._conclude(limit)
                results.append(text_part(_CONCLUDE))
            elif (choice := wire.get("tool_choice", {})).get("type") in ("any", "tool"):
                # It was for the first message; every further one would be made to call a tool, too.
                wire["tool_choice"] = {name: choice[name] for name in choice if name != "name"} | {"type": "auto"}
            self._exchange.go_on(*answered, Message("user", tuple(results)))
        if not self._concluding and (limit := self._exchange.at_its_end()):
            self._conclude(limit)
            self._exchange.own[-1] = Message("user", (*results, text_part(_CONCLUDE)))
        return True

    def _conclude(self, limit: str) -> None:
        self._concluding = True
        self.notices.append(f"Claude was asked to conclude: {limit}.")
        self._exchange.wire["tool_choice"] = {"type": "none"}

    def _take_results_back(self) -> bool:
        """Tell Claude that its latest results are too large to be sent; False if there are none, or it was told."""
        calls = self._exchange.reply.earlier[-1].calls if self._exchange.reply.earlier else ()
        if not calls or calls is self._taken_back:
            return False
        self._taken_back = calls
        for call in calls:
            call.close("failed", _TOO_LARGE)
        self._exchange.own[-1] = Message("user", tuple(call.result() for call in calls))
        return True

    def _limit(self, reply: Reply) -> str:
        """Which limit is reached, in words."""
        bounds = self._bounds
        if self._steps >= bounds.steps:
            return f"{pluralize(self._steps, 'step')} of tools"
        if bounds.seconds and time.monotonic() - self._started >= bounds.seconds:
            return f"{bounds.seconds:g} seconds"
        used = reply.usage.total_input + reply.usage.output_tokens
        return f"{used:,} tokens" if bounds.tokens and used >= bounds.tokens else ""

    def _fits(self, reply: Reply, shape: AnswerType) -> bool:
        from claude_magic.tools.structured_output import WrongAnswer, frame

        try:
            reply.parsed = shape.read(reply.own_text)
        except WrongAnswer as wrong:
            problems = "; ".join(wrong.problems[:3])
            if self._asked_again:
                raise AnswerUnfit(f"The answer does not fit {shape.name}: {problems}. It is in reply.text.") from None
            self._asked_again = True
            self.notices.append(f"The first answer did not fit {shape.name} and was asked for again: {problems}.")
            repair = Message("user", (text_part(str(wrong)),))
            self._exchange.go_on(*reply_messages(reply, self._exchange.bound_to), repair)
            return False
        reply.to_frame = frame
        return True
