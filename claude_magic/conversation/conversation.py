"""A conversation with Claude."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn, overload

from claude_magic.content.values import Named
from claude_magic.messages.text import pluralize, one_line
from claude_magic.engine import caching
from claude_magic.conversation import toolbox
from claude_magic.engine.background import Answer
from claude_magic.engine.bill import Bill, BilledUsage, Cost
from claude_magic.engine.budget import Limited
from claude_magic.conversation.cell_turns import CellTurns
from claude_magic.conversation.registry import Conversations
from claude_magic.engine.notice import Notice
from claude_magic.conversation.journal import Journal, beginning
from claude_magic.conversation.state import State
from claude_magic.conversation.loading import Loading
from claude_magic.engine.options import Options
from claude_magic.engine.question import KEEP, Question, read
from claude_magic.conversation.runner import Questions
from claude_magic.engine.rendering import Renderer
from claude_magic.conversation.toolbox import Tools
from claude_magic.conversation.turns import Turn, Turns, seen
from claude_magic.messages.errors import BadInput

if TYPE_CHECKING:
    from claude_magic.engine.run import Run
    from claude_magic.engine.token_count import Count
    from claude_magic.engine.file_uploads import Files
    from claude_magic.messages.code_samples import CodeSample
    from claude_magic.messages.reply import Reply


class Conversation(Limited):
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
        The family that it joins; by default one of its own.

    Examples
    --------
    >>> from claude_magic import Conversation
    >>> claude = Conversation(model="haiku", system="Answer in one word.")
    >>> claude("The capital of France?").text  # doctest: +SKIP
    'Paris'
    """

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
            raise BadInput(f"A conversation has a name, not {name!r:.80}.")
        self.name = name
        self._home = home if home is not None else Conversations()
        self._journal = Journal(State(system=system or None, model=model, tools=toolbox.read(tools)))
        self._tools = Tools(lambda: self.state.tools, self._offer, lambda: self.state.turns, self._home.settings)
        self._cells = CellTurns(self._journal)
        self._questions = Questions(name, self._home, self._journal, self._cells, self._tools)
        self._home._by_name[name] = self

    # -- what it is ------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """All that it remembers."""
        return self._journal.state

    @property
    def turns(self) -> Turns:
        """What Claude sees; ``del claude.turns[2]`` makes it forget a turn."""
        return Turns(lambda: seen(self.state.turns), self._forget)

    @property
    def last(self) -> Reply | None:
        """The latest answer, whether it was kept or not."""
        return self._questions.last

    @property
    def model(self) -> str:
        """The id of the model that is asked."""
        return self._home.model_of(self.state)

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
        """What Claude may call; ``claude.tools = [f, g]`` begins a new list."""
        return self._tools

    @tools.setter
    def tools(self, functions: Iterable[object]) -> None:
        new = toolbox.read(functions)
        names = set(map(toolbox.name_of, new))
        for gone in [name for tool in self.state.tools if (name := toolbox.name_of(tool)) not in names]:
            self._tools.check_removable(gone)
        self._journal.replace("the new list of tools", tools=new)

    def _offer(self, said: str, make: Callable[[tuple[toolbox.Offered, ...]], tuple[toolbox.Offered, ...]]) -> None:
        self._journal.change(lambda state: (said, dataclasses.replace(state, tools=make(state.tools))))

    @property
    def usage(self) -> BilledUsage:
        """Tokens of all its answers, those that were replaced or undone included; shows as a table.

        Simulated ones are counted only while there are no others.
        """
        return BilledUsage.of(Bill(self.name, self._home.spendings))

    @property
    def cost(self) -> Cost | None:
        """US dollars of all its answers, simulated ones left out; None if a price is unknown. Shows as a table."""
        return Cost.of(Bill(self.name, self._home.spendings))

    def why_no_cache(self) -> caching.Explanation:
        """Why the last answer did not find all it could in the prompt cache.

        What the API knows of it, it says to those who ask with each request; this begins with the
        question after the first call.
        """
        return self._questions.why_no_cache()

    @property
    def files(self) -> Files:
        """Files that lie with the API; all conversations of a kernel share them."""
        return self._home.files

    def __getitem__(self, name: str) -> Conversation:
        """Another conversation of this kernel, made on first use."""
        return self._home.open(name)

    def __repr__(self) -> str:
        system = f", system {one_line(self.system, 40)!r}" if self.system else ""
        count = len(self.turns)
        head = f"Conversation {self.name!r} with {self.model}{system}: {pluralize(count, 'turn')}"
        return f"{head}\n{self.turns!r}" if count else head

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._home)

    # -- changing it -----------------------------------------------------------------------------

    def undo(self) -> Notice:
        """Take back the last change, whatever it was, and say what that was."""
        return self._journal.undo()

    def redo(self) -> Notice:
        """Bring back what was undone last."""
        return self._journal.redo()

    def reset(self) -> Notice:
        """Forget all turns; the system prompt stays. An answer under way comes in when it is there."""
        self._journal.replace("the reset", turns=())
        return Notice("Begun afresh. undo() brings the turns back.")

    def fork(self, name: str | None = None) -> Conversation:
        """A conversation of another name that begins where this one stands.

        Its turns belong to no cell: running one again changes this conversation, not the fork.

        Parameters
        ----------
        name : str, optional

        Raises
        ------
        BadInput
            If there is one of that name.
        """
        if name is None:
            name = next(free for number in itertools.count(2) if (free := f"{self.name}-{number}") not in self._home)
        if name in self._home:
            raise BadInput(f"There is a conversation {name!r} already.")
        fork = Conversation(name=name, home=self._home)
        turns = tuple(dataclasses.replace(turn, place=None) for turn in seen(self.state.turns))
        fork._journal.begin(beginning(dataclasses.replace(self.state, turns=turns)))
        fork.tools.limit_as(self.tools)
        fork._questions.largest_side = self._questions.largest_side
        fork._questions.precedent = self._questions.precedent
        return fork

    # -- outliving the kernel --------------------------------------------------------------------

    load = Loading()

    def save(self, path: str | os.PathLike[str], *, undo: bool = True) -> Notice:
        """Save the conversation, so that another kernel can go on with it: see :meth:`load`.

        Next requests will be the same, byte by byte. Pictures and documents lie in a folder beside
        the file. Not saved are keys, functions (their definitions are), values that functions returned, and
        what is allowed to be called.

        Parameters
        ----------
        path : path
            ``.json`` is added where there is no suffix.
        undo : bool
            Whether what can be undone is saved too, deleted turns included. Without it, only what
            Claude sees is in the file.

        Raises
        ------
        BadInput
            If it cannot be written; a file that was there is unchanged.
        """
        from claude_magic.conversation import persistence

        return persistence.save(self, path, undo=undo)

    def to_messages(self) -> list[dict[str, Any]]:
        """What Claude sees, in the API's own form: the ``messages`` of the next request but for the question."""
        from claude_magic.conversation import persistence

        return persistence.to_messages(self)

    @classmethod
    def from_messages(
        cls,
        messages: Iterable[Mapping[str, Any]],
        *,
        model: str | None = None,
        system: str | None = None,
        tools: Iterable[object] = (),
        name: str = "main",
        home: Conversations | None = None,
    ) -> Conversation:
        """A conversation that begins with these messages, which need not be Claude's own.

        Parameters
        ----------
        messages : iterable of mapping
            In the API's form: ``role``, and ``content`` as text or a list of blocks. Pictures are fitted
            for each request as others are; ``cache_control`` is left out, as caching is taken care of.
        model, system, tools, name, home
            As for a new conversation.

        Raises
        ------
        BadInput
            If the API would not take them; the line says which.

        Examples
        --------
        >>> from claude_magic import Conversation
        >>> messages = [{"role": "user", "content": "Hello!"}, {"role": "assistant", "content": "Hi."}]
        >>> claude = Conversation.from_messages(messages, system="Be brief.")
        >>> claude.to_messages() == messages
        True
        """
        from claude_magic.conversation import from_messages

        if home is not None and name in home:
            raise BadInput(f"There is a conversation {name!r} already. Give this one another name: name=….")
        made = cls(model, system, tools=tools, name=name, home=home)
        made._journal.begin(beginning(dataclasses.replace(made.state, turns=from_messages.turns(made, messages))))
        return made

    def restore(self, path: str | os.PathLike[str] | None = None) -> Notice:
        """Bring back the answers that the saved notebook shows, as text.

        Without thinking, calls of functions and values; the line says what is missing. Running a
        cell again replaces its answer, as always.

        Parameters
        ----------
        path : path, optional
            By default the notebook that is open, where the front end tells which it is.

        Raises
        ------
        BadInput
            If there is no such notebook, or no answer in it.
        """
        found = self._home.host.restored(self, path)
        if found.turns:
            self._journal.change(lambda state: (found.step, found.before(state)))
        return Notice(found.said)

    def export(self, path: str | os.PathLike[str]) -> Notice:
        """Write the conversation for people: as ``.md``, ``.html`` or ``.ipynb``, by the path's suffix.

        What Claude wrote is inert in all of them. Pictures lie in a folder beside the Markdown, small
        ones within the notebook.

        Raises
        ------
        BadInput
            For any other suffix, or if it cannot be written.
        """
        import claude_magic  # how answers are shown is not the conversation's matter

        return claude_magic.export(self, path)

    def __reduce__(self) -> NoReturn:
        raise TypeError("A conversation cannot be copied or pickled. fork() makes one that begins where this stands.")

    def close(self) -> None:
        """Close the connections that it shares with its family; they come back with the next question."""
        self._home.close()

    def _forget(self, turns: Sequence[Turn]) -> None:
        if not turns:
            return
        what = "the deletion of " + (f"{len(turns)} turns" if len(turns) != 1 else f"{one_line(turns[0].prompt, 30)!r}")
        self._journal.change_turns(what, lambda turn: None if turn in turns else turn)

    # -- the key ---------------------------------------------------------------------------------

    def login(self, key: str | None = None) -> Notice:
        """Ask for an API key and try it; it is kept in this kernel and saved nowhere.

        Parameters
        ----------
        key : str, optional
            By default it is asked for, unseen.

        Raises
        ------
        AuthenticationFailed
            If the API does not take it; the one from before is used again.
        """
        return self._home.login(key)

    # -- asking ----------------------------------------------------------------------------------

    @overload
    def __call__(
        self,
        prompt: str,
        *values: object,
        system: str | None = ...,
        tools: object = ...,
        background: Literal[False] = ...,
        **options: Any,
    ) -> Reply: ...
    @overload
    def __call__(
        self,
        prompt: str,
        *values: object,
        system: str | None = ...,
        tools: object = ...,
        background: Literal[True],
        **options: Any,
    ) -> Answer: ...
    def __call__(
        self,
        prompt: str,
        *values: object,
        system: str | None = KEEP,
        tools: object = (),
        background: bool = False,
        **options: Any,
    ) -> Reply | Answer:
        """Ask a question.

        Parameters
        ----------
        prompt : str
        *values : object
            Pictures, tables, paths, …: anything that the content layer knows. They go before the
            words, where Claude reads pictures best.
        system : str, optional
            A new system prompt, from here on; ``""`` removes it.
        tools : function, str or list of these, optional
            What Claude may call, from here on, beside what it has; ``"none"``: it may
            call none this time.
        background : bool
            Return at once; the answer streams on. See :meth:`wait` and :meth:`stop`.
        **options
            The fields of :class:`claude_magic.engine.options.Options`: ``model``,
            ``max_tokens``, ``stop``, ``prefill``, ``temperature``, ``top_p``, ``top_k``, ``effort``,
            ``thinking``, ``tool_choice``, ``disable_parallel_tool_use``, ``schema``, ``once``,
            ``new``, ``append``, ``yes``.

        Returns
        -------
        Reply, or Answer
            In the background an :class:`~claude_magic.engine.background.Answer`, which has the
            reply when it is there.

        Raises
        ------
        ClaudeError
            If there is no answer, or it broke off; what had arrived is in its ``reply``.
        Interrupted
            If it was stopped.
        """
        if not isinstance(background, bool):
            raise BadInput(f"background takes True or False, not {background!r:.80}.")
        question = read(prompt, values, system, tools, options)
        return self._questions.ask_aside(question) if background else self._questions.ask(question)

    def count(
        self, prompt: str, *values: object, system: str | None = KEEP, tools: object = (), **options: Any
    ) -> Count:
        """Input tokens of a question, by the API's free counter, and what they would cost.

        The content is sent, nothing is answered or billed, and nothing changes here.

        Parameters
        ----------
        prompt, *values, system, tools, **options
            As for asking it.

        Returns
        -------
        Count
        """
        return self._questions.prepare(read(prompt, values, system, tools, options)).count()

    def request(
        self,
        prompt: str,
        *values: object,
        form: str = "request",
        system: str | None = KEEP,
        tools: object = (),
        **options: Any,
    ) -> CodeSample:
        """What would be sent for a question; sends nothing, and needs no key.

        Parameters
        ----------
        form : str
            ``request``, or a program that sends it: ``curl``, ``python``, ``typescript``.
        prompt, *values, system, tools, **options
            As for asking it.

        Returns
        -------
        CodeSample
            A string that is whole; on the screen pictures are shortened.
        """
        from claude_magic.messages.code_samples import code_sample

        return code_sample(form, self._questions.prepare(read(prompt, values, system, tools, options)).outgoing)

    def prepare(
        self, prompt: Sequence[str | Named], options: Options, *, system: str | None = KEEP, tools: object = ()
    ) -> Run:
        """A question as it would be asked now, to be looked at or counted; nothing changes.

        Parameters
        ----------
        prompt, options, system, tools
            As for :meth:`ask`.
        """
        return self._questions.prepare(Question(prompt, options, system, tools))

    def ask(
        self,
        prompt: Sequence[str | Named],
        options: Options,
        *,
        system: str | None = KEEP,
        tools: object = (),
        renderer: Renderer | None = None,
    ) -> Reply:
        """Ask a question made of words and values, as one transaction.

        Nothing of its own changes before the end; then one assignment makes the turn part of the
        history, or nothing has happened. What functions do that Claude calls is theirs: they may
        ask, too.

        Parameters
        ----------
        prompt : sequence of str or Named
            In the order in which Claude is to read them.
        options : Options
        system : str, optional
            A new system prompt; ``""`` removes it.
        tools : function, str or list of these, optional
            What Claude may call, from here on.
        renderer : Renderer, optional
            Defaults to the host's.

        Returns
        -------
        Reply
        """
        return self._questions.ask(Question(prompt, options, system, tools), renderer)

    def ask_aside(
        self,
        prompt: Sequence[str | Named],
        options: Options,
        *,
        system: str | None = KEEP,
        tools: object = (),
        renderer: Renderer | None = None,
    ) -> Answer:
        """Ask in the background, as one transaction at the time when its turn comes.

        Values become what is sent here, so nothing is evaluated later, and what is wrong with the
        question is said here. It stands in line: its request carries the answers before it.

        Parameters
        ----------
        prompt, options, system, tools, renderer
            As for :meth:`ask`.

        Returns
        -------
        Answer
        """
        return self._questions.ask_aside(Question(prompt, options, system, tools), renderer)

    def wait(self, timeout: float | None = None) -> Reply | None:
        """Wait for what was asked in the background since the last time; tools that wait for you run meanwhile.

        Stopping this (■, Ctrl-C) stops waiting and not the answer, unless one of its tools is what runs.

        Parameters
        ----------
        timeout : float, optional
            Seconds.

        Returns
        -------
        Reply or None
            Of the question that was asked last. If none was asked in the background, :attr:`last`.

        Raises
        ------
        ClaudeError, Interrupted
            What ended the first of those that have no complete answer.
        StillAnswering
            If they have not ended in time; a ``TimeoutError``.
        """
        return self._questions.wait(timeout)

    def stop(self) -> Notice:
        """Stop all answers in the background; what has arrived is kept, as when a cell is stopped."""
        return self._questions.stop()
