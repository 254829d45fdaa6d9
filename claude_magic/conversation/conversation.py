"""A conversation with Claude."""

from __future__ import annotations

import contextvars
import dataclasses
import itertools
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from claude_magic.content import Named, before, disk
from claude_magic.content.words import counted
from claude_magic.conversation import caching, toolbox
from claude_magic.conversation.bill import Bill, BilledUsage, Cost, Spending
from claude_magic.conversation.budget import Limited
from claude_magic.conversation.family import Conversations
from claude_magic.conversation.interrupts import OneInterrupt
from claude_magic.conversation.journal import Change, Journal, State
from claude_magic.conversation.options import Options
from claude_magic.conversation.rendering import Ending, Guarded, Renderer
from claude_magic.conversation.toolbox import Tools
from claude_magic.conversation.turns import Turn, Turns, seen, shortened
from claude_magic.messages import limits
from claude_magic.messages.errors import AuthenticationFailed, BadInput, ClaudeError

if TYPE_CHECKING:
    from claude_magic.conversation.files import Files
    from claude_magic.messages.reply import Reply

_KEEP: Any = object()
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
        self.name = name
        self._home = home if home is not None else Conversations()
        self._journal = Journal(State(system=system or None, model=model, tools=toolbox.read(tools)))
        self._tools = Tools(lambda: self.state.tools, self._offer, lambda: self.state.turns, self._home.settings)
        self._asking = threading.RLock()
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
        self._journal.commit(dataclasses.replace(self.state, model=name or None), f"the change of model to {name}")

    @property
    def system(self) -> str | None:
        """The system prompt."""
        return self.state.system

    @system.setter
    def system(self, text: str | None) -> None:
        self._journal.commit(dataclasses.replace(self.state, system=text or None), "the new system prompt")

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
        self._offer(new, "the new list of tools")

    def _offer(self, tools: tuple[toolbox.Offered, ...], said: str) -> None:
        self._journal.commit(dataclasses.replace(self.state, tools=tools), said)

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
        """Forget all turns; the system prompt stays."""
        self._journal.commit(dataclasses.replace(self.state, turns=()), "the reset")
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

    def __reduce__(self) -> NoReturn:
        raise TypeError("A conversation cannot be copied or pickled. fork() makes one that begins where this stands.")

    def close(self) -> None:
        """Close the connections that it shares with its family; they come back with the next question."""
        self._home.close()

    def _forget(self, turns: Sequence[Turn]) -> None:
        if not turns:
            return
        kept = tuple(turn for turn in self.state.turns if turn not in turns)
        what = "the deletion of " + (
            f"{len(turns)} turns" if len(turns) != 1 else f"{shortened(turns[0].prompt, 30)!r}"
        )
        self._journal.commit(dataclasses.replace(self.state, turns=kept), what)

    def _cells_deleted(self, cells: set[str]) -> None:
        turns = self.state.turns
        gone = [turn for turn in turns if turn.place and turn.place.cell in cells and not turn.absent]
        if gone:
            self._mark(gone, absent=True, said="leaving out the answer of a deleted cell")

    def _cell_runs(self, cell: str) -> None:
        back = [turn for turn in self.state.turns if turn.absent and turn.place and turn.place.cell == cell]
        if back:
            self._mark(back, absent=False, said="the return of a cell's answer")

    def _mark(self, chosen: list[Turn], *, absent: bool, said: str) -> None:
        turns = tuple(dataclasses.replace(turn, absent=absent) if turn in chosen else turn for turn in self.state.turns)
        self._journal.commit(dataclasses.replace(self.state, turns=turns), said)

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
            kept = tuple(turn for turn in self.state.turns if turn not in left)
            self._journal.commit(
                dataclasses.replace(self.state, turns=kept), f"leaving out what {label} no longer asks"
            )

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
        try:
            known = self._home.learned = limits.learn(client.models())
        except AuthenticationFailed:
            put_back()
            raise
        except ClaudeError as error:
            return Change(f"The key is set, but {client.where} did not say which models it may use: {error}")
        return Change(f"The key works: {len(known)} models. It stays in this kernel and is saved nowhere.")

    # -- asking ----------------------------------------------------------------------------------

    def __call__(
        self,
        prompt: str,
        *values: object,
        system: str | None = _KEEP,
        tools: object = (),
        **options: Any,
    ) -> Reply:
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
        **options
            The fields of :class:`claude_magic.conversation.options.Options`: ``model``,
            ``max_tokens``, ``stop``, ``prefill``, ``temperature``, ``top_p``, ``top_k``, ``effort``,
            ``thinking``, ``tool_choice``, ``disable_parallel_tool_use``, ``schema``, ``once``,
            ``new``, ``append``, ``yes``.

        Returns
        -------
        Reply

        Raises
        ------
        ClaudeError
            If there is no answer, or it broke off; what had arrived is in its ``reply``.
        Interrupted
            If it was stopped.
        """
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
        return self.ask(before(named, [prompt]), Options(**options), system=system, tools=tools)

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
        from claude_magic.conversation.asking import Asking
        from claude_magic.tools import printing

        home = self._home
        asking_from = _answering.get().get(self, threading.get_ident())
        if asking_from != threading.get_ident():
            raise BadInput(f"A tool that runs in parallel cannot ask {self.name!r}, which waits for it. Use fork().")
        place = home.host.place(self.name)
        new_tools = toolbox.read(tools)
        allowance = home.budget.question(yes=options.yes)
        with (
            self._asking,
            allowance as allowed,
            OneInterrupt() as interrupts,
        ):  # questions of several threads wait for each other
            asking = Asking(
                _with(self.state, system, new_tools),
                prompt,
                options,
                limits.lookup(limits.resolve(options.model or self.model), home.learned),
                home.settings,
                home.client,
                place,
                self._tools,
                home.host.confirm,
                self._largest_side,
                allowance=allowed,
                precedent=self._precedent,
                diagnosing=self._diagnosing,
            )
            drawn = Guarded(renderer or home.host.renderer())
            inside = _answering.set({**_answering.get(), self: threading.get_ident()})
            try:
                with printing.into(None):  # it may be a function that asks, whose own words go to its caller
                    error = asking.run(drawn)
            finally:
                _answering.reset(inside)
            interrupts.closing()
            turn, result = asking.close(error)
            notices = [*home.host.notices(), *self._deletions()]
            self._last = turn.reply
            self._largest_side = asking.largest_side
            self._diagnosed = self._diagnosing and not options.once
            if not options.once:
                self._precedent = asking.precedent
            if asking.kept:
                # Another thread, or a function that Claude called, may have changed the conversation meanwhile.
                after, said, consequences = asking.after(turn, _with(self.state, system, new_tools))
                self._journal.commit(after, said)
                notices += consequences
            ending = self._ending(turn, [*notices, *asking.notices(result)])
            with printing.into(None):
                drawn.finish(ending)
            home.host.answered(ending)
        if (failure := drawn.failure) is not None:
            what = f"{type(failure).__name__}: {failure}"
            print(f"The answer could not be drawn as it came ({what}). claude.last holds it.", file=sys.stderr)
        if result.error is not None:
            raise result.error from None
        return turn.reply

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
