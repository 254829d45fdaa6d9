"""The help, the status card of ``%claude``, and the line of ``%load_ext``."""

from __future__ import annotations

import math
import os

from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.messages import gateway_environment, limits
from claude_magic.messages.text import pluralize
from claude_magic.messages.usage import format_cost, format_usd
from claude_magic.notebook.display.footer import escaped
from claude_magic.notebook.kernel_environment import SIMULATOR
from claude_magic.notebook.option_line import OPTIONS
from claude_magic.tools.toolset import tool_name

EXAMPLES = """\
%%claude
Explain what a p-value is in two sentences.

%%claude --effort high -o reply
Which of these two plots shows the stronger trend? {{ fig }} {{ other_fig }}

%%claude -s "You are a patient statistics teacher." -m haiku
Is a mean of {{ df.price.mean() }} plausible here?

%claude -i photo.jpg What is in this picture?

claude.undo()  # takes back the last change
"""


def help_text() -> str:
    """The docstring of the magics: examples, then every option."""
    width = max(len(option.usage) for option in OPTIONS)
    table = "\n".join(f"  {option.usage.ljust(width)}  {option.help}" for option in OPTIONS)
    return f"""Ask Claude.

{EXAMPLES}
%%claude asks the text of the cell; %claude TEXT asks one line; %claude alone shows a status card.
{{{{ expr }}}} in a question is a Python expression: Claude gets its value, a picture as a picture.
Running a cell again replaces its question; the other answers stay. claude.undo() takes back any change.

Options:
{table}

claude is the conversation: claude.turns, claude.last, claude.tools, claude.undo(), claude.reset(), claude.login();
claude.wait() and claude.stop() are for answers in the background.
claude.usage is the bill, claude.budget = 5 (US dollars) limits it for this kernel; claude.why_no_cache() explains it.
claude.last.code is the code in the last answer; claude.last.to_cell() puts it into a new cell.
claude.save(path), claude.load(path), claude.restore() and claude.export(path) let it outlive the kernel.
"""


def key_source(conversations: Conversations) -> str:
    """Where the key comes from, as text."""
    if conversations.settings.base_url.strip().lower() == SIMULATOR:
        return "simulator, no key needed"
    source = conversations.credentials.source
    server = gateway_environment.gateway_from(os.environ, conversations.settings.base_url)
    if server is not None and source == gateway_environment.TOKEN:
        return server.source
    if source is None:
        return "no key" if conversations.settings.base_url else "no API key yet: claude.login() asks for one"
    return f"key from {source}"


def load_line(conversations: Conversations, name_taken: bool) -> str:
    """The line that ``%load_ext`` prints."""
    settings = conversations.settings
    model = limits.lookup(limits.resolve(settings.model))
    price = f" (${model.price.input:g} in, ${model.price.output:g} out per million tokens)" if model.price else ""
    line = f"Claude: {model.id}{price}, {key_source(conversations)}. %claude shows help."
    if name_taken:
        line += " Your variable claude is kept; claude_magic.notebook.conversation() is the conversation."
    return line


def _spent(conversations: Conversations) -> str:
    spent, limit = conversations.cost(), conversations.budget.limit(simulated=False)
    amount = format_cost(spent) if spent is not None else "unknown: no price for one of the models"
    if limit is None or math.isinf(limit):
        return amount
    default = ", the default for unattended runs" if conversations.settings.budget is None else ""
    return f"{amount}; the budget is {format_usd(limit)}{default}"


def card(conversation: Conversation, conversations: Conversations) -> tuple[str, str]:
    """The status card as Markdown and as plain text."""
    others = [name for name in conversations if name != conversation.name]
    rows = [
        ("model", conversation.model),
        ("key", key_source(conversations)),
        ("conversation", f"{conversation.name}, {pluralize(len(conversation.turns), 'turn')}"),
        ("system prompt", " ".join((conversation.system or "none").split())[:80]),
        *([("tools", ", ".join(map(tool_name, conversation.tools)))] if conversation.tools else []),
        ("spent", _spent(conversations)),
    ]
    if simulated := conversations.cost(simulated=True):
        rows.append(("simulated", f"would have cost {format_cost(simulated)}"))
    if others:
        rows.append(("others", ", ".join(others)))
    plain = "\n".join(f"{name:14} {value}" for name, value in rows)
    plain += f"\n\n{EXAMPLES}\n%claude? lists all options."
    table = "\n".join(f"| {name} | {escaped(value)} |" for name, value in rows)
    markdown = f"| Claude | |\n|---|---|\n{table}\n\n```\n{EXAMPLES}```\n\n`%claude?` lists all options."
    return markdown, plain
