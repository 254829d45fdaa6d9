"""A model's text can neither run, fetch nor hide anything, as judged by other parsers than the one in use."""

from __future__ import annotations

import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from claude_magic.notebook.display.inert import inert
from tests.hostile import DOCUMENTS, IMG, SNIPPETS
from tests.judges import require_judge

TAGS = {"a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "input", "li", "ol"}
TAGS |= {"p", "pre", "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"}
ATTRIBUTES = {
    "a": {"href", "title"},
    "code": {"class"},
    "li": {"class"},
    "ol": {"start"},
    "input": {"checked", "disabled", "type", "class"},
    "th": {"align", "style"},
    "td": {"align", "style"},
}
ALIGNED = {f"text-align:{side}" for side in ("left", "right", "center")}
SCHEMES = {"", "http", "https", "mailto"}

HARMLESS = (
    "Some *words*, **strong** and ~~wrong~~, 5 < 6 and a & b; R&D, x -> y.",
    "# Title\n\n## Part 2\n\nText with `code`, `$HOME`, `a < b` and `<div>`.\n\nAnd ``a ` b``.",
    "1. one\n2. two\n   - nested\n   - more\n\n- [ ] open\n- [x] done",
    "> quoted\n> lines\n\n---\n\nbelow",
    "| a | b |\n|---|--:|\n| 1 | `x` |\n| two<br>lines | $x^2$ |",
    "```python\nif a < b and not x[0]:\n    print(f'<b>{x}</b>', d['a'](1), \"$5\")\n```",
    "Run:\n```bash\necho hello > file && cat <file\n```\nand see.",
    "1. Install:\n   ```bash\n   pip install x\n   ```\n2. Write:\n   ```html\n   <p>hi</p>\n   ```\n3. done",
    "~~~~md\n```\nx\n```\n~~~~",
    "````md\n```python\nx = {'a': 1}\n```\n````",
    "```latex\n\\begin{equation}\nx\n\\end{equation}\n```",
    "```{python}\n#| echo: false\nx = '<b>'\n```",
    'See [the docs](https://example.com/a_(b)?x=1&y=2#z "Title"), <https://example.com> or [mail](mailto:a@b.c).',
    'See [a file](data/x.csv), [above](#part-2) and [this][ref].\n\n[ref]: https://example.com/x "A title"',
    "It is cited \\[1\\] and \\[2\\].\n\n1. *Report*, page 3: “words”",
    "Euler: $e^{i\\pi} + 1 = 0$, and $\\{x : x \\ge 0\\}$; the $n$th and $(x,y)$.",
    "$$\n\\int_0^1 x \\, dx = \\frac{1}{2}\n$$",
    "$$\nf(x) = \\begin{cases} 1 & x \\ge 0 \\\\ 0 & \\text{else} \\end{cases}\n$$",
    "\\begin{align}\na &= b \\\\\nc &= d\n\\end{align}",
    "It costs $5.\n\nOr $6 a month.",
    "Use `List[int]` or `Vec<T>` and **`<b>`** here.",
    "A line  \nbreaks, a line\\\nbreaks, 2 \\* 3 \\_ 4.",
    "AT&amp;T &copy; 2024 &mdash; fine",
    "Übergröße: 5 €, 日本語, 🎉!",
    "    indented = code\n\ntext",
    "dict[str, int]: a mapping; x[0]: the first",
)


class Alive(HTMLParser):
    """Notes what is alive in a page, and its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[object] = re.findall("<[!?].*", html)  # comments, closed or not
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS or {name for name, _ in attrs} - ATTRIBUTES.get(tag, set()):
            self.found.append((tag, attrs))
        for name, value in attrs:
            if (name == "href" and _scheme(value or "") not in SCHEMES) or (name == "style" and value not in ALIGNED):
                self.found.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _scheme(address: str) -> str:
    match = re.match(r"\s*([A-Za-z][\w+.\s-]*):", address)
    return match[1].lower() if match else ""


def by_marked(texts: list[str]) -> list[str]:
    """What JupyterLab's parser makes of them."""
    module = Path(require_judge("marked")).resolve().parents[1] / "lib" / "marked.esm.js"
    script = (
        f"import {{ marked }} from {json.dumps(module.as_uri())}; import fs from 'node:fs';"
        "const texts = JSON.parse(fs.readFileSync(0, 'utf8'));"
        "console.log(JSON.stringify(texts.map(text => marked.parse(text))));"
    )
    command = [require_judge("node"), "--input-type=module", "-e", script]
    done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True)
    pages: list[str] = json.loads(done.stdout)
    return pages


def by_markdown_it(texts: list[str]) -> list[str]:
    """What a parser that lets HTML through makes of them, as VS Code and others do."""
    parser = MarkdownIt("js-default", {"html": True})
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    return [parser.render(text) for text in texts]


def by_mistune(texts: list[str]) -> list[str]:
    """What nbconvert's parser makes of them."""
    import mistune

    parser = mistune.create_markdown(escape=False, plugins=["strikethrough", "table", "task_lists", "url"])
    return [str(parser(text)) for text in texts]


JUDGES = {"marked": by_marked, "markdown-it": by_markdown_it, "mistune": by_mistune}


def _alive(pages: list[str], names: list[str]) -> dict[str, list[object]]:
    return {name: found for name, page in zip(names, pages, strict=True) if (found := Alive(page).found)}


@pytest.mark.parametrize("judge", JUDGES)
def test_hostile_markdown_is_inert(judge: str) -> None:
    assert len(SNIPPETS) > 100
    assert _alive(JUDGES[judge]([inert(text) for text in DOCUMENTS.values()]), list(DOCUMENTS)) == {}


@pytest.mark.parametrize("judge", JUDGES)
def test_a_judge_recognizes_active_content(judge: str) -> None:
    texts = [IMG, "<!-- x", f"[a](b)\n\n> - {IMG}", "![x](y)", "<style>", "a `$`\n<b onclick=ran()>"]
    assert set(_alive(JUDGES[judge](texts), texts)) == set(texts)
    found = _alive(JUDGES[judge](list(DOCUMENTS.values())), list(DOCUMENTS))
    assert len(found) > len(DOCUMENTS) / 2


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_markdown_is_unchanged(text: str) -> None:
    assert inert(text) == text


def test_harmless_blocks_beside_hostile_ones_are_unchanged() -> None:
    for snippet in ("<b>", "![x](y)", "$5 and $6"):
        text = "\n\n".join([snippet, *HARMLESS, snippet])
        assert inert(text) == "\n\n".join([inert(snippet), *HARMLESS, inert(snippet)])


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("A <b>bold</b> word", "A <b>bold</b> word"),
        ("![cat](https://example.com/cat.png)", "![cat](https://example.com/cat.png)"),
        ("[x](javascript:y)", "[x](javascript:y)"),
        ("<!-- a note -->", "<!-- a note -->"),
        ("between $5 and $6", "between $5 and $6"),
        (r"between \$5 and \$6", "between $5 and $6"),
        ("US$5 to US$6, $HOME/$USER", "US$5 to US$6, $HOME/$USER"),
        ("a &#36;5 and &dollar;6", "a $5 and $6"),
        (r"\<b>", "<b>"),
        ("`a\n<b>`", "a <b>"),
        ("<style>\n\nbelow", "<style>\nbelow"),
        ("> ```\n> $a <b>\n> ```", "$a <b>"),
        ("    <b>\n    $x", "<b>\n$x"),
        ("``a ` <b>``", "a ` <b>"),
        ("[x]: javascript:y", "[x]: javascript:y"),
        (r"\\(x and \\[y", r"\(x and \[y"),
        (r"\begin{x}", r"\begin{x}"),
        ("~~~\n<b>\n~~~~", "<b>\n"),
        ("```html\n<b>", "<b>\n"),
    ],
)
def test_the_same_text_is_shown(written: str, shown: str) -> None:
    for page in (by_markdown_it([inert(written)])[0], by_mistune([inert(written)])[0]):
        seen = Alive(page)
        assert seen.found == []
        assert "".join(seen.words).strip() == shown.strip()


@pytest.mark.parametrize(
    ("written", "formulas"),
    [
        ("between $5 and $6 or $x^2$", ["$x^2$"]),
        ("$x$ costs $5, $y$ costs $6", ["$x$", "$y$"]),
        ("a $x\n- b$", []),
        ("| $5 | 6$ |\n|---|---|\n| $a$ | b |", ["$a$"]),
        ("$$x$$ and $$ alone", ["$$x$$"]),
        (r"\\(x\\) and \\(y", [r"\\(x\\)"]),
        (r"\begin{a}x\end{a} \begin{a}", [r"\begin{a}x\end{a}"]),
        (r"$\href{https://x}{y}$ <b>", []),
        ("$a<b$ <b>", ["$a< b$"]),
        ('$"x"$ <b>', ["$''x''$"]),
        ("${a$ <b> $x$", ["$x$"]),
        ("$$\na\n\nb\n$$", []),
    ],
)
def test_only_formulas_are_formulas(written: str, formulas: list[str]) -> None:
    left = re.sub(r"<span>\\[$\\]</span>", "", inert(written))
    assert re.findall(r"\$\$.*?\$\$|\$.*?\$|\\\\\(.*?\\\\\)|\\begin\{.*?\\end\{.\}", left, re.DOTALL) == formulas
    assert re.sub(r"\$\$.*?\$\$|\$.*?\$", "", left, flags=re.DOTALL).count("$") == 0


def test_cut_markdown_hides_nothing_after_it() -> None:
    for cut in ("<!-- x", "<style>", "<script>", "```\n<b>", "~~~html\n<b>", "<textarea>", "<details>"):
        for judge in (by_marked, by_markdown_it, by_mistune):
            (page,) = judge([inert(cut) + "\n\nBelow **all**."])
            assert "<strong>all</strong>" in page


def test_a_code_with_dollars_is_followed_by_a_blank_line() -> None:
    listed = "1. Set:\n   ```bash\n   export A=$HOME\n   ```\n2. Next <b>"
    assert inert(listed) == "1. Set:\n   ```bash\n   export A=$HOME\n   ```\n\n2. Next &lt;b>"


def in_contents(text: str) -> list[str]:
    """The lines that JupyterLab draws in its table of contents, which knows no more of Markdown than this."""
    lines, code = [], False
    for line in text.split("\n"):
        code ^= line.startswith("```")
        if not code and not line.startswith("```"):
            lines.append(line)
    return [
        line for line in lines if re.match("#{1,6} ", line) or re.search(r"<h([1-6]).*>.*</h\1>", line, re.IGNORECASE)
    ]


def test_a_heading_is_inert_in_a_table_of_contents() -> None:
    hostile = (f"# {IMG}", f"<h1>{IMG}</h1>")
    texts = [
        f"{a}\n{line}\n{b}"
        for line in hostile
        for a, b in (("~~~", "~~~"), ("````\n```", "````"), ("```x```\n```", "```"))
    ]
    texts += [f"- ```\n  {line}\n  ```" for line in hostile] + [
        f"1. ~~~\n   {line}\n   ---\n   ~~~" for line in hostile
    ]
    assert any(in_contents(text) for text in texts)
    for text in [*texts, *DOCUMENTS.values()]:
        lines = in_contents(inert(text))
        assert _alive(by_markdown_it(lines), lines) == {}


blocks = st.lists(st.sampled_from([*SNIPPETS, *HARMLESS, *DOCUMENTS.values()]), min_size=1, max_size=5)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(blocks, min_size=5, max_size=20), st.sampled_from(["\n\n", "\n", "", " "]))
def test_any_row_of_snippets_stays_inert(rows: list[list[str]], between: str) -> None:
    texts = [inert(between.join(row)) for row in rows]
    for judge in JUDGES.values():
        assert _alive(judge(texts), texts) == {}


@pytest.mark.parametrize("text", [*SNIPPETS, *HARMLESS])
def test_inert_markdown_is_unchanged(text: str) -> None:
    once = inert(text)
    assert inert(once) == once


ATOMS = re.findall(r"\w+|\s+|`+|~+|\$+|\W", "\n".join((*SNIPPETS, *HARMLESS)))


@pytest.mark.slow
@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.sampled_from([*ATOMS, IMG, IMG]), max_size=40), min_size=10, max_size=40))
def test_any_row_of_pieces_of_snippets_stays_inert(rows: list[list[str]]) -> None:
    texts = [inert("".join(row)) for row in rows]
    for judge in JUDGES.values():
        assert _alive(judge(texts), texts) == {}
