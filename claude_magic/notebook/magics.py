"""``%%claude`` and ``%claude``: a thin shell over a conversation."""

from __future__ import annotations

from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import line_cell_magic, magics_class, no_var_expand

from claude_magic.content.values import Named, attach_before
from claude_magic.messages.text import one_line
from claude_magic.conversation import toolbox
from claude_magic.engine.background import Answer
from claude_magic.conversation.conversation import Conversation
from claude_magic.engine.options import Options
from claude_magic.messages.errors import BadInput, Explained, Interrupted
from claude_magic.notebook import card, inspection
from claude_magic.content import template
from claude_magic.notebook.traits import ConfiguredMagics
from claude_magic.notebook.context import LastError
from claude_magic.notebook.option_line import OPTIONS, OptionLine, continued, parse

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
class ClaudeMagics(ConfiguredMagics):
    """The magics; their configuration is that of the kernel: ``%config ClaudeMagics``."""

    @property
    def main(self) -> Conversation:
        """The kernel's main conversation."""
        return self.conversations.open("main")

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
        return template.render_text(text, self._namespace())

    def _namespace(self) -> dict[str, Any]:
        """What names mean in a question: the user's own first, then what was run before."""
        return {**self._kernel.memory.names(), **self.shell.user_ns}

    def _line(self, line: OptionLine) -> None:
        if line.rest.strip() or line.error:
            self._ask(line, line.rest.strip() or _WHAT_WENT_WRONG)
            return
        if inspection.stands_alone(line):
            inspection.alone(line, self.shell, self.conversations)
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
        print(f"{conversation.name}: {', '.join(_set(conversation, line, tools))}.")

    def _ask(self, line: OptionLine, source: str) -> None:
        namespace = self.shell.user_ns
        inspection.check(line)
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
            inspection.at(line, self.shell, conversation.prepare(prompt, options, tools=tools, **more))
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

    def _tools(self, line: OptionLine) -> tuple[list[object], dict[str, Any]]:
        """The tools that are named, and the choice that ``none`` means."""
        words = line.tools or ()
        if any(word.text.strip() == "none" for word in words) and "none" not in self.shell.user_ns:
            if len(words) > 1:
                raise UsageError("-t none goes with no other tool.")
            return [], {"tool_choice": "none"}
        return [tool for word in words for tool in template.tools(word, self._namespace())], {}

    def _prompt(self, line: OptionLine, source: str) -> tuple[Any, list[Any]]:
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
        return printed.show, attach_before([*named, *attached], prompt)


def _set(conversation: Conversation, line: OptionLine, tools: list[object]) -> list[str]:
    """Do what a line without a question says, and tell what was done."""
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
    return done
