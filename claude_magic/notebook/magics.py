"""``%%claude`` and ``%claude``: a thin shell over a conversation."""

from __future__ import annotations

from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from traitlets import All, Bool, Enum, Float, Int, List, TraitError, Unicode, observe, validate

from claude_magic.content import Named, before
from claude_magic.content.words import one_line
from claude_magic.conversation import toolbox
from claude_magic.conversation.background import Answer
from claude_magic.conversation.budget import amount
from claude_magic.conversation.conversation import Conversation
from claude_magic.conversation.family import Conversations
from claude_magic.conversation.options import Options
from claude_magic.conversation.settings import Settings
from claude_magic.messages.errors import BadInput, Explained, Interrupted
from claude_magic.notebook import card, look, template
from claude_magic.notebook.context import LastError
from claude_magic.notebook.host import Kernel
from claude_magic.notebook.options import OPTIONS, Line, continued, parse

_DEFAULTS = Settings()
_WHAT_WENT_WRONG = "What went wrong here, and how do I mend it?"
_PASSED_ON = (
    "model",
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "effort",
    "thinking",
    "tool_choice",
    "disable_parallel_tool_use",
    "once",
    "new",
    "append",
    "yes",
)


@magics_class
class ClaudeMagics(Magics):
    """The magics, and what can be configured: ``%config ClaudeMagics``."""

    model = Unicode(help="Model that is asked: an id, or opus, sonnet, haiku, fable.").tag(config=True)
    max_tokens = Int(_DEFAULTS.max_tokens, min=1, help="Most tokens of an answer, thinking included.").tag(config=True)
    base_url = Unicode(
        "", help="Where the API is (ANTHROPIC_BASE_URL); empty for Anthropic's own; 'simulator' needs no key."
    ).tag(config=True)
    version = Unicode(_DEFAULTS.version, help="anthropic-version of the requests.").tag(config=True)
    betas = List(Unicode(), help="anthropic-beta of the requests.").tag(config=True)
    cache = Enum(["auto", "1h", "off"], "auto", help="Prompt caching: five minutes, an hour, or off.").tag(config=True)
    rerun = Enum(["replace", "append"], "replace", help="Whether running a cell again replaces its question.").tag(
        config=True
    )
    timeout = Float(_DEFAULTS.timeout, min=1, help="Seconds without a byte before giving up.").tag(config=True)
    max_retries = Int(_DEFAULTS.max_retries, min=0, help="Further tries when the API is busy.").tag(config=True)
    tool_steps = Int(_DEFAULTS.tool_steps, min=1, help="Most messages of an answer in which Claude calls tools.").tag(
        config=True
    )
    tool_seconds = Float(
        _DEFAULTS.tool_seconds, min=0, help="Seconds after which an answer with calls is to conclude; 0: no limit."
    ).tag(config=True)
    tool_tokens = Int(
        _DEFAULTS.tool_tokens, min=0, help="Tokens after which an answer with calls is to conclude; 0: no limit."
    ).tag(config=True)
    tool_confirm = Enum(
        ["asked", "all"], "asked", help="Which calls need your yes: of tools that want it, or all."
    ).tag(config=True)
    budget = Float(
        None,
        allow_none=True,
        help="US dollars for this kernel, all conversations; None: no limit, but 1 dollar where nobody sits in front.",
    ).tag(config=True)
    budget_tokens = Float(
        None, allow_none=True, help="Tokens for models whose price is not known; None: no limit."
    ).tag(config=True)
    ask_above = Float(
        _DEFAULTS.ask_above, allow_none=True, help="US dollars of a request above which it needs --yes; None: never."
    ).tag(config=True)
    display = Enum(
        ["auto", "live", "markdown", "text"], "auto", help="How answers are drawn; auto goes by the front end."
    ).tag(config=True)
    footer = Enum(
        ["full", "short", "off"], "full", help="The line under an answer; short stays the same from run to run."
    ).tag(config=True)

    keep_images = Bool(
        default_value=False, help="Keep the small pictures of what was sent above the answer, also in the saved file."
    ).tag(config=True)

    def __init__(self, shell: Any, conversations: Conversations, kernel: Kernel) -> None:
        self.conversations = conversations
        self._kernel = kernel
        kernel.configurable = self
        super().__init__(shell)
        self.model = self.model or conversations.settings.model
        self.base_url = self.base_url or conversations.settings.base_url
        for name in self.trait_names(config=True):
            self._apply(name, getattr(self, name))

    @property
    def main(self) -> Conversation:
        """The kernel's main conversation."""
        return self.conversations.open("main")

    @validate("budget", "budget_tokens", "ask_above")
    def _is_amount(self, proposal: Any) -> float | None:
        try:
            return amount(proposal["trait"].name, proposal["value"])
        except BadInput as error:
            raise TraitError(str(error)) from None  # the one that traitlets takes the change back for

    @observe(All)
    def _changed(self, change: Any) -> None:
        self._apply(change["name"], change["new"])

    def _apply(self, name: str, value: Any) -> None:
        for target in (self.conversations.settings, self._kernel):
            if name in self.trait_names(config=True) and hasattr(target, name):
                setattr(target, name, value)

    @no_var_expand
    @line_cell_magic
    def claude(self, line: str, cell: str | None = None) -> None:  # noqa: D102  (it is set below)
        try:
            if cell is None:
                self._line(parse(line, question_follows=True, fill=self._fill))
            else:
                line, cell = continued(line, cell)
                self._ask(parse(line, question_follows=False, fill=self._fill), cell)
        except Explained as error:
            error.from_cell = True
            raise

    claude.__doc__ = card.help_text()

    def _fill(self, text: str) -> str:
        return template.text_of(text, self._namespace())

    def _namespace(self) -> dict[str, Any]:
        """What names mean in a question: the user's own first, then what was run before."""
        return {**self._kernel.memory.names(), **self.shell.user_ns}

    def _line(self, line: Line) -> None:
        if line.rest.strip() or line.error:
            self._ask(line, line.rest.strip() or _WHAT_WENT_WRONG)
            return
        if look.stands_alone(line):
            look.alone(line, self.shell, self.conversations)
            return
        unfit = [option.long for option in OPTIONS if option.name in line.given and not option.holds]
        if unfit:
            raise UsageError(f"{', '.join(unfit)} needs a question behind it: %claude {unfit[0]} … What is this?")
        conversation = self.conversations.open(line.chat or "main")
        tools, choice = self._tools(line)
        if choice:
            raise UsageError("-t none is for one question: %claude -t none … What is this?")
        if line.given.keys() <= {"chat"}:
            markdown, plain = card.card(conversation, self.conversations)
            self.shell.display_pub.publish({"text/markdown": markdown, "text/plain": plain})
            return
        done = []
        if line.cell is not None:
            if conversation.last is None:
                raise BadInput(f"There is no answer of {conversation.name!r} yet to take code from.")
            conversation.last.to_cell(line.cell)
            done.append(f"code block {line.cell} goes into the cell below")
        if line.new:
            conversation.reset()
            done.append("begun afresh")
        if line.model:
            conversation.model = line.model
            done.append(f"asks {conversation.model}")
        if line.system is not None:
            conversation.system = line.system
            system = f"system prompt {one_line(line.system, 60)!r}" if line.system else "no system prompt"
            done.append(system)
        if tools:
            conversation.tools.add(*tools)
            done.append(f"may call {', '.join(map(toolbox.name_of, conversation.tools))}")
        print(f"{conversation.name}: {', '.join(done)}.")

    def _ask(self, line: Line, source: str) -> None:
        namespace = self.shell.user_ns
        look.check(line)
        if line.background and line.cell is not None:
            raise UsageError("--cell waits for the answer. Leave it out; run %claude --cell when the answer is there.")
        try:
            replay, prompt = self._prompt(line, source)
            tools, choice = self._tools(line)
            options = Options(
                **{**choice, **{name: line.given[name] for name in _PASSED_ON if name in line.given}},
                schema=template.schema(line.schema, self._namespace()) if line.schema else None,
                stop=tuple(line.stop or ()),
                prefill=line.prefill.rstrip() if line.prefill is not None else None,
            )
        except KeyboardInterrupt:
            raise Interrupted("Stopped; nothing was sent.") from None
        finally:
            if line.out:  # a stale answer must not be taken for this one
                namespace.pop(line.out, None)
        more = {} if line.system is None else {"system": line.system}
        conversation = self.conversations.open(line.chat or "main")
        if line.show or line.count:
            replay()
            look.at(line, self.shell, conversation.prepare(prompt, options, tools=tools, **more))
            return
        if line.background:
            renderer = self._kernel.renderer(replay, background=True)
            self._bind(line.out, conversation.ask_aside(prompt, options, tools=tools, renderer=renderer, **more))
            return
        renderer = self._kernel.renderer(replay)
        try:
            reply = conversation.ask(prompt, options, tools=tools, renderer=renderer, **more)
        except Explained as error:
            if line.out and error.reply is not None:
                namespace[line.out] = error.reply
            raise
        if line.out:
            namespace[line.out] = reply
        if line.cell is not None:
            reply.to_cell(line.cell)

    def _bind(self, name: str | None, answer: Answer) -> None:
        """Put the reply into a variable when it is there, unless that has been given another value."""
        namespace = self.shell.user_ns

        def there() -> None:
            if name and namespace.get(name) is answer:
                if answer.reply is not None:
                    namespace[name] = answer.reply
                else:
                    del namespace[name]

        if name:
            namespace[name] = answer
            answer.when_done(there)

    def _tools(self, line: Line) -> tuple[list[object], dict[str, Any]]:
        """The tools that are named, and the choice that ``none`` means."""
        words = line.tools or ()
        if any(word.text.strip() == "none" for word in words) and "none" not in self.shell.user_ns:
            if len(words) > 1:
                raise UsageError("-t none goes with no other tool.")
            return [], {"tool_choice": "none"}
        return [tool for word in words for tool in template.tools(word, self._namespace())], {}

    def _prompt(self, line: Line, source: str) -> tuple[Any, list[Any]]:
        """The question's values and words; what evaluating them printed is kept for the end of the answer."""
        from IPython.utils.capture import capture_output

        namespace = self._namespace()
        named = [Named("the last error", LastError(self.shell))] if line.error else []
        if line.previous is not None:
            cells = f"the {line.previous} cells before" if line.previous > 1 else "the cell before"
            named.append(Named(cells, self._kernel.memory.cells(line.previous)))
        try:
            with capture_output() as printed:
                attached = [found for word in line.attach or () for found in template.attachments(word, namespace)]
                prompt = [source] if line.verbatim else template.render(source, namespace)
        finally:
            printed.show()
        return printed.show, before([*named, *attached], prompt)
