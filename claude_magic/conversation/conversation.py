"""A conversation with Claude."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NoReturn, Unpack, overload

from claude_magic.conversation.accounting import Accounting
from claude_magic.conversation.cell_turns import CellTurns
from claude_magic.conversation.journal import Journal, first_step
from claude_magic.conversation.portable import Portable
from claude_magic.conversation.registry import Registry
from claude_magic.conversation.runner import Runner
from claude_magic.conversation.state import State
from claude_magic.conversation.toolbox import Tools
from claude_magic.conversation.turns import Turn, Turns, seen
from claude_magic.engine.notice import Notice
from claude_magic.engine.options import Options
from claude_magic.engine.question import Prompt, Question, read_question
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import one_line, pluralize
from claude_magic.tools.toolset import read_tools

if TYPE_CHECKING:
    from claude_magic.engine.background import Answer
    from claude_magic.engine.file_uploads import Files
    from claude_magic.engine.prepare import Prepared
    from claude_magic.engine.token_count import Count
    from claude_magic.messages.code_samples import CodeSample
    from claude_magic.messages.reply import Reply


class UnknownAttribute(BadInput, AttributeError):
    """An attribute was set that a conversation does not have."""


class Conversation(Portable, Accounting):
    """A conversation with Claude.

    Call it to ask: ``claude("What is this?", picture)``. In a notebook the answer streams into the
    cell; in plain Python nothing is shown.

    Parameters
    ----------
    model : str, optional
        Id or alias (``opus``, ``sonnet``, ``haiku``, ``fable``).
    system : str, optional
        System prompt.
    tools : list, optional
        Functions that Claude may call; see :meth:`Tools.add`.
    name : str
    home : Conversations, optional
        The conversations that it joins, with their key, settings and budget; by default it has its own.

    Examples
    --------
    >>> from claude_magic import Conversation
    >>> claude = Conversation(model="haiku", system="Answer in one word.")
    >>> claude("The capital of France?").text  # doctest: +SKIP
    'Paris'
    """

    __slots__ = ("__weakref__", "_journal", "_tools", "cells", "home", "name", "runner")
    home: Conversations

    def __init__(
        self,
        model: str | None = None,
        system: str | None = None,
        *,
        tools: Iterable[object] = (),
        name: str = "main",
        home: Conversations | None = None,
    ) -> None:
        if not isinstance(name, str) or not name.strip():
            raise BadInput(f"The name of a conversation is a text, not {name!r:.80}.")
        self.name = name
        self.home = home if home is not None else Conversations()
        self._journal = Journal(State(system=system or None, model=model, tools=read_tools(tools)))
        self._tools = Tools(self._journal, self.home.settings)
        self.cells = CellTurns(self._journal)
        self.runner = Runner(name, self.home, self._journal, self.cells, self._tools)
        self.home.add(self)

    if not TYPE_CHECKING:  # a type checker would accept any attribute

        def __setattr__(self, name: str, value: object) -> None:
            try:
                super().__setattr__(name, value)
            except AttributeError:
                settable = [each for each in dir(type(self)) if getattr(getattr(type(self), each), "fset", None)]
                near = difflib.get_close_matches(name, settable, n=1)
                hint = f"Did you mean {near[0]!r}?" if near else f"What can be set: {', '.join(settable)}."
                raise UnknownAttribute(f"A conversation has no attribute {name!r} to set. {hint}") from None

    # -- what it is ------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Everything that it remembers."""
        return self._journal.state

    @property
    def turns(self) -> Turns:
        """What Claude sees; ``del claude.turns[2]`` makes it forget a turn."""
        return Turns(lambda: seen(self.state.turns), self._forget)

    @property
    def last(self) -> Reply | None:
        """The latest answer, whether it was kept or not."""
        return self.runner.last

    @property
    def model(self) -> str:
        """The id of the model that is asked."""
        return self.home.model_id(self.state.model)

    @model.setter
    def model(self, name: str | None) -> None:
        self._journal.replace(f"the change of model to {name}", model=name or None)

    @property
    def system(self) -> str | None:
        """The system prompt."""
        return self.state.system

    @system.setter
    def system(self, text: str | None) -> None:
        self._journal.replace("the new system prompt", system=text or None)

    @property
    def tools(self) -> Tools:
        """What Claude may call; ``claude.tools = [f, g]`` starts a new list."""
        return self._tools

    @tools.setter
    def tools(self, functions: Iterable[object]) -> None:
        self._tools.replace(functions)

    @property
    def files(self) -> Files:
        """Files uploaded to the API, shared by all conversations of a kernel."""
        return self.home.files

    def why_no_cache(self) -> Notice:
        """Why the last answer did not find everything it could in the prompt cache.

        The API gives its reasons to those who ask with each request; asking starts with the question
        after the first call.
        """
        return self.runner.why_no_cache()

    def __getitem__(self, name: str) -> Conversation:
        """Another conversation of this kernel, created on first use."""
        return self.home.open(name)

    def __repr__(self) -> str:
        system = f", system {one_line(self.system, 40)!r}" if self.system else ""
        count = len(self.turns)
        head = f"Conversation {self.name!r} with {self.model}{system}: {pluralize(count, 'turn')}"
        return f"{head}\n{self.turns!r}" if count else head

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.home)

    def __reduce__(self) -> NoReturn:
        raise TypeError("A conversation cannot be copied or pickled. fork() makes one that starts where this one is.")

    # -- changing it -----------------------------------------------------------------------------

    def undo(self) -> Notice:
        """Take back the last change, whatever it was, and say what that was."""
        return self._journal.undo()

    def redo(self) -> Notice:
        """Bring back what was undone last."""
        return self._journal.redo()

    def reset(self) -> Notice:
        """Forget all turns; the system prompt stays. An answer still under way joins when it is complete."""
        self._journal.replace("the reset", turns=())
        return Notice("Started over. undo() brings the turns back.")

    def fork(self, name: str | None = None) -> Conversation:
        """A conversation with another name that starts where this one is.

        Its turns belong to no cell: running one again changes this conversation, not the fork.

        Parameters
        ----------
        name : str, optional

        Raises
        ------
        BadInput
            If the name is taken.
        """
        if name is None:
            name = next(free for n in itertools.count(2) if (free := f"{self.name}-{n}") not in self.home)
        if name in self.home:
            raise BadInput(f"There already is a conversation {name!r}.")
        fork = Conversation(name=name, home=self.home)
        turns = tuple(dataclasses.replace(turn, place=None) for turn in seen(self.state.turns))
        fork._journal.begin(first_step(dataclasses.replace(self.state, turns=turns)))
        fork.tools.copy_limits(self.tools)
        fork.runner.history.previous = self.runner.history.previous
        fork.runner.history.largest_side = self.runner.history.largest_side
        return fork

    def close(self) -> None:
        """Close the connections, which all conversations of a kernel share; they reopen with the next question."""
        self.home.close()

    def login(self, key: str | None = None) -> Notice:
        """Ask for an API key and try it; it stays in this kernel and is not saved anywhere.

        Parameters
        ----------
        key : str, optional
            By default it is asked for, without being shown.

        Raises
        ------
        AuthenticationFailed
            If the API does not accept it; the one from before is used again.
        """
        return self.home.login(key)

    def _forget(self, turns: Sequence[Turn]) -> None:
        if not turns:
            return
        what = "the deletion of " + (f"{len(turns)} turns" if len(turns) != 1 else f"{one_line(turns[0].prompt, 30)!r}")
        self._journal.change_turns(what, lambda turn: None if turn in turns else turn)

    # -- asking ----------------------------------------------------------------------------------

    @overload
    def __call__(
        self, prompt: str, *values: object, background: Literal[False] = ..., **options: Unpack[Options]
    ) -> Reply: ...
    @overload
    def __call__(
        self, prompt: str, *values: object, background: Literal[True], **options: Unpack[Options]
    ) -> Answer: ...
    def __call__(
        self, prompt: str, *values: object, background: bool = False, **options: Unpack[Options]
    ) -> Reply | Answer:
        """Ask a question.

        Parameters
        ----------
        prompt : str
        *values : object
            Pictures, tables, paths, … They go before the text, where Claude reads pictures best.
        background : bool
            Return at once while the answer streams on. See :meth:`wait` and :meth:`stop`.
        **options
            See :class:`claude_magic.engine.options.Options`: ``model``, ``system``, ``tools``,
            ``max_tokens``, ``stop``, ``prefill``, ``temperature``, ``top_p``, ``top_k``, ``effort``,
            ``thinking``, ``tool_choice``, ``disable_parallel_tool_use``, ``schema``, ``once``,
            ``new``, ``append``, ``yes``.

        Returns
        -------
        Reply, or Answer
            In the background an :class:`~claude_magic.engine.background.Answer`, which has the reply
            once it is complete.

        Raises
        ------
        ClaudeError
            If there is no answer, or it broke off; what had arrived is in its ``reply``.
        Interrupted
            If it was stopped.
        """
        if not isinstance(prompt, str):
            raise BadInput("The first argument is the question, as a string; values follow it.")
        if not isinstance(background, bool):
            raise BadInput(f"background takes True or False, not {background!r:.80}.")
        question = read_question(prompt, values, options)
        return self.runner.start(question) if background else self.runner.run(question)

    def ask(self, prompt: str | Prompt, *values: object, **options: Unpack[Options]) -> Reply:
        """Ask a question and wait for the answer.

        Parameters
        ----------
        prompt : str, or sequence of str and Named
            Text and values in the order in which Claude is to read them.
        *values, **options
            As for calling the conversation.
        """
        return self.run(read_question(prompt, values, options))

    def count(self, prompt: str | Prompt, *values: object, **options: Unpack[Options]) -> Count:
        """Input tokens of a question by the API's free counter, and what they would cost.

        The content is sent, but nothing is answered or billed, and nothing changes here.

        Parameters
        ----------
        prompt, *values, **options
            As for asking it.
        """
        from claude_magic.engine.token_count import count_tokens

        return count_tokens(self.prepare(read_question(prompt, values, options)).request)

    def request(
        self, prompt: str | Prompt, *values: object, form: str = "request", **options: Unpack[Options]
    ) -> CodeSample:
        """What would be sent for a question; sends nothing and needs no key.

        Parameters
        ----------
        form : str
            ``request``, or a program that sends it: ``curl``, ``python``, ``typescript``.
        prompt, *values, **options
            As for asking it.

        Returns
        -------
        CodeSample
            A complete string; on the screen pictures are shortened.
        """
        from claude_magic.messages.code_samples import code_sample

        return code_sample(form, self.prepare(read_question(prompt, values, options)).request.outgoing())

    def prepare(self, question: Question) -> Prepared:
        """A question as it would be asked now, to look at or count; nothing changes."""
        return self.runner.prepare(question)

    def run(self, question: Question) -> Reply:
        """Ask a question as one transaction.

        Nothing changes before the end; then one assignment makes the turn part of the conversation,
        or nothing has happened. What tools do that Claude calls is up to them: they may ask, too.
        """
        return self.runner.run(question)

    def start(self, question: Question) -> Answer:
        """Ask a question in the background.

        Its values are converted now, so that nothing is evaluated later, and an error in the question
        is raised now. It waits in the queue: its request carries the answers before it.
        """
        return self.runner.start(question)

    def wait(self, timeout: float | None = None) -> Reply | None:
        """Wait for what was asked in the background since the last time; tools that wait for you run meanwhile.

        Stopping this (■, Ctrl-C) stops waiting, not the answer, unless one of its tools is what runs.

        Parameters
        ----------
        timeout : float, optional
            Seconds.

        Returns
        -------
        Reply or None
            The reply to the last of these questions; :attr:`last` if there were none.

        Raises
        ------
        ClaudeError, Interrupted
            What ended the first of those that have no complete answer.
        StillAnswering
            If they have not ended in time; a ``TimeoutError``.
        """
        return self.runner.wait(timeout)

    def stop(self) -> Notice:
        """Stop all answers in the background; what has arrived is kept, as when a cell is stopped."""
        return self.runner.stop()


class Conversations(Registry[Conversation]):
    """The conversations of a kernel, with what they share."""

    def open(self, name: str) -> Conversation:
        """The conversation with this name, created if there is none."""
        if name not in self:
            Conversation(name=name, home=self)
        return self[name]
