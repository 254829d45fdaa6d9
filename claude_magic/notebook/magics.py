"""``%%claude`` and ``%claude``: turn a cell into a question and pass it to a conversation."""

from __future__ import annotations

from collections.abc import Callable

from IPython.core.error import UsageError
from IPython.core.magic import line_cell_magic, magics_class, no_var_expand

from claude_magic.content import template
from claude_magic.content.values import Named
from claude_magic.conversation.conversation import Conversation
from claude_magic.engine.background import Answer
from claude_magic.engine.options import Options, checked_options
from claude_magic.engine.question import Prompt, Question, attach_before
from claude_magic.messages.errors import BadInput, Explained, Interrupted
from claude_magic.messages.text import one_line
from claude_magic.notebook import card, expressions, inspection
from claude_magic.notebook.cell_history import LastError
from claude_magic.notebook.option_line import OptionLine, continued, parse
from claude_magic.notebook.traits import ConfiguredMagics
from claude_magic.tools.toolset import read_tools, tool_name

_WHAT_WENT_WRONG = "What went wrong here, and how do I fix it?"


@magics_class
class ClaudeMagics(ConfiguredMagics):
    """The magics. ``%config ClaudeMagics`` shows the settings of the kernel."""

    @property
    def main(self) -> Conversation:
        """The kernel's main conversation."""
        return self.conversations.open("main")

    @no_var_expand
    @line_cell_magic
    def claude(self, line: str, cell: str | None = None) -> None:  # noqa: D102  (set below)
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

    def _namespace(self) -> dict[str, object]:
        """The names that an expression can use; the user's variables take precedence."""
        return {**self.environment.history.names(), **self.shell.user_ns}

    def _line(self, line: OptionLine) -> None:
        if line.rest.strip() or line.error:
            self._ask(line, line.rest.strip() or _WHAT_WENT_WRONG)
            return
        line.check(has_question=False)
        if line.takes_no_question:
            inspection.inspect(line, self.shell, self.conversations)
            return
        conversation = self.conversations.open(line.chat or "main")
        options = self._options(line)
        if options.get("tool_choice") == "none":
            raise UsageError("-t none applies to one question: %claude -t none … What is this?")
        if line.given.keys() <= {"chat"}:
            markdown, plain = card.card(conversation, self.conversations)
            self.shell.display_pub.publish({"text/markdown": markdown, "text/plain": plain})
            return
        print(f"{conversation.name}: {', '.join(_apply(conversation, line, options))}.")

    def _ask(self, line: OptionLine, source: str) -> None:
        line.check(has_question=True)
        namespace = self.shell.user_ns
        try:
            show_printed, prompt = self._prompt(line, source)
            options = self._options(line)
        except KeyboardInterrupt:
            raise Interrupted("Stopped; nothing was sent.") from None
        finally:
            if line.out:  # if this fails, an earlier answer must not pass for this one
                namespace.pop(line.out, None)
        conversation = self.conversations.open(line.chat or "main")
        if line.show or line.count:
            show_printed()
            inspection.dry_run(line, self.shell, conversation.prepare(Question(prompt, options)))
            return
        renderer = self.environment.renderer(show_printed, background=bool(line.background))
        question = Question(prompt, options, renderer)
        if line.background:
            self._bind(line.out, conversation.start(question))
            return
        try:
            reply = conversation.run(question)
        except Explained as error:
            if line.out and error.reply is not None:
                namespace[line.out] = error.reply
            raise
        if line.out:
            namespace[line.out] = reply
        if line.cell is not None:
            reply.to_cell(line.cell)

    def _bind(self, name: str | None, answer: Answer) -> None:
        """Assign the reply to a variable when it is complete, unless the variable has changed by then."""
        namespace = self.shell.user_ns

        def bind() -> None:
            if name and namespace.get(name) is answer:
                if answer.reply is not None:
                    namespace[name] = answer.reply
                else:
                    del namespace[name]

        if name:
            namespace[name] = answer
            answer.when_done(bind)

    def _options(self, line: OptionLine) -> Options:
        """The options of a question, with expressions evaluated."""
        given = {name: value for name, value in line.given.items() if name in Options.__annotations__}
        words = given.get("tools", ())
        if any(word.text.strip() == "none" for word in words) and "none" not in self.shell.user_ns:
            if len(words) > 1:
                raise UsageError("-t none cannot be combined with other tools.")
            given["tools"] = "none"
        elif words:
            given["tools"] = [tool for word in words for tool in expressions.tools(word, self._namespace())]
        if line.schema:
            given["schema"] = expressions.schema(line.schema, self._namespace())
        if line.prefill is not None:
            given["prefill"] = line.prefill.rstrip()
        return checked_options(given)

    def _prompt(self, line: OptionLine, source: str) -> tuple[Callable[[], None], Prompt]:
        """The values and text of the question, and a function that shows again what evaluating them printed."""
        from IPython.utils.capture import capture_output

        values = [Named("the last error", LastError())] if line.error else []
        if line.previous is not None:
            cells = f"the {line.previous} previous cells" if line.previous > 1 else "the previous cell"
            values.append(Named(cells, self.environment.history.cells(line.previous)))
        prompt: Prompt = [source]
        try:
            with capture_output() as printed:
                for word in line.attach or ():
                    values += expressions.attachments(word, self._namespace())
                if "{{" in source and not line.verbatim:
                    prompt = template.render(source, self._namespace())
        finally:
            printed.show()
        return printed.show, attach_before(values, prompt) if values else prompt


def _apply(conversation: Conversation, line: OptionLine, options: Options) -> list[str]:
    """Apply a line without a question to a conversation, and describe the changes."""
    done = []
    tools = read_tools(options.get("tools", ()))  # fails before anything changes
    if line.cell is not None:
        if conversation.last is None:
            raise BadInput(f"There is no answer in {conversation.name!r} yet to take code from.")
        conversation.last.to_cell(line.cell)
        done.append(f"code block {line.cell} goes into the cell below")
    if line.new:
        conversation.reset()
        done.append("started over")
    if line.model:
        conversation.model = line.model
        done.append(f"asks {conversation.model}")
    if line.system is not None:
        conversation.system = line.system
        system = f"system prompt {one_line(line.system, 60)!r}" if line.system else "no system prompt"
        done.append(system)
    if tools:
        conversation.tools.add(*tools)
        done.append(f"may call {', '.join(map(tool_name, conversation.tools))}")
    return done
