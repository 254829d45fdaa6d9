"""A conversation with Claude."""

from __future__ import annotations

import contextvars
import dataclasses
import functools
import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, overload

from claude_magic.content import Named, before, disk
from claude_magic.content.words import counted
from claude_magic.conversation import caching, toolbox
from claude_magic.conversation.background import Answer, Line, Ticket, confirmed_at_home, ending_unsent, said, wait_for
from claude_magic.conversation.bill import Bill, BilledUsage, Cost, Spending
from claude_magic.conversation.budget import Allowance, Limited
from claude_magic.conversation.family import Conversations
from claude_magic.conversation.interrupts import OneInterrupt
from claude_magic.conversation.journal import Change, Journal, State
from claude_magic.conversation.loading import Loading
from claude_magic.conversation.options import Options
from claude_magic.conversation.rendering import Ending, Guarded, Renderer
from claude_magic.conversation.toolbox import Tools
from claude_magic.conversation.turns import Place, Turn, Turns, seen, shortened
from claude_magic.messages import limits
from claude_magic.messages.errors import AuthenticationFailed, BadInput, ClaudeError, Interrupted

if TYPE_CHECKING:
    from claude_magic.conversation.asking import Asking
    from claude_magic.conversation.counting import Count
    from claude_magic.conversation.files import Files
    from claude_magic.messages.forms import Program
    from claude_magic.messages.reply import Reply

_KEEP: Any = object()
_STOPPING = 5.0
"""Seconds until it is no longer waited for that an answer that was stopped ends."""
_answering: contextvars.ContextVar[Mapping[Conversation, int]] = contextvars.ContextVar(
    "_answering", default=MappingProxyType({})
)
"""The conversations that are answering where this code runs, which may be a tool, each with its thread."""


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
        self._line = Line(self._home.errands)
        self._background: list[Answer] = []
        self._told: set[str] = set()
        self._largest_side = limits.MAX_IMAGE_SIDE
        self._last: Reply | None = None
        self._precedent: caching.Precedent | None = None
        self._diagnosing = self._diagnosed = False
        self._billed: Reply | None = None
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
        return self._last

    @property
    def model(self) -> str:
        """The id of the model that is asked."""
        return limits.resolve(self.state.model or self._home.settings.model or limits.DEFAULT_MODEL)

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
        client, model = self._home.client, limits.lookup(self.model, self._home.learned)
        possible = ""
        if self._home.settings.cache == "off":
            possible = 'The cache is off: %config ClaudeMagics.cache = "auto" switches it on.'
        elif not client.is_anthropic:
            possible = f"Only Anthropic's own servers are asked for caching, not {client.where}."
        self._diagnosing = self._diagnosing or not possible
        return caching.explained(self._billed, asked=self._diagnosed, possible=possible, minimum=model.cache_minimum)

    @property
    def files(self) -> Files:
        """Files that lie with the API; all conversations of a kernel share them."""
        return self._home.files

    def __getitem__(self, name: str) -> Conversation:
        """Another conversation of this kernel, made on first use."""
        return self._home.open(name)

    def __repr__(self) -> str:
        system = f", system {shortened(self.system, 40)!r}" if self.system else ""
        count = len(self.turns)
        head = f"Conversation {self.name!r} with {self.model}{system}: {counted(count, 'turn')}"
        return f"{head}\n{self.turns!r}" if count else head

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._home)

    # -- changing it -----------------------------------------------------------------------------

    def undo(self) -> Change:
        """Take back the last change, whatever it was, and say what that was."""
        return self._journal.undo()

    def redo(self) -> Change:
        """Bring back what was undone last."""
        return self._journal.redo()

    def reset(self) -> Change:
        """Forget all turns; the system prompt stays. An answer under way comes in when it is there."""
        self._journal.replace("the reset", turns=())
        return Change("Begun afresh. undo() brings the turns back.")

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
        fork._journal = Journal(dataclasses.replace(self.state, turns=turns))
        for limit in ("confirm", "steps", "seconds", "tokens"):  # not what was allowed for always
            setattr(fork.tools, limit, getattr(self.tools, limit))
        fork._largest_side = self._largest_side
        fork._precedent = self._precedent
        return fork

    # -- outliving the kernel --------------------------------------------------------------------

    load = Loading()

    def save(self, path: str | os.PathLike[str], *, undo: bool = True) -> Change:
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
        from claude_magic.conversation import keeping

        return keeping.save(self, path, undo=undo)

    def to_messages(self) -> list[dict[str, Any]]:
        """What Claude sees, in the API's own form: the ``messages`` of the next request but for the question."""
        from claude_magic.conversation import keeping

        return keeping.to_messages(self)

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
        from claude_magic.conversation import given

        if home is not None and name in home:
            raise BadInput(f"There is a conversation {name!r} already. Give this one another name: name=….")
        made = cls(model, system, tools=tools, name=name, home=home)
        made._journal = Journal(dataclasses.replace(made.state, turns=given.turns(made, messages)))
        return made

    def restore(self, path: str | os.PathLike[str] | None = None) -> Change:
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
        return Change(found.said)

    def export(self, path: str | os.PathLike[str]) -> Change:
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
        what = "the deletion of " + (
            f"{len(turns)} turns" if len(turns) != 1 else f"{shortened(turns[0].prompt, 30)!r}"
        )
        self._change_turns(what, lambda turn: None if turn in turns else turn)

    def _change_turns(self, said: str, make: Callable[[Turn], Turn | None]) -> None:
        """Make each turn another one; None takes it out."""

        def changed(state: State) -> tuple[str, State]:
            turns = tuple(new for turn in state.turns if (new := make(turn)) is not None)
            return said, dataclasses.replace(state, turns=turns)

        self._journal.change(changed)

    def _cells_deleted(self, cells: set[str]) -> None:
        self._drop_answers(cells)
        turns = self.state.turns
        gone = [turn for turn in turns if turn.place and turn.place.cell in cells and not turn.absent]
        if gone:
            self._mark(gone, absent=True, said="leaving out the answer of a deleted cell")

    def _cell_runs(self, cell: str) -> None:
        self._drop_answers({cell})
        back = [turn for turn in self.state.turns if turn.absent and turn.place and turn.place.cell == cell]
        if back:
            self._mark(back, absent=False, said="the return of a cell's answer")

    def _mark(self, chosen: list[Turn], *, absent: bool, said: str) -> None:
        self._change_turns(said, lambda turn: dataclasses.replace(turn, absent=absent) if turn in chosen else turn)

    def _deletions(self) -> list[str]:
        """What is to be said of deleted cells, once for each."""
        absent = {turn.id for turn in self.state.turns if turn.absent}
        news = absent - self._told
        self._told = absent
        if not news:
            return []
        if len(news) == 1:
            return ["The answer of a cell you deleted or cut is left out; run it again or claude.undo()."]
        return [f"{len(news)} answers of cells you deleted or cut are left out; run them again or claude.undo()."]

    def _cell_ran(self, cell: str, execution: str, label: str, asked: int) -> None:
        left = [
            turn
            for turn in self.state.turns
            if (place := turn.place)
            and place.cell == cell
            and place.execution != execution
            and place.number is not None
            and place.number >= asked
        ]
        if left:
            self._change_turns(f"leaving out what {label} no longer asks", lambda turn: None if turn in left else turn)

    def _drop_answers(self, cells: set[str]) -> None:
        """Stop the answers that these cells still get: nobody sees them any more."""
        for answer in [*self._background]:
            place = answer.place
            if not answer.done and place is not None and place.number is not None and place.cell in cells:
                self._background.remove(answer)
                answer.dropped = True
                answer.stop()

    # -- the key ---------------------------------------------------------------------------------

    def login(self, key: str | None = None) -> Change:
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
        if key is None:
            from getpass import getpass

            try:
                key = getpass("Anthropic API key (not shown, not saved): ")
            except (EOFError, RuntimeError, NotImplementedError):
                raise BadInput("Nobody can type a key here. Set ANTHROPIC_API_KEY before Jupyter starts.") from None
        credentials, client = self._home.credentials, self._home.client
        if client.credentials is not credentials:
            return Change("The simulator needs no key.")
        put_back = credentials.set_key(key)
        client = self._home.client
        try:
            known = self._home.learned = limits.learn(client.models())
        except AuthenticationFailed:
            put_back()
            raise
        except ClaudeError as error:
            return Change(f"The key is set, but {client.where} did not say which models it may use: {error}")
        return Change(f"The key works: {len(known)} models. It stays in this kernel and is saved nowhere.")

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
        system: str | None = _KEEP,
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
            The fields of :class:`claude_magic.conversation.options.Options`: ``model``,
            ``max_tokens``, ``stop``, ``prefill``, ``temperature``, ``top_p``, ``top_k``, ``effort``,
            ``thinking``, ``tool_choice``, ``disable_parallel_tool_use``, ``schema``, ``once``,
            ``new``, ``append``, ``yes``.

        Returns
        -------
        Reply, or Answer
            In the background an :class:`~claude_magic.conversation.background.Answer`, which has the
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
        question, wishes, tools = self._question(prompt, values, tools, options)
        ask = self.ask_aside if background else self.ask
        return ask(question, wishes, system=system, tools=tools)

    def count(
        self, prompt: str, *values: object, system: str | None = _KEEP, tools: object = (), **options: Any
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
        question, wishes, tools = self._question(prompt, values, tools, options)
        return self.prepare(question, wishes, system=system, tools=tools).count()

    def request(
        self,
        prompt: str,
        *values: object,
        form: str = "request",
        system: str | None = _KEEP,
        tools: object = (),
        **options: Any,
    ) -> Program:
        """What would be sent for a question; sends nothing, and needs no key.

        Parameters
        ----------
        form : str
            ``request``, or a program that sends it: ``curl``, ``python``, ``typescript``.
        prompt, *values, system, tools, **options
            As for asking it.

        Returns
        -------
        Program
            A string that is whole; on the screen pictures are shortened.
        """
        from claude_magic.messages.forms import program

        question, wishes, tools = self._question(prompt, values, tools, options)
        return program(form, self.prepare(question, wishes, system=system, tools=tools).outgoing)

    @staticmethod
    def _question(
        prompt: str, values: tuple[object, ...], tools: object, options: dict[str, Any]
    ) -> tuple[list[str | Named], Options, object]:
        if not isinstance(prompt, str):
            raise BadInput("The first argument is the question, as a string; values follow it.")
        unknown = options.keys() - {field.name for field in dataclasses.fields(Options)}
        if unknown:
            raise BadInput(f"Claude takes no option {', '.join(sorted(unknown))}.")
        if isinstance(options.get("stop"), str):
            options["stop"] = (options["stop"],)
        if "thinking" in options and options["thinking"] is not None:
            options["thinking"] = str(options["thinking"])
        if isinstance(tools, str) and tools.strip().lower() == "none":
            options["tool_choice"], tools = "none", ()
        for value in values:
            if disk.names_a_picture(value):
                raise BadInput(
                    f"{value!r} is a string and would be sent as text. Give Path({value!r}) to send the file, or put "
                    "the name into the question."
                )
        named = [Named(_name_of(value, number), value) for number, value in enumerate(values, 1)]
        return before(named, [prompt]), Options(**options), tools

    def prepare(
        self, prompt: Sequence[str | Named], options: Options, *, system: str | None = _KEEP, tools: object = ()
    ) -> Asking:
        """A question as it would be asked now, to be looked at or counted; nothing changes.

        Parameters
        ----------
        prompt, options, system, tools
            As for :meth:`ask`.
        """
        change = functools.partial(_with, system=system, tools=toolbox.read(tools))
        return self._asking(prompt, options, change, self._home.host.peek(self.name))

    def ask(
        self,
        prompt: Sequence[str | Named],
        options: Options,
        *,
        system: str | None = _KEEP,
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
        home = self._home
        asking_from = _answering.get().get(self, threading.get_ident())
        if asking_from != threading.get_ident():
            raise BadInput(f"A tool that runs in parallel cannot ask {self.name!r}, which waits for it. Use fork().")
        place = home.host.place(self.name)
        change = functools.partial(_with, system=system, tools=toolbox.read(tools))

        def answered() -> tuple[Turn, BaseException | None]:
            home.client.require_credentials()
            with home.budget.question(yes=options.yes) as allowance:
                asking = self._asking(prompt, options, change, place, allowance)
                drawn = Guarded(renderer or home.host.renderer())
                return self._carry_out(asking, change, drawn, home.host.notices, interrupts)

        with OneInterrupt() as interrupts:
            turn, error = self._line.answer(Ticket(), answered)  # questions of several threads wait for each other
        if error is not None:
            raise error from None
        return turn.reply

    def ask_aside(
        self,
        prompt: Sequence[str | Named],
        options: Options,
        *,
        system: str | None = _KEEP,
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
        from claude_magic.conversation.asking import taken

        home = self._home
        home.client.require_credentials()
        place = home.host.place(self.name)
        change = functools.partial(_with, system=system, tools=toolbox.read(tools))
        options = dataclasses.replace(options, model=options.model or self.model)
        make = functools.partial(self._asking, taken(prompt), options, change, place)
        first = make()
        drawn = Guarded(renderer or home.host.renderer(background=True))
        notices = home.host.notices()
        answer = Answer(first.words, home.errands, first.place, home.host.here())
        ticket = Ticket()

        def answered() -> tuple[Turn, BaseException | None]:
            with home.budget.question(yes=options.yes) as allowance:
                asking = make(allowance)
                return self._carry_out(asking, change, drawn, lambda: notices, OneInterrupt(), answer)

        def work() -> Reply:
            try:
                turn, error = self._line.answer(ticket, answered)
            except (ClaudeError, Interrupted) as unsent:
                drawn.finish(ending_unsent(unsent))
                raise
            if error is not None:
                raise error from None
            return turn.reply

        self._background = [one for one in self._background if not one.done or one.error is not None]
        self._background.append(answer)
        try:
            self._line.join(ticket)
            answer.start(work)
        except BaseException:
            self._line.leave(ticket)
            raise
        return answer

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
        if self in _answering.get():
            raise BadInput(f"A tool cannot wait for {self.name!r}, which waits for it.")
        answers = [*self._background]
        wait_for(answers, self._home.errands, timeout)
        self._background = [one for one in self._background if one not in answers]
        for failed in (answer.error for answer in answers if answer.error is not None):
            raise failed
        return answers[-1].reply if answers else self.last

    def stop(self) -> Change:
        """Stop all answers in the background; what has arrived is kept, as when a cell is stopped."""
        under_way = [answer for answer in self._background if not answer.done]
        for answer in reversed(under_way):  # so that none begins because the one before it ends
            answer.stop()
        if self not in _answering.get():
            self._home.errands.until(lambda: all(answer.done for answer in under_way), _STOPPING)
        return Change(f"Stopped {counted(len(under_way), 'answer')}." if under_way else "There was nothing to stop.")

    def _asking(
        self,
        prompt: Sequence[str | Named],
        options: Options,
        change: Callable[[State], State],
        place: Place | None,
        allowance: Allowance | None = None,
    ) -> Asking:
        from claude_magic.conversation.asking import Asking

        home = self._home
        return Asking(
            change(self.state),
            prompt,
            options,
            limits.lookup(limits.resolve(options.model or self.model), home.learned),
            home.settings,
            home.client,
            place,
            self._tools,
            confirmed_at_home(home.host.confirm),
            self._largest_side,
            allowance=allowance,
            precedent=self._precedent,
            diagnosing=self._diagnosing,
        )

    def _carry_out(
        self,
        asking: Asking,
        change: Callable[[State], State],
        drawn: Guarded,
        notices: Callable[[], list[str]],
        interrupts: OneInterrupt,
        aside: Answer | None = None,
    ) -> tuple[Turn, BaseException | None]:
        """Ask, commit, draw the end; what is to be raised comes back with the turn."""
        from claude_magic.tools import printing

        inside = _answering.set({**_answering.get(), self: threading.get_ident()})
        try:
            with printing.into(None):  # it may be a function that asks, whose own words go to its caller
                error = asking.run(drawn, aside.stop if aside is not None else None)
        finally:
            _answering.reset(inside)
        interrupts.closing()
        turn, result = asking.close(error)
        news = notices()
        told = [*([] if self.state.turns else news), *self._deletions()]  # it may have been loaded
        if aside is None or not aside.dropped:
            self._last = turn.reply
        self._largest_side = asking.largest_side
        self._diagnosed = self._diagnosing and not asking.once and self._precedent is not None
        if not asking.once:
            self._precedent = asking.precedent
        if asking.kept and not (aside is not None and aside.dropped):

            def commit(state: State) -> tuple[str, State]:
                # Another thread, or a function that Claude called, may have changed the conversation meanwhile.
                after, step, consequences = asking.after(turn, change(state))
                told.extend(consequences)
                return step, after

            self._journal.change(commit)
        if aside is not None and aside.dropped:
            nothing = Interrupted("Stopped: its cell ran again, or was deleted. Nothing is kept.")
            result = dataclasses.replace(result, error=nothing)
        if aside is not None and result.error is not None:  # the cell has succeeded long ago
            result = dataclasses.replace(result, notice=said(result.error))
        ending = self._ending(turn, [*told, *asking.notices(result)])
        with printing.into(None):
            drawn.finish(ending)
        if aside is None:
            self._home.host.answered(ending)
        if (failure := drawn.failure) is not None:
            what = f"{type(failure).__name__}: {failure}"
            print(f"The answer could not be drawn as it came ({what}). claude.last holds it.", file=sys.stderr)
        return turn, result.error

    def _ending(self, turn: Turn, notices: list[str]) -> Ending:
        reply, cost = turn.reply, None
        if reply.begun or reply.ended or reply.usage.total_input:
            price = reply.cost
            cost = float(price) if price is not None else None
            self._billed = reply
            label = turn.place.label if turn.place else ""
            self._home.spendings.append(Spending(self.name, reply.model, reply.usage, cost, reply.simulated, label))
        visible = list(self.turns)
        return Ending(
            reply=reply,
            notices=notices,
            turn=visible.index(turn) + 1 if turn in visible else 0,
            turns=len(visible),
            cost=cost,
            spent=self._home.cost(simulated=reply.simulated),
            turn_id=turn.id,
            asked=turn,
            conversation=self.name,
        )


def _with(state: State, system: str | None, tools: Iterable[toolbox.Offered]) -> State:
    if system is not _KEEP:
        state = dataclasses.replace(state, system=system or None)
    return dataclasses.replace(state, tools=toolbox.joined(state.tools, tools))


def _name_of(value: object, number: int) -> str:
    try:
        name = getattr(value, "__name__", None) or getattr(value, "name", None)
    except Exception:  # noqa: BLE001  (an object's own code may fail in any way; it only costs the name)
        name = None
    return name if isinstance(name, str) else f"value {number}"
