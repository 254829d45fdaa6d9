"""An answer: what a user reads, one message or several, with its cost, its code and what went over the wire."""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_magic.messages.blocks import TextBlock, ThinkingBlock
from claude_magic.messages.errors import BadInput
from claude_magic.messages.incoming_message import IncomingMessage, ReplyUpdate
from claude_magic.messages.shell import append_next_input, running_shell
from claude_magic.messages.text import truncate
from claude_magic.messages.usage import Usage

if TYPE_CHECKING:
    from claude_magic.messages.code_blocks import Code
    from claude_magic.messages.code_samples import CodeSample
    from claude_magic.messages.exchange import Exchange, OutgoingRequest
    from claude_magic.messages.exchange_view import Events, Response

__all__ = ["Reply", "ReplyUpdate"]


class Reply(IncomingMessage):
    """One answer from Claude, growing or finished.

    When Claude calls tools or the server pauses, an answer takes several messages. Each is a reply
    that knows the earlier ones: its text, thinking, tokens, cost, calls and seconds are those of the
    whole answer; its blocks, stop reason, id and model are those of the last message.

    Parameters
    ----------
    prefill : str
        The beginning of the answer, given in the request. The API does not repeat it; :attr:`text`
        includes it.
    earlier : tuple of Reply
        The messages of the same answer before this one.

    Attributes
    ----------
    id, model : str
    blocks : list of Block
        In the order in which they came.
    stop_reason : str or None
    stop_sequence : str or None
    stop_details : dict or None
    counted : Usage
        Tokens of this message; :attr:`usage` is that of the whole answer.
    calls : tuple
        The calls of this message as they were run, with their results.
    parsed : object
        The answer as the type that was asked for; None if none was.
    request_id : str or None
    ended : bool
        Whether the server said that the answer is over.
    unknown : list of dict
        Events and deltas of unknown kinds, as they came.
    simulated : bool
        Whether the simulator wrote it.
    sent : tuple of str
        Short descriptions of what was sent besides the text of the question.
    diagnostics : dict or None
        What the API says about the prompt cache, if asked.
    seconds : float
        From sending the request to the end.
    transmission : Exchange or None
        The recorded exchange for this message; see :meth:`request`, :attr:`response` and :attr:`events`.
    """

    def __init__(self, prefill: str = "", earlier: tuple[Reply, ...] = ()) -> None:
        super().__init__()
        self.prefill = prefill
        self.earlier = earlier
        self.calls: tuple[Any, ...] = ()
        self.parsed: Any = None
        self.to_frame: Callable[[Any], Any] | None = None
        self.simulated: bool = any(message.simulated for message in earlier)
        self.sent: tuple[str, ...] = ()
        self.seconds = 0.0
        self.transmission: Exchange | None = None

    @property
    def messages(self) -> tuple[Reply, ...]:
        """The messages of the whole answer, this one last."""
        return (*self.earlier, self)

    @property
    def own_text(self) -> str:
        """The text of this message alone, its text blocks joined without a separator."""
        return self.prefill + "".join(block.text for block in self.blocks if isinstance(block, TextBlock))

    @property
    def text(self) -> str:
        """The text of the answer, with a blank line between messages."""
        return "\n\n".join(filter(None, (message.own_text for message in self.messages)))

    @property
    def code(self) -> list[Code]:
        """The fenced code blocks in the answer, in order: strings with a ``language``."""
        from claude_magic.messages.code_blocks import find_code_blocks

        return [code for message in self.messages for code in find_code_blocks(message.own_text)]

    def to_cell(self, n: int = 0) -> None:
        """Put a code block into a new cell below the running one, or into the next prompt of a terminal.

        Parameters
        ----------
        n : int
            Which of :attr:`code`, from 0; -1 is the last.

        Raises
        ------
        BadInput
            If there is no such block, or no notebook.
        """
        code = self.code
        if not code:
            raise BadInput("This answer contains no code to put into a cell.")
        if not -len(code) <= n < len(code):
            has = f"{len(code)} code blocks, 0 to {len(code) - 1}" if len(code) > 1 else "one code block, 0"
            raise BadInput(f"There is no code block {n}: this answer has {has}.")
        shell = running_shell()
        if shell is None:
            raise BadInput("There is no notebook here to add a cell to. Use the list .code of the reply instead.")
        append_next_input(shell, code[n])
        if not code[n].complete:
            print("The answer ends inside this code block: the code may be incomplete.", file=sys.stderr)

    @property
    def thinking(self) -> str:
        """What is shown of Claude's thinking, with a blank line between blocks."""
        blocks = (block for message in self.messages for block in message.blocks)
        return "\n\n".join(block.text for block in blocks if isinstance(block, ThinkingBlock) and block.text)

    @property
    def usage(self) -> Usage:
        """Tokens of the whole answer."""
        return sum((message.counted for message in self.messages), start=Usage())

    @property
    def cost(self) -> Decimal | None:
        """US dollars for the whole answer; None if a price is unknown."""
        models = [message.model or self.model for message in self.messages]
        prices = [message.counted.cost(model) for message, model in zip(self.messages, models, strict=True)]
        return sum((price for price in prices if price is not None), Decimal()) if None not in prices else None

    @property
    def tool_calls(self) -> list[Any]:
        """The tool calls of the whole answer, in order, with their results."""
        return [call for message in self.messages for call in message.calls]

    @property
    def frame(self) -> Any:
        """The records of :attr:`parsed` as a DataFrame.

        Raises
        ------
        BadInput
            If no type was asked for, or the answer contains no records.
        """
        if self.to_frame is None:
            raise BadInput("Only a structured answer can become a DataFrame. Ask with --schema.")
        return self.to_frame(self.parsed)

    @property
    def begun(self) -> bool:
        """Whether any content has arrived."""
        return any(message.blocks for message in self.messages)

    @property
    def has_text(self) -> bool:
        """Whether there is anything to read in the answer."""
        blocks = (block for message in self.messages for block in message.blocks)
        return any(isinstance(block, TextBlock) and block.text.strip() for block in blocks)

    def request(self, form: str = "request") -> CodeSample:
        """The request for this message (the last of :attr:`messages`) as it was sent, after all automatic changes.

        The string is complete; only its display shortens images.

        Parameters
        ----------
        form : str
            ``request``, or code that sends the same: ``curl``, ``python``, ``typescript``.

        Raises
        ------
        BadInput
            If nothing was sent, or the request is no longer kept: only recent exchanges are.
        """
        from claude_magic.messages.code_samples import code_sample

        return code_sample(form, self._recorded()[1])

    @property
    def response(self) -> Response | None:
        """The response to :meth:`request`: status, headers, and the message its events add up to; None if none came."""
        from claude_magic.messages.exchange_view import response

        return response(self._recorded()[0], self.request_id)

    @property
    def events(self) -> Events:
        """The events of :attr:`response`, each with its time in seconds since the request was sent."""
        from claude_magic.messages.exchange_view import events

        return events(self._recorded()[0])

    def _recorded(self) -> tuple[Exchange, OutgoingRequest]:
        if self.transmission is None:
            raise BadInput("Nothing was sent for this answer in this kernel, so there is no request to show.")
        if self.transmission.outgoing is None:
            raise BadInput("This request is no longer kept: only the most recent exchanges are. Ask again to see one.")
        return self.transmission, self.transmission.outgoing

    def __repr__(self) -> str:
        state = "" if self.complete else f" ({self.stop_reason or 'incomplete'})"
        return f"<Reply of {self.model or 'no model'}{state}: {truncate(' '.join(self.text.split()), 60)!r}>"

    def _repr_markdown_(self) -> str:
        return self.text
