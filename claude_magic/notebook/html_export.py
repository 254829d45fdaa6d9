"""A conversation as one self-contained HTML page that runs no script and loads nothing."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from claude_magic.conversation.turns import Turn
from claude_magic.notebook.display.footer import sent
from claude_magic.notebook.display.html import render_markdown

Exchange = tuple[Turn, str, Sequence[tuple[str, str]], str]
"""A turn, who answered, the question's pictures (name, URL), and the answer as inert Markdown."""

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; }
.who { font-size: 0.85rem; font-weight: 600; opacity: 0.75; margin: 0 0 0.4rem; }
section { margin: 1.5rem 0; }
.question { border-left: 4px solid #c96442; padding: 0.4rem 1rem; background: #8881; }
.words { white-space: pre-wrap; overflow-wrap: anywhere; }
.sent { font-size: 0.85rem; opacity: 0.75; overflow-wrap: anywhere; }
img { max-width: 100%; height: auto; }
pre { overflow-x: auto; padding: 0.7rem; background: #8881; }
table { border-collapse: collapse; }
td, th { border: 1px solid #8886; padding: 0.2rem 0.6rem; }
.k, .o { color: #a626a4; } .s { color: #3f8f3a; } .m { color: #b06800; } .c { opacity: 0.65; } .d { color: #3068d8; }
"""


def page(title: str, system: str | None, exchanges: Iterable[Exchange]) -> str:
    """Write the page.

    Parameters
    ----------
    title : str
    system : str, optional
        The system prompt.
    exchanges : iterable of Exchange
    """
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(_POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{html.escape(title)}</h1>",
    ]
    if system:
        parts.append(
            f'<section><p class="who">System prompt</p><div class="words">{html.escape(system)}</div></section>'
        )
    for exchange in exchanges:
        parts += _exchange(*exchange)
    return "\n".join([*parts, "</body></html>", ""])


def _exchange(turn: Turn, author: str, pictures: Sequence[tuple[str, str]], answer: str) -> list[str]:
    where = f" · {turn.place.label}" if turn.place else ""
    images = (
        f'<p><img src="{html.escape(source)}" alt="{html.escape(name)}" title="{html.escape(name)}"></p>'
        for name, source in pictures
    )
    line = sent(turn.reply.sent)
    return [
        f'<section class="question"><p class="who">{html.escape(f"You{where} · {turn.asked:%Y-%m-%d %H:%M}")}</p>',
        f'<div class="words">{html.escape(turn.prompt)}</div>',
        *images,
        f'<p class="sent">{html.escape(line)}</p>' if line else "",
        "</section>",
        f'<section class="answer"><p class="who">{html.escape(author)}</p>',
        render_markdown(answer),
        "</section>",
    ]
